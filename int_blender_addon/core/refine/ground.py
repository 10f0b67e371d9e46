"""Where the floor is, and when the feet are on it: the floor lies under the lowest feet."""

from __future__ import annotations

import numpy as np

from ..smoothing import gaussian_smooth
from .footlock import ANKLES, Skeleton

FLOOR_PERCENTILE = 5.0
CONTACT_HEIGHT = 0.1  # metres above its lowest at which a foot is half likely to stand
CONTACT_SPEED = 0.45  # m/s
HELD_UP = 0.1  # metres above the lower foot at which a foot is half likely to be in the air
LOWER = 0.05  # metres that a heel and its ball may differ by while the foot stands
ERRS = 0.2  # metres by which one camera may err about heights within some seconds
CONTACT_CALM = 0.05  # seconds
ALONG_VIEW = 0.4
LOW_SECONDS = 1.0
TOLD_SHARE = 0.4  # of the network in the contacts, the rest is of height and speed


def soles_of(moving: Skeleton, sole: np.ndarray) -> np.ndarray:
    """(T, 4, 3) left heel, left ball, right heel, right ball, in the world.

    Args:
        moving: The skeleton.
        sole: (2, 2, 3) heel and ball of both feet, from the ankle, at rest.
    """
    turns, joints = moving.placed()
    points = [joints[:, a] + turns[:, a] @ sole[foot, k] for foot, a in enumerate(ANKLES) for k in (0, 1)]
    return np.stack(points, axis=1)


def floor_height(sole: np.ndarray) -> float:
    """Height of the floor under points of the soles (T, 4, 3) in the world."""
    return float(np.percentile(sole[..., 2].min(axis=1), FLOOR_PERCENTILE))


def contacts(sole: np.ndarray, time: np.ndarray, told: np.ndarray | None = None) -> np.ndarray:
    """(T, 4) how likely heel and toe stand, from height and speed of points of the soles (T, 4, 3).

    Height is above where that point was lowest a moment ago or will be, since a person may stand on a box; and above
    the lowest point of both feet, since a leg may be held up. Speed along the view, which one camera tells badly,
    counts less. With what a network told (T, 4): the product of both
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
    above = height - height.min(axis=1, keepdims=True)
    # who doesn't fly stands on the lower foot, however the height errs
    near = np.maximum(_below(height - low, CONTACT_HEIGHT), _below(above, LOWER) * _below(height - low, ERRS))
    seen = near * _below(speed, CONTACT_SPEED) * _below(above, HELD_UP)
    if told is None:
        return seen
    odds = TOLD_SHARE * _log_odds(told) + (1 - TOLD_SHARE) * _log_odds(seen)
    return 1 / (1 + np.exp(-odds))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    p = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def _below(value: np.ndarray, limit: float) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip((value - limit) / (0.25 * limit), -30, 30)))
