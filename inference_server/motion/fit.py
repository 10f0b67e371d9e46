"""The fit: rotations, translation and shape of the body against 2D and 3D landmarks over a stretch of time.

A maximum-a-posteriori estimate by Levenberg-Marquardt with robust (Cauchy) weights. The terms are
  - reprojection of the 33 landmarks, in metres at the person, weighted by visibility;
  - the landmarker's own 3D, relative to its hips, its depth trusted less;
  - a Gaussian pose prior from motion capture;
  - the rotations that the landmark model told, each as sure as the model is of it;
  - accelerations of joints, of local rotations and of the pelvis's depth.
Terms are weighted by the time that a frame stands for, so the frame rate of the video does not matter.
The normal matrix is banded (a frame meets only its two neighbours on either side), bordered by shape and lens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

from int_blender_addon.core.rotations import axis_angle_to_matrix, between_vectors, matrix_to_axis_angle
from int_blender_addon.core.skeleton import NUM_JOINTS

from ..people.landmarks import LANDMARK_INDEX
from .camera import in_camera
from .kinematics import (
    NUM_PARAMETERS,
    Figure,
    Posed,
    joint_jacobian,
    point_jacobian,
    point_shape_jacobian,
    pose,
)
from .prior import PosePrior

ROTATIONS = 3 * NUM_JOINTS
HIPS = (LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"])
REFERENCE_RATE = 30.0  # weights are per frame of a 30 fps video
LONGEST_FRAME = 0.1  # seconds a frame may stand for
LONGEST_STEP = 0.3  # seconds over which accelerations mean anything
_PRODUCTS = np.float32  # of Jacobians with themselves; the banded solve stays in double precision


@dataclass(frozen=True)
class FitSettings:
    """Spreads of the terms; chosen on held-out synthetic motion."""

    picture: float = 0.030  # metres at the person
    world_across: float = 0.06  # metres
    world_depth: float = 0.14  # metres
    prior: float = 1.1  # how many spreads of the prior count as one
    joint_acceleration: float = 8.4  # m/s^2
    turn_acceleration: float = 45.0  # rad/s^2
    depth_acceleration: float = 2.0  # m/s^2, the pelvis along the view
    told: float = 1.2  # times the spread that the landmark model tells: it is surer than it should be on real video
    shape: float = 0.05  # weight of the shape prior per frame
    outlier: float = 2.0  # residuals beyond so many spreads lose their pull


@dataclass
class Evidence:
    """What the fit is to explain, for T frames."""

    time: np.ndarray  # (T,) seconds
    pixels: np.ndarray  # (T, 33, 2)
    world: np.ndarray  # (T, 33, 3) metres, relative to the landmarker's hips, camera axes
    picture_weight: np.ndarray  # (T, 33) 0 to 1
    world_weight: np.ndarray  # (T, 33) 0 to 1
    metres_per_pixel: np.ndarray  # (T,) at the person
    center: np.ndarray  # (2,) principal point
    told: np.ndarray | None = None  # (T, 24, 3, 3) local rotations that a model told, the root's in steady space
    told_spread: np.ndarray | None = None  # (T, 24) radians: how sure it is
    to_camera: np.ndarray | None = None  # (T, 4, 4) from the steady space, where the pose is, if the camera moved

    def select(self, frames: np.ndarray | slice) -> Evidence:
        """The evidence of some frames."""
        return Evidence(
            self.time[frames],
            self.pixels[frames],
            self.world[frames],
            self.picture_weight[frames],
            self.world_weight[frames],
            self.metres_per_pixel[frames],
            self.center,
            None if self.told is None else self.told[frames],
            None if self.told_spread is None else self.told_spread[frames],
            None if self.to_camera is None else self.to_camera[frames],
        )

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points (T, ..., 3) of the steady space in the camera's."""
        return in_camera(points, self.to_camera)


@dataclass
class Pose:
    """What the fit estimates, for T frames."""

    rotations: np.ndarray  # (T, 24, 3, 3) local, the root's in steady space: the camera's, if that stood still
    root: np.ndarray  # (T, 3) pelvis in steady space
    figure: Figure
    focal: float

    def select(self, frames: np.ndarray | slice) -> Pose:
        """The pose of some frames."""
        return replace(self, rotations=self.rotations[frames], root=self.root[frames])

    def posed(self) -> Posed:
        """Joints and landmarks in steady space."""
        return pose(self.figure, self.rotations, self.root)


@dataclass
class _Normal:
    """Gauss-Newton's normal equations, in blocks."""

    diagonal: np.ndarray  # (T, 75, 75)
    next: np.ndarray  # (T, 75, 75) row block t+1, column block t
    second: np.ndarray  # (T, 75, 75) row block t+2, column block t
    gradient: np.ndarray  # (T, 75)
    border: np.ndarray  # (T, 75, S)
    corner: np.ndarray  # (S, S)
    corner_gradient: np.ndarray  # (S,)


class Fit:
    """One least-squares problem: the evidence of a stretch, the prior and the settings.

    Args:
        evidence: What is to be explained.
        prior: The pose prior.
        settings: Spreads of the terms.
        held: The first so many frames are fixed: the end of the stretch before.
    """

    def __init__(self, evidence: Evidence, prior: PosePrior, settings: FitSettings, held: int = 0) -> None:
        self.evidence = evidence
        self.prior = prior
        self.settings = settings
        self.held = held
        self._per_pixel = (evidence.metres_per_pixel / settings.picture)[:, None, None]
        self.span = _spans(evidence.time) * REFERENCE_RATE
        self.stencil, self.stencil_weight = _second_differences(evidence.time)
        self._turns = None if evidence.to_camera is None else evidence.to_camera[:, :3, :3]
        # where the camera looks, in the steady space
        ahead = np.tile([0.0, 0.0, 1.0], (len(evidence.time), 1))
        self._view = ahead if self._turns is None else self._turns[:, 2]

    def solve(self, start: Pose, iterations: int, free_shape: bool = False, focal_prior: float | None = None) -> Pose:
        """Improve `start` by at most `iterations` accepted or refused steps.

        Args:
            start: Where to begin.
            iterations: The most steps to try.
            free_shape: Also estimate betas and, with `focal_prior`, the focal length.
            focal_prior: The focal length in pixels to stay near; None keeps the start's.
        """
        self._focal_prior = focal_prior
        self._shape_size = (10 + (focal_prior is not None)) if free_shape else 0
        current, damping = start, 1e-3
        cost, normal = self._linearize(current)
        for _ in range(iterations):
            candidate = self._step(current, normal, damping)
            new_cost = self._cost(candidate)
            if new_cost < cost:
                gain = cost - new_cost
                current, damping = candidate, max(damping / 5, 1e-6)
                if gain < 1e-4 * cost:
                    break
                cost, normal = self._linearize(current)
            else:
                damping *= 10
                if damping > 1e3:
                    break
        return current

    # ---- residuals -------------------------------------------------------------------------------------------

    def _residuals(self, state: Pose, posed: Posed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        evidence = self.evidence
        points = evidence.seen(posed.points)
        projected = points[..., :2] / points[..., 2:] * state.focal + evidence.center
        picture = (projected - evidence.pixels) * self._per_pixel
        whiten = self._whiten_world(state)
        hips = posed.points[:, HIPS].mean(axis=1, keepdims=True)
        world = ((posed.points - hips)[..., None, :] @ np.swapaxes(whiten, -1, -2))[..., 0, :] - self._seen_world
        return picture, world, whiten

    def _whiten_world(self, state: Pose) -> np.ndarray:
        """(T, 1, 3, 3) from steady axes to spreads along and across the line of sight.

        The landmarker sees a crop, so its axes are those of a camera that looks straight at the person.
        """
        turn = between_vectors(np.array([0.0, 0.0, 1.0]), self.evidence.seen(state.root))
        across, depth = self.settings.world_across, self.settings.world_depth
        whiten = np.diag([1 / across, 1 / across, 1 / depth]) @ np.swapaxes(turn, -1, -2)
        if self._turns is not None:
            whiten = whiten @ self._turns
        self._seen_world = self.evidence.world / [across, across, depth]
        return whiten[:, None]

    def _weights(self, picture: np.ndarray, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        limit = self.settings.outlier**2
        by_picture = 1 / (1 + (picture**2).sum(axis=-1) / limit)
        by_world = 1 / (1 + (world**2).sum(axis=-1) / limit)
        span = self.span[:, None]
        return by_picture * self.evidence.picture_weight * span, by_world * self.evidence.world_weight * span

    def _accelerations(self, state: Pose, posed: Posed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whitened accelerations (T-2, ...) of joints (24, 3), of local rotations (24, 3), of the pelvis's depth."""
        c, settings = self.stencil, self.settings
        joints = _difference(c, posed.joints) / settings.joint_acceleration
        relative = matrix_to_axis_angle(np.swapaxes(state.rotations[:-1], -1, -2) @ state.rotations[1:])
        turns = (c[:, 2, None, None] * relative[1:] - c[:, 0, None, None] * relative[:-1]) / settings.turn_acceleration
        depth = np.sum(_difference(c, state.root) * self._view[1:-1], axis=-1) / settings.depth_acceleration
        return joints, turns, depth

    def _told_residual(self, state: Pose) -> np.ndarray:
        """(T, 24, 3) turns from the told rotations, in their spreads; (T, 0, 3) if nothing was told."""
        told, spread = self.evidence.told, self.evidence.told_spread
        if told is None or spread is None:
            return np.zeros((len(self.evidence.time), 0, 3))
        turns = matrix_to_axis_angle(np.swapaxes(told, -1, -2) @ state.rotations)
        return turns / (self.settings.told * spread[..., None])

    def _cost(self, state: Pose) -> float:
        posed = state.posed()
        if np.any(self.evidence.seen(posed.points)[..., 2] < 0.05):
            return np.inf
        evidence, limit = self.evidence, self.settings.outlier**2
        picture, world, _ = self._residuals(state, posed)
        span = self.span[:, None]
        cost = (limit * np.log1p((picture**2).sum(-1) / limit) * evidence.picture_weight * span).sum()
        cost += (limit * np.log1p((world**2).sum(-1) / limit) * evidence.world_weight * span).sum()
        cost += (self.prior.residual(state.rotations) ** 2 * span).sum() / self.settings.prior**2
        cost += (limit * np.log1p((self._told_residual(state) ** 2).sum(-1) / limit) * span).sum()
        if len(self.stencil):
            joints, turns, depth = self._accelerations(state, posed)
            weight = self.stencil_weight
            cost += (weight[:, None] * _soft((joints**2).sum(-1))).sum()
            cost += (weight[:, None] * _soft((turns**2).sum(-1))).sum() + (weight * depth**2).sum()
        if self._shape_size:
            cost += self._shape_prior_weight() * (state.figure.betas**2).sum()
            if self._focal_prior is not None:
                cost += self._focal_weight() * np.log(state.focal / self._focal_prior) ** 2
        return float(cost)

    def _shape_prior_weight(self) -> float:
        return self.settings.shape * float(self.span.sum())

    def _focal_weight(self) -> float:
        # landmarks are biased for a whole take: more frames do not make the lens better known
        return 10.0 * float(self.span.sum())

    # ---- normal equations ------------------------------------------------------------------------------------

    def _linearize(self, state: Pose) -> tuple[float, _Normal]:
        posed = state.posed()
        frames = len(self.evidence.time)
        picture, world, whiten = self._residuals(state, posed)
        picture_weight, world_weight = self._weights(picture, world)

        points = point_jacobian(state.figure, posed)
        shape = self._shape_columns(state, posed)
        all_columns = points if shape is None else np.concatenate([points, shape], axis=-1)
        seen = self.evidence.seen(posed.points)
        seen_columns = all_columns if self._turns is None else self._turns[:, None] @ all_columns
        depth = seen[..., 2, None]
        by_depth = state.focal * self._per_pixel / depth
        sides = seen_columns[..., :2, :] - (seen[..., :2] / depth)[..., None] * seen_columns[..., 2:, :]
        picture_columns = sides * by_depth[..., None]
        if shape is not None and self._focal_prior is not None:
            picture_columns[..., -1] = (seen[..., :2] / depth) * state.focal * self._per_pixel
        hips = all_columns[:, HIPS].mean(axis=1, keepdims=True)
        world_columns = whiten @ (all_columns - hips)

        columns = np.concatenate(
            [
                (picture_columns * np.sqrt(picture_weight)[..., None, None]).reshape(frames, -1, all_columns.shape[-1]),
                (world_columns * np.sqrt(world_weight)[..., None, None]).reshape(frames, -1, all_columns.shape[-1]),
            ],
            axis=1,
            dtype=_PRODUCTS,
        )
        residual = np.concatenate(
            [
                (picture * np.sqrt(picture_weight)[..., None]).reshape(frames, -1),
                (world * np.sqrt(world_weight)[..., None]).reshape(frames, -1),
            ],
            axis=1,
            dtype=_PRODUCTS,
        )
        normal = (np.swapaxes(columns, 1, 2) @ columns).astype(np.float64)
        gradient = (np.swapaxes(columns, 1, 2) @ residual[..., None])[..., 0].astype(np.float64)
        size = NUM_PARAMETERS
        system = _Normal(
            diagonal=normal[:, :size, :size].copy(),
            next=np.zeros((frames, size, size)),
            second=np.zeros((frames, size, size)),
            gradient=gradient[:, :size].copy(),
            border=normal[:, :size, size:],
            corner=normal[:, size:, size:].sum(axis=0),
            corner_gradient=gradient[:, size:].sum(axis=0),
        )
        self._add_prior(system, state)
        self._add_told(system, state)
        if len(self.stencil):
            self._add_accelerations(system, state, posed)
        self._add_shape_prior(system, state)
        return self._cost(state), system

    def _shape_columns(self, state: Pose, posed: Posed) -> np.ndarray | None:
        if not self._shape_size:
            return None
        columns = np.zeros((*posed.points.shape, self._shape_size))
        columns[..., :10] = point_shape_jacobian(state.figure, posed)
        return columns

    def _add_prior(self, system: _Normal, state: Pose) -> None:
        weight = self.span / self.settings.prior**2
        columns = self.prior.jacobian(state.rotations).astype(_PRODUCTS)
        residual = self.prior.residual(state.rotations)
        turned = np.swapaxes(columns, 1, 2) * weight.astype(_PRODUCTS)[:, None, None]
        system.diagonal[:, 3:ROTATIONS, 3:ROTATIONS] += turned @ columns
        system.gradient[:, 3:ROTATIONS] += (turned @ residual[..., None])[..., 0]

    def _add_told(self, system: _Normal, state: Pose) -> None:
        residual = self._told_residual(state)
        if not residual.shape[1]:
            return
        assert self.evidence.told_spread is not None
        # a step turns the residual by itself, nearly: the two rotations are not far apart
        column = 1.0 / (self.settings.told * self.evidence.told_spread)
        weight = self.span[:, None] / (1 + (residual**2).sum(-1) / self.settings.outlier**2)
        index = np.arange(ROTATIONS)
        system.diagonal[:, index, index] += np.repeat(weight * column**2, 3, axis=1)
        system.gradient[:, :ROTATIONS] += ((weight * column)[..., None] * residual).reshape(len(residual), -1)

    def _add_accelerations(self, system: _Normal, state: Pose, posed: Posed) -> None:
        c = self.stencil
        joints, turns, depth = self._accelerations(state, posed)
        frames = len(self.evidence.time)
        joint_weight = self.stencil_weight[:, None] * _soft_weight((joints**2).sum(-1))
        turn_weight = self.stencil_weight[:, None] * _soft_weight((turns**2).sum(-1))
        columns = joint_jacobian(posed) / self.settings.joint_acceleration
        flat = columns.reshape(frames, -1, NUM_PARAMETERS)
        repeat = np.repeat(joint_weight, 3, axis=1)  # (T-2, 72)

        own, once, twice = _stencil_products(c, repeat, frames)
        turned = np.swapaxes(flat, 1, 2)
        system.diagonal += (turned * own[:, None]) @ flat
        system.next[:-1] += (turned[1:] * once[:-1, None]) @ flat[:-1]
        system.second[:-2] += (turned[2:] * twice[:-2, None]) @ flat[:-2]
        pull = _spread(c, repeat * joints.reshape(frames - 2, -1), frames)
        system.gradient += (turned @ pull[..., None])[..., 0]

        spread = self.settings.turn_acceleration
        repeat = np.repeat(turn_weight, 3, axis=1) / spread**2
        own, once, twice = _stencil_products(c, repeat, frames)
        index = np.arange(ROTATIONS)
        system.diagonal[:, index, index] += own
        system.next[:, index, index] += once
        system.second[:, index, index] += twice
        system.gradient[:, :ROTATIONS] += _spread(c, repeat * turns.reshape(frames - 2, -1) * spread, frames)

        spread = self.settings.depth_acceleration
        view = self._view[1:-1]
        weight = self.stencil_weight[:, None] * (view[:, :, None] * view[:, None, :]).reshape(-1, 9) / spread**2
        own, once, twice = (part.reshape(frames, 3, 3) for part in _stencil_products(c, weight, frames))
        place = slice(ROTATIONS, NUM_PARAMETERS)
        system.diagonal[:, place, place] += own
        system.next[:, place, place] += once
        system.second[:, place, place] += twice
        pull = (self.stencil_weight * depth / spread)[:, None] * view
        system.gradient[:, place] += _spread(c, pull, frames)

    def _add_shape_prior(self, system: _Normal, state: Pose) -> None:
        if not self._shape_size:
            return
        weight = self._shape_prior_weight()
        index = np.arange(10)
        system.corner[index, index] += weight
        system.corner_gradient[:10] += weight * state.figure.betas
        if self._focal_prior is not None:
            system.corner[10, 10] += self._focal_weight()
            system.corner_gradient[10] += self._focal_weight() * np.log(state.focal / self._focal_prior)

    # ---- one step --------------------------------------------------------------------------------------------

    def _step(self, state: Pose, system: _Normal, damping: float) -> Pose:
        frames, size, held = len(self.evidence.time), NUM_PARAMETERS, self.held
        free = frames - held
        diagonal = system.diagonal[held:].copy()
        index = np.arange(size)
        diagonal[:, index, index] *= 1 + damping
        diagonal[:, index, index] += 1e-6
        banded = _banded(diagonal, system.next[held:], system.second[held:])
        factor = cholesky_banded(banded, overwrite_ab=True, lower=True, check_finite=False)
        right = -system.gradient[held:].reshape(-1, 1)
        shape_step = np.zeros(self._shape_size)
        if self._shape_size:
            border = system.border[held:].reshape(free * size, -1)
            solved = cho_solve_banded((factor, True), np.concatenate([right, border], axis=1), check_finite=False)
            corner = system.corner + damping * np.diag(np.diag(system.corner))
            reduced = corner - border.T @ solved[:, 1:]
            shape_step = np.linalg.solve(reduced, -system.corner_gradient - border.T @ solved[:, 0])
            step = solved[:, 0] - solved[:, 1:] @ shape_step
        else:
            step = cho_solve_banded((factor, True), right, check_finite=False)[:, 0]
        step = step.reshape(free, size)
        turn = step[:, :ROTATIONS].reshape(free, NUM_JOINTS, 3)
        # a turn of more than a radian in one step is the linear model speaking out of its range
        turn = turn / np.maximum(1.0, np.linalg.norm(turn, axis=-1, keepdims=True))
        rotations, root = state.rotations.copy(), state.root.copy()
        rotations[held:] = rotations[held:] @ axis_angle_to_matrix(turn)
        root[held:] = root[held:] + step[:, ROTATIONS:]
        return self._with_shape(replace(state, rotations=rotations, root=root), shape_step)

    def _with_shape(self, state: Pose, step: np.ndarray) -> Pose:
        if not len(step):
            return state
        figure = state.figure
        delta = np.clip(step[:10], -1.0, 1.0)
        figure = replace(
            figure,
            offsets=figure.offsets + figure.offset_dirs @ delta,
            point_offset=figure.point_offset + figure.point_dirs @ delta,
            betas=figure.betas + delta,
        )
        focal = state.focal * float(np.exp(np.clip(step[10], -0.2, 0.2))) if len(step) > 10 else state.focal
        return replace(state, figure=figure, focal=focal)


def _spans(time: np.ndarray) -> np.ndarray:
    """(T,) seconds that each frame stands for."""
    if len(time) < 2:
        return np.full(len(time), 1 / REFERENCE_RATE)
    steps = np.minimum(np.diff(time), LONGEST_FRAME)
    return 0.5 * (np.concatenate([steps[:1], steps]) + np.concatenate([steps, steps[-1:]]))


def _second_differences(time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (T-2, 3) of the second derivative at uneven times, and the weight (T-2,) of each."""
    if len(time) < 3:
        return np.zeros((0, 3)), np.zeros(0)
    before, after = np.diff(time)[:-1], np.diff(time)[1:]
    whole = before + after
    c = np.stack([2 / (before * whole), -2 / (before * after), 2 / (after * whole)], axis=-1)
    weight = 0.5 * whole * REFERENCE_RATE
    return c, np.where(np.maximum(before, after) > LONGEST_STEP, 0.0, weight)


def _difference(c: np.ndarray, values: np.ndarray) -> np.ndarray:
    c = c.reshape(len(c), 3, *([1] * (values.ndim - 1)))
    return c[:, 0] * values[:-2] + c[:, 1] * values[1:-1] + c[:, 2] * values[2:]


def _stencil_products(c: np.ndarray, weight: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (T, K) of a frame with itself, with the next and with the second next, from triples' weights (T-2, K)."""
    own, once, twice = (np.zeros((frames, weight.shape[1])) for _ in range(3))
    for k in range(3):
        own[k : frames - 2 + k] += c[:, k, None] ** 2 * weight
    once[: frames - 2] += (c[:, 0] * c[:, 1])[:, None] * weight
    once[1 : frames - 1] += (c[:, 1] * c[:, 2])[:, None] * weight
    twice[: frames - 2] += (c[:, 0] * c[:, 2])[:, None] * weight
    return own, once, twice


def _spread(c: np.ndarray, pull: np.ndarray, frames: int) -> np.ndarray:
    """The transpose of the second difference: (T-2, K) to (T, K)."""
    total = np.zeros((frames, pull.shape[1]))
    for k in range(3):
        total[k : frames - 2 + k] += c[:, k, None] * pull
    return total


def _soft(squared: np.ndarray) -> np.ndarray:
    """Pseudo-Huber: quadratic for small accelerations, linear for hits and landings."""
    return 2 * (np.sqrt(1 + squared) - 1)


def _soft_weight(squared: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(1 + squared)


_SIZE = NUM_PARAMETERS
_COLUMN = np.arange(_SIZE)[None, :]
_ROW = np.arange(3 * _SIZE)[:, None] + _COLUMN


def _banded(diagonal: np.ndarray, following: np.ndarray, second: np.ndarray) -> np.ndarray:
    """LAPACK's lower banded form (225, 75 T) of the block matrix."""
    frames = len(diagonal)
    padded = np.zeros((frames, 6 * _SIZE, _SIZE))
    padded[:, :_SIZE] = diagonal
    padded[:-1, _SIZE : 2 * _SIZE] = following[:-1]
    padded[:-2, 2 * _SIZE : 3 * _SIZE] = second[:-2]
    band = padded[:, _ROW, _COLUMN]
    return np.ascontiguousarray(band.transpose(1, 0, 2).reshape(3 * _SIZE, frames * _SIZE))
