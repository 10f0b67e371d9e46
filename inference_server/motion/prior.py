"""The pose prior: a Gaussian over the 6D local rotations of the body's joints, learned from motion capture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

PRIOR_PATH = Path(__file__).parent / "data" / "pose_prior.npz"


@dataclass
class PosePrior:
    """Mean and whitening of the 6D rotations of joints 1 to 23, joint by joint as `matrix_to_rot6d` has them."""

    mean: np.ndarray  # (138,)
    whiten: np.ndarray  # (138, 138): whiten @ (x - mean) has unit covariance

    @classmethod
    def load(cls) -> PosePrior:
        """The prior that ships."""
        with np.load(PRIOR_PATH, allow_pickle=False) as data:
            return cls(data["mean"].astype(float), data["whiten"].astype(float))

    def residual(self, rotations: np.ndarray) -> np.ndarray:
        """(T, 138) whitened distance of local rotations (T, 24, 3, 3) from the mean."""
        values = rotations[:, 1:, :, :2].reshape(len(rotations), -1)
        return (values - self.mean) @ self.whiten.T

    def jacobian(self, rotations: np.ndarray) -> np.ndarray:
        """(T, 138, 69) derivative of the residual by right-multiplied rotation steps of joints 1 to 23."""
        turns = rotations[:, 1:]
        frames, joints = turns.shape[:2]
        steps = np.zeros((frames, joints, 3, 2, 3))
        # column c of R (I + [step]x) moves by R (step x e_c): e_0 gives (0, s_z, -s_y), e_1 gives (-s_z, 0, s_x)
        steps[..., 0, 1], steps[..., 0, 2] = -turns[..., 2], turns[..., 1]
        steps[..., 1, 0], steps[..., 1, 2] = turns[..., 2], -turns[..., 0]
        blocks = self.whiten.reshape(-1, joints, 6).transpose(1, 0, 2)  # (23, 138, 6)
        product = blocks[None] @ steps.reshape(frames, joints, 6, 3)  # (T, 23, 138, 3)
        return product.transpose(0, 2, 1, 3).reshape(frames, -1, 3 * joints)
