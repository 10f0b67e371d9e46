"""How tall a person is, and a body of a given height."""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.body import BodyModel

ROUNDS = 4
STEP = 0.1  # of a beta


def height_of(body: BodyModel, betas: np.ndarray) -> float:
    """Metres from sole to crown at rest."""
    return float(np.ptp(body.rest(betas).vertices[:, 1]))


def betas_of_height(body: BodyModel, betas: np.ndarray, metres: float) -> np.ndarray:
    """(10,) the betas nearest to some others whose body is so tall: Newton along the height's gradient."""
    betas = np.array(betas, float)
    for _ in range(ROUNDS):
        tall = height_of(body, betas)
        gradient = np.array([height_of(body, betas + STEP * axis) - tall for axis in np.eye(len(betas))]) / STEP
        betas = betas + gradient * (metres - tall) / max(float(gradient @ gradient), 1e-9)
    return betas
