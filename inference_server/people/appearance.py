"""What a person looks like: the colours of their clothes, by part of the body."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .landmarker import INPUT, Pose
from .landmarks import LANDMARK_INDEX

STEP = 2  # every second pixel of the cut is enough
SIZE = INPUT // STEP
LIGHT_BINS, COLOUR_BINS = 16, 24
COLOUR_RANGE = 48  # CIE a and b beyond this count as the outermost
MIN_PIXELS = 15  # a part with fewer is not seen
MIN_VISIBILITY = 0.5


def _indices(*names: str) -> list[int]:
    return [LANDMARK_INDEX[name] for name in names]


HEAD = list(range(11))  # the landmarks of the face
EARS = _indices("left_ear", "right_ear")
TORSO = _indices("left_shoulder", "right_shoulder", "right_hip", "left_hip")
LIMBS = {  # part: the two landmarks of each side, thickness in parts of the torso's length
    "upper_arms": (_indices("left_shoulder", "left_elbow"), _indices("right_shoulder", "right_elbow"), 0.16),
    "forearms": (_indices("left_elbow", "left_wrist"), _indices("right_elbow", "right_wrist"), 0.13),
    "thighs": (_indices("left_hip", "left_knee"), _indices("right_hip", "right_knee"), 0.24),
    "shins": (_indices("left_knee", "left_ankle"), _indices("right_knee", "right_ankle"), 0.16),
}
HEAD_RADIUS = 0.2  # parts of the torso's length
WEIGHTS = np.array([0.7, 2.0, 0.7, 0.7, 1.5, 0.7])  # head, torso, upper arms, forearms, thighs, shins
PARTS = len(WEIGHTS)
CLOTHES = [1, 4]  # torso and thighs: without one of them nothing is said


@dataclass
class Appearance:
    """Mean colour histograms of the parts, and from how many pictures each is."""

    light: np.ndarray  # (6, 16) each sums to 1
    colour: np.ndarray  # (6, 24, 24) each sums to 1
    count: np.ndarray  # (6,) 0 where the part was never seen

    @classmethod
    def unknown(cls) -> Appearance:
        """Nothing seen yet."""
        light, colour = np.zeros((PARTS, LIGHT_BINS)), np.zeros((PARTS, COLOUR_BINS, COLOUR_BINS))
        return cls(light.astype(np.float32), colour.astype(np.float32), np.zeros(PARTS))

    def blend(self, other: Appearance) -> None:
        """Take in more pictures, in place."""
        share = other.count / np.maximum(self.count + other.count, 1e-9)
        self.light += share[:, None] * (other.light - self.light)
        self.colour += share[:, None, None] * (other.colour - self.colour)
        self.count = self.count + other.count

    def copy(self) -> Appearance:
        """A copy that can be blended without changing this one."""
        return Appearance(self.light.copy(), self.colour.copy(), self.count.copy())


def similarity(a: Appearance, b: Appearance) -> float | None:
    """How alike two appearances are, 0 to 1; None if they have neither torso nor thighs in common.

    Bhattacharyya coefficients of the parts; the distances are averaged as squares, so that one part that clearly
    differs counts more than a little haze over all.
    """
    both = (a.count > 0) & (b.count > 0)
    if not both[CLOTHES].any():
        return None
    light = np.sqrt(a.light * b.light).sum(axis=1)
    colour = np.sqrt(a.colour * b.colour).sum(axis=(1, 2))
    weights = WEIGHTS * both
    distance = 1 - np.sqrt(np.minimum(light * colour, 1.0))
    return float(1 - np.sqrt((weights * distance**2).sum() / weights.sum()))


def look(pose: Pose) -> Appearance:
    """The appearance of a person in one picture."""
    seen = Appearance.unknown()
    lab = cv2.cvtColor(np.ascontiguousarray(pose.crop[::STEP, ::STEP]), cv2.COLOR_RGB2LAB)
    points = pose.region.from_picture(pose.image) * SIZE
    length = np.linalg.norm(points[TORSO[:2]].mean(axis=0) - points[TORSO[2:]].mean(axis=0))
    person = pose.mask[::STEP, ::STEP] > 0
    for part, inside in enumerate(_parts(points, pose.visibility, float(length))):
        pixels = lab[(inside > 0) & person]
        if len(pixels) >= MIN_PIXELS:
            seen.light[part], seen.colour[part] = _histograms(pixels)
            seen.count[part] = 1
    return seen


def _parts(points: np.ndarray, visibility: np.ndarray, length: float) -> list[np.ndarray]:
    """Masks (128, 128) of the parts, empty where they are not visible."""
    corners = np.clip(points, -SIZE, 2 * SIZE).round().astype(np.int32)
    head = np.zeros((SIZE, SIZE), dtype=np.uint8)
    if visibility[EARS].max() >= MIN_VISIBILITY:
        x, y = (int(v) for v in corners[HEAD].mean(axis=0))
        cv2.circle(head, (x, y), max(round(HEAD_RADIUS * length), 2), 1, -1)
    torso = np.zeros((SIZE, SIZE), dtype=np.uint8)
    if visibility[TORSO].min() >= MIN_VISIBILITY:
        cv2.fillConvexPoly(torso, cv2.convexHull(corners[TORSO]), 1)
    masks = [head, torso]
    for left, right, width in LIMBS.values():
        mask = np.zeros((SIZE, SIZE), dtype=np.uint8)
        for limb in (left, right):
            if visibility[limb].min() >= MIN_VISIBILITY:
                a, b = (tuple(int(v) for v in corners[i]) for i in limb)
                cv2.line(mask, a, b, 1, max(round(width * length), 2))
        masks.append(mask)
    return masks


def _histograms(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blurred histograms (16,) of lightness and (24, 24) of colour, of OpenCV's 8-bit Lab pixels (N, 3)."""
    light = cv2.calcHist([pixels[:, 0].copy()], [0], None, [LIGHT_BINS], [0, 256]).reshape(1, -1)
    low, high = 128 - COLOUR_RANGE, 128 + COLOUR_RANGE
    a, b = (np.clip(pixels[:, c], low, high - 1) for c in (1, 2))
    colour = cv2.calcHist([a, b], [0, 1], None, [COLOUR_BINS, COLOUR_BINS], [low, high, low, high])
    light, colour = cv2.GaussianBlur(light, (0, 0), 1.0)[0], cv2.GaussianBlur(colour, (0, 0), 1.0)
    return light / light.sum(), colour / colour.sum()
