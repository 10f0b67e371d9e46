"""Metrics of motion in the world: where the person goes, and whether the feet stay.

As WHAM and GVHMR have them: in chunks of 100 frames, aligned by the first two frames (W-MPJPE) or by all (WA-MPJPE);
the root's error over the whole, rigidly aligned, in percent of the way (RTE); jitter; sliding of planted feet.
"""

from __future__ import annotations

import numpy as np

from .procrustes import similarity

CHUNK = 100  # frames
PLANTED = 0.01  # metres a frame: below this speed a reference foot stands


def world_scores(
    joints: np.ndarray,
    target: np.ndarray,
    fps: float,
    feet: np.ndarray | None = None,
    goal_feet: np.ndarray | None = None,
) -> dict[str, float]:
    """Numbers of joints (T, J, 3), the first being the root, against a target, both in worlds in metres.

    Args:
        joints: As said by a system.
        target: As it was.
        fps: Frames per second.
        feet: (T, F, 3) points of the feet's soles, for sliding.
        goal_feet: The same of the target.

    Returns:
        W-MPJPE and WA-MPJPE in mm, RTE in percent, jitter in 10 m/s^3, sliding in mm a frame.
    """
    first: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    for start in range(0, len(joints), CHUNK):
        a, b = joints[start : start + CHUNK], target[start : start + CHUNK]
        if len(a) < 2:
            continue
        for aligned, frames in ((first, 2), (whole, len(a))):
            move = similarity(a[:frames].reshape(-1, 3), b[:frames].reshape(-1, 3))
            off = move(a.reshape(-1, 3)).reshape(a.shape) - b
            aligned.append(np.linalg.norm(off, axis=-1).mean(axis=1))
    found = {
        "W-MPJPE": 1000 * float(np.concatenate(first).mean()),
        "WA-MPJPE": 1000 * float(np.concatenate(whole).mean()),
        "RTE": root_error(joints[:, 0], target[:, 0]),
        "jitter": float(np.linalg.norm(np.diff(joints, n=3, axis=0) * fps**3, axis=-1).mean() / 10),
    }
    if feet is not None and goal_feet is not None:
        still = np.linalg.norm(np.diff(goal_feet, axis=0), axis=-1) < PLANTED
        moved = np.linalg.norm(np.diff(feet, axis=0), axis=-1)
        found["sliding"] = 1000 * float(moved[still].mean()) if still.any() else float("nan")
    return found


def root_error(path: np.ndarray, target: np.ndarray) -> float:
    """RTE: mean distance of a root's path (T, 3) after a rigid alignment, in percent of the target's length."""
    move = similarity(path, target)
    middle, goal = path.mean(axis=0), target.mean(axis=0)
    moved = (path - middle) @ move.rotation.T + goal
    length = np.linalg.norm(np.diff(target, axis=0), axis=-1).sum()
    return 100 * float(np.linalg.norm(moved - target, axis=-1).mean() / length) if length > 0 else float("nan")
