"""The lens: a pinhole with square pixels and the principal point in the middle of the picture."""

from __future__ import annotations

import numpy as np

# A phone's main camera, in video mode, sees about 60 degrees along the picture's long side.
DEFAULT_FOCAL_PER_LONG_SIDE = 0.87
FOCAL_LOG_SPREAD = 0.25
NEAREST = 0.3  # metres


def default_focal(image_size: tuple[int, int]) -> float:
    """The focal length in pixels to assume for a picture of (width, height)."""
    return DEFAULT_FOCAL_PER_LONG_SIDE * max(image_size)


def camera_matrix(focal: float, image_size: tuple[int, int]) -> np.ndarray:
    """K (3, 3) of a picture of (width, height), pixel centres at whole numbers."""
    width, height = image_size
    return np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])


def project(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of camera-space points (..., 3)."""
    return points[..., :2] / points[..., 2:] * [K[0, 0], K[1, 1]] + K[:2, 2]


def locate(points: np.ndarray, pixels: np.ndarray, weights: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Translations (T, 3) as of `solve_translation`, in front of the camera whatever the noise."""
    found = solve_translation(points, pixels, weights, K)
    found[:, 2] = np.maximum(found[:, 2], NEAREST)
    return found


def solve_translation(points: np.ndarray, pixels: np.ndarray, weights: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Translations (T, 3) that bring body points (T, N, 3) onto pixels (T, N, 2), by weighted linear least squares.

    From u (Z + tz) = f (X + tx) + c (Z + tz), linear in t. Weights (T, N).
    """
    rays = (pixels - K[:2, 2]) / [K[0, 0], K[1, 1]]
    frames, count = weights.shape
    system = np.zeros((frames, count, 2, 3))
    system[..., 0, 0] = system[..., 1, 1] = 1.0
    system[..., 2] = -rays
    target = rays * points[..., 2:] - points[..., :2]
    weighted = system * weights[..., None, None]
    normal = np.einsum("tnai,tnaj->tij", weighted, system) + 1e-12 * np.eye(3)
    right = np.einsum("tnai,tna->ti", weighted, target)
    return np.linalg.solve(normal, right[..., None])[..., 0]
