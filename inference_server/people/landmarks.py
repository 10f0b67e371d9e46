"""One person's landmarks through a video: what the people stage hands to the motion stage."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

LANDMARK_NAMES: tuple[str, ...] = (
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
)
NUM_LANDMARKS = len(LANDMARK_NAMES)
LANDMARK_INDEX: dict[str, int] = {name: index for index, name in enumerate(LANDMARK_NAMES)}


@dataclass
class LandmarkTrack:
    """One person over the N frames in which they were seen. Left and right are the person's, as the network says."""

    person_id: int
    frame_index: np.ndarray  # (N,) 0-based video frame numbers, rising
    time: np.ndarray  # (N,) seconds
    image: np.ndarray  # (N, 33, 2) pixels of the upright full frame, pixel centres at whole numbers
    image_z: np.ndarray  # (N, 33) depth in pixels of the same scale, hip-centred, negative towards the camera
    world: np.ndarray  # (N, 33, 3) metres, hip-centred, camera axes (x right, y down, z forward)
    visibility: np.ndarray  # (N, 33) 0 to 1
    presence: np.ndarray  # (N, 33) 0 to 1
    score: np.ndarray  # (N,) the network's probability that a person is there
    bridged: np.ndarray  # (N,) bool, True where a short gap was filled by interpolation

    def __len__(self) -> int:
        return len(self.time)

    def select(self, frames: np.ndarray | slice) -> LandmarkTrack:
        """The track reduced to some of its frames."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return LandmarkTrack(**{k: v if k == "person_id" else v[frames] for k, v in values.items()})
