"""The square, upright region of the picture that the landmark network looks at."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

SCALE = 1.25  # room around a person: the region's side over twice the distance of its two alignment points
MAX_STEP = 8.0  # picture pixels per pixel of a cut


class Region(NamedTuple):
    """A square turned so that the person in it stands upright. Pixels of the full picture."""

    x: float  # centre
    y: float
    side: float
    angle: float  # radians, clockwise as seen (x right, y down)

    @property
    def centre(self) -> np.ndarray:
        """(2,) pixels."""
        return np.array([self.x, self.y])

    def axes(self) -> np.ndarray:
        """(2, 2) rotation from the region's axes to the picture's."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) in parts of the region (0 to 1) as pixels of the picture."""
        return (points - 0.5) * self.side @ self.axes().T + self.centre

    def from_picture(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the picture in parts of the region."""
        return (pixels - self.centre) @ self.axes() / self.side + 0.5

    def cut(self, image: np.ndarray, size: int) -> np.ndarray:
        """The region as (size, size, 3), black where it reaches over the picture's edge."""
        step = self.axes() * (self.side / size)
        return sample(image, step, self.centre - step @ np.full(2, size / 2), size, MAX_STEP)


def sample(image: np.ndarray, step: np.ndarray, origin: np.ndarray, size: int, max_step: float) -> np.ndarray:
    """A square picture whose pixel u shows the place `step @ u + origin` of an image; black outside of it.

    Args:
        image: (H, W, 3) uint8.
        step: (2, 2) a rotation times image pixels per output pixel.
        origin: (2,) the place of output pixel (0, 0).
        size: Side of the output.
        max_step: Where more image pixels than this fall on an output pixel, the image is first made smaller by
            averaging: bilinear sampling alone would skip pixels, and make landmarks tremble.
    """
    factor = int(2 * math.sqrt(abs(np.linalg.det(step))) / max_step)
    if factor > 1:
        corners = np.array([[0, 0], [0, size], [size, 0], [size, size]]) @ step.T + origin
        low = np.floor(corners.min(axis=0) - 2 * factor).astype(int).clip(0)
        high = np.ceil(corners.max(axis=0) + 2 * factor).astype(int).clip(low + factor, None)
        part = image[low[1] : high[1], low[0] : high[0]]
        width, height = part.shape[1] // factor, part.shape[0] // factor
        if not width or not height:
            return np.zeros((size, size, 3), dtype=np.uint8)
        image = cv2.resize(part[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)
        step, origin = step / factor, (origin - low - (factor - 1) / 2) / factor
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, np.column_stack([step, origin]), (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT
    )


def region_from_points(centre: np.ndarray, top: np.ndarray) -> Region:
    """The region of a person from BlazePose's two alignment points.

    Args:
        centre: (2,) the middle of the hips, pixels.
        top: (2,) a point on the circle around the whole body, in the direction of the head.
    """
    dx, dy = (float(v) for v in top - centre)
    side = 2.0 * SCALE * math.hypot(dx, dy)
    return Region(float(centre[0]), float(centre[1]), max(side, 1.0), math.atan2(dx, -dy))


def overlap(a: Region, b: Region) -> float:
    """Intersection over union of two regions, their turning left out."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    common = max(width, 0.0) * max(height, 0.0)
    return common / (a.side**2 + b.side**2 - common)
