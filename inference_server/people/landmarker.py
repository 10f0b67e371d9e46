"""BlazePose's landmark network: 33 body landmarks of the person in a region, in the picture and in metres."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .landmarks import NUM_LANDMARKS
from .network import DATA, Network, sigmoid
from .region import Region, region_from_points

INPUT = 256
HEATMAP = 64
WINDOW = 3  # heatmap cells to each side that refine a landmark
MIN_HEAT = 0.5  # a landmark is refined where its heatmap reaches this
NETWORKS = {"fast": "pose_landmark_full.tflite", "best": "pose_landmark_heavy.tflite"}


@dataclass(frozen=True)
class Pose:
    """What the network sees in one region. Shapes and spaces as in `LandmarkTrack`, for one frame."""

    image: np.ndarray  # (33, 2) pixels of the full picture
    image_z: np.ndarray  # (33,) pixels, hip-centred, negative towards the camera
    world: np.ndarray  # (33, 3) metres, hip-centred, camera axes
    visibility: np.ndarray  # (33,)
    presence: np.ndarray  # (33,)
    score: float  # probability that a person is there
    region: Region  # where the network looked
    next_region: Region  # where the person is, by the two alignment points
    crop: np.ndarray  # (256, 256, 3) uint8, what the network saw
    mask: np.ndarray  # (256, 256) float32, logits of the person's pixels in the crop


class Landmarker:
    """Finds the landmarks of one person. One call at a time.

    Args:
        quality: `fast` (the network "full") or `best` ("heavy").
        threads: Threads of the network.
    """

    def __init__(self, quality: str = "fast", threads: int = 2) -> None:
        self._network = Network(DATA / NETWORKS[quality], threads)

    def __call__(self, image: np.ndarray, region: Region, hidden: Pose | None = None) -> Pose:
        """The pose of the person in a region of an RGB picture (H, W, 3), someone else's pixels painted over."""
        crop = region.cut(image, INPUT)
        if hidden is not None:
            crop[pixels_of(hidden, region)] = crop.mean(axis=(0, 1))  # black makes the network go astray
        values = np.multiply(crop[None], np.float32(1 / 255), dtype=np.float32)
        raw, score, mask, heatmap, world = self._network(values)
        return decode(
            raw.reshape(39, 5), float(score[0, 0]), mask[0, :, :, 0], heatmap[0], world.reshape(39, 3), crop, region
        )


def decode(
    raw: np.ndarray,
    score: float,
    mask: np.ndarray,
    heatmap: np.ndarray,
    world: np.ndarray,
    crop: np.ndarray,
    region: Region,
) -> Pose:
    """The network's outputs in the picture's pixels and the camera's axes.

    Args:
        raw: (39, 5) x, y, z in crop pixels, visibility and presence as logits.
        score: Probability of a person.
        mask: (256, 256) logits.
        heatmap: (64, 64, 39) logits.
        world: (39, 3) metres, axes of the region.
        crop: (256, 256, 3) what the network saw.
        region: Where.
    """
    points = region.to_picture(refined(raw[:, :2] / INPUT, heatmap))
    chances = sigmoid(raw[:NUM_LANDMARKS, 3:5])
    metres = world[:NUM_LANDMARKS].copy()
    metres[:, :2] = metres[:, :2] @ region.axes().T
    return Pose(
        image=points[:NUM_LANDMARKS],
        image_z=raw[:NUM_LANDMARKS, 2] * (region.side / INPUT),
        world=metres,
        visibility=chances[:, 0],
        presence=chances[:, 1],
        score=score,
        region=region,
        next_region=region_from_points(points[NUM_LANDMARKS], points[NUM_LANDMARKS + 1]),
        crop=crop,
        mask=mask,
    )


def pixels_of(pose: Pose, region: Region) -> np.ndarray:
    """(256, 256) bool: where a person is in the cut of another region."""
    step = pose.region.axes().T @ region.axes() * (region.side / pose.region.side)
    origin = pose.region.from_picture(region.to_picture(np.zeros(2))) * INPUT
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    mask = (pose.mask > 0).astype(np.float32)
    return cv2.warpAffine(mask, np.column_stack([step, origin]), (INPUT, INPUT), flags=flags) > 0.5


def refined(points: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Landmarks moved to the centre of heat around them.

    Args:
        points: (L, 2) x, y in parts of the region.
        heatmap: (64, 64, L) logits, rows first.

    Returns:
        (L, 2). A landmark outside the region, or without a clear heat, stays.
    """
    cells = np.floor(points * HEATMAP).astype(int)
    window = np.arange(-WINDOW, WINDOW + 1)
    columns, rows = cells[:, 0, None] + window, cells[:, 1, None] + window
    inside = _valid(rows)[:, :, None] & _valid(columns)[:, None, :]
    landmark = np.arange(len(points))[:, None, None]
    row, column = rows.clip(0, HEATMAP - 1)[:, :, None], columns.clip(0, HEATMAP - 1)[:, None, :]
    heat = np.where(inside, sigmoid(heatmap[row, column, landmark]), 0.0)
    total = np.maximum(heat.sum(axis=(1, 2)), 1e-9)
    centre = (
        np.stack([(heat * column).sum(axis=(1, 2)), (heat * row).sum(axis=(1, 2))], axis=1) / total[:, None] / HEATMAP
    )
    use = (heat.max(axis=(1, 2)) >= MIN_HEAT) & _valid(cells).all(axis=1)
    return np.where(use[:, None], centre, points)


def _valid(cells: np.ndarray) -> np.ndarray:
    return (cells >= 0) & (cells < HEATMAP)
