"""The paper's metrics, in the order and with the habits of the authors' evaluation.

Joints that are not visible are set to zero in both, then both are centred on the middle of the hips; PA-MPJPE aligns
each frame by a similarity; PVE aligns nothing; accelerations run over the concatenation of all sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .procrustes import similarity

HIPS_14 = (2, 3)  # of the 14 common joints


@dataclass(frozen=True)
class PaperScores:
    """Millimetres; accelerations per frame squared."""

    mpjpe: float
    pa_mpjpe: float
    accel: float
    accel_err: float


def paper_scores(predicted: np.ndarray, target: np.ndarray) -> PaperScores:
    """Scores of joints (T, 14, 3) in metres against a target (T, 14, 4) with visibility."""
    visible = target[..., 3:] > 0
    a, b = predicted * visible, target[..., :3] * visible
    a, b = (joints - joints[:, HIPS_14].mean(axis=1, keepdims=True) for joints in (a, b))
    aligned = np.stack([similarity(ours, theirs)(ours) for ours, theirs in zip(a, b, strict=True)])
    return PaperScores(
        mpjpe=1000 * _mean_distance(a, b),
        pa_mpjpe=1000 * _mean_distance(aligned, b),
        accel=1000 * float(np.linalg.norm(np.diff(a, n=2, axis=0), axis=-1).mean()),
        accel_err=1000 * float(np.linalg.norm(np.diff(a - b, n=2, axis=0), axis=-1).mean()),
    )


def vertex_error(predicted: np.ndarray, target: np.ndarray) -> float:
    """PVE: mean distance of vertices (T, V, 3) in millimetres, nothing aligned."""
    return 1000 * _mean_distance(predicted, target)


def _mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())
