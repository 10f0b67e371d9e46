"""BlazePose's person detector: the people in a picture, each with two points that tell place, size and tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .network import DATA, Network, sigmoid
from .region import Region, region_from_points, sample

INPUT = 224
MIN_SCORE = 0.5
MAX_STEP = 16.0  # picture pixels per input pixel that are sampled without averaging
MAX_OVERLAP = 0.3  # boxes that overlap more are one person
LAYERS = ((28, 2), (14, 2), (7, 6))  # cells along a side, anchors in a cell


@dataclass(frozen=True)
class Detection:
    """One person."""

    box: np.ndarray  # (4,) left, top, right, bottom of the face region that the network boxes, pixels
    points: np.ndarray  # (4, 2) hip centre, whole-body point, and the same two for the upper body, pixels
    score: float

    @property
    def region(self) -> Region:
        """Where the landmark network should look."""
        return region_from_points(self.points[0], self.points[1])

    def moved(self, offset: np.ndarray) -> Detection:
        """The same person in a picture whose corner is at -offset (2,)."""
        return Detection(self.box + np.tile(offset, 2), self.points + offset, self.score)


class Detector:
    """Finds people. One call at a time.

    Args:
        threads: Threads of the network.
    """

    def __init__(self, threads: int = 2) -> None:
        self._network = Network(DATA / "pose_detection.tflite", threads)
        self._anchors = anchors()

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """The people in an RGB picture (H, W, 3), best score first."""
        values, scale, origin = letterbox(image)
        raw, logits = self._network(values)
        boxes, scores = decode(raw[0], logits[0, :, 0], self._anchors)
        kept = merge_overlapping(boxes, scores)
        return [_detection(values, score, scale, origin) for values, score in kept]


def anchors() -> np.ndarray:
    """(2254, 2) centres of the anchors, in parts of the input's side."""
    layers = []
    for cells, each in LAYERS:
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        layers.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), each, axis=0))
    return np.concatenate(layers)


def letterbox(image: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Fit a picture into the network's square input, black bars around it.

    Returns:
        The input (1, 224, 224, 3) from -1 to 1; picture pixels per input pixel; (2,) the picture's place where the
        input begins, pixels.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    scale, origin = side / INPUT, np.array([width - side, height - side]) / 2
    square = sample(image, np.eye(2) * scale, origin, INPUT, MAX_STEP)
    return square[None] * np.float32(2 / 255) - np.float32(1), scale, origin


def decode(raw: np.ndarray, logits: np.ndarray, anchor_centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Network outputs as boxes and scores of the candidates above the threshold.

    Args:
        raw: (A, 12) centre, size and four points, in input pixels from the anchor's centre.
        logits: (A,).
        anchor_centres: (A, 2) in parts of the input.

    Returns:
        (N, 12) left, top, right, bottom and four points (x, y), input pixels; (N,) scores.
    """
    scores = sigmoid(logits)
    good = scores >= MIN_SCORE
    values = raw[good].astype(float)
    origin = anchor_centres[good] * INPUT
    centre, half = values[:, :2] + origin, values[:, 2:4] / 2
    points = values[:, 4:].reshape(-1, 4, 2) + origin[:, None]
    return np.concatenate([centre - half, centre + half, points.reshape(-1, 8)], axis=1), scores[good]


def merge_overlapping(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Weighted non-maximum suppression: each group of overlapping boxes becomes their mean, weighted by score."""
    kept = []
    rest = np.argsort(-scores)
    while len(rest):
        group_of_best = box_overlap(boxes[rest[0]], boxes[rest]) > MAX_OVERLAP
        group_of_best[0] = True  # also a box without area
        group = rest[group_of_best]
        kept.append((np.average(boxes[group], axis=0, weights=scores[group]), float(scores[rest[0]])))
        rest = rest[~group_of_best]
    return kept


def box_overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (4+,) with others (N, 4+)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:4], others[:, 2:4])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(np.maximum(others[:, 2:4] - others[:, :2], 0), axis=1)
    return common / np.maximum(areas + np.prod(np.maximum(box[2:4] - box[:2], 0)) - common, 1e-9)


def _detection(values: np.ndarray, score: float, scale: float, origin: np.ndarray) -> Detection:
    points = values.reshape(6, 2) * scale + origin
    return Detection(box=points[:2].ravel(), points=points[2:], score=score)
