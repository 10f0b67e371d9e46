"""What the landmark model sees of a track: numpy only, the same in training and in use.

Everything is told in the ray frame of its video frame: a camera that looks straight at the hips, as the landmarker's
crop does. Places in the picture are metres at the person, so neither size in the picture nor lens matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from int_blender_addon.core.rotations import between_vectors

from ..motion import ik
from ..motion.kinematics import Figure, pose
from ..motion.swaps import metres_per_pixel
from ..people.landmarks import LANDMARK_INDEX, LandmarkTrack

HIPS = (LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"])
HIDDEN = 0.15  # landmarks of a lower visibility are not told
CALM_SECONDS = 0.04  # of smoothing before the analytic IK


@dataclass
class LandmarkInputs:
    """N frames, ready for the model."""

    features: np.ndarray  # (N, 33, 8) float32, see `LandmarkParts`
    ik: np.ndarray  # (N, 24, 3, 3) local rotations by analytic IK, the root in the ray frame
    joints: np.ndarray  # (N, 24, 3) where these put the joints, relative to the pelvis
    place: np.ndarray  # (N, 4) float32: the ray's direction (x, y), log of the distance, seconds since the last frame
    ray_turn: np.ndarray  # (N, 3, 3) from the ray frame to camera axes


def landmark_inputs(
    track: LandmarkTrack, center: np.ndarray, focal: float, figure: Figure, calm: np.ndarray
) -> LandmarkInputs:
    """Inputs from a track whose swaps are undone.

    Args:
        track: Landmarks.
        center: (2,) principal point, pixels.
        focal: Pixels.
        figure: The body of mean shape.
        calm: (N, 33, 3) the track's `world`, smoothed a little, for the analytic IK.
    """
    scale = metres_per_pixel(track)
    rays = np.concatenate([(track.image - center) / focal, np.ones((*track.image.shape[:2], 1))], axis=-1)
    middle = rays[:, HIPS].mean(axis=1)
    turn = between_vectors(np.array([0.0, 0.0, 1.0]), middle)
    straight = rays @ turn  # rows are vectors: this turns them back by `turn`
    distance = scale * focal
    picture = straight[..., :2] / np.maximum(straight[..., 2:], 0.1) * distance[:, None, None]
    hips = track.world[:, HIPS].mean(axis=1, keepdims=True)
    hidden = (track.visibility < HIDDEN).astype(float)
    features = np.concatenate(
        [
            np.clip(picture, -3, 3),
            np.clip(track.world - hips, -3, 3),
            track.visibility[..., None],
            track.presence[..., None],
            hidden[..., None],
        ],
        axis=-1,
    )
    rotations = ik.solve(calm, figure)
    joints = pose(figure, rotations, np.zeros((len(track), 3))).joints
    step = np.diff(track.time, prepend=track.time[:1])
    place = np.stack([middle[:, 0], middle[:, 1], np.log(distance), np.minimum(step, 1.0)], axis=-1)
    return LandmarkInputs(features.astype(np.float32), rotations, joints, place.astype(np.float32), turn)
