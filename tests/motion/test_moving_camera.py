"""A camera that turns: found from the background, taken out of the motion; one that travels is noticed."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scripted import FOCAL, IMAGE_SIZE, walking_pose, walking_track
from test_fit import BODY, make_fit

from inference_server.farm.stretches import join_matches
from inference_server.motion.camera import camera_matrix, in_camera, project
from inference_server.motion.estimate import estimate_motion
from inference_server.motion.fit import Fit, FitSettings
from inference_server.motion.height import betas_of_height, height_of
from inference_server.motion.kinematics import Figure, LandmarkPoints, pose
from inference_server.motion.moving_camera import SCENE, TRAVELLING, CameraPath, SceneCamera, load_camera, turning
from inference_server.motion.prior import PosePrior
from inference_server.train.room import Room
from inference_server.video.background import Background, from_arrays, to_arrays
from int_blender_addon.core.errors import CameraFileError
from int_blender_addon.core.rotations import axis_angle_to_matrix, between_vectors, geodesic_angle

SIZE, LENS = (640, 360), 560.0


def look(pan: np.ndarray, tilt: np.ndarray, shake: float = 0.0, seed: int = 0) -> np.ndarray:
    """(T, 3, 3) from the room to a camera that pans and tilts, in degrees; shaken by some degrees."""
    rng = np.random.default_rng(seed)
    vectors = np.stack([-tilt, -pan, np.zeros_like(pan)], axis=-1) + shake * rng.normal(size=(len(pan), 3))
    turns = axis_angle_to_matrix(np.radians(vectors))
    return turns @ turns[0].T


def follow(frames: list[np.ndarray], people: list[np.ndarray] | None = None) -> Background:
    background = Background()
    for number, image in enumerate(frames):
        background.step(number, image, people or [])
    return background


def filmed(turns: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    room, rng = Room(np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    views = [room.view(turn, LENS, SIZE) for turn in turns]
    return [np.clip(view + rng.normal(0, 4, view.shape), 0, 255).astype(np.uint8) for view in views]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_pan_there_and_back_and_its_lens(seed: int) -> None:
    there = np.concatenate([np.linspace(0, 80, 60), np.linspace(80, 0, 60)])
    turns = look(there, 8 * np.sin(np.arange(120) / 15), 0.3, seed)
    path = turning(follow(filmed(turns, seed)).matches, SIZE, None)
    assert path is not None and path.kind == "turning"
    assert path.focal == pytest.approx(LENS, rel=0.03)
    found = path.at(np.arange(120))[:, :3, :3]
    off = np.degrees(geodesic_angle(found, turns))
    assert off.max() < 1.0 and off[-1] < 0.7  # of a way of 160 degrees
    known = turning(follow(filmed(turns, seed)).matches, SIZE, LENS)
    assert known is not None and np.degrees(geodesic_angle(known.at(np.arange(120))[:, :3, :3], turns)).max() < 1.0


def test_a_camera_on_a_tripod_stands_still_exactly() -> None:
    frames = filmed(np.tile(np.eye(3), (20, 1, 1)))
    for number, frame in enumerate(frames):  # somebody walks through, unnoticed by the trackers
        frame[100:300, 30 * number : 30 * number + 90] = (40, 90, 160)
    background = follow(frames)
    assert len(background.matches) == 19
    assert turning(background.matches, SIZE, None) is None


def test_frames_seen_later_do_not_change_the_path_of_those_before() -> None:
    turns = look(np.linspace(0, 40, 40), np.zeros(40))
    matches = follow(filmed(turns)).matches
    first, whole = turning(matches[:20], SIZE, LENS), turning(matches, SIZE, LENS)
    assert first is not None and whole is not None
    np.testing.assert_array_equal(first.to_camera, whole.to_camera[: len(first.to_camera)])


def test_travel_is_noticed() -> None:
    rng = np.random.default_rng(3)
    far = cv2.resize(rng.integers(0, 255, (60, 160, 3)).astype(np.uint8), (1600, 600), interpolation=cv2.INTER_LINEAR)
    near = cv2.resize(rng.integers(0, 255, (30, 240, 3)).astype(np.uint8), (2400, 200), interpolation=cv2.INTER_LINEAR)
    frames = []
    for k in range(40):  # a wall far away goes by slowly, a fence before it quickly
        frame = far[100:460, 2 * k : 2 * k + 640].copy()
        frame[200:] = near[:160, 14 * k : 14 * k + 640]
        frames.append(frame)
    path = turning(follow(frames).matches, SIZE, LENS)
    assert path is not None and path.kind == TRAVELLING


def test_nothing_to_hold_on_to_is_a_camera_at_rest() -> None:
    assert turning(follow([np.full((360, 640, 3), 128, np.uint8)] * 12).matches, SIZE, None) is None
    covered = [np.array([0.0, 0.0, 640.0, 360.0])]  # the person fills the picture
    turns = look(np.linspace(0, 20, 12), np.zeros(12))
    assert turning(follow(filmed(turns), covered).matches, SIZE, None) is None


def test_matches_travel_in_a_file() -> None:
    matches = follow(filmed(look(np.linspace(0, 10, 8), np.zeros(8)))).matches
    for one, other in zip(matches, from_arrays(to_arrays(matches)), strict=True):
        assert (one.frame, one.reference) == (other.frame, other.reference)
        np.testing.assert_array_equal(one.here, other.here)
    assert from_arrays(to_arrays([])) == []


def test_stretches_looked_at_apart_make_one_path() -> None:
    turns = look(np.linspace(0, 60, 80), 5 * np.sin(np.arange(80) / 9))
    frames = filmed(turns)
    parts = []
    for first, last in ((0, 45), (30, 80)):
        background = Background()
        for number in range(first, last):
            background.step(number, frames[number], [])
        parts.append(background.matches)
    path = turning(join_matches(parts), SIZE, LENS)
    assert path is not None
    found = path.at(np.arange(80))[:, :3, :3]
    assert np.degrees(geodesic_angle(found, turns)).max() < 1.0


def turned_track(turns: np.ndarray, noise: float = 0.01):
    """The walk before a camera that turns: landmarks, and how the steady space comes to the camera."""
    to_camera = np.tile(np.eye(4), (len(turns), 1, 1))
    to_camera[:, :3, :3] = turns
    track = walking_track(yaw=0.4, fps=30.0, noise=0.0, seconds=len(turns) / 30.0)
    rotations, root = walking_pose(track.time, 0.4)
    points = pose(Figure.of(BODY, LandmarkPoints.load(), np.zeros(10)), rotations, root).points
    seen = in_camera(points, to_camera)
    rng = np.random.default_rng(0)
    track.image = (
        project(seen, camera_matrix(FOCAL, IMAGE_SIZE)) + rng.normal(size=track.image.shape) * noise * FOCAL / 4
    )
    hips = seen[:, 23:25].mean(axis=1, keepdims=True)
    aside = between_vectors(np.array([0.0, 0.0, 1.0]), hips[:, 0])  # the landmarker looks straight at the person
    track.world = (seen - hips) @ aside + rng.normal(size=seen.shape) * noise
    return track, CameraPath(track.frame_index, to_camera), rotations, root


def test_the_gradient_is_the_slope_of_the_cost_before_a_turning_camera() -> None:
    plain, state = make_fit()
    evidence = plain.evidence
    turns = axis_angle_to_matrix(np.linspace(0, 0.6, len(evidence.time))[:, None] * np.array([0.3, 1.0, 0.2]))
    evidence.to_camera = np.tile(np.eye(4), (len(turns), 1, 1))
    evidence.to_camera[:, :3, :3], evidence.to_camera[:, :3, 3] = turns, [0.1, -0.2, 0.3]
    fit = Fit(evidence, PosePrior.load(), FitSettings())
    fit._shape_size, fit._focal_prior = 11, 1.1 * FOCAL
    _, system = fit._linearize(state)
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(len(state.root), 75)) * np.r_[0.02 * np.ones(72), np.ones(3)]

    def moved(step: float) -> float:
        turn = axis_angle_to_matrix((step * direction[:, :72]).reshape(-1, 24, 3))
        return fit._cost(replace(state, rotations=state.rotations @ turn, root=state.root + step * direction[:, 72:]))

    slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert slope == pytest.approx(2 * (system.gradient * direction).sum(), rel=0.05)


def test_the_walk_is_the_same_before_a_camera_that_pans_all_around() -> None:
    turns = look(np.linspace(0, 25, 120), np.linspace(0, -6, 120), 0.3)
    track, path, rotations, root = turned_track(turns)
    motion = estimate_motion(track, IMAGE_SIZE, 30.0, BODY, focal=FOCAL, camera=lambda lens: path, smooth=0.0)
    truth = pose(Figure.of(BODY, LandmarkPoints.load(), np.zeros(10)), rotations, root).joints
    seen = in_camera(truth, path.to_camera)
    error = (motion.joints - motion.joints[:, :1]) - (seen - seen[:, :1])
    assert np.linalg.norm(error, axis=-1).mean() < 0.035
    rest = BODY.rest(motion.betas)
    world = rest.pose_joints(motion.rotations, motion.trans)
    np.testing.assert_allclose(in_camera(world, motion.world_to_camera), motion.joints, atol=1e-6)
    # the person walks in place: over the floor they do not go where the camera turned
    assert np.ptp(world[:, 0, :2], axis=0).max() < 0.6
    still = estimate_motion(track, IMAGE_SIZE, 30.0, BODY, focal=FOCAL, smooth=0.0)
    assert np.ptp(rest.pose_joints(still.rotations, still.trans)[:, 0, :2], axis=0).max() > 1.2


def scene_camera(height: float, pitch: float, count: int) -> np.ndarray:
    """(T, 4, 4) from a world with z up to a camera that looks along +y, down by some degrees, and travels to +x."""
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    turn = axis_angle_to_matrix(np.array([np.radians(pitch), 0, 0])) @ level
    eyes = np.stack([np.linspace(0, 0.5, count), np.full(count, -4.0), np.full(count, height)], axis=-1)
    to_camera = np.tile(np.eye(4), (count, 1, 1))
    to_camera[:, :3, :3], to_camera[:, :3, 3] = turn, -eyes @ turn.T
    return to_camera


def test_a_camera_of_the_scene_sets_floor_place_and_scale() -> None:
    count = 90
    time = np.arange(count) / 30
    to_camera = scene_camera(1.5, 8.0, count)
    camera = SceneCamera(time, to_camera, FOCAL / max(IMAGE_SIZE))
    betas = betas_of_height(BODY, np.zeros(10), 1.85)
    figure = Figure.of(BODY, LandmarkPoints.load(), betas)
    rotations, _ = walking_pose(time, 0.0)
    rotations[:, 0] = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]).T @ rotations[:, 0]  # to z up
    placed = pose(figure, rotations, np.zeros((count, 3))).points
    root = np.zeros((count, 3))
    low = BODY.rest(betas).vertices[:, 1].min()
    soles = placed[:, 29:33, 2].min(axis=1)
    rest_soles = pose(figure, np.broadcast_to(np.eye(3), (1, 24, 3, 3)), BODY.rest(betas).joints[:1]).points
    root[:, 2] = -soles + rest_soles[0, 29:33, 1].min() - low
    root[:, 0] = 0.3
    points = placed + root[:, None]
    seen = in_camera(points, to_camera)
    track = walking_track(yaw=0.0, fps=30.0, noise=0.0, seconds=3.0)
    track.image = project(seen, camera_matrix(FOCAL, IMAGE_SIZE))
    track.world = seen - seen[:, 23:25].mean(axis=1, keepdims=True)
    path = camera.path(track.frame_index, track.time)
    motion = estimate_motion(track, IMAGE_SIZE, 30.0, BODY, focal=FOCAL, camera=lambda lens: path)
    assert motion.camera == SCENE
    assert height_of(BODY, motion.betas) == pytest.approx(1.85, abs=0.06)
    world = BODY.rest(motion.betas).pose_joints(motion.rotations, motion.trans)
    assert np.abs(world[:, 0] - root).max() < 0.15
    np.testing.assert_allclose(motion.world_to_camera, to_camera, atol=1e-6)


def test_a_known_height_sets_the_scale() -> None:
    from inference_server.motion.windows import QUALITIES, WindowedFit

    track = walking_track(yaw=0.0, fps=30.0, noise=0.005)
    found = {}
    for metres in (1.5, 1.8):
        fit = WindowedFit(IMAGE_SIZE, BODY, QUALITIES["fast"], FOCAL, height=metres)
        fit.extend(track, final=True)
        found[metres] = fit.fitted(track).pose
        assert height_of(BODY, found[metres].figure.betas) == pytest.approx(metres, abs=0.005)
    ratio = found[1.8].root[:, 2].mean() / found[1.5].root[:, 2].mean()
    assert ratio == pytest.approx(1.2, rel=0.03)


def test_a_camera_file_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "camera.npz"
    views = scene_camera(1.5, 8.0, 5)
    np.savez(path, time=np.arange(5) / 30, world_to_camera=views, focal=0.9)
    assert load_camera(path).focal == pytest.approx(0.9)
    for bad in ({"focal": -1.0}, {"world_to_camera": 2 * views}, {"time": np.arange(4)}):
        np.savez(path, **({"time": np.arange(5) / 30, "world_to_camera": views, "focal": 0.9} | bad))
        with pytest.raises(CameraFileError):
            load_camera(path)
    path.write_bytes(b"none")
    with pytest.raises(CameraFileError):
        load_camera(path)
