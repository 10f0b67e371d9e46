"""From the camera to the world: which way is up.

Up is what upright stretches of the take show, held to a camera that is level on average where they are few.
"""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import normalize
from int_blender_addon.core.skeleton import JOINT_INDEX

from ..people.landmarks import LANDMARK_INDEX

CAMERA_UP = np.array([0.0, -1.0, 0.0])
LEVEL_CAMERA_SECONDS = 1.0  # a level camera counts as much as so many upright seconds
UPRIGHT = np.cos(np.radians(25.0))
SOLE_POINTS = ("left_heel", "left_foot_index", "right_heel", "right_foot_index")


def up_direction(joints: np.ndarray, span: np.ndarray, to_camera: np.ndarray | None = None) -> np.ndarray:
    """The world's up (3,) in steady space, from joints (T, 24, 3) and the seconds (T,) that frames stand for.

    Args:
        joints: In steady space: the camera's, if that stood still.
        span: Seconds.
        to_camera: (T, 4, 4) from steady space, if the camera moved.
    """
    camera_up = CAMERA_UP
    if to_camera is not None:
        camera_up = normalize((CAMERA_UP @ to_camera[:, :3, :3]).mean(axis=0))

    def direction(low: str, high: str) -> np.ndarray:
        return normalize(joints[:, JOINT_INDEX[high]] - joints[:, JOINT_INDEX[low]])

    trunk = direction("pelvis", "neck")
    parts = [trunk]
    for side in ("left", "right"):
        parts += [direction(f"{side}_knee", f"{side}_hip"), direction(f"{side}_ankle", f"{side}_knee")]
    straight = np.min([np.sum(part * trunk, axis=-1) for part in parts[1:]], axis=0) > UPRIGHT
    upright = straight & (trunk @ camera_up > np.cos(np.radians(60.0)))
    axis = normalize(joints[:, JOINT_INDEX["neck"]] - _mean_ankle(joints))
    pull = (axis[upright] * span[upright, None]).sum(axis=0)
    return normalize(pull + LEVEL_CAMERA_SECONDS * camera_up)


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
