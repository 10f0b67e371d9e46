"""A take before and after its refining: bodies on the floor, and what its feet do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.files import replacing
from int_blender_addon.core.motion import Motion, load_motion
from int_blender_addon.core.refine import Rest, raw_of
from int_blender_addon.core.refine.footlock import Skeleton
from int_blender_addon.core.refine.ground import soles_of

from ..body import load_body
from .paint import paint_body

SIZE = (1500, 320)  # of a row of bodies
CURVES = 130  # pixels of a row of curves
MOMENTS = 8
COLORS = {"raw": (235, 150, 110), "refined": (120, 190, 255)}
PAPER, INK, FLOOR, STANDS = (34, 34, 38), (200, 200, 200), (90, 90, 90), (60, 90, 60)
FAR = 60.0  # metres to the eye: nearly without perspective
HIGHEST, FASTEST = 0.15, 60.0  # metres and millimetres a frame at the top of the curves


def draw_before_after(take: Path, out: Path) -> Path:
    """Write a picture: bodies of the raw take and of the refined one, seen from the camera's height across the floor,
    and below each how high its lower foot is and how fast planted feet move.

    Raises:
        TakeFileError, BodyFileError, OutputUnwritableError: A file can't be read or written.
    """
    refined = load_motion(take)
    body = load_body(refined.body)
    planted = np.asarray(refined.contacts) > 0.5
    rows = []
    for name, motion in (("raw", raw_of(refined)), ("refined", refined)):
        rows += [_bodies(motion, body, name), _feet(motion, body, planted)]
    encoded = cv2.imencode(out.suffix, cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1]
    with replacing(out) as aside:
        aside.write_bytes(encoded.tobytes())
    return out


def _bodies(motion: Motion, body: BodyModel, name: str) -> np.ndarray:
    """Moments side by side, each moved sideways to its place; the floor is a line."""
    width, height = SIZE
    rest = body.rest(motion.betas)
    tall = float(np.ptp(rest.vertices[:, 1]))
    pixels = 0.8 * height / tall
    focal = FAR * pixels
    K = np.array([[focal, 0, width / 2], [0, focal, 0.92 * height], [0, 0, 1.0]])
    picture = np.full((height, width, 3), PAPER, np.uint8)
    line = round(0.92 * height)
    cv2.line(picture, (0, line), (width, line), FLOOR, 1, cv2.LINE_AA)
    to_view = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    for number, row in enumerate(np.linspace(0, len(motion) - 1, MOMENTS).round().astype(int)):
        vertices = rest.skin(motion.rotations[row], motion.trans[row])
        pelvis = motion.trans[row] + rest.joints[0]
        vertices = (vertices - pelvis * [1.0, 1.0, 0.0]) @ to_view.T
        vertices += [((number + 0.5) / MOMENTS - 0.5) * width / pixels, 0.0, FAR]
        picture = paint_body(picture, vertices, rest.faces, K, COLORS[name])
    cv2.putText(picture, name, (12, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.7, INK, 1, cv2.LINE_AA)
    return picture


def _feet(motion: Motion, body: BodyModel, planted: np.ndarray) -> np.ndarray:
    """Height of the lower sole over time, and the speed of planted soles; green where a foot stands."""
    width = SIZE[0]
    rest = body.rest(motion.betas)
    skeleton = Skeleton(motion.rotations, motion.trans + rest.joints[0], rest.offsets)
    soles = soles_of(skeleton, Rest.of(rest).sole)
    low = soles[..., 2].min(axis=1)
    step = 1000 * np.linalg.norm(np.diff(soles, axis=0, prepend=soles[:1]), axis=-1)
    slide = np.where(planted, step, 0.0).max(axis=1)
    picture = np.full((CURVES, width, 3), PAPER, np.uint8)
    x = np.linspace(0, width - 1, len(motion)).round().astype(int)
    for column in np.flatnonzero(np.interp(np.arange(width), x, planted.any(axis=1)) > 0.5):
        picture[CURVES - 8 :, column] = STANDS
    zero = CURVES - 14
    cv2.line(picture, (0, zero), (width, zero), FLOOR, 1)
    for values, top, color in ((low, HIGHEST, INK), (slide, FASTEST, (230, 90, 90))):
        y = np.clip(zero - values / top * (zero - 8), 4, CURVES - 2).round().astype(int)
        cv2.polylines(picture, [np.stack([x, y], axis=-1).reshape(-1, 1, 2)], False, color, 1, cv2.LINE_AA)
    words = (
        f"lower foot's height (white, top {HIGHEST:.2f} m), planted feet's speed (red, top {FASTEST:.0f} mm a frame)"
    )
    cv2.putText(picture, words, (12, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return picture
