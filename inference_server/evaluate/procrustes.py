"""The similarity that fits one set of points to another best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Similarity:
    """x -> scale * x R^T + shift."""

    scale: float
    rotation: np.ndarray  # (3, 3)
    shift: np.ndarray  # (3,)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3), moved."""
        return self.scale * points @ self.rotation.T + self.shift


def similarity(points: np.ndarray, target: np.ndarray) -> Similarity:
    """The similarity that takes points (N, 3) nearest to a target (N, 3) in least squares (Umeyama 1991)."""
    middle, goal = points.mean(axis=0), target.mean(axis=0)
    a, b = points - middle, target - goal
    u, values, vt = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = (u * signs) @ vt
    spread = (a * a).sum()
    scale = float((values * signs).sum() / spread) if spread > 0 else 1.0
    return Similarity(scale, rotation, goal - scale * rotation @ middle)
