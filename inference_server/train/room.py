"""A room of chance around a camera that turns: something to see where the motion is not."""

from __future__ import annotations

import cv2
import numpy as np

from ..motion.camera import camera_matrix

WIDTH = 3072  # pixels around


class Room:
    """A panorama of blots and edges, infinitely far away.

    Args:
        rng: Chance.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        height = WIDTH // 2
        picture = np.zeros((height, height, 3), np.float32)
        for cells, strength in ((8, 90.0), (40, 60.0), (160, 40.0)):
            blots = rng.uniform(-1, 1, (cells // 2, cells // 2, 3)).astype(np.float32)
            picture += strength * cv2.resize(blots, (height, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(200):
            corner = rng.integers(0, (height, height))
            size = rng.integers(10, 120, 2)
            color = rng.uniform(-110, 110, 3).tolist()
            cv2.rectangle(picture, corner.tolist(), (corner + size).tolist(), color, -1, cv2.LINE_AA)
        half = np.clip(picture + 128, 0, 255).astype(np.uint8)
        self._picture = np.concatenate([half, half[:, ::-1]], axis=1)  # in a mirror, so that it closes

    def view(self, turn: np.ndarray, focal: float, size: tuple[int, int]) -> np.ndarray:
        """What a camera sees, (H, W, 3) RGB.

        Args:
            turn: (3, 3) from the room to the camera (x right, y down, z forward).
            focal: In pixels.
            size: Width and height.
        """
        K = camera_matrix(focal, size)
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        rays = np.stack([(x - K[0, 2]) / focal, (y - K[1, 2]) / focal, np.ones(x.shape)], axis=-1) @ turn
        around = np.arctan2(rays[..., 0], rays[..., 2]) / (2 * np.pi) + 0.5
        down = np.arctan2(rays[..., 1], np.hypot(rays[..., 0], rays[..., 2])) / np.pi + 0.5
        maps = (around * WIDTH).astype(np.float32), (down * (WIDTH // 2)).astype(np.float32)
        return cv2.remap(self._picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
