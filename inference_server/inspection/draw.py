"""Pictures of what was watched; OpenCV alone."""

from __future__ import annotations

import cv2
import numpy as np

from int_blender_addon.core.body import RestBody

from ..picture.paint import paint_body

COLOR = (120, 190, 255)
BACKGROUND = 44
TEXT = (225, 225, 225)
CELL = 300  # pixels, longest side of a matrix
FRAME_HEIGHT = 220
LINK = (255, 170, 60)


def body_picture(body: RestBody, rotations: np.ndarray, title: str, height: int = 360) -> np.ndarray:
    """A body in a pose (24, 3, 3), from the front and from the side, RGB."""
    upright = rotations.copy()
    upright[0] = np.diag([1.0, -1.0, -1.0])  # into camera axes, facing the camera
    vertices = body.skin(upright, np.zeros(3))
    vertices = vertices - vertices.mean(axis=0)
    K = np.array([[1.0 * height, 0, height * 0.35], [0, 1.0 * height, height * 0.52], [0, 0, 1]])
    views = []
    for degrees in (0.0, 90.0):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = vertices @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + [0, 0, 2.2]
        empty = np.full((height, round(height * 0.7), 3), BACKGROUND, np.uint8)
        views.append(paint_body(empty, turned, body.faces, K, COLOR))
    return titled(np.hstack(views), title)


def matrix_picture(values: np.ndarray, title: str) -> np.ndarray:
    """Attention (T, T) as a heat map: rows look at columns, time goes right and down."""
    top = np.quantile(values, 0.995)
    shade = np.clip(values / max(top, 1e-9), 0, 1)
    scale = max(1, CELL // len(values))
    coloured = cv2.applyColorMap((255 * shade).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    return titled(cv2.resize(coloured, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST), title)


def looks_picture(image: np.ndarray, places: np.ndarray, weights: np.ndarray, title: str) -> np.ndarray:
    """Where a token looks: a disc on each evidence token's place (E, 2), its size and warmth the weight (E,)."""
    painted = (image * 0.55).astype(np.uint8)
    strength = weights / max(weights.max(), 1e-9)
    spread = float(np.ptp(places, axis=0).max())
    largest = max(4.0, spread / (2.2 * np.sqrt(len(places))) if len(places) > 40 else spread / 9)
    layer = painted.copy()
    for (x, y), share in sorted(zip(places.tolist(), strength.tolist(), strict=True), key=lambda item: item[1]):
        tone = cv2.applyColorMap(np.array([[round(255 * share)]], np.uint8), cv2.COLORMAP_INFERNO)[0, 0, ::-1]
        cv2.circle(layer, (round(x), round(y)), round(largest * (0.35 + 0.65 * share)), tone.tolist(), -1, cv2.LINE_AA)
    mixed = cv2.addWeighted(layer, 0.65, painted, 0.35, 0)
    return titled(_sized(mixed), title)


def links_picture(
    pictures: dict[int, np.ndarray], shown: list[int], joint: np.ndarray, frame: int, links: list[tuple[int, float]]
) -> np.ndarray:
    """Frames of the clip in a row, and lines from one frame's joint to the frames that it looks at.

    Args:
        pictures: By place in the clip.
        shown: Places in the clip, in order; `frame` and all links are among them.
        joint: (T, 2) where the joint is, pixels.
        frame: Whose looks are drawn.
        links: Places and weights.
    """
    tiles, offsets, scale = [], {}, FRAME_HEIGHT / pictures[shown[0]].shape[0]
    left = 0
    for k in shown:
        tile = _sized(pictures[k])
        offsets[k] = left
        left += tile.shape[1] + 4
        tiles += [tile, np.full((FRAME_HEIGHT, 4, 3), BACKGROUND, np.uint8)]
    row = np.hstack(tiles)
    sheet = np.vstack([np.full((70, row.shape[1], 3), BACKGROUND, np.uint8), row])
    place = {k: np.array([offsets[k], 70]) + joint[k] * scale for k in shown}
    strongest = max((weight for _, weight in links), default=1.0)
    for k, weight in links:
        a, b = place[frame], place[k]
        bow = np.array([(a[0] + b[0]) / 2, 10.0])
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * bow + t**2 * b
        thick = max(1, round(4 * weight / strongest))
        cv2.polylines(sheet, [curve.round().astype(np.int32)], False, LINK, thick, cv2.LINE_AA)
        cv2.circle(sheet, tuple(b.round().astype(int).tolist()), 6, LINK, -1, cv2.LINE_AA)
    cv2.circle(sheet, tuple(place[frame].round().astype(int).tolist()), 8, (90, 220, 255), -1, cv2.LINE_AA)
    return sheet


def titled(image: np.ndarray, title: str) -> np.ndarray:
    """The picture under a line of text."""
    bar = np.full((24, image.shape[1], 3), BACKGROUND, np.uint8)
    cv2.putText(bar, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, TEXT, 1, cv2.LINE_AA)
    return np.vstack([bar, image])


def beside(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures on a sheet, so many in a row."""
    width = max(p.shape[1] for p in pictures) + 8
    height = max(p.shape[0] for p in pictures) + 8
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, min(columns, len(pictures)) * width, 3), BACKGROUND, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (number // columns) * height, (number % columns) * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _sized(image: np.ndarray) -> np.ndarray:
    scale = FRAME_HEIGHT / image.shape[0]
    return cv2.resize(image, (round(image.shape[1] * scale), FRAME_HEIGHT), interpolation=cv2.INTER_AREA)
