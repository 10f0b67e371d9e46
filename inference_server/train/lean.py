"""How the landmarker's people lean before a tilted camera, on renders: what is not to be learned from them.

A render has no floor, no shadow and no horizon, so the network takes its camera for level and stands people up in the
picture. In real pictures it doesn't, as far as two calibrated cameras tell. Everything else that it gets wrong about
renders is worth knowing.
"""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import axis_angle_to_matrix, between_vectors

from ..motion.bias import HIPS
from ..people.landmarks import LANDMARK_INDEX

BODY = [
    LANDMARK_INDEX[f"{side}_{name}"]  # faces have errors of their own
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
ROUNDS = 5
USUAL = np.radians(6.0)  # of a lean that is nothing special


def lean(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(N,) by what angle about the camera's x axis landmarks (N, 33, 3) have to be turned onto the true ones."""
    a, b = found[:, BODY], true[:, BODY]
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    cosine = (a[..., 1:] * b[..., 1:]).sum(axis=(1, 2))
    sine = (a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]).sum(axis=1)
    return np.arctan2(sine, cosine)


def leaned(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Landmarks (N, 33, 3) turned about the camera's x axis by angles (N,)."""
    turns = axis_angle_to_matrix(np.asarray(angle)[:, None] * np.array([1.0, 0.0, 0.0]))
    return points @ np.swapaxes(turns, -1, -2)


def upright_as_true(world: np.ndarray, true: np.ndarray) -> np.ndarray:
    """A window's landmarks (T, 33, 3), in the axes of a camera that looks at the person, without the mean lean by which
    they differ from the true ones (T, 33, 3), in camera space."""
    hips = true[:, HIPS].mean(axis=1)
    straight = (true - hips[:, None]) @ between_vectors(np.array([0.0, 0.0, 1.0]), hips)
    return leaned(world, np.full(len(world), np.median(lean(world, straight))))


def by_pitch(angle: np.ndarray, pitch: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """(N,) the part of leans (N,) that the camera's pitch (N,) explains, the person's facing (N, 2) given: robust
    least squares (Cauchy)."""
    columns = np.concatenate([np.ones((len(pitch), 1)), pitch[:, None], facing], axis=1)
    trust = np.ones(len(pitch))
    for _ in range(ROUNDS):
        weighted = columns * trust[:, None]
        weights = np.linalg.lstsq(weighted.T @ columns, weighted.T @ angle, rcond=None)[0]
        trust = 1 / (1 + ((angle - columns @ weights) / USUAL) ** 2)
    return columns[:, :2] @ weights[:2]
