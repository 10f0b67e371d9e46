"""Joint positions as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.files import replacing


def write_csv(names: Sequence[str], frames: np.ndarray, times: np.ndarray, joints: np.ndarray, path: Path) -> None:
    """One row a frame: its number, seconds, then x, y, z of each joint in the world, metres, z up.

    Args:
        names: Of the J joints.
        frames: (T,) numbers of the frames.
        times: (T,) seconds.
        joints: (T, J, 3) positions.
        path: The file.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    header = ["frame", "time", *(f"{name}_{axis}" for name in names for axis in "xyz")]
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for frame, time, row in zip(frames, times, joints.reshape(len(times), -1), strict=True):
            writer.writerow([int(frame), f"{time:.6f}", *(f"{value:.6f}" for value in np.asarray(row))])
