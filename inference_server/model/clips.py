"""Which frames make a clip: strided and interleaved, as the model was trained (16 frames out of 128).

Consecutive frames are out of the training distribution, so a clip's frames lie apart in time; every frame is in a clip,
because clips of all phases are run.
"""

from __future__ import annotations

import numpy as np

POOL = 128  # frames that a clip is spread over, at the 30 fps of the training data
POOL_SECONDS = POOL / 30.0


def chunks(count: int, length: int, stride: int, pad: bool = True) -> np.ndarray:
    """(n, length) frame numbers of `count` frames in chunks; the last one is filled by reflection, or left out."""
    last = count if pad else count - length + 1
    rows = []
    for start in range(0, last, stride):
        rows.append(reflected(np.arange(start, start + length), count))
        if start + length >= count:
            break
    return np.array(rows).reshape(-1, length)


def reflected(numbers: np.ndarray, count: int) -> np.ndarray:
    """Numbers beyond the last of `count` frames, sent back, and forth again, without showing the ends twice."""
    if count == 1:
        return np.zeros_like(numbers)
    place = numbers % (2 * count - 2)
    return np.where(place < count, place, 2 * count - 2 - place)


def first_time(row: np.ndarray) -> np.ndarray:
    """(length,) whether a chunk's frame is not a repetition, as the authors tell it: its number rises."""
    rising = np.concatenate([[True], np.diff(row) > 0])
    return rising


def interleaved(length: int, pool: int) -> np.ndarray:
    """(pool / length, length) positions in a pool that make one clip each: i, i + k, i + 2k, ..."""
    step = pool // length
    return np.arange(pool).reshape(length, step).T


def clip_frames(time: np.ndarray, length: int, seconds: float = POOL_SECONDS) -> np.ndarray:
    """(n, length) frames for clips at any frame rate, so that each spans about `seconds`, and all frames are in some.

    Frames that a window's slot lacks (dropped, or beyond the end) are taken by the nearest; a take shorter than a
    window is played to and fro.
    """
    count = len(time)
    spacing = float(np.median(np.diff(time))) if count > 1 else 1.0
    step = max(round(seconds / length / max(spacing, 1e-6)), 1)
    pool = step * length
    windows = chunks(count, pool, pool // 2 if count > pool else pool)
    return np.concatenate([window[interleaved(length, pool)] for window in windows])
