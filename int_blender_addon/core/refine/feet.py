"""The points of a foot that stand on the floor, found on any body's rest mesh."""

from __future__ import annotations

import numpy as np

from ..body import RestBody
from ..skeleton import JOINT_INDEX

SOLE = 0.02  # metres above the lowest vertex that belong to the sole
ANKLES = (JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"])
TOES = (JOINT_INDEX["left_foot"], JOINT_INDEX["right_foot"])


def sole_points(body: RestBody) -> np.ndarray:
    """(2, 2, 3) of left and right foot: the heel's and the ball's place on the sole, in body space at rest.

    Both hang on the ankle: the ball is where the toes bend.
    """
    result = np.empty((2, 2, 3))
    for foot, (ankle, toe) in enumerate(zip(ANKLES, TOES, strict=True)):
        own = body.weights[:, ankle] + body.weights[:, toe] > 0.5
        vertices = body.vertices[own] if own.any() else body.joints[[ankle, toe]]
        floor = vertices[:, 1].min()
        sole = vertices[vertices[:, 1] < floor + SOLE]
        back = sole[:, 2].min()
        heel = sole[sole[:, 2] < back + SOLE]
        result[foot, 0] = heel[:, 0].mean(), floor, back + SOLE
        result[foot, 1] = body.joints[toe][0], floor, body.joints[toe][2]
    return result
