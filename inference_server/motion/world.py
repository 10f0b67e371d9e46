"""From the camera to the ground: which way is up, where the floor is, when the feet are on it.

The camera is taken to stand still. Up is what upright stretches of the take show, held to a level camera where
they are few; the floor lies under the lowest feet.
"""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import normalize
from int_blender_addon.core.skeleton import JOINT_INDEX
from int_blender_addon.core.smoothing import gaussian_smooth

from ..people.landmarks import LANDMARK_INDEX

CAMERA_UP = np.array([0.0, -1.0, 0.0])
LEVEL_CAMERA_SECONDS = 1.0  # a level camera counts as much as so many upright seconds
UPRIGHT = np.cos(np.radians(25.0))
FLOOR_PERCENTILE = 5.0
CONTACT_HEIGHT = 0.08  # metres above its lowest at which a foot is half likely to stand
CONTACT_SPEED = 0.6  # m/s
CONTACT_CALM = 0.05  # seconds
ALONG_VIEW = 0.4
LOW_SECONDS = 1.0
TOLD_SHARE = 0.8  # of the network in the contacts, the rest is of height and speed
SOLE_POINTS = ("left_heel", "left_foot_index", "right_heel", "right_foot_index")


def up_direction(joints: np.ndarray, span: np.ndarray) -> np.ndarray:
    """The world's up (3,) in camera space, from joints (T, 24, 3) and the seconds (T,) that frames stand for."""

    def direction(low: str, high: str) -> np.ndarray:
        return normalize(joints[:, JOINT_INDEX[high]] - joints[:, JOINT_INDEX[low]])

    trunk = direction("pelvis", "neck")
    parts = [trunk]
    for side in ("left", "right"):
        parts += [direction(f"{side}_knee", f"{side}_hip"), direction(f"{side}_ankle", f"{side}_knee")]
    straight = np.min([np.sum(part * trunk, axis=-1) for part in parts[1:]], axis=0) > UPRIGHT
    upright = straight & (trunk @ CAMERA_UP > np.cos(np.radians(60.0)))
    axis = normalize(joints[:, JOINT_INDEX["neck"]] - _mean_ankle(joints))
    pull = (axis[upright] * span[upright, None]).sum(axis=0)
    return normalize(pull + LEVEL_CAMERA_SECONDS * CAMERA_UP)


def _mean_ankle(joints: np.ndarray) -> np.ndarray:
    return (joints[:, JOINT_INDEX["left_ankle"]] + joints[:, JOINT_INDEX["right_ankle"]]) / 2


def camera_to_world(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation to a world with z up and y level along the view."""
    forward = np.array([0.0, 0.0, 1.0])
    if abs(up @ forward) > 0.95:  # looking straight up or down: the picture's top is forward
        forward = CAMERA_UP * (1.0 if up @ forward < 0 else -1.0)
    y = normalize(forward - (forward @ up) * up)
    return np.stack([np.cross(y, up), y, up])


def floor_height(sole: np.ndarray) -> float:
    """Height of the floor under points of the soles (T, 4, 3) in the world."""
    return float(np.percentile(sole[..., 2].min(axis=1), FLOOR_PERCENTILE))


def contacts(sole: np.ndarray, time: np.ndarray, told: np.ndarray | None = None) -> np.ndarray:
    """(T, 4) how likely heel and toe stand, from height and speed of points of the soles (T, 4, 3).

    Height is above where that point was lowest a moment ago or will be, since a person may stand on a box; speed
    along the view, which one camera tells badly, counts less. With what a network told (T, 4): the product of both
    odds, each to the power of its share.
    """
    if len(time) < 2:
        return np.zeros(sole.shape[:2])
    calm = gaussian_smooth(sole, time, CONTACT_CALM)
    speed = np.linalg.norm(np.gradient(calm, time, axis=0) * [1.0, ALONG_VIEW, 1.0], axis=-1)
    height = calm[..., 2]
    first = np.searchsorted(time, time - LOW_SECONDS)
    last = np.searchsorted(time, time + LOW_SECONDS, side="right")
    low = np.array([height[a:b].min(axis=0) for a, b in zip(first, last, strict=True)])
    seen = _below(height - low, CONTACT_HEIGHT) * _below(speed, CONTACT_SPEED)
    if told is None:
        return seen
    odds = TOLD_SHARE * _log_odds(told) + (1 - TOLD_SHARE) * _log_odds(seen)
    return 1 / (1 + np.exp(-odds))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    p = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def _below(value: np.ndarray, limit: float) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip((value - limit) / (0.25 * limit), -30, 30)))


def sole_points(points: np.ndarray) -> np.ndarray:
    """(T, 4, 3) heel and toe landmarks, left then right, of landmarks (T, 33, 3)."""
    return points[:, [LANDMARK_INDEX[name] for name in SOLE_POINTS]]
