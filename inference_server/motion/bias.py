"""What the landmarker's 3D gets wrong on the average, learned on renders of the free body, and taken off.

Upright people lean towards where they face, faces lie far too far forward, ankles too deep: the networks learned from
annotations that say so. The error of each landmark is linear in a few numbers that the landmarks themselves tell:
where the trunk faces and leans. (How the limbs point explains more of the errors on renders, but that much of a
render's error need not be a video's.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.rotations import normalize

from ..people.landmarks import LANDMARK_INDEX

BIAS_PATH = Path(__file__).parent / "data" / "landmark_bias.npz"
SHOULDERS = (LANDMARK_INDEX["left_shoulder"], LANDMARK_INDEX["right_shoulder"])
HIPS = (LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"])


@dataclass
class LandmarkBias:
    """The mean error of each landmark as a linear map of `pose_features`."""

    weights: np.ndarray  # (F, 33, 3) metres, axes of a camera that looks at the person

    @classmethod
    def load(cls, quality: str) -> LandmarkBias:
        """That of the network of a quality, `fast` or `best`."""
        with np.load(BIAS_PATH, allow_pickle=False) as data:
            return cls(data[quality].astype(float))

    def corrected(self, world: np.ndarray) -> np.ndarray:
        """The landmarker's 3D (N, 33, 3), hip-centred, without what it usually gets wrong."""
        return world - np.einsum("nf,flc->nlc", pose_features(world), self.weights)


def pose_features(world: np.ndarray) -> np.ndarray:
    """(N, F) of the landmarker's 3D: one, and where the trunk faces, leans and turns, in camera axes."""
    middle = world[:, HIPS].mean(axis=1)
    up = normalize(world[:, SHOULDERS].mean(axis=1) - middle)
    across = normalize(world[:, SHOULDERS[0]] - world[:, SHOULDERS[1]])
    facing = normalize(np.cross(across, up))
    products = [facing[:, 2:] ** 2, facing[:, 2:] * up[:, 2:], facing[:, :1] * across[:, 2:]]
    return np.concatenate([np.ones((len(world), 1)), facing, up, across[:, 2:], *products], axis=1)
