"""Opening a video file: is it one, and what is in it.

PyAV (FFmpeg's libraries) is used rather than OpenCV's reader, because it gives each frame's own timestamp, the
rotation that phones store, pixel shape and bit depth, decodes on several threads without holding Python's lock, and
says what is wrong with a file where OpenCV says only that there is no frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from int_blender_addon.core.errors import (
    NoVideoStreamError,
    VideoEmptyError,
    VideoMissingError,
    VideoTooSmallError,
    VideoUnreadableError,
)

MIN_SIDE = 64  # pixels; the shorter side of the smallest picture in which a person can be told
DEFAULT_FPS = 30.0  # where a file does not tell


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about its video. Sizes are those of the upright picture with square pixels."""

    path: Path
    width: int
    height: int
    fps: float  # average over the file, frames per second
    frames: int  # an estimate: headers may be wrong, and nothing is counted
    duration: float  # seconds, 0 if unknown
    rotation: int  # degrees by which the stored picture is turned clockwise to stand upright: 0, 90, 180, 270
    mirrored: bool  # whether the stored picture is also flipped left to right, before it is turned
    codec: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture, pixels."""
        return self.width, self.height


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file's container and its video stream, set to decode on several threads.

    Raises:
        VideoMissingError, VideoUnreadableError, VideoEmptyError, NoVideoStreamError: See `open_video`.
    """
    path = Path(path).absolute()
    name = path.name
    if not path.exists():
        raise VideoMissingError(f"There is no file {path}.")
    if not path.is_file():
        raise VideoUnreadableError(f"{name} is not a file.", "Choose a video file.")
    try:
        if path.stat().st_size == 0:
            raise VideoEmptyError(f"{name} is empty (0 bytes).", "Copy the file again.")
        # only plain files: a playlist must not make this process fetch something from a network
        container = av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except PermissionError as error:
        raise VideoUnreadableError(f"{name} may not be read.", "Check the permissions of the file.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoUnreadableError(f"{name} can not be read as a video: {_reason(error)}.") from error
    with container:
        stream = _main_stream(container, name)
        stream.thread_type = "AUTO"
        yield container, stream


def open_video(path: str | Path) -> VideoInfo:
    """Look into a video file and decode its first frame, so that what is returned can be read.

    Raises:
        VideoMissingError: There is no such file.
        VideoUnreadableError: Not a file, not allowed, not a video, or cut off before its index.
        VideoEmptyError: 0 bytes, or no frame.
        NoVideoStreamError: Only sound (or sound with a cover picture).
        VideoTooSmallError: The shorter side has less than 64 pixels.
    """
    path = Path(path).absolute()
    with opened(path) as (container, stream):
        first = next(decoded(container, stream), None)
        if first is None:
            raise VideoEmptyError(f"{path.name} holds no picture that can be decoded.")
        turns, mirrored = orientation(first)
        width, height = square_size(first, stream)
        if turns % 2:
            width, height = height, width
        if min(width, height) < MIN_SIDE:
            raise VideoTooSmallError(f"The pictures of {path.name} are only {width} x {height} pixels.")
        fps = frame_rate(stream)
        duration = _duration(container, stream)
        frames = stream.frames or round(duration * fps)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=fps,
            frames=max(frames, 1),
            duration=duration or frames / fps,
            rotation=90 * turns,
            mirrored=mirrored,
            codec=stream.codec_context.name,
        )


def decoded(container: InputContainer, stream: VideoStream, damaged: list[str] | None = None) -> Iterator[VideoFrame]:
    """The frames of a stream in the order they are shown, going on behind damaged places.

    Args:
        container: The open file.
        stream: Its video stream.
        damaged: Filled with one entry for each packet that could not be decoded.
    """
    damaged = [] if damaged is None else damaged
    packets = container.demux(stream)
    failures = 0  # in a row; a file that only fails must end
    while failures < 1000:
        try:
            packet = next(packets)
        except (StopIteration, av.EOFError):
            return
        except (av.FFmpegError, OSError) as error:
            damaged.append(_reason(error))
            failures += 1
            continue
        try:
            frames = packet.decode()
        except av.EOFError:
            return
        except (av.FFmpegError, OSError) as error:
            damaged.append(_reason(error))
            failures += 1
            continue
        failures = 0
        yield from frames


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns clockwise that make a frame upright, and whether it is flipped left to right before them."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return 0, False
    # rows of the matrix are where the picture's x and y axes go (x right, y down)
    mirrored = bool(np.linalg.det(matrix) < 0)
    if mirrored:
        matrix = np.diag([-1.0, 1.0]) @ matrix
    angle = math.atan2(matrix[0, 1], matrix[0, 0])
    return round(angle / (math.pi / 2)) % 4, mirrored


def square_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height of the stored picture with its pixels made square (it is widened, never made smaller)."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    ratio = float(aspect)
    if not 0.1 < ratio < 10 or abs(ratio - 1) < 0.01:  # nonsense, or rounding in a header
        return frame.width, frame.height
    if ratio > 1:
        return round(frame.width * ratio), frame.height
    return frame.width, round(frame.height / ratio)


def frame_rate(stream: VideoStream) -> float:
    """Average frames per second; where the header is silent or absurd, the likely rate."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0.05 <= float(rate) <= 1000:
            return float(rate)
    return DEFAULT_FPS


def _main_stream(container: InputContainer, name: str) -> VideoStream:
    """The largest video stream that is not a cover picture."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        if container.streams.audio:
            raise NoVideoStreamError(f"{name} holds sound, but no video.")
        raise NoVideoStreamError(f"{name} holds no video.")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise VideoUnreadableError(f"The video in {name} is of a kind that can not be decoded here.")
    return max(decodable, key=lambda s: (s.codec_context.width or 0) * (s.codec_context.height or 0))


def _duration(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _display_matrix(frame: VideoFrame) -> np.ndarray | None:
    """The 2 x 2 part of the display matrix that goes with a frame, or None."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    values = np.frombuffer(bytes(data), dtype=np.int32, count=9).reshape(3, 3)[:2, :2] / 65536.0
    return values if abs(np.linalg.det(values)) > 1e-6 else None


def _reason(error: BaseException) -> str:
    """FFmpeg's own words for an error, without its number and the path."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".").lower()
