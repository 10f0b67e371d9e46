"""Single frames of a video as small pictures, for choosing a trim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from int_blender_addon.core.errors import VideoEmptyError
from int_blender_addon.core.files import replacing

from ..video import read_frames


def write_stills(video: Path, times: Sequence[float], folder: Path, height: int = 240) -> list[Path]:
    """The frames at some times, seconds; the last frame where the video ends before. Files `still_0.png` and so on.

    Raises:
        MocapError: The video can't be read, or a picture not be written.
    """
    wanted = sorted(range(len(times)), key=lambda k: times[k])
    paths = [folder / f"still_{k}.png" for k in range(len(times))]
    last = None
    for frame in read_frames(video):
        last = frame
        while wanted and frame.time >= times[wanted[0]] - 1e-6:
            _write(frame.image, paths[wanted.pop(0)], height)
        if not wanted:
            break
    if last is None:
        raise VideoEmptyError(f"{video.name} holds no picture.")
    for k in wanted:
        _write(last.image, paths[k], height)
    return paths


def _write(image, path: Path, height: int) -> None:
    scale = height / image.shape[0]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as aside:
        aside.write_bytes(encoded.tobytes())
