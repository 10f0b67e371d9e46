"""Motion before a camera: a stretch of a clip, a body, a lens and a place, at a video's frame rate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.rotations import (
    axis_angle_to_matrix,
    continuous_quaternions,
    quaternion_to_matrix,
    resample_quaternions,
)
from int_blender_addon.core.skeleton import JOINT_INDEX

from ..motion.kinematics import Figure, LandmarkPoints, Posed, pose
from ..motion.world import sole_points
from .mocap.catalog import Clip

CAMERA_FROM_BODY = np.diag([1.0, -1.0, -1.0])  # y up, facing +z, to y down, looking at the person
PITCH = (6.0, 8.0)  # degrees that cameras look down, mean and spread: they are held at chest to eye height
HIGH, PITCH_HIGH = 0.25, (-15.0, 45.0)  # share of cameras that stand anywhere else
OVERHEAD, PITCH_OVERHEAD = 0.05, (50.0, 88.0)
FIELD_OF_VIEW = (22.0, 75.0)  # degrees along the long side
FILLS = (0.35, 0.95)  # part of the picture's height that the person takes up
CUT = 0.2  # share of scenes in which the picture cuts the person
FOLLOWED = 0.4  # share of scenes in which the camera moves with the person
SHAKE = 0.004  # radians of a hand-held camera
CONTACT_HEIGHT = 0.04
CONTACT_SPEED = 0.25


@dataclass
class Scene:
    """T frames of one person before a camera; camera space, metres."""

    rotations: np.ndarray  # (T, 24, 3, 3) local; the root to camera axes
    root: np.ndarray  # (T, 3) pelvis
    betas: np.ndarray  # (10,)
    points: np.ndarray  # (T, 33, 3) the landmarks without error
    joints: np.ndarray  # (T, 24, 3)
    contacts: np.ndarray  # (T, 4) 0 or 1: left heel, left toe, right heel, right toe
    time: np.ndarray  # (T,)
    focal: float  # pixels
    image_size: tuple[int, int]
    up: np.ndarray = field(default_factory=lambda: np.array([0.0, -1.0, 0.0]))  # (3,) the world's, without shaking


def make_scene(
    clip: Clip,
    start: float,
    seconds: float,
    fps: float,
    body: BodyModel,
    points: LandmarkPoints,
    rng: np.random.Generator,
) -> Scene:
    """A scene of a clip from second `start`; shape, lens and camera by chance."""
    time = np.arange(round(seconds * fps)) / fps
    rotations, root = sampled(clip, start + time)
    betas = rng.normal(size=10) * 0.8
    figure = Figure.of(body, points, betas)
    contacts = contacts_of(pose(figure, rotations, root), time)

    image_size = ((1080, 1920), (1920, 1080), (1280, 720), (720, 720))[rng.integers(4)]
    focal = max(image_size) / 2 / np.tan(np.radians(rng.uniform(*FIELD_OF_VIEW)) / 2)
    turn = _view(rng)
    rotations = rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    middle = root.mean(axis=0)
    path = (root - middle) @ turn.T
    if rng.random() < FOLLOWED:
        path -= _drifting(path) * rng.uniform(0.6, 1.0)
    placed = pose(figure, rotations, path)
    path += _distance(placed.points, focal, image_size, rng)
    shake = _shake(time, rng)
    rotations[:, 0] = shake @ rotations[:, 0]
    path = (shake @ path[..., None])[..., 0]
    posed = pose(figure, rotations, path)
    up = turn @ np.array([0.0, 1.0, 0.0])
    return Scene(rotations, path, betas, posed.points, posed.joints, contacts, time, focal, image_size, up)


def sampled(clip: Clip, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations (T, 24, 3, 3) and pelvis (T, 3) of a clip at some seconds (T,)."""
    known = np.arange(len(clip.root)) / clip.fps
    time = np.clip(time, 0.0, known[-1])
    near = slice(max(int(time[0] * clip.fps) - 1, 0), int(time[-1] * clip.fps) + 3)
    quaternions = continuous_quaternions(clip.quaternions[near].astype(float))
    turned = quaternion_to_matrix(resample_quaternions(quaternions, known[near], time))
    root = np.stack([np.interp(time, known[near], clip.root[near, k]) for k in range(3)], axis=-1)
    return turned, root


def _view(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    pitch = rng.normal(*PITCH)
    if kind < HIGH + OVERHEAD:
        pitch = rng.uniform(*(PITCH_OVERHEAD if kind < OVERHEAD else PITCH_HIGH))
    yaw, roll = rng.uniform(-180.0, 180.0), rng.normal() * 3.0
    # a camera above sees the person's head tilted towards it: -y turns to -z
    tilt = axis_angle_to_matrix(np.radians([pitch, 0.0, 0.0]))
    roll_turn = axis_angle_to_matrix(np.radians([0.0, 0.0, roll]))
    return roll_turn @ tilt @ CAMERA_FROM_BODY @ axis_angle_to_matrix(np.radians([0.0, yaw, 0.0]))


def _drifting(path: np.ndarray) -> np.ndarray:
    """(T, 3) the straight part of a path."""
    t = np.linspace(-1.0, 1.0, len(path))[:, None]
    slope = (path * t).sum(axis=0) / np.maximum((t * t).sum(), 1e-9)
    return slope * t


def _distance(points: np.ndarray, focal: float, image_size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(3,) where the path's middle stands, so that the person has a chosen size and mostly stays in the picture."""
    tall = np.ptp(points[..., 1], axis=1).max()
    wide = np.ptp(points[..., 0], axis=1).max()
    fill = rng.uniform(*FILLS) * (1.6 if rng.random() < CUT else 1.0)
    z = max(focal * tall / (fill * image_size[1]), focal * wide / (fill * image_size[0]))
    z = max(z, 1.2 - points[..., 2].min())
    margin = np.array(image_size) * (0.5 * (1 - min(fill, 0.9)))
    return np.array([*(rng.uniform(-0.8, 0.8, 2) * margin / focal * z), z])


def _shake(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, 3, 3) small turns of a hand-held camera; none in half of the scenes."""
    size = SHAKE * rng.exponential() * (rng.random() < 0.5)
    phases, rates = rng.uniform(0, 2 * np.pi, (3, 3)), rng.uniform(0.2, 2.0, (3, 3))
    angles = size * np.sin(2 * np.pi * rates * time[:, None, None] + phases).sum(axis=-1)
    return axis_angle_to_matrix(angles)


def contacts_of(posed: Posed, time: np.ndarray) -> np.ndarray:
    """(T, 4) where heels and toes are low and slow; the floor is at y = 0 in recordings."""
    soles = sole_points(posed.points)
    step = np.gradient(time)[:, None, None] if len(time) > 1 else 1.0
    speed = np.linalg.norm(np.gradient(soles, axis=0) / step, axis=-1) if len(time) > 1 else np.zeros(soles.shape[:2])
    low = soles[..., 1] - np.minimum(soles[..., 1].min(), 0.0) < CONTACT_HEIGHT + _ABOVE_SOLE
    return (low & (speed < CONTACT_SPEED)).astype(np.float32)


_ABOVE_SOLE = 0.03  # the landmarks of heel and toe sit a little above the sole
assert JOINT_INDEX["pelvis"] == 0
