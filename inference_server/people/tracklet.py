"""A tracklet: one person followed from frame to frame without a break, so surely one person."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .appearance import Appearance
from .landmarker import INPUT, Pose
from .landmarks import LANDMARK_INDEX
from .region import Region, overlap

TORSO = [LANDMARK_INDEX[n] for n in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
BODY = [
    *TORSO,
    *(LANDMARK_INDEX[n] for n in ("nose", "left_elbow", "right_elbow", "left_knee", "right_knee")),
    *(LANDMARK_INDEX[n] for n in ("left_ankle", "right_ankle")),
]
SAME_PERSON = 0.06  # median distance of body landmarks, in sides of the region, below which two poses are one person's
SAME_PIXELS = 0.75  # part of the pixels of one that is also the other's, above which two poses are one person's
VELOCITY_MEMORY = 0.1  # seconds


@dataclass
class Tracklet:
    """The poses of one person, packed, and what is needed to find them in the next frame."""

    number: int
    frames: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    rows: list[np.ndarray] = field(
        default_factory=list
    )  # (33, 8): image x, y, image z, world x, y, z, visibility, presence
    scores: list[float] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)  # of the region, pixels
    appearance: Appearance = field(default_factory=Appearance.unknown)
    region: Region | None = None  # where to look next
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # of the torso, pixels per second
    looked: int = 0  # frames since the appearance was last taken
    strange: int = 0  # looks in a row at clothes that were not the person's
    sure: int = 0  # frames up to the last look that fitted
    likeness: list[float] = field(default_factory=list)  # of each look at the clothes to the mean of those before

    def __len__(self) -> int:
        return len(self.frames)

    def centre(self, at: int = -1) -> np.ndarray:
        """(2,) middle of the torso at one of the frames, pixels."""
        return self.rows[at][TORSO, :2].mean(axis=0)

    def predicted(self, time: float) -> np.ndarray:
        """(2,) where the torso should be, pixels; the velocity is trusted for a tenth of a second."""
        return self.centre() + self.velocity * min(time - self.times[-1], VELOCITY_MEMORY)

    def add(self, index: int, time: float, pose: Pose) -> None:
        """Append the pose of the next frame."""
        if self.rows:
            dt = time - self.times[-1]
            velocity = (pose.image[TORSO].mean(axis=0) - self.centre()) / dt
            self.velocity += (velocity - self.velocity) * (1 - np.exp(-dt / VELOCITY_MEMORY))
        self.frames.append(index)
        self.times.append(time)
        self.rows.append(packed(pose))
        self.scores.append(pose.score)
        self.sides.append(pose.next_region.side)
        self.region = pose.next_region

    def drop_last(self, count: int) -> None:
        """Take back the last frames."""
        for values in (self.frames, self.times, self.rows, self.scores, self.sides):
            del values[len(values) - count :]  # type: ignore[attr-defined]


def packed(pose: Pose) -> np.ndarray:
    """A pose as (33, 8) float32."""
    columns = [pose.image, pose.image_z[:, None], pose.world, pose.visibility[:, None], pose.presence[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


def same_person(a: Pose, b: Pose) -> bool:
    """Whether two poses of one frame lie on the same person: by their landmarks, or because one covers the other."""
    distance = np.linalg.norm(a.image[BODY] - b.image[BODY], axis=1) / min(a.next_region.side, b.next_region.side)
    if np.median(distance) < SAME_PERSON:
        return True
    if overlap(a.region, b.region) == 0:
        return False
    return shared(a, b) > SAME_PIXELS


def shared(a: Pose, b: Pose) -> float:
    """The part of the pixels of one of two people that is also the other's; the larger of the two parts."""
    return max(covered(a, b), covered(b, a))


def covered(a: Pose, b: Pose) -> float:
    """The part of one person's pixels that the network also gives to the other."""
    rows, columns = np.nonzero(a.mask[::8, ::8] > 0)
    if len(rows) == 0:
        return 0.0
    pixels = a.region.to_picture(np.stack([columns, rows], axis=1) * (8 / INPUT))
    column, row = (b.region.from_picture(pixels) * INPUT).round().astype(int).T
    inside = (row >= 0) & (row < INPUT) & (column >= 0) & (column < INPUT)
    return float((b.mask[row[inside], column[inside]] > 0).sum() / len(rows))
