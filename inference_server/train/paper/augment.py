"""The paper's augmentations (those of MAED): mirroring, colours, an erased patch; the same for all frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

COLOR = 0.3  # brightness, contrast and saturation change by up to this share
ERASED_SHARE = 0.5  # of clips
ERASED_AREA = (0.02, 0.33)
ERASED_ASPECT = (0.3, 3.3)
FLIPPED_SHARE = 0.5


@dataclass(frozen=True)
class Augmentation:
    """What is done to a clip."""

    flip: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    erased: tuple[int, int, int, int] | None = None  # x, y, width, height in the crop

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: int, colors: bool) -> Augmentation:
        """One by chance; without `colors` only mirrored."""
        flip = bool(rng.random() < FLIPPED_SHARE)
        if not colors:
            return cls(flip)
        brightness, contrast, saturation = (float(v) for v in rng.uniform(1 - COLOR, 1 + COLOR, 3))
        erased = _patch(rng, size) if rng.random() < ERASED_SHARE else None
        return cls(flip, brightness, contrast, saturation, erased)

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """A crop (S, S, 3) uint8 RGB, changed; erased pixels are the mean grey."""
        image = crop[:, ::-1] if self.flip else crop
        if (self.brightness, self.contrast, self.saturation) != (1.0, 1.0, 1.0):
            values = image.astype(np.float32) * self.brightness
            values = (values - values.mean()) * self.contrast + values.mean()
            grey = cv2.cvtColor(np.clip(values, 0, 255), cv2.COLOR_RGB2GRAY)[..., None]
            values = grey + (values - grey) * self.saturation
            image = np.clip(values, 0, 255).astype(np.uint8)
        image = np.ascontiguousarray(image)
        if self.erased is not None:
            x, y, width, height = self.erased
            image[y : y + height, x : x + width] = 124, 116, 104
        return image


def _patch(rng: np.random.Generator, size: int) -> tuple[int, int, int, int]:
    area = size * size * rng.uniform(*ERASED_AREA)
    aspect = np.exp(rng.uniform(*np.log(ERASED_ASPECT)))
    width, height = (min(round(float(v)), size - 1) for v in (np.sqrt(area * aspect), np.sqrt(area / aspect)))
    return int(rng.integers(size - width)), int(rng.integers(size - height)), width, height
