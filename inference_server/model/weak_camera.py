"""The paper's camera: weak perspective in the crop, and what it means in the full picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FOCAL = 5000.0  # pixels, of the crop's camera
CROP = 224  # pixels


def camera_translation(camera: Tensor) -> Tensor:
    """(..., 3) where the body stands before the crop's camera, for weak-perspective (..., 3): scale, x, y."""
    depth = 2 * FOCAL / (CROP * camera[..., 0] + 1e-9)
    return torch.stack([camera[..., 1], camera[..., 2], depth], dim=-1)


def project_to_crop(points: Tensor, camera: Tensor) -> Tensor:
    """(..., N, 2) points (..., N, 3) in the crop, from -1 to 1: crop pixel = 112 * (p + 1)."""
    placed = points + camera_translation(camera)[..., None, :]
    return FOCAL * placed[..., :2] / placed[..., 2:] / (CROP / 2)


def full_picture_camera(camera: np.ndarray, boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """(N, 4) scales and shifts (sx, sy, tx, ty) in the full picture, of crop cameras (N, 3) and boxes (N, 4).

    Boxes are centre x, y, width, height in pixels (VIBE's convention).
    """
    width, height = image_size
    x, y, w, h = boxes.T
    sx, sy = camera[:, 0] * w / width, camera[:, 0] * h / height
    tx = (x - width / 2) / (width / 2) / sx + camera[:, 1]
    ty = (y - height / 2) / (height / 2) / sy + camera[:, 2]
    return np.stack([sx, sy, tx, ty], axis=-1)


def metric_translation(
    camera: np.ndarray, boxes: np.ndarray, focal: float, image_size: tuple[int, int], margin: float
) -> np.ndarray:
    """(N, 3) translation of the body before the real camera, metres.

    The crop shows `margin` times the box; a weak-perspective scale of s means that 2 / s metres fill the crop, so the
    distance follows from the lens, and the shift from the ray to the box's centre.
    """
    width, height = image_size
    side = boxes[:, 2] * margin
    z = 2 * focal / (camera[:, 0] * side)
    x = camera[:, 1] + (boxes[:, 0] - (width - 1) / 2) * z / focal
    y = camera[:, 2] + (boxes[:, 1] - (height - 1) / 2) * z / focal
    return np.stack([x, y, z], axis=-1)
