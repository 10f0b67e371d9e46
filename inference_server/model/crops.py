"""From a person's keypoints to the model's input: boxes, their smoothing, affine crops, flips.

As the authors' code and VIBE's have it, since the weights were trained on that.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import medfilt

from .weak_camera import CROP

VISIBLE = 0.3  # confidence of keypoints that count
SQUARE_MARGIN = 1.1  # of a box about keypoints
CROP_MARGIN = 1.1  # of the crop about a box, at test time
REFERENCE_HEIGHT = 150.0  # pixels: what the scale of a box is told against
MEDIAN_FRAMES = 11
SMOOTH_FRAMES = 8.0
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

# SPIN's 49 joints and SMPL's 24 with left and right exchanged
FLIP_49 = (
    0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21,
    30, 29, 28, 27, 26, 25, 36, 35, 34, 33, 32, 31, 37, 38, 39, 40, 41, 42, 43, 44, 46, 45, 48, 47,
)  # fmt: skip
HIPS_49 = (27, 28)


def square_box(keypoints: np.ndarray) -> np.ndarray:
    """(4,) centre x, y, width and height of the square about all keypoints (N, 2 or 3), with a margin."""
    low, high = keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)
    side = (high - low).max() * SQUARE_MARGIN
    return np.array([*((low + high) / 2), side, side])


def box_parameters(keypoints: np.ndarray) -> np.ndarray | None:
    """(3,) centre x, y and scale of the visible keypoints (N, 3); None if there are none.

    The scale is 150 pixels over the diagonal of their extent.
    """
    visible = keypoints[:, 2] > VISIBLE
    if not visible.any():
        return None
    low, high = keypoints[visible, :2].min(axis=0), keypoints[visible, :2].max(axis=0)
    extent = float(np.linalg.norm(high - low))
    if extent < 0.5:
        return None
    return np.array([*((low + high) / 2), REFERENCE_HEIGHT / extent])


def boxes_through_time(keypoints: list[np.ndarray | None]) -> tuple[np.ndarray, int, int]:
    """Box parameters (n, 3) from the first frame with a person to the last, gaps filled linearly; and these two frames.

    The last is told as the one after it.
    """
    found = [None if k is None else box_parameters(k) for k in keypoints]
    known = [number for number, box in enumerate(found) if box is not None]
    if not known:
        return np.zeros((0, 3)), 0, 0
    values = np.array([box for box in found if box is not None])
    frames = np.arange(known[0], known[-1] + 1)
    filled = np.stack([np.interp(frames, known, values[:, k]) for k in range(3)], axis=-1)
    return filled, known[0], known[-1] + 1


def smooth_boxes(parameters: np.ndarray, sigma: float = SMOOTH_FRAMES) -> np.ndarray:
    """Box parameters (n, 3) after a median and a Gaussian over frames."""
    return np.stack(
        [gaussian_filter1d(medfilt(track, MEDIAN_FRAMES), sigma) for track in parameters.T],
        axis=-1,
    )


def boxes_of(parameters: np.ndarray) -> np.ndarray:
    """Square boxes (n, 4) of box parameters (n, 3)."""
    side = REFERENCE_HEIGHT / parameters[:, 2] * SQUARE_MARGIN
    return np.stack([parameters[:, 0], parameters[:, 1], side, side], axis=-1)


def crop_affine(
    box: np.ndarray, margin: float = CROP_MARGIN, degrees: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """(2, 3) from picture pixels to crop pixels: the box's centre to (112, 112), its margined sides to 224.

    For training the crop may be turned, and shifted by parts of the box.
    """
    x, y, width, height = box
    angle = np.radians(degrees)
    middle = np.array([x + width * shift[0], y + height * shift[1]])
    down = np.array([-np.sin(angle), np.cos(angle)]) * height * margin / 2
    right = np.array([np.cos(angle), np.sin(angle)]) * width * margin / 2
    half = CROP / 2
    source = np.stack([middle, middle + down, middle + right]).astype(np.float32)
    target = np.array([[half, half], [half, CROP], [CROP, half]], np.float32)
    return cv2.getAffineTransform(source, target)


def crop(image: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The crop (224, 224, 3) of an RGB picture; black beyond its edges."""
    return cv2.warpAffine(image, affine, (CROP, CROP), flags=cv2.INTER_LINEAR)


def network_input(crops: np.ndarray) -> np.ndarray:
    """(..., 3, 224, 224) float32 from crops (..., 224, 224, 3) uint8 RGB."""
    return np.moveaxis((crops.astype(np.float32) / 255.0 - MEAN) / DEVIATION, -1, -3)


def keypoints_in_crop(keypoints: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Keypoints (N, 3) of the picture as pixels of the crop; the confidence stays."""
    moved = keypoints.copy()
    moved[:, :2] = keypoints[:, :2] @ affine[:, :2].T + affine[:, 2]
    return moved


def normalized_keypoints(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints (..., 3) in crop pixels, as the losses take them: from -1 to 1."""
    scaled = keypoints.copy()
    scaled[..., :2] = 2.0 * keypoints[..., :2] / CROP - 1.0
    return scaled


def flip_keypoints_2d(keypoints: np.ndarray, width: int = CROP) -> np.ndarray:
    """SPIN's 49 joints (..., 49, 3) of a mirrored picture."""
    flipped = keypoints[..., FLIP_49, :].copy()
    flipped[..., 0] = width - flipped[..., 0] - 1
    return flipped


def flip_keypoints_3d(keypoints: np.ndarray) -> np.ndarray:
    """SPIN's 49 joints (..., 49, 3 or 4) of a body mirrored about the middle of its hips."""
    flipped = keypoints[..., FLIP_49, :].copy()
    middle = keypoints[..., HIPS_49, 0].mean(axis=-1, keepdims=True)
    flipped[..., 0] = 2 * middle - flipped[..., 0]
    return flipped


def flip_pose(pose: np.ndarray) -> np.ndarray:
    """SMPL's axis-angle pose (..., 72) of a mirrored body."""
    from int_blender_addon.core.skeleton import MIRROR

    vectors = pose.reshape(*pose.shape[:-1], 24, 3)[..., MIRROR, :] * np.array([1.0, -1.0, -1.0])
    return vectors.reshape(pose.shape)
