"""One person's landmarks to their take: swaps undone, analytic IK, the fit over windows in time, the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.errors import CancelledError, TooFewFramesError
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.rotations import (
    between_vectors,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_matrix,
    resample_quaternions,
)
from int_blender_addon.core.smoothing import gaussian_smooth, smooth_quaternions

from ..people.landmarks import LandmarkTrack
from . import ik, swaps, world
from .camera import camera_matrix, default_focal, locate
from .fit import HIPS, Evidence, Fit, FitSettings, Pose
from .kinematics import Figure, LandmarkPoints, pose
from .prior import PosePrior

FEWEST_FRAMES = 5
INITIAL_SMOOTHING = 0.05  # seconds, before the analytic IK
SHAPE_SPACING = 0.12  # seconds between the frames from which shape and lens are estimated
SHAPE_FRAMES = 240
SHAPE_ITERATIONS = 12
WINDOW_FRAMES = 240
WINDOW_OVERLAP = 0.6  # seconds past a window's end that are solved and thrown away
SMOOTHING_SPREAD = 0.04  # seconds at full smoothing
SWAPPED_WORLD_TRUST = 0.15  # the landmarker's depth is mirrored where it swaps the sides


@dataclass(frozen=True)
class Quality:
    """How long the fit may work."""

    coarse_spacing: float  # seconds between the frames of the first pass
    coarse_iterations: int
    fine_iterations: int


QUALITIES = {"fast": Quality(0.1, 6, 2), "best": Quality(0.066, 10, 6)}


@dataclass
class Estimate:
    """The take in camera space, before it is put on the ground."""

    state: Pose
    residual: np.ndarray  # (T,) median reprojection error in metres at the person


def estimate_motion(
    track: LandmarkTrack,
    image_size: tuple[int, int],
    fps: float,
    body: BodyModel,
    quality: str = "best",
    focal: float | None = None,
    smooth: float = 0.5,
    settings: FitSettings | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Motion:
    """The take of one person.

    Args:
        track: Landmarks, unsmoothed.
        image_size: Width and height of the upright picture.
        fps: The video's average frame rate, written into the take.
        body: The body whose joints move; its betas are estimated once for the take.
        quality: `fast` or `best`.
        focal: Focal length in pixels if the lens is known; estimated near a usual one if not.
        smooth: 0 to 1, Gaussian smoothing after the fit.
        settings: Spreads of the fit's terms.
        on_progress: Called with frames done and frames in all.
        cancelled: Asked between windows.

    Raises:
        TooFewFramesError: The person is seen in fewer than 5 frames.
        CancelledError: `cancelled` said so.
    """
    if len(track) < FEWEST_FRAMES:
        raise TooFewFramesError(f"The person is seen in {len(track)} frames only.")
    settings = settings or FitSettings()
    state = fit_track(track, image_size, body, QUALITIES[quality], focal, settings, on_progress, cancelled)
    state = smoothed(state, track.time, smooth * SMOOTHING_SPREAD)
    return ground(state, track, image_size, fps, body)


def fit_track(
    track: LandmarkTrack,
    image_size: tuple[int, int],
    body: BodyModel,
    quality: Quality,
    focal: float | None,
    settings: FitSettings,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Pose:
    """The fitted pose of every frame of the track, in camera space."""
    prior, points = PosePrior.load(), LandmarkPoints.load()
    swapped = swaps.find_swaps(track)
    repaired = swaps.undo_swaps(track, swapped)
    evidence = gather_evidence(repaired, swapped, image_size)
    figure = Figure.of(body, points, np.zeros(10))
    start = initial_pose(evidence, figure, focal or default_focal(image_size), image_size)
    start = _fit_shape(evidence, start, prior, settings, None if focal else start.focal)
    rotations, root = start.rotations.copy(), start.root.copy()
    count, done, first = len(track), 0, 0
    while done < count:
        if cancelled is not None and cancelled():
            raise CancelledError("The capture was cancelled.")
        last = min(first + WINDOW_FRAMES, count)
        if count - last < WINDOW_FRAMES // 4:
            last = count
        end = count if last == count else int(np.searchsorted(track.time, track.time[last - 1] + WINDOW_OVERLAP)) + 1
        # the two frames before the window are settled and tie it to what came before
        held = min(2, first)
        frames = slice(first - held, min(end, count))
        window = replace(start, rotations=rotations[frames].copy(), root=root[frames].copy())
        window = _fit_window(evidence.select(frames), window, prior, settings, quality, held)
        keep = last - (first - held)
        rotations[first - held : last], root[first - held : last] = window.rotations[:keep], window.root[:keep]
        done = first = last
        if on_progress is not None:
            on_progress(done, count)
    return replace(start, rotations=rotations, root=root)


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
    root = locate(placed.points, evidence.pixels, evidence.picture_weight, K)
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
    root = start.root * [1.0, 1.0, scale]
    return replace(start, figure=fitted.figure, focal=fitted.focal, root=root)


def _fit_window(
    evidence: Evidence, start: Pose, prior: PosePrior, settings: FitSettings, quality: Quality, held: int
) -> Pose:
    """Coarse to fine: a few frames first, then all of them from there."""
    chosen = np.union1d(np.arange(held), _spaced(evidence.time, quality.coarse_spacing))
    if len(chosen) < len(evidence.time) and len(chosen) >= 3:
        coarse = Fit(evidence.select(chosen), prior, settings, held)
        fitted = coarse.solve(start.select(chosen), quality.coarse_iterations)
        start = _carry_over(start, fitted, chosen, evidence.time)
        return Fit(evidence, prior, settings, held).solve(start, quality.fine_iterations)
    iterations = quality.coarse_iterations + quality.fine_iterations
    return Fit(evidence, prior, settings, held).solve(start, iterations)


def _carry_over(start: Pose, fitted: Pose, chosen: np.ndarray, time: np.ndarray) -> Pose:
    """Frames between the fitted ones: interpolated on SO(3)."""
    quaternions = resample_quaternions(matrix_to_quaternion(fitted.rotations), time[chosen], time)
    root = np.stack([np.interp(time, time[chosen], fitted.root[:, k]) for k in range(3)], axis=-1)
    return replace(start, rotations=quaternion_to_matrix(quaternions), root=root)


def _spaced(time: np.ndarray, spacing: float) -> np.ndarray:
    """Indices of frames at least about `spacing` seconds apart, first and last among them."""
    slots = np.floor((time - time[0]) / spacing + 1e-6).astype(int)
    first = np.flatnonzero(np.concatenate([[True], np.diff(slots) > 0]))
    return np.union1d(first, [len(time) - 1])


def smoothed(state: Pose, time: np.ndarray, sigma: float) -> Pose:
    """The pose smoothed on SO(3) by a Gaussian of `sigma` seconds."""
    quaternions = smooth_quaternions(matrix_to_quaternion(state.rotations), time, sigma)
    return replace(state, rotations=quaternion_to_matrix(quaternions), root=gaussian_smooth(state.root, time, sigma))


def ground(state: Pose, track: LandmarkTrack, image_size: tuple[int, int], fps: float, body: BodyModel) -> Motion:
    """The take in the world: z up, floor at z = 0, the person starting at the origin."""
    posed = state.posed()
    span = np.gradient(track.time)
    turn = world.camera_to_world(world.up_direction(posed.joints, np.minimum(span, 0.2)))
    soles = world.sole_points(posed.points) @ turn.T
    start = turn @ posed.joints[0, 0]
    origin = np.array([start[0], start[1], world.floor_height(soles)])
    rest_pelvis = body.rest_joints(state.figure.betas)[0]
    poses = matrix_to_axis_angle(state.rotations)
    poses[:, 0] = matrix_to_axis_angle(turn @ state.rotations[:, 0])
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = turn.T
    world_to_camera[:3, 3] = turn.T @ origin
    return Motion(
        poses=poses.reshape(len(poses), 72),
        trans=state.root @ turn.T - origin - rest_pelvis,
        betas=state.figure.betas,
        joints=posed.joints,
        frame_index=track.frame_index,
        time=track.time,
        fps=fps,
        confidence=track.score * track.visibility.mean(axis=1),
        bridged=track.bridged,
        contacts=world.contacts(soles - origin, track.time),
        K=camera_matrix(state.focal, image_size),
        world_to_camera=world_to_camera,
        image_size=np.array(image_size),
        person_id=track.person_id,
        model="landmarks",
        body=body.name,
    )
