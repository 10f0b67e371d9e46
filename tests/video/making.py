"""Videos made for the tests."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)


def gray_frame(level: int, width: int = 128, height: int = 96) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def quadrants(width: int = 128, height: int = 96) -> np.ndarray:
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[: height // 2, : width // 2] = 255, 0, 0
    image[: height // 2, width // 2 :] = 0, 255, 0
    image[height // 2 :, : width // 2] = 0, 0, 255
    image[height // 2 :, width // 2 :] = 255, 255, 255
    return image


def write_video(
    path: Path,
    images: Iterable[np.ndarray],
    milliseconds: Iterable[int] | None = None,
    fps: int = 25,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    rotation: float | None = None,
    matrix: list[int] | None = None,
    aspect: Fraction | None = None,
    container: str | None = None,
) -> Path:
    """Encode RGB pictures, with times of their own or at a steady rate."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.pix_fmt = pixels
        stream.time_base = MILLISECONDS
        stream.codec_context.time_base = MILLISECONDS
        times = iter(milliseconds) if milliseconds is not None else (round(1000 * n / fps) for n in range(10**9))
        started = False
        for image in images:
            if not started:
                stream.height, stream.width = image.shape[:2]
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if rotation is not None:
                    stream.set_display_rotation(rotation)
                if matrix is not None:
                    stream.set_display_matrix(matrix)
                started = True
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = next(times), MILLISECONDS
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), dtype=np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    return path
