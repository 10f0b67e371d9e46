"""A body painted into a picture: faces from far to near, lit from above the camera. No graphics card is needed."""

from __future__ import annotations

import cv2
import numpy as np

from ..motion.camera import project

LIGHT = np.array([-0.3, -0.6, -0.75])  # towards it, camera axes
DARKEST = 0.35
BRIGHTNESS = 0.6
NEAREST = 0.05  # metres before the camera
SUBPIXEL_BITS = 4


def paint_body(
    image: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    K: np.ndarray,
    color: tuple[int, int, int] | np.ndarray,
    light: np.ndarray = LIGHT,
) -> np.ndarray:
    """A copy of an RGB picture (H, W, 3) with a body painted over it.

    Args:
        image: What is behind.
        vertices: (V, 3) camera space.
        faces: (F, 3 or 4).
        K: The camera's matrix.
        color: Of the body, or of each face (F, 3).
        light: (3,) direction towards the light, camera axes.
    """
    painted = image.copy()
    corners = vertices[faces]  # (F, 3 or 4, 3)
    last = corners[:, -1]
    normals = np.cross(corners[:, 2] - corners[:, 0], last - corners[:, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    centres = corners.mean(axis=1)
    visible = ((normals * centres).sum(axis=1) < 0) & (corners[..., 2].min(axis=1) > NEAREST)
    shade = DARKEST + BRIGHTNESS * np.clip(normals @ light, 0.0, 1.0)
    pixels = np.round(project(vertices, K) * 2**SUBPIXEL_BITS)
    reach = 4 * 2**SUBPIXEL_BITS * max(image.shape[:2])
    pixels = np.clip(np.nan_to_num(pixels), -reach, reach).astype(np.int32)
    tones = np.clip(np.broadcast_to(np.asarray(color, float), (len(faces), 3)) * shade[:, None], 0, 255).tolist()
    order = np.flatnonzero(visible)
    for face in order[np.argsort(-centres[order, 2])]:
        cv2.fillConvexPoly(painted, pixels[faces[face]], tones[face], cv2.LINE_AA, SUBPIXEL_BITS)
    return painted


def seen_from_side(vertices: np.ndarray, degrees: float) -> np.ndarray:
    """Vertices (V, 3) turned about the vertical through their middle."""
    middle = vertices.mean(axis=0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return (vertices - middle) @ turn.T + middle
