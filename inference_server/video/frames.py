"""Reading a video: every frame upright, in RGB, with its number and its time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from int_blender_addon.core.errors import CancelledError, VideoEmptyError

from .clock import Clock
from .probe import decoded, frame_rate, opened, orientation, square_size

log = logging.getLogger(__name__)

_TURNS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Frame:
    """One picture of a video."""

    index: int  # 0-based, counted over all frames of the file that can be decoded, also when it is trimmed
    time: float  # seconds from the file's first frame
    image: np.ndarray  # (H, W, 3) uint8 RGB, upright


def read_frames(
    path: str | Path,
    start: float | None = None,
    end: float | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Frame]:
    """The frames of a video with `start` <= time < `end`, one at a time.

    Memory does not grow with the length of the video. Frames before `start` are decoded, so that numbers and times
    are the same as without a trim, but not converted. Damaged places are logged and left out.

    Args:
        path: The video file.
        start: Seconds from the first frame, None for the beginning.
        end: Seconds from the first frame, None for the end.
        cancelled: Asked at each frame, also at those before `start`.

    Raises:
        CancelledError: `cancelled` said so.
        VideoEmptyError: No frame in the file or in this part of it.
        MocapError: The file can not be opened, as `open_video` says.
    """
    start = 0.0 if start is None else start
    end = float("inf") if end is None else end
    name = Path(path).name
    if start >= end:
        raise VideoEmptyError(f"The trim from {start:g} to {end:g} s holds no time.")
    damaged: list[str] = []
    count, last_time = 0, 0.0
    with opened(path) as (container, stream):
        clock = Clock(frame_rate(stream))
        upright: Upright | None = None
        for index, raw in enumerate(decoded(container, stream, damaged)):
            if cancelled is not None and cancelled():
                raise CancelledError("Reading the video was cancelled.")
            time = clock.tick(raw.pts, raw.time_base)
            last_time = time
            if time >= end:
                break
            if time < start:
                continue
            upright = upright or Upright(raw, square_size(raw, stream))
            count += 1
            yield Frame(index, time, upright(raw))
    if damaged:
        log.warning("%s is damaged in %d places (%s); the other frames are used.", name, len(damaged), damaged[0])
    if not count:
        if start > 0 and last_time < start:
            raise VideoEmptyError(f"{name} ends at {last_time:.2f} s, before the trim's start at {start:g} s.")
        raise VideoEmptyError(f"{name} holds no picture that can be decoded in the wanted part.")


class Upright:
    """Converts decoded frames to RGB pictures, all of the size and orientation of the first.

    Args:
        first: A decoded frame that tells the orientation.
        size: Width and height of the stored picture with square pixels.
    """

    def __init__(self, first: VideoFrame, size: tuple[int, int]) -> None:
        self._turns, self._mirrored = orientation(first)
        self._size = size
        self._reformatter = VideoReformatter()  # keeps its tables from frame to frame

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The frame as (H, W, 3) uint8 RGB."""
        width, height = self._size
        image: np.ndarray = self._reformatter.reformat(frame, width=width, height=height, format="rgb24").to_ndarray()
        if self._mirrored:
            image = cv2.flip(image, 1)
        return cv2.rotate(image, _TURNS[self._turns]) if self._turns else image
