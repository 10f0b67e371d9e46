"""Hands and knees on the floor: found by height and speed, and held where they are, for floor work.

Whoever stands has none: only a body whose pelvis is low, or lies under its shoulders' height, is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..motion import SUPPORT_NAMES
from ..rotations import between_vectors, normalize
from ..skeleton import JOINT_INDEX
from ..smoothing import gaussian_smooth
from .footlock import ANKLES, HIPS, KNEES, Skeleton, reach
from .stances import runs, with_hysteresis

JOINTS = tuple(JOINT_INDEX[name] for name in SUPPORT_NAMES)
ARMS = tuple(
    tuple(JOINT_INDEX[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")) for side in ("left", "right")
)
THICK = np.array([0.03, 0.03, 0.055, 0.055])  # metres of flesh between a hand's or knee's joint and the floor
LOW = 0.09  # metres above that at which one is half likely to be on the floor
SLOW = 0.35  # m/s
CALM = 0.05  # seconds
LEANING = 0.75  # of the standing pelvis's height, below which the body is looked at
FADE = 0.15  # seconds before and after in which the change comes and goes
CARRY = 0.2  # seconds: how slowly the body follows
FARTHEST = 0.3  # metres that a support is moved at most


@dataclass(frozen=True)
class Held:
    """A stretch in which a support stays where it is."""

    support: int  # of SUPPORT_NAMES
    first: int
    last: int
    place: np.ndarray  # (3,) of its joint


def find(body: Skeleton, time: np.ndarray, standing_pelvis: float) -> np.ndarray:
    """(T, 4) how likely left and right hand, left and right knee are on the floor at z = 0.

    Args:
        body: The motion, on the floor.
        time: (T,) seconds.
        standing_pelvis: Height of the pelvis at rest above the soles.
    """
    _, joints = body.placed()
    points = gaussian_smooth(joints[:, JOINTS], time, CALM)
    speed = np.linalg.norm(np.gradient(points, time, axis=0), axis=-1) if len(time) > 1 else np.zeros(points.shape[:2])
    height = points[..., 2] - THICK
    low = joints[:, 0, 2] < LEANING * standing_pelvis
    return _below(height, LOW) * _below(speed, SLOW) * low[:, None]


def _below(value: np.ndarray, limit: float) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip((value - limit) / (0.2 * limit), -30, 30)))


def hold(body: Skeleton, likely: np.ndarray, time: np.ndarray) -> tuple[Skeleton, np.ndarray]:
    """The motion with hands and knees that stay where they are on the floor, and which did (T, 4) bool.

    The body goes along slowly, thighs and arms reach the rest; feet and hands keep their turns.
    """
    contacts = with_hysteresis(likely, time)
    if not contacts.any():
        return body, contacts
    _, joints = body.placed()
    points = joints[:, JOINTS]
    stretches = [
        Held(k, first, last, _place(points[first : last + 1, k], THICK[k]))
        for k in range(len(SUPPORT_NAMES))
        for first, last in runs(contacts[:, k])
    ]
    weights, targets = np.zeros(points.shape[:2]), points.copy()
    for held in stretches:
        weight = _weight(time, held)
        more = weight > weights[:, held.support]
        weights[more, held.support], targets[more, held.support] = weight[more], held.place
    apart = targets - points
    far = np.linalg.norm(apart, axis=-1, keepdims=True)
    apart *= np.minimum(1.0, FARTHEST / np.maximum(far, 1e-9))
    total = weights.sum(axis=1)
    mean = (weights[..., None] * apart).sum(axis=1) / np.maximum(total, 1e-9)[:, None]
    carried = gaussian_smooth(mean * np.minimum(total, 1.0)[:, None], time, CARRY)
    moved = Skeleton(body.rotations.copy(), body.pelvis + carried, body.offsets)
    left = weights[..., None] * (apart - carried[:, None])
    for side in (0, 1):
        _kneel(moved, side, left[:, 2 + side], weights[:, 2 + side] > 0)
        _lean(moved, side, left[:, side], weights[:, side] > 0)
    return moved, contacts


def _place(points: np.ndarray, thick: float) -> np.ndarray:
    middle = np.median(points, axis=0)
    return np.array([middle[0], middle[1], thick])


def _weight(time: np.ndarray, held: Held) -> np.ndarray:
    away = np.maximum(np.maximum(time[held.first] - time, time - time[held.last]), 0.0)
    left = np.clip(1 - away / FADE, 0, 1)
    return left * left * (3 - 2 * left)


def _lean(body: Skeleton, side: int, shift: np.ndarray, where: np.ndarray) -> None:
    """Let an arm reach so that its hand is moved by `shift` (T, 3)."""
    turns, joints = body.placed()
    wrist = ARMS[side][2]
    reach(body, ARMS[side], joints[:, wrist] + shift, turns[:, wrist], where)


def _kneel(body: Skeleton, side: int, shift: np.ndarray, where: np.ndarray) -> None:
    """Turn a thigh so that its knee is moved by `shift` (T, 3), and the shin so that the ankle stays."""
    rows = np.flatnonzero(where)
    if not len(rows):
        return
    hip, knee, ankle = HIPS[side], KNEES[side], ANKLES[side]
    part = replace(body, rotations=body.rotations[rows], pelvis=body.pelvis[rows])
    turns, joints = part.placed()
    thigh = joints[:, knee] - joints[:, hip]
    new_thigh = between_vectors(normalize(thigh), normalize(thigh + shift[rows])) @ turns[:, hip]
    at = joints[:, hip] + (new_thigh @ body.offsets[knee][:, None])[..., 0]
    shin, wanted = joints[:, ankle] - joints[:, knee], joints[:, ankle] - at
    new_shin = between_vectors(normalize(shin), normalize(wanted)) @ turns[:, knee]
    back = np.swapaxes
    body.rotations[rows, hip] = back(turns[:, 0], -1, -2) @ new_thigh
    body.rotations[rows, knee] = back(new_thigh, -1, -2) @ new_shin
    body.rotations[rows, ankle] = back(new_shin, -1, -2) @ turns[:, ankle]
