"""From the camera to the world: which way is up.

One camera doesn't see gravity. What is known is put together as probabilities of the camera's pitch and roll: how
upright people are over a take, how people hold cameras, and how high a camera usually is above the floor.
"""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import normalize
from int_blender_addon.core.skeleton import JOINT_INDEX

from ..people.landmarks import LANDMARK_INDEX

CAMERA_UP = np.array([0.0, -1.0, 0.0])
SOLE_POINTS = ("left_heel", "left_foot_index", "right_heel", "right_foot_index")
# spreads: degrees, seconds, metres
AXIS, AXIS_A_SECOND = 3.0, 6.0  # of a take's mean body axis, and what a second of it adds to that
STANDING, LYING = np.cos(np.radians(35.0)), np.cos(np.radians(65.0))  # of the body from the camera's up
USUAL_PITCH, PITCH = -6.0, 9.0  # a camera looks down a little
ROLL = 4.0
EYE, EYE_SPREAD = 1.4, 0.5  # above the floor
GRID = np.arange(-60.0, 60.1, 1.0)
ROLLS = np.arange(-20.0, 20.1, 1.0)


def up_direction(
    joints: np.ndarray, soles: np.ndarray, span: np.ndarray, to_camera: np.ndarray | None = None
) -> np.ndarray:
    """The world's up (3,) in steady space.

    Args:
        joints: (T, 24, 3) in steady space: the camera's, if that stood still.
        soles: (T, 4, 3) heels and toes, likewise.
        span: (T,) seconds that frames stand for.
        to_camera: (T, 4, 4) from steady space, if the camera moved.
    """
    turn = np.eye(3)  # to a camera that looks as the real one does on average, without its roll
    if to_camera is not None:
        turn = _mean_view(to_camera[:, :3, :3])
    body = normalize(joints[:, JOINT_INDEX["neck"]] - _mean_ankle(joints)) @ turn.T
    soles = soles @ turn.T
    ups = _ups()
    score = -0.5 * ((GRID[:, None] - USUAL_PITCH) / PITCH) ** 2 - 0.5 * (ROLLS[None] / ROLL) ** 2
    weight = span * np.clip((body @ _up(USUAL_PITCH, 0.0) - LYING) / (STANDING - LYING), 0, 1)
    seconds = float(weight.sum())
    if seconds > 0:
        axis = normalize((body * weight[:, None]).sum(axis=0))
        apart = np.degrees(np.arccos(np.clip(ups @ axis, -1, 1)))
        score = score - 0.5 * apart**2 / (AXIS**2 + AXIS_A_SECOND**2 / seconds)
    # the floor is under the lowest feet, the camera so far above it
    heights = np.percentile((soles @ ups.reshape(-1, 3).T).min(axis=1), 5.0, axis=0)
    score = score - 0.5 * ((-heights.reshape(score.shape) - EYE) / EYE_SPREAD) ** 2
    likely = np.exp(score - score.max())
    return normalize((ups * likely[..., None]).sum(axis=(0, 1))) @ turn


def _mean_view(turns: np.ndarray) -> np.ndarray:
    """(3, 3) the rotation nearest to the mean of some."""
    u, _, vt = np.linalg.svd(turns.mean(axis=0))
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt


def _up(pitch: float | np.ndarray, roll: float | np.ndarray) -> np.ndarray:
    """Up (..., 3) for a camera that looks up by some degrees and is rolled by some."""
    p, r = np.radians(pitch), np.radians(roll)
    return np.stack([np.cos(p) * np.sin(r), -np.cos(p) * np.cos(r), np.sin(p) + 0 * r], axis=-1)


def _ups() -> np.ndarray:
    """(P, R, 3) for the whole grid."""
    return _up(GRID[:, None], ROLLS[None])


def _mean_ankle(joints: np.ndarray) -> np.ndarray:
    return (joints[:, JOINT_INDEX["left_ankle"]] + joints[:, JOINT_INDEX["right_ankle"]]) / 2


def camera_to_world(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation to a world with z up and y level along the view."""
    forward = np.array([0.0, 0.0, 1.0])
    if abs(up @ forward) > 0.95:  # looking straight up or down: the picture's top is forward
        forward = CAMERA_UP * (1.0 if up @ forward < 0 else -1.0)
    y = normalize(forward - (forward @ up) * up)
    return np.stack([np.cross(y, up), y, up])


def sole_points(points: np.ndarray) -> np.ndarray:
    """(T, 4, 3) heel and toe landmarks, left then right, of landmarks (T, 33, 3)."""
    return points[:, [LANDMARK_INDEX[name] for name in SOLE_POINTS]]
