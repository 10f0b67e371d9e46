"""Several moments of a take: the frame, the body over it, and the body from the side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from int_blender_addon.core.errors import TakeFileError
from int_blender_addon.core.files import replacing
from int_blender_addon.core.motion import load_motion

from ..body import load_body
from ..video import read_frames
from .paint import paint_body, seen_from_side

COLOR = (120, 190, 255)
BACKGROUND = 52
OPACITY = 0.75
GAP = 8  # pixels


def draw_sheet(video: Path, take: Path, out: Path, moments: int = 6, height: int = 360, columns: int = 2) -> Path:
    """Write a picture of some moments, evenly through the take.

    Args:
        video: What was captured.
        take: What came of it.
        out: A .png or .jpg file.
        moments: How many.
        height: Of a moment, pixels.
        columns: Moments side by side.

    Raises:
        TakeFileError: The take is not of this video.
        MocapError: A file can't be read or written.
    """
    motion = load_motion(take)
    body = load_body(motion.body).rest(motion.betas)
    chosen = np.unique(np.linspace(0, len(motion) - 1, min(moments, len(motion))).round().astype(int))
    wanted = {int(motion.frame_index[row]): row for row in chosen}
    rotations = motion.rotations
    tiles = []
    for frame in read_frames(video):
        row = wanted.pop(frame.index, None)
        if row is None:
            continue
        to_camera = motion.world_to_camera[row] if motion.world_to_camera.ndim == 3 else motion.world_to_camera
        vertices = body.skin(rotations[row], motion.trans[row]) @ to_camera[:3, :3].T + to_camera[:3, 3]
        over = paint_body(frame.image, vertices, body.faces, motion.K, COLOR)
        mixed = cv2.addWeighted(frame.image, 1 - OPACITY, over, OPACITY, 0)
        empty = np.full_like(frame.image, BACKGROUND)
        side = paint_body(empty, seen_from_side(vertices, 90.0), body.faces, motion.K, COLOR)
        strip = np.hstack([frame.image, mixed, side])
        scale = height / strip.shape[0]
        tiles.append(cv2.resize(strip, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if not wanted:
            break
    if not tiles:
        raise TakeFileError(f"{Path(take).name} is not a take of {Path(video).name}: no frame number is in both.")
    encoded = cv2.imencode(out.suffix, cv2.cvtColor(_grid(tiles, columns), cv2.COLOR_RGB2BGR))[1]
    with replacing(out) as aside:
        aside.write_bytes(encoded.tobytes())
    return out


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full(((height + GAP) * rows - GAP, (width + GAP) * min(columns, len(tiles)) - GAP, 3), 16, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet
