"""The SMPL skeleton: names, parents and left-right pairs of its 24 joints."""

from __future__ import annotations

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
PARENTS: tuple[int, ...] = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}
NUM_JOINTS = len(JOINT_NAMES)


def _mirrored(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    if name.startswith("right_"):
        return "left_" + name[6:]
    return name


MIRROR: np.ndarray = np.array([JOINT_INDEX[_mirrored(name)] for name in JOINT_NAMES])


def forward_kinematics(rotations: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations and positions of a kinematic tree.

    Args:
        rotations: (..., 24, 3, 3) rotation of each joint relative to its parent.
        offsets: (..., 24, 3) rest position of each joint relative to its parent; the root's is its position.

    Returns:
        Global rotations (..., 24, 3, 3) and positions (..., 24, 3).
    """
    shape = np.broadcast_shapes(rotations.shape[:-3], offsets.shape[:-2])
    global_rotations = np.empty((*shape, NUM_JOINTS, 3, 3))
    positions = np.empty((*shape, NUM_JOINTS, 3))
    global_rotations[..., 0, :, :] = rotations[..., 0, :, :]
    positions[..., 0, :] = offsets[..., 0, :]
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        turn = global_rotations[..., parent, :, :]
        global_rotations[..., joint, :, :] = turn @ rotations[..., joint, :, :]
        step = (turn @ offsets[..., joint, :, None])[..., 0]
        positions[..., joint, :] = positions[..., parent, :] + step
    return global_rotations, positions
