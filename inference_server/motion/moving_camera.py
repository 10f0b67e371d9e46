"""How the camera turned while it filmed, from points of the background.

The motion is estimated in a steady space: that of the camera at the first frame, or the scene's world where Blender
knows the camera. `to_camera` brings points from it to the camera of a frame. Turning (pan, tilt, roll, shake) is found
here; travelling is noticed, not followed.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.errors import CameraFileError
from int_blender_addon.core.rotations import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_matrix,
    resample_quaternions,
)

from ..video.background import LONG_SIDE, Match
from .camera import camera_matrix, default_focal, from_camera

STILL, TURNING, TRAVELLING, SCENE = "still", "turning", "travelling", "scene"
NOISE = 1.0  # pixels of a picture of `LONG_SIDE`: less than this is a camera at rest
SURE = 2.0  # times the noise from which the camera is believed to have moved as it seems
ROUNDS = 4
ROBUST = 1.0  # pixels
LENSES = np.exp(np.linspace(np.log(0.5), np.log(2.5), 33))  # times a usual one
LENS_FRAMES = 60
LENS_MOVED = 30.0  # pixels that frames must have moved to tell the lens
LENS_CLEAR = 1.25  # times worse that a lens 30 % off must be
TRAVEL_PIXELS, TRAVEL_SHARE = 1.5, 0.1  # residual of a turn alone, also as a share of the move
TRAVEL_AGREE = 0.75  # part of the background that moves as one; less is something near before something far
TRAVEL_FRAMES = 0.15  # of the frames


@dataclass
class CameraPath:
    """From the steady space to the camera of each frame.

    Attributes:
        frames: (F,) 0-based video frame numbers, rising.
        to_camera: (F, 4, 4).
        focal: Pixels, where the path tells it.
        kind: `still`, `turning`, `travelling` (turns were found, the path over the floor is not to be trusted), or
            `scene` (Blender's camera; the steady space is the scene's world).
    """

    frames: np.ndarray
    to_camera: np.ndarray
    focal: float | None = None
    kind: str = TURNING

    def at(self, frames: np.ndarray) -> np.ndarray:
        """(N, 4, 4) of some frames; between known ones the last one's, before the first the first's."""
        index = np.clip(np.searchsorted(self.frames, frames, side="right") - 1, 0, len(self.frames) - 1)
        return self.to_camera[index]


def turning(
    matches: list[Match], image_size: tuple[int, int], focal: float | None, told: float | None = None
) -> CameraPath | None:
    """How the camera turned; None if it stood still.

    Args:
        matches: Of the video so far. A longer list gives the same path for the frames of a shorter one.
        image_size: Width and height of the upright picture.
        focal: The lens in pixels, if known.
        told: The lens to take if neither it nor the path is known; a usual one if None.
    """
    if not matches:
        return None
    pixel = max(image_size) / LONG_SIDE
    moved = np.array([match.moved for match in matches]) / pixel
    if np.all(moved < NOISE):
        return None
    points, weights = _padded(matches)
    lens = focal if focal is not None else _lens(points, weights, moved, image_size)
    used = lens or told or default_focal(image_size)
    rays = _rays(points, used, image_size)
    turns = _turns(rays, weights, used / pixel)
    # what is no more than noise is no movement: a camera on a tripod stands still exactly
    share = np.clip((moved - NOISE) / ((SURE - 1) * NOISE), 0, 1)
    turns = axis_angle_to_matrix(matrix_to_axis_angle(turns) * share[:, None])
    if np.all(share == 0):
        return None
    chained = _chained(matches, turns)
    frames = np.concatenate([[matches[0].reference], [match.frame for match in matches]])
    to_camera = np.tile(np.eye(4), (len(frames), 1, 1))
    to_camera[1:, :3, :3] = chained
    agree = np.array([match.agree for match in matches])
    kind = TRAVELLING if _travels(rays, weights, turns, moved, agree, used / pixel) else TURNING
    return CameraPath(frames, to_camera, lens if focal is None else None, kind)


def _padded(matches: list[Match]) -> tuple[np.ndarray, np.ndarray]:
    """(2, M, N, 2) points there and here, and (M, N) weights, 0 where there are none."""
    most = max(len(match.there) for match in matches)
    points, weights = np.zeros((2, len(matches), most, 2)), np.zeros((len(matches), most))
    for k, match in enumerate(matches):
        count = len(match.there)
        points[0, k, :count], points[1, k, :count], weights[k, :count] = match.there, match.here, 1.0
    return points, weights


def _median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.nanmedian(np.where(weights > 0, values, np.nan), axis=1)


def _rays(points: np.ndarray, focal: float, image_size: tuple[int, int]) -> np.ndarray:
    center = camera_matrix(1.0, image_size)[:2, 2]
    rays = np.concatenate([(points - center) / focal, np.ones((*points.shape[:-1], 1))], axis=-1)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _turns(rays: np.ndarray, weights: np.ndarray, focal: float) -> np.ndarray:
    """(M, 3, 3) from rays there to rays here (2, M, N, 3): Kabsch, points that miss losing their pull."""
    trust = weights
    for _ in range(ROUNDS):
        covariance = np.einsum("mn,mni,mnj->mij", trust, rays[1], rays[0])
        u, _, vt = np.linalg.svd(covariance)
        u[..., -1] *= np.linalg.det(u @ vt)[:, None]
        turns = u @ vt
        trust = weights / (1 + (_missed(rays, turns) * focal / ROBUST) ** 2)
    return turns


def _missed(rays: np.ndarray, turns: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rays[1] - np.einsum("mij,mnj->mni", turns, rays[0]), axis=-1)


def _lens(points: np.ndarray, weights: np.ndarray, moved: np.ndarray, image_size: tuple[int, int]) -> float | None:
    """The focal length in pixels under which turns alone explain the background best; None if it hardly matters."""
    far = np.flatnonzero(moved > LENS_MOVED)
    if not len(far):
        return None
    some = far[np.linspace(0, len(far) - 1, min(len(far), LENS_FRAMES)).astype(int)]
    points, weights, pixel = points[:, some], weights[some], max(image_size) / LONG_SIDE
    lenses = default_focal(image_size) * LENSES

    def cost(focal: float) -> float:
        rays = _rays(points, focal, image_size)
        missed = _missed(rays, _turns(rays, weights, focal / pixel)) * focal / pixel
        return float(np.mean(_median(missed, weights)))

    costs = np.array([cost(focal) for focal in lenses])
    best = int(costs.argmin())
    step = round(np.log(1.3) / np.log(LENSES[1] / LENSES[0]))
    if best < step or best + step >= len(lenses):
        return None
    if min(costs[best - step], costs[best + step]) < LENS_CLEAR * costs[best] + 0.02:
        return None
    a, b, c = costs[best - 1 : best + 2]  # the parabola through the three lowest
    offset = 0.5 * (a - c) / max(a - 2 * b + c, 1e-9)
    return float(lenses[best] * (LENSES[1] / LENSES[0]) ** np.clip(offset, -1, 1))


def _travels(
    rays: np.ndarray, weights: np.ndarray, turns: np.ndarray, moved: np.ndarray, agree: np.ndarray, focal: float
) -> bool:
    """Whether turns alone leave too much of the background's movement, in too many of the frames that moved."""
    left = _median(_missed(rays, turns) * focal, weights)
    far = moved > SURE * NOISE
    wrong = ((left > TRAVEL_PIXELS) & (left > TRAVEL_SHARE * moved)) | (agree < TRAVEL_AGREE)
    return bool(np.sum(wrong & far) > TRAVEL_FRAMES * len(moved))


def _chained(matches: list[Match], turns: np.ndarray) -> np.ndarray:
    """(M, 3, 3) from the first frame, along the references."""
    known = {matches[0].reference: np.eye(3)}
    last = np.eye(3)
    result = np.empty_like(turns)
    for k, match in enumerate(matches):
        # a reference that itself was not matched: the camera is taken to be where it was last seen
        last = result[k] = turns[k] @ known.setdefault(match.reference, last)
        known[match.frame] = last
    return result


@dataclass
class SceneCamera:
    """A camera that Blender's scene knows.

    Attributes:
        time: (F,) seconds of the video, rising.
        world_to_camera: (F, 4, 4) from the scene's world, z up, to x right, y down, z forward; metres.
        focal: In lengths of the picture's longer side.
    """

    time: np.ndarray
    world_to_camera: np.ndarray
    focal: float

    def path(self, frames: np.ndarray, time: np.ndarray) -> CameraPath:
        """Its path at frames (N,) of the video, which are shown at seconds (N,)."""
        turns = quaternion_to_matrix(
            resample_quaternions(matrix_to_quaternion(self.world_to_camera[:, :3, :3]), self.time, time)
        )
        eyes = from_camera(np.zeros((len(self.time), 3)), self.world_to_camera)
        eye = np.stack([np.interp(time, self.time, eyes[:, k]) for k in range(3)], axis=-1)
        to_camera = np.tile(np.eye(4), (len(time), 1, 1))
        to_camera[:, :3, :3], to_camera[:, :3, 3] = turns, -(turns @ eye[..., None])[..., 0]
        return CameraPath(np.asarray(frames), to_camera, None, SCENE)


def load_camera(path: Path) -> SceneCamera:
    """A camera that Blender wrote.

    Raises:
        CameraFileError: It can't be read, or holds no camera.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            time, views, focal = data["time"], data["world_to_camera"].astype(float), float(data["focal"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CameraFileError(f"{path.name} could not be read as a camera.") from error
    turned = views[..., :3, :3]
    proper = np.allclose(turned @ np.swapaxes(turned, -1, -2), np.eye(3), atol=1e-3)
    if views.shape != (len(time), 4, 4) or not len(time) or not np.isfinite(views).all() or not proper or focal <= 0:
        raise CameraFileError(f"{path.name} holds no camera.")
    return SceneCamera(np.asarray(time, float), views, focal)
