"""Looking for people over the whole picture, at more than one scale."""

from __future__ import annotations

import numpy as np

from .detector import INPUT, Detection, Detector, box_overlap

LONG = 1.2  # pictures longer than this times their shorter side are also searched square by square
SAME_BOX = 0.3  # intersection over union of face boxes that are one person's
OVERLAP = 0.1  # least part of a tile that is also in the next
FINE_PARTS = (2, 4)  # sides of the tiles of the fine search, as parts of the shorter side

Tile = tuple[int, int, int, int]  # left, top, width, height


def search(detector: Detector, image: np.ndarray, fine: bool = False) -> list[Detection]:
    """The people in an RGB picture (H, W, 3), best score first.

    The detector shrinks what it sees to 224 pixels, so in a wide or tall picture it misses people: it looks at the
    whole, and at the squares that the picture is made of. The fine search adds smaller tiles where that finds nobody,
    for people far away.
    """
    height, width = image.shape[:2]
    tiles = [(0, 0, width, height), *squares(width, height, min(width, height))]
    found = [d for tile in tiles for d in _in_tile(detector, image, tile)]
    for part in FINE_PARTS:
        side = min(width, height) // part
        if fine and not found and side >= INPUT:
            found = [d for tile in squares(width, height, side, all_ways=True) for d in _in_tile(detector, image, tile)]
    return distinct(found)


def squares(width: int, height: int, side: int, all_ways: bool = False) -> list[Tile]:
    """Squares of a side that cover a picture with overlap; none where one square is about the whole picture."""
    if not all_ways and max(width, height) < LONG * side:
        return []
    xs, ys = _starts(width, side), _starts(height, side)
    return [(x, y, min(side, width), min(side, height)) for y in ys for x in xs]


def distinct(detections: list[Detection]) -> list[Detection]:
    """Detections of different people: of those with overlapping face boxes, the one with the best score."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if not kept or box_overlap(detection.box, np.stack([k.box for k in kept])).max() < SAME_BOX:
            kept.append(detection)
    return kept


def _in_tile(detector: Detector, image: np.ndarray, tile: Tile) -> list[Detection]:
    left, top, width, height = tile
    part = np.ascontiguousarray(image[top : top + height, left : left + width])
    return [d.moved(np.array([left, top])) for d in detector(part)]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles of a side begin along a length: evenly, from edge to edge."""
    if length <= side:
        return [0]
    count = int(np.ceil((length - OVERLAP * side) / ((1 - OVERLAP) * side)))
    return [int(v) for v in np.linspace(0, length - side, max(count, 2)).round()]
