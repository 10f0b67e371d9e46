"""The fit: its gradient, what it recovers, and that windows leave no seam."""

import numpy as np
import pytest
from scripted import FOCAL, IMAGE_SIZE, walking_pose, walking_track

from inference_server.motion import windows
from inference_server.motion.estimate import estimate_motion
from inference_server.motion.fit import Fit, FitSettings, Pose
from inference_server.motion.kinematics import Figure, LandmarkPoints, pose
from inference_server.motion.prior import PosePrior
from inference_server.motion.windows import QUALITIES, WindowedFit, gather_evidence, initial_pose
from inference_server.people.landmarks import LandmarkTrack
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import CancelledError, TooFewFramesError
from int_blender_addon.core.rotations import geodesic_angle

BODY = load_free_body()


def make_fit(frames: int = 8) -> tuple[Fit, Pose]:
    track = walking_track(yaw=0.5, fps=30.0, noise=0.02, seconds=frames / 30.0)
    evidence = gather_evidence(track, np.zeros((len(track), 33), bool), IMAGE_SIZE)
    fit = Fit(evidence, PosePrior.load(), FitSettings())
    figure = Figure.of(BODY, LandmarkPoints.load(), 0.3 * np.ones(10))
    return fit, initial_pose(evidence, figure, FOCAL, IMAGE_SIZE)


def fit_track(track: LandmarkTrack, quality: str) -> Pose:
    fit = WindowedFit(IMAGE_SIZE, BODY, QUALITIES[quality], FOCAL)
    assert fit.extend(track, final=True) == len(track)
    return fit.fitted(track).pose


def test_the_gradient_is_the_slope_of_the_cost() -> None:
    fit, state = make_fit()
    fit._shape_size, fit._focal_prior = 11, 1.1 * FOCAL
    _, system = fit._linearize(state)
    rng = np.random.default_rng(0)
    for kind in ("pose", "shape"):
        direction = rng.normal(size=(len(state.root), 75)) * (kind == "pose")
        shape = rng.normal(size=11) * (kind == "shape")

        def moved(step: float, direction: np.ndarray = direction, shape: np.ndarray = shape) -> float:
            from dataclasses import replace

            from int_blender_addon.core.rotations import axis_angle_to_matrix

            turn = axis_angle_to_matrix((step * direction[:, :72]).reshape(-1, 24, 3))
            other = replace(state, rotations=state.rotations @ turn, root=state.root + step * direction[:, 72:])
            return fit._cost(fit._with_shape(other, step * shape))

        slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
        # costs are sums of squares: their slope is twice the gradient of half the sum
        expected = 2 * ((system.gradient * direction).sum() + (system.corner_gradient * shape).sum())
        # the turn of the line of sight and the curvature of rotation accelerations are left out of the gradient
        assert slope == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("yaw", [0.0, 1.57, 2.6])
def test_the_walk_is_recovered(yaw: float) -> None:
    track = walking_track(yaw=yaw, fps=30.0, noise=0.01)
    state = fit_track(track, "best")
    rotations, root = walking_pose(track.time, yaw)
    truth = pose(Figure.of(BODY, LandmarkPoints.load(), np.zeros(10)), rotations, root)
    found = state.posed()
    error = (found.joints - found.joints[:, :1]) - (truth.joints - truth.joints[:, :1])
    assert np.linalg.norm(error, axis=-1).mean() < 0.030
    limbs = [0, 1, 2, 4, 5, 16, 17]
    assert np.degrees(geodesic_angle(found.turns[:, limbs], truth.turns[:, limbs])).mean() < 12.0
    assert np.abs(found.joints[:, 0, :2] - root[:, :2]).max() < 0.08


def test_windows_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    track = walking_track(yaw=0.4, fps=30.0, noise=0.01, seconds=6.0)
    whole = fit_track(track, "fast").posed().joints
    monkeypatch.setattr(windows, "WINDOW_FRAMES", 40)
    pieces = fit_track(track, "fast").posed().joints
    assert np.linalg.norm(whole - pieces, axis=-1).mean() < 0.01
    jump = np.linalg.norm(np.diff(pieces, n=2, axis=0), axis=-1).mean(axis=1)
    assert jump[[38, 39, 78, 79, 118, 119]].max() < 3 * np.median(jump)


def test_a_track_fitted_while_it_grows_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW_FRAMES", 40)
    monkeypatch.setattr(windows, "SHAPE_SECONDS", 2.0)
    track = walking_track(yaw=0.4, fps=30.0, noise=0.01, seconds=6.0)
    fit = WindowedFit(IMAGE_SIZE, BODY, QUALITIES["fast"], FOCAL)
    settled = [fit.extend(track.select(slice(count)), final=count == 180) for count in (30, 70, 120, 180)]
    assert settled[0] == 0 and settled[1] == 40 and settled[-1] == 180
    whole = fit_track(track, "fast").posed().joints
    assert np.linalg.norm(whole - fit.fitted(track).pose.posed().joints, axis=-1).mean() < 0.015


def test_the_take_is_consistent_and_on_the_floor() -> None:
    track = walking_track(yaw=0.0, fps=30.0, noise=0.005)
    motion = estimate_motion(track, IMAGE_SIZE, 30.0, BODY)
    rest = BODY.rest(motion.betas)
    world = rest.pose_joints(motion.rotations, motion.trans)
    turn, shift = motion.world_to_camera[:3, :3], motion.world_to_camera[:3, 3]
    np.testing.assert_allclose(world @ turn.T + shift, motion.joints, atol=1e-9)
    assert 0.0 < world[:, [7, 8, 10, 11], 2].min() < 0.15
    assert np.linalg.norm(world[0, 0, :2]) < 1e-6
    assert world[:, 15, 2].mean() > 1.3


def test_too_few_frames_and_cancel() -> None:
    track = walking_track(yaw=0.0, fps=30.0, noise=0.0)
    with pytest.raises(TooFewFramesError):
        estimate_motion(track.select(slice(3)), IMAGE_SIZE, 30.0, BODY)
    with pytest.raises(CancelledError):
        estimate_motion(track, IMAGE_SIZE, 30.0, BODY, cancelled=lambda: True)


def test_uneven_times_and_gaps_are_fine() -> None:
    track = walking_track(yaw=0.3, fps=60.0, noise=0.005)
    rng = np.random.default_rng(1)
    keep = np.sort(rng.choice(len(track), 120, replace=False))
    keep = keep[(keep < 100) | (keep > 160)]
    motion = estimate_motion(track.select(keep), IMAGE_SIZE, 60.0, BODY)
    assert np.isfinite(motion.poses).all() and len(motion) == len(keep)
    rotations, root = walking_pose(track.time[keep], 0.3)
    truth = pose(Figure.of(BODY, LandmarkPoints.load(), np.zeros(10)), rotations, root).joints
    error = (motion.joints - motion.joints[:, :1]) - (truth - truth[:, :1])
    assert np.linalg.norm(error, axis=-1).mean() < 0.05
