"""The fit over a take of any length: betas and lens once, then windows in time that meet without a seam.

A window is solved a little past its end, and the next one starts from the two frames that the last one settled.
So a take can be fitted while the video is still being read, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.rotations import (
    between_vectors,
    matrix_to_quaternion,
    quaternion_to_matrix,
    resample_quaternions,
)
from int_blender_addon.core.smoothing import gaussian_smooth

from ..people.landmarks import LandmarkTrack
from . import ik, swaps
from .bias import LandmarkBias
from .camera import camera_matrix, default_focal, from_camera, in_camera, locate, root_from_camera
from .fit import HIPS, Evidence, Fit, FitSettings, Pose
from .height import betas_of_height, height_of
from .kinematics import Figure, LandmarkPoints, pose
from .moving_camera import STILL, CameraPath
from .prior import PosePrior

INITIAL_SMOOTHING = 0.05  # seconds, before the analytic IK
SHAPE_SPACING = 0.12  # seconds between the frames from which shape and lens are estimated
SHAPE_FRAMES = 240
SHAPE_ITERATIONS = 12
SHAPE_SECONDS = 20.0  # of a take still being read, before its shape is settled
WINDOW_FRAMES = 240
WINDOW_OVERLAP = 0.6  # seconds past a window's end that are solved and thrown away
LEAST_SPREAD = 0.08  # radians: no model is surer of a joint than this
SWAPPED_WORLD_TRUST = 0.15  # the landmarker's depth is mirrored where it swaps the sides


@dataclass(frozen=True)
class Quality:
    """How long the fit may work."""

    coarse_spacing: float  # seconds between the frames of the first pass
    coarse_iterations: int
    fine_iterations: int


QUALITIES = {"fast": Quality(0.1, 6, 2), "best": Quality(0.066, 10, 6)}


# how the camera moved, given the focal length in pixels where it is settled; None if it stood still
CameraSays = Callable[[float | None], CameraPath | None]


@dataclass
class Fitted:
    """What the fit settled, for T frames.

    Attributes:
        pose: In steady space: the camera's, if that stood still.
        contacts: (T, 4) how likely heels and toes stand, as a reader says; None without one.
        to_camera: (T, 4, 4) from steady space, if the camera moved or Blender told it.
        camera_kind: See `CameraPath`.
        height_known: Whether the body's height was given.
    """

    pose: Pose
    contacts: np.ndarray | None = None
    to_camera: np.ndarray | None = None
    camera_kind: str = STILL
    height_known: bool = False


class Reader(Protocol):
    """What tells rotations from landmarks; see `model.landmark_reader.LandmarkReader`."""

    def read(self, track: LandmarkTrack, center: np.ndarray, focal: float, figure: Figure) -> Said:
        """What it says of every frame of a track."""


class Said(Protocol):
    """What a reader says of N frames."""

    rotations: np.ndarray  # (N, 24, 3, 3) local, the root to camera axes
    spread: np.ndarray  # (N, 24) radians
    contacts: np.ndarray  # (N, 4) how likely heels and toes stand


class WindowedFit:
    """Fits one person's growing track.

    Args:
        image_size: Width and height of the upright picture.
        body: The body whose joints move.
        quality: How long the fit may work.
        focal: Focal length in pixels if known; estimated near a usual one if None.
        settings: Spreads of the terms.
        bias: What the landmarker's 3D usually gets wrong; nothing is taken off if None.
        reader: A model that tells rotations from landmarks; without one the fit has only its prior.
        height: Of the person, in metres, if known; it sets the scale.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        body: BodyModel,
        quality: Quality,
        focal: float | None = None,
        settings: FitSettings | None = None,
        bias: LandmarkBias | None = None,
        reader: Reader | None = None,
        height: float | None = None,
    ) -> None:
        self.bias = bias
        self.height = height
        self.reader = reader
        self.image_size = image_size
        self.quality = quality
        self.focal = focal
        self.settings = settings or FitSettings()
        self.prior = PosePrior.load()
        self.body = body
        self.figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
        self._mean_figure = self.figure
        self.done = 0  # frames of the track that are settled
        self._shape_known = False
        self._lens = focal or default_focal(image_size)
        self._rotations = np.zeros((0, 24, 3, 3))
        self._root = np.zeros((0, 3))
        self._contacts = np.zeros((0, 4))
        self._camera: CameraPath | None = None
        self._scale = 1.0  # of what the landmarker says in metres, where the height is known

    def fitted(self, track: LandmarkTrack) -> Fitted:
        """What is settled; `track` is the one that was given last."""
        pose = Pose(self._rotations[: self.done], self._root[: self.done], self.figure, self._lens)
        told = None if self.reader is None else self._contacts[: self.done]
        if self._camera is None:
            return Fitted(pose, told, height_known=self.height is not None)
        to_camera = self._camera.at(track.frame_index[: self.done])
        return Fitted(pose, told, to_camera, self._camera.kind, self.height is not None)

    def extend(
        self,
        track: LandmarkTrack,
        final: bool,
        on_window: Callable[[int], None] | None = None,
        camera: CameraSays | None = None,
    ) -> int:
        """Settle as many windows as the track so far allows; all of it if `final`.

        Args:
            track: The whole track so far; frames settled before are not read again.
            final: No more frames will come.
            on_window: Called with the number of settled frames after each window; may raise to stop.
            camera: Tells how the camera moved.

        Returns:
            How many frames are settled.
        """
        if not final and (len(track) == 0 or track.time[-1] - track.time[0] < SHAPE_SECONDS):
            return self.done
        with threadpool_limits(1, "blas"):  # many small products: threads cost more than they bring
            self._extend(track, final, on_window, camera or (lambda lens: None))
        return self.done

    def _look_at_camera(self, camera: CameraSays, known: float | None) -> None:
        self._camera = camera(known)
        if known is None and self._camera is not None and self._camera.focal is not None:
            self.focal = self._lens = self._camera.focal  # a pan shows the lens better than a person does

    def _extend(
        self,
        track: LandmarkTrack,
        final: bool,
        on_window: Callable[[int], None] | None,
        camera: CameraSays,
    ) -> None:
        self._look_at_camera(camera, self._lens if self._shape_known else self.focal)
        held = min(2, self.done)
        fresh = track.select(slice(self.done - held, None))
        swapped = swaps.find_swaps(fresh)
        repaired = swaps.undo_swaps(fresh, swapped)
        if self.bias is not None:
            repaired.world = self.bias.corrected(repaired.world)
        evidence = gather_evidence(repaired, swapped, self.image_size)
        if self._camera is not None:
            evidence.to_camera = self._camera.at(fresh.frame_index)
        start = initial_pose(evidence, self.figure, self._lens, self.image_size)
        told_contacts = np.zeros((len(fresh), 4))
        if self.reader is not None:
            said = self.reader.read(repaired, evidence.center, self._lens, self._mean_figure)
            evidence.told = root_from_camera(said.rotations, evidence.to_camera)
            evidence.told_spread = np.maximum(said.spread, LEAST_SPREAD)
            start.rotations = evidence.told.copy()
            told_contacts = said.contacts
        if not self._shape_known:
            start = _fit_shape(evidence, start, self.prior, self.settings, None if self.focal else self._lens)
            self.figure, self._lens, self._shape_known = start.figure, start.focal, True
            if self.height is not None:
                self._scale = self.height / height_of(self.body, start.figure.betas)
                start = _of_height(start, self.body, self.height, evidence.to_camera)
                self.figure = start.figure
            if self._camera is not None and self.focal is None:
                self._camera = camera(self._lens)
                start = _through(self._camera, evidence, start, fresh.frame_index)
        evidence.world *= self._scale
        evidence.metres_per_pixel *= self._scale
        start.rotations[:held] = self._rotations[self.done - held : self.done]
        start.root[:held] = self._root[self.done - held : self.done]
        count, first = len(fresh), held
        while first < count:
            last, end = self._window(fresh.time, first, final)
            if last is None:
                break
            frames = slice(first - held, end)
            window = self._fit_window(evidence.select(frames), start.select(frames), held)
            keep = last - (first - held)
            start.rotations[first - held : last] = window.rotations[:keep]
            start.root[first - held : last] = window.root[:keep]
            self._rotations = np.concatenate([self._rotations[: self.done], window.rotations[held:keep]])
            self._root = np.concatenate([self._root[: self.done], window.root[held:keep]])
            self._contacts = np.concatenate([self._contacts[: self.done], told_contacts[first:last]])
            self.done = len(self._root)
            first, held = last, 2
            if on_window is not None:
                on_window(self.done)

    def _window(self, time: np.ndarray, first: int, final: bool) -> tuple[int | None, int]:
        """Where the window that starts at `first` ends, and how far it is solved; None if frames are wanting."""
        count = len(time)
        last = min(first + WINDOW_FRAMES, count)
        if final and count - last < WINDOW_FRAMES // 4:
            return count, count
        end = int(np.searchsorted(time, time[last - 1] + WINDOW_OVERLAP)) + 1
        if end > count and not final:
            return None, count
        return last, min(end, count)

    def _fit_window(self, evidence: Evidence, start: Pose, held: int) -> Pose:
        """Coarse to fine: a few frames first, then all of them from there."""
        quality = self.quality
        chosen = np.union1d(np.arange(held), _spaced(evidence.time, quality.coarse_spacing))
        iterations = quality.coarse_iterations + quality.fine_iterations
        if 3 <= len(chosen) < len(evidence.time):
            coarse = Fit(evidence.select(chosen), self.prior, self.settings, held)
            fitted = coarse.solve(start.select(chosen), quality.coarse_iterations)
            start = _carry_over(start, fitted, chosen, evidence.time, held)
            iterations = quality.fine_iterations
        return Fit(evidence, self.prior, self.settings, held).solve(start, iterations)


def gather_evidence(track: LandmarkTrack, swapped: np.ndarray, image_size: tuple[int, int]) -> Evidence:
    """What the fit is to explain, with the trust that each landmark deserves."""
    center = camera_matrix(1.0, image_size)[:2, 2]
    inside = np.all((track.image >= 0) & (track.image <= np.array(image_size) - 1.0), axis=-1)
    seen = track.visibility.astype(float) * np.where(inside, 1.0, 0.3)
    seen = np.where(track.bridged[:, None], 0.3 * seen, seen)
    hips = track.world[:, HIPS].mean(axis=1, keepdims=True)
    return Evidence(
        time=track.time.astype(float),
        pixels=track.image.astype(float),
        world=(track.world - hips).astype(float),
        picture_weight=0.02 + 0.98 * seen,
        world_weight=(0.15 + 0.85 * seen) * np.where(swapped, SWAPPED_WORLD_TRUST, 1.0),
        metres_per_pixel=swaps.metres_per_pixel(track),
        center=center,
    )


def initial_pose(evidence: Evidence, figure: Figure, focal: float, image_size: tuple[int, int]) -> Pose:
    """Analytic IK of the landmarker's 3D, placed so that it covers the landmarks in the picture."""
    calm = gaussian_smooth(evidence.world, evidence.time, INITIAL_SMOOTHING)
    K = camera_matrix(focal, image_size)
    rays = np.concatenate([(evidence.pixels.mean(axis=1) - K[:2, 2]) / focal, np.ones((len(calm), 1))], axis=1)
    # the landmarker saw a crop: its axes are those of a camera that looks at the person
    calm = calm @ np.swapaxes(between_vectors(np.array([0.0, 0.0, 1.0]), rays), -1, -2)
    rotations = ik.solve(calm, figure)
    placed = pose(figure, rotations, np.zeros((len(calm), 3)))
    root = from_camera(locate(placed.points, evidence.pixels, evidence.picture_weight, K), evidence.to_camera)
    rotations = root_from_camera(rotations, evidence.to_camera)
    return Pose(rotations, gaussian_smooth(root, evidence.time, INITIAL_SMOOTHING), figure, focal)


def _fit_shape(
    evidence: Evidence, start: Pose, prior: PosePrior, settings: FitSettings, focal_prior: float | None
) -> Pose:
    """The start with betas and lens estimated from frames spread over the take, and moved to the fitted frames."""
    chosen = _spaced(evidence.time, SHAPE_SPACING)
    if len(chosen) > SHAPE_FRAMES:  # stretches of neighbours, spread over the take
        groups = np.array_split(chosen, SHAPE_FRAMES // 16)
        chosen = np.concatenate([group[:16] for group in groups])
    fit = Fit(evidence.select(chosen), prior, settings)
    fitted = fit.solve(start.select(chosen), SHAPE_ITERATIONS, free_shape=True, focal_prior=focal_prior)
    scale = fitted.focal / start.focal
    root = from_camera(evidence.seen(start.root) * [1.0, 1.0, scale], evidence.to_camera)
    return replace(start, figure=fitted.figure, focal=fitted.focal, root=root)


def _of_height(start: Pose, body: BodyModel, metres: float, to_camera: np.ndarray | None) -> Pose:
    """The pose of a body of a height, as much nearer or farther as it is smaller or taller."""
    before = height_of(body, start.figure.betas)
    figure = Figure.of(body, LandmarkPoints.load(), betas_of_height(body, start.figure.betas, metres))
    root = in_camera(start.root, to_camera) * (metres / before)
    return replace(start, figure=figure, root=from_camera(root, to_camera))


def _through(camera: CameraPath | None, evidence: Evidence, start: Pose, frames: np.ndarray) -> Pose:
    """The same pose before the camera whose turns were told anew, through another lens; the evidence is changed."""
    assert evidence.to_camera is not None
    rotations, root = start.rotations.copy(), evidence.seen(start.root)
    change = evidence.to_camera[:, :3, :3].copy()
    evidence.to_camera = None if camera is None else camera.at(frames)
    change = root_from_camera(change[:, None], evidence.to_camera)[:, 0]
    rotations[:, 0] = change @ rotations[:, 0]
    if evidence.told is not None:
        evidence.told = evidence.told.copy()
        evidence.told[:, 0] = change @ evidence.told[:, 0]
    return replace(start, rotations=rotations, root=from_camera(root, evidence.to_camera))


def _carry_over(start: Pose, fitted: Pose, chosen: np.ndarray, time: np.ndarray, held: int) -> Pose:
    """Frames between the fitted ones, interpolated on SO(3); held ones as they are."""
    quaternions = resample_quaternions(matrix_to_quaternion(fitted.rotations), time[chosen], time)
    root = np.stack([np.interp(time, time[chosen], fitted.root[:, k]) for k in range(3)], axis=-1)
    rotations = quaternion_to_matrix(quaternions)
    rotations[:held], root[:held] = start.rotations[:held], start.root[:held]
    return replace(start, rotations=rotations, root=root)


def _spaced(time: np.ndarray, spacing: float) -> np.ndarray:
    """Indices of frames at least about `spacing` seconds apart, first and last among them."""
    slots = np.floor((time - time[0]) / spacing + 1e-6).astype(int)
    first = np.flatnonzero(np.concatenate([[True], np.diff(slots) > 0]))
    return np.union1d(first, [len(time) - 1])
