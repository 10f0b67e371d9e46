"""The people stage: a video in, one landmark track a person out, frame by frame in bounded memory."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_server.video import Frame, VideoInfo, open_video, read_frames
from inference_server.video.background import Background
from int_blender_addon.core.errors import CancelledError

from .ahead import ahead
from .identities import landmark_tracks
from .landmarks import LandmarkTrack
from .tracker import Tracker

BODY = 0.42  # of a region's side, from its centre: what the body takes up of it


@dataclass(frozen=True)
class Seen:
    """What has been done with one frame."""

    index: int  # 0-based number in the video
    time: float  # seconds
    done: int  # frames so far
    total: int  # an estimate of all
    followed: int  # people in this frame


class Observations:
    """The people in a video, as far as it has been looked at.

    Iterate over it to look at the video, a frame a step; frames are decoded in another thread meanwhile and are not
    kept. `tracks()` may be asked at any time.

    Args:
        path: The video file.
        quality: `fast` or `best`, see `Landmarker`.
        start: Seconds from the first frame, None for the beginning.
        end: Seconds, None for the end.
        device_threads: Threads of the networks.
        on_progress: Called after each frame with frames done and an estimate of all.
        cancelled: Asked before each frame.

    Raises:
        MocapError: The video can not be read, see `open_video`.
    """

    def __init__(
        self,
        path: str | Path,
        quality: str = "fast",
        start: float | None = None,
        end: float | None = None,
        device_threads: int = 2,
        on_progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.info: VideoInfo = open_video(path)
        self._range = start, end
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._tracker = Tracker(quality, self.info.fps, device_threads)
        self.background = Background()
        self.frames: list[int] = []
        self.times: list[float] = []
        self.wait_seconds = 0.0  # spent waiting for decoded frames
        self.work_seconds = 0.0  # spent finding and following people

    def __iter__(self) -> Iterator[Seen]:
        """Look at the video.

        Raises:
            CancelledError: `cancelled` said so.
            MocapError: The video can not be read, see `read_frames`.
        """
        total = self._expected_frames()
        before = clock.perf_counter()
        with closing(ahead(self._decoded())) as frames:
            for frame in frames:
                arrived = clock.perf_counter()
                self.wait_seconds += arrived - before
                if self._cancelled is not None and self._cancelled():
                    raise CancelledError("The capture was cancelled.")
                self._tracker.step(frame.index, frame.time, frame.image)
                self.background.step(frame.index, frame.image, self._boxes())
                self.frames.append(frame.index)
                self.times.append(frame.time)
                done = len(self.frames)
                before = clock.perf_counter()
                self.work_seconds += before - arrived
                if self._on_progress is not None:
                    self._on_progress(done, max(total, done))
                yield Seen(frame.index, frame.time, done, max(total, done), len(self._tracker.active))

    def tracks(self) -> list[LandmarkTrack]:
        """The persons seen so far, not smoothed, numbered from 1 in the order of their appearance."""
        return landmark_tracks(self._tracker.tracklets, self.frames, self.times)

    def _boxes(self) -> list[np.ndarray]:
        """Left, top, right, bottom of where people are now."""
        regions = [tracklet.region for tracklet in self._tracker.active if tracklet.region is not None]
        return [np.concatenate([r.centre - BODY * r.side, r.centre + BODY * r.side]) for r in regions]

    def _decoded(self) -> Iterator[Frame]:
        """The frames; skipping to the start of a trim can be cancelled too, since `read_frames` asks here."""
        return read_frames(self.info.path, *self._range, cancelled=self._cancelled)

    def _expected_frames(self) -> int:
        start, end = self._range
        seconds = min(end or self.info.duration, self.info.duration) - (start or 0.0)
        return max(min(round(seconds * self.info.fps), self.info.frames), 1)


def collect(path: str | Path, quality: str = "fast", **options: object) -> Observations:
    """Look at a whole video; options as for `Observations`.

    Raises:
        CancelledError, MocapError: As `Observations`.
    """
    observations = Observations(path, quality, **options)  # type: ignore[arg-type]
    for _ in observations:
        pass
    return observations
