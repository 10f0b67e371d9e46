"""Joint positions as a table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..core.body import RestBody
from ..core.files import replacing
from ..core.motion import Motion
from ..core.skeleton import JOINT_NAMES


def write_csv(motion: Motion, body: RestBody, path: Path) -> None:
    """One row a frame: video frame, seconds, then x, y, z of the 24 joints in the world, metres, z up.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    joints = body.pose_joints(motion.rotations, motion.trans)
    header = ["frame", "time", *(f"{name}_{axis}" for name in JOINT_NAMES for axis in "xyz")]
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for frame, time, row in zip(motion.frame_index, motion.time, joints.reshape(len(motion), -1), strict=True):
            writer.writerow([int(frame), f"{time:.6f}", *(f"{value:.6f}" for value in np.asarray(row))])
