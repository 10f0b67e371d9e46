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


def in_camera(points: np.ndarray, to_camera: np.ndarray | None) -> np.ndarray:
    """Points (T, ..., 3) in the space of each frame's camera, given (T, 4, 4) to it; as they are without one."""
    if to_camera is None:
        return points
    lead = (slice(None), *[None] * (points.ndim - 2))
    return (to_camera[:, :3, :3][lead] @ points[..., None])[..., 0] + to_camera[:, :3, 3][lead]


def from_camera(points: np.ndarray, to_camera: np.ndarray | None) -> np.ndarray:
    """What `in_camera` undoes."""
    if to_camera is None:
        return points
    lead = (slice(None), *[None] * (points.ndim - 2))
    turned = np.swapaxes(to_camera[:, :3, :3], -1, -2)[lead]
    return (turned @ (points - to_camera[:, :3, 3][lead])[..., None])[..., 0]


def root_from_camera(rotations: np.ndarray, to_camera: np.ndarray | None) -> np.ndarray:
    """Local rotations (T, 24, 3, 3), the root's turned from each frame's camera to the space it is seen from."""
    if to_camera is None:
        return rotations
    rotations = rotations.copy()
    rotations[:, 0] = np.swapaxes(to_camera[:, :3, :3], -1, -2) @ rotations[:, 0]
    return rotations


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
