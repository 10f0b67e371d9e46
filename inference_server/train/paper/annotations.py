"""What all data sets are brought to: frames with a box and what is known of the person in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Annotations:
    """N frames of one data set; single images are sequences of one frame."""

    name: str
    images: list[Path]
    sequence: np.ndarray  # (N,) the number of the sequence that a frame belongs to, never falling
    boxes: np.ndarray  # (N, 4) centre x, y, width and height, pixels
    kp_2d: np.ndarray  # (N, 49, 3) pixels and confidence
    kp_3d: np.ndarray  # (N, 49, 4) metres, camera space, and confidence; all 0 where unknown
    pose: np.ndarray  # (N, 72) axis-angle, 0 where unknown
    betas: np.ndarray  # (N, 10)
    with_smpl: np.ndarray  # (N,) 1 where pose and betas are known

    @property
    def has_3d(self) -> bool:
        """Whether any frame has 3D joints or a fitted body."""
        return bool(self.with_smpl.any() or self.kp_3d[..., 3].any())

    def sequences(self) -> list[np.ndarray]:
        """The frames of each sequence."""
        return np.split(np.arange(len(self.images)), np.flatnonzero(np.diff(self.sequence)) + 1)


def annotated(
    name: str,
    images: list[Path],
    sequence: np.ndarray,
    boxes: np.ndarray,
    kp_2d: np.ndarray,
    kp_3d: np.ndarray | None = None,
    pose: np.ndarray | None = None,
    betas: np.ndarray | None = None,
    with_smpl: np.ndarray | None = None,
) -> Annotations:
    """Annotations with zeros for what a data set lacks. ValueError if the arrays are not of one length."""
    count = len(images)
    known = np.zeros(count) if pose is None or betas is None else np.ones(count)
    if kp_3d is not None and kp_3d.shape[-1] == 3:
        kp_3d = np.concatenate([kp_3d, np.ones((*kp_3d.shape[:-1], 1))], axis=-1)

    def filled(values: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        array = np.zeros((count, *shape), np.float32) if values is None else np.asarray(values, np.float32)
        if array.shape != (count, *shape):
            raise ValueError(f"{name}: {array.shape} where {(count, *shape)} was expected")
        return array

    return Annotations(
        name,
        images,
        np.asarray(sequence),
        filled(boxes, (4,)),
        filled(kp_2d, (49, 3)),
        filled(kp_3d, (49, 4)),
        filled(pose, (72,)),
        filled(betas, (10,)),
        filled(known if with_smpl is None else with_smpl, ()),
    )
