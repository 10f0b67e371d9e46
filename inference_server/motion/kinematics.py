"""The body as the fit sees it: 24 joints, and landmarks that ride rigidly on them, with exact derivatives.

Positions are in camera space. A pose has 75 parameters: a right-multiplied rotation step for each of the 24 local
joint rotations (R <- R exp(step)), then the position of the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import BodyModel, rest_offsets
from int_blender_addon.core.skeleton import NUM_JOINTS, PARENTS, forward_kinematics

NUM_PARAMETERS = 3 * NUM_JOINTS + 3
POINTS_PATH = Path(__file__).parent / "data" / "landmark_points.npz"


def _ancestry() -> np.ndarray:
    """(24, 24) True where the column's joint is the row's joint or stands above it."""
    above = np.eye(NUM_JOINTS, dtype=bool)
    for joint in range(1, NUM_JOINTS):
        above[joint] |= above[PARENTS[joint]]
    return above


ABOVE = _ancestry()


@dataclass
class LandmarkPoints:
    """Where the landmarker's 33 points sit on the body: a joint each, and an offset in that joint's rest frame."""

    joint: np.ndarray  # (33,) SMPL joint that carries the landmark
    offset: np.ndarray  # (33, 3) metres from the joint, SMPL axes, betas zero
    offset_shapedirs: np.ndarray  # (33, 3, 10)

    @classmethod
    def load(cls) -> LandmarkPoints:
        """The points placed on the free body."""
        with np.load(POINTS_PATH, allow_pickle=False) as data:
            return cls(data["joint"], data["offset"].astype(float), data["offset_shapedirs"].astype(float))


@dataclass
class Figure:
    """A body of one shape, reduced to joints and landmarks, with its derivatives by shape."""

    offsets: np.ndarray  # (24, 3) joint offsets from their parents; the root's row is zero
    offset_dirs: np.ndarray  # (24, 3, 10) the same by beta
    point_joint: np.ndarray  # (33,)
    point_offset: np.ndarray  # (33, 3)
    point_dirs: np.ndarray  # (33, 3, 10)
    betas: np.ndarray  # (10,)

    @classmethod
    def of(cls, model: BodyModel, points: LandmarkPoints, betas: np.ndarray) -> Figure:
        """The figure of `model` with shape `betas` (10,)."""
        offsets = rest_offsets(model.rest_joints(betas))
        directions = np.zeros((NUM_JOINTS, 3, 10))
        count = model.joint_shapedirs.shape[-1]
        directions[..., :count] = model.joint_shapedirs
        directions[1:] -= directions[list(PARENTS[1:])]
        offsets[0], directions[0] = 0.0, 0.0
        point_offset = points.offset + points.offset_shapedirs @ betas
        return cls(offsets, directions, points.joint, point_offset, points.offset_shapedirs, np.array(betas))


@dataclass
class Posed:
    """Joints and landmarks of T posed frames, in camera space."""

    turns: np.ndarray  # (T, 24, 3, 3) global rotations
    joints: np.ndarray  # (T, 24, 3)
    points: np.ndarray  # (T, 33, 3)


def pose(figure: Figure, rotations: np.ndarray, root: np.ndarray) -> Posed:
    """Place the figure: local `rotations` (T, 24, 3, 3), pelvis positions `root` (T, 3)."""
    turns, joints = forward_kinematics(rotations, figure.offsets)
    joints = joints + root[:, None]
    carried = turns[:, figure.point_joint] @ figure.point_offset[..., None]
    return Posed(turns, joints, joints[:, figure.point_joint] + carried[..., 0])


def joint_jacobian(posed: Posed) -> np.ndarray:
    """(T, 24, 3, 75) derivatives of the joints by the pose parameters."""
    return _jacobian(posed, posed.joints, ABOVE & ~np.eye(NUM_JOINTS, dtype=bool))


def point_jacobian(figure: Figure, posed: Posed) -> np.ndarray:
    """(T, 33, 3, 75) derivatives of the landmarks by the pose parameters."""
    return _jacobian(posed, posed.points, ABOVE[figure.point_joint])


def _jacobian(posed: Posed, positions: np.ndarray, moved_by: np.ndarray) -> np.ndarray:
    frames, count = positions.shape[:2]
    jacobian = np.zeros((frames, count, 3, NUM_PARAMETERS))
    by_rotation = jacobian[..., : 3 * NUM_JOINTS].reshape(frames, count, 3, NUM_JOINTS, 3)
    for joint in range(NUM_JOINTS):
        rows = np.flatnonzero(moved_by[:, joint])
        arm = positions[:, rows] - posed.joints[:, joint, None]
        # a step about the joint's own axis k moves the point by axis_k x arm
        axes = posed.turns[:, joint]
        by_rotation[:, rows, 0, joint] = axes[:, None, 1] * arm[..., 2:] - axes[:, None, 2] * arm[..., 1:2]
        by_rotation[:, rows, 1, joint] = axes[:, None, 2] * arm[..., :1] - axes[:, None, 0] * arm[..., 2:]
        by_rotation[:, rows, 2, joint] = axes[:, None, 0] * arm[..., 1:2] - axes[:, None, 1] * arm[..., :1]
    jacobian[..., 3 * NUM_JOINTS :] = np.eye(3)
    return jacobian


def point_shape_jacobian(figure: Figure, posed: Posed) -> np.ndarray:
    """(T, 33, 3, 10) derivatives of the landmarks by the betas."""
    joints = np.zeros((*posed.joints.shape, 10))
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        joints[:, joint] = joints[:, parent] + posed.turns[:, parent] @ figure.offset_dirs[joint]
    return joints[:, figure.point_joint] + posed.turns[:, figure.point_joint] @ figure.point_dirs
