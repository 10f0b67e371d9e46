"""The landmarker's mistakes, for synthetic tracks.

Levels follow measurements of BlazePose against a multi-camera reference: places in the picture are off by a constant
part of some 20 mm at the person and little jitter, depth by two to three times as much and slowly; limbs get lost for
stretches, sides are called by the wrong name, seldom the whole body is seen from the wrong side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from int_blender_addon.core.rotations import axis_angle_to_matrix

from ..motion.camera import camera_matrix, project
from ..motion.swaps import GROUPS
from ..people.landmarks import LANDMARK_INDEX, NUM_LANDMARKS, LandmarkTrack
from .scenes import Scene

CHAINS = (  # from the trunk outwards: an error of a bone moves all that hangs on it
    ("shoulder", "elbow", "wrist", "index"),
    ("shoulder", "elbow", "wrist", "pinky"),
    ("shoulder", "elbow", "wrist", "thumb"),
    ("hip", "knee", "ankle", "foot_index"),
    ("hip", "knee", "ankle", "heel"),
)
LIMBS = {
    "arm": ("elbow", "wrist", "pinky", "index", "thumb"),
    "forearm": ("wrist", "pinky", "index", "thumb"),
    "leg": ("knee", "ankle", "heel", "foot_index"),
    "shin": ("ankle", "heel", "foot_index"),
}
HIPS = (LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"])


@dataclass(frozen=True)
class NoiseLevel:
    """Sizes of the mistakes; metres and shares. Scenes draw a factor of their own about them."""

    constant: float = 0.018  # across, per landmark and scene
    slow: float = 0.016  # across
    jitter: float = 0.004
    depth_constant: float = 0.045
    depth_slow: float = 0.055
    depth_jitter: float = 0.007
    correlation: float = 0.12  # seconds in which slow errors change
    lean: float = 6.0  # degrees by which the whole 3D is turned
    scale: float = 0.06
    lost_per_second: float = 0.12  # limbs
    swapped_per_second: float = 0.05
    reversed_scenes: float = 0.03  # the body's depth mirrored for a stretch
    outliers: float = 0.004


NOISE = NoiseLevel()


def observe(scene: Scene, rng: np.random.Generator, level: NoiseLevel = NOISE, swaps: bool = True) -> LandmarkTrack:
    """The scene as the landmarker would report it.

    Args:
        scene: What is there.
        rng: Chance.
        level: Sizes of the mistakes.
        swaps: Whether sides are also called by the wrong name.
    """
    strength = np.exp(rng.normal() * 0.35)
    true = scene.points
    frames = len(true)
    hidden = _hidden(scene, rng, level)
    worse = 1.0 + 2.5 * hidden[..., None]

    shared = _errors(scene.time, (NUM_LANDMARKS, 2), level.constant, level.slow, level.correlation, rng)
    shared *= strength * _reach()[:, None]
    picture_error = shared * worse + rng.normal(size=(frames, NUM_LANDMARKS, 2)) * level.jitter * strength
    distance = true[:, HIPS, 2].mean(axis=1)
    pixels = project(true, camera_matrix(scene.focal, scene.image_size))
    image = pixels + picture_error * (scene.focal / distance)[:, None, None]

    world = _world(scene, shared * worse, worse, strength, rng, level)
    visibility = np.clip(1.0 - 0.9 * hidden - np.abs(rng.normal(size=hidden.shape)) * 0.03, 0.0, 1.0)
    presence = np.clip(1.0 - 0.3 * hidden - np.abs(rng.normal(size=hidden.shape)) * 0.01, 0.0, 1.0)
    track = LandmarkTrack(
        person_id=0,
        frame_index=np.arange(frames),
        time=scene.time,
        image=image,
        image_z=np.zeros((frames, NUM_LANDMARKS)),
        world=world,
        visibility=visibility,
        presence=presence,
        score=np.full(frames, 0.98),
        bridged=np.zeros(frames, bool),
    )
    if swaps:
        _swap(track, rng, level)
    return track


def _world(
    scene: Scene, across: np.ndarray, worse: np.ndarray, strength: float, rng: np.random.Generator, level: NoiseLevel
) -> np.ndarray:
    """(T, 33, 3) the landmarker's 3D: as seen along the ray to the hips, hip-centred, wrong mostly in depth."""
    true = scene.points
    world = true - true[:, HIPS].mean(axis=1, keepdims=True)
    size = (NUM_LANDMARKS, 1)
    depth = _errors(scene.time, size, level.depth_constant, level.depth_slow, level.correlation, rng)[..., 0] * 0.7
    depth = _down_the_chains(depth * strength * worse[..., 0])
    moved = world.copy()
    moved[..., :2] += across * 0.8
    moved[..., :2] += _errors(scene.time, (NUM_LANDMARKS, 2), 0.6 * level.constant, level.slow, level.correlation, rng)
    moved[..., 2] += depth
    moved = _keep_lengths(moved, world)
    lean = axis_angle_to_matrix(np.radians(rng.normal(size=3) * level.lean * [1.0, 1.0, 0.25]))
    moved = moved @ lean.T * np.exp(rng.normal() * level.scale)
    if rng.random() < level.reversed_scenes:
        stretch = _stretch(scene.time, rng, 0.8)
        moved[stretch, :, 2] *= -1.0
    jitter = np.array([level.jitter, level.jitter, level.depth_jitter]) * strength
    moved += rng.normal(size=moved.shape) * jitter * worse
    wild = rng.random(moved.shape[:2]) < level.outliers
    moved[wild] += rng.normal(size=(wild.sum(), 3)) * 0.12
    return moved - moved[:, HIPS].mean(axis=1, keepdims=True)


def _errors(
    time: np.ndarray, shape: tuple[int, ...], constant: float, slow: float, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """(T, *shape): a constant part, and one that forgets itself in so many seconds."""
    keep = np.exp(-np.diff(time, prepend=time[:1]) / seconds)
    result = np.empty((len(time), *shape))
    value = rng.normal(size=shape)
    fresh = rng.normal(size=result.shape)
    for t, k in enumerate(keep):
        value = k * value + np.sqrt(1.0 - k * k) * fresh[t]
        result[t] = value
    return rng.normal(size=shape) * constant + result * slow


def _reach() -> np.ndarray:
    """(33,) how much further off the ends of limbs are than the trunk."""
    reach = np.ones(NUM_LANDMARKS)
    for group, factor in (("arms", 1.3), ("legs", 1.1)):
        reach[GROUPS[group].ravel()] = factor
    return reach


def _down_the_chains(error: np.ndarray) -> np.ndarray:
    """(T, 33) errors of bones summed from the trunk outwards, a little forgotten at each joint."""
    summed = error.copy()
    for side in ("left", "right"):
        for chain in CHAINS:
            for parent, child in pairwise(chain):
                a, b = LANDMARK_INDEX[f"{side}_{parent}"], LANDMARK_INDEX[f"{side}_{child}"]
                summed[:, b] = 0.7 * summed[:, a] + error[:, b] * 0.8
    return summed


def _keep_lengths(moved: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Bones within a few percent of their length, by their depth where that is possible: (T, 33, 3)."""
    kept = moved.copy()
    for side in ("left", "right"):
        for chain in CHAINS:
            for parent, child in pairwise(chain):
                a, b = LANDMARK_INDEX[f"{side}_{parent}"], LANDMARK_INDEX[f"{side}_{child}"]
                bone = moved[:, b] - moved[:, a]
                length = np.linalg.norm(world[:, b] - world[:, a], axis=-1)
                wanted = np.clip(np.linalg.norm(bone, axis=-1), 0.93 * length, 1.07 * length)
                across = (bone[:, :2] ** 2).sum(axis=-1)
                deep = np.sqrt(np.maximum(wanted**2 - across, 0.0))
                bone[:, 2] = np.where(bone[:, 2] < 0, -deep, deep)
                kept[:, b] = kept[:, a] + bone
    return kept


def _hidden(scene: Scene, rng: np.random.Generator, level: NoiseLevel) -> np.ndarray:
    """(T, 33) 0 where a landmark is seen, 1 where it is guessed: behind the trunk, outside the picture, lost."""
    points = scene.points
    pixels = project(points, camera_matrix(scene.focal, scene.image_size))
    outside = ((pixels < 0) | (pixels > np.array(scene.image_size))).any(axis=-1)
    trunk = points[:, [LANDMARK_INDEX[f"{s}_{n}"] for s in ("left", "right") for n in ("shoulder", "hip")]]
    low, high = trunk[..., :2].min(axis=1) - 0.03, trunk[..., :2].max(axis=1) + 0.03
    inside = ((points[..., :2] > low[:, None]) & (points[..., :2] < high[:, None])).all(axis=-1)
    behind = inside & (points[..., 2] > trunk[..., 2].mean(axis=1)[:, None] + 0.05)
    hidden = np.maximum(outside * 0.9, behind * rng.uniform(0.2, 0.7))
    seconds = scene.time[-1] - scene.time[0]
    for _ in range(rng.poisson(level.lost_per_second * max(seconds, 0.1))):
        limb, side = rng.choice(list(LIMBS)), rng.choice(["left", "right"])
        indices = np.array([LANDMARK_INDEX[f"{side}_{n}"] for n in LIMBS[limb]])
        stretch = _stretch(scene.time, rng, 0.8)
        hidden[np.ix_(stretch, indices)] = np.maximum(hidden[np.ix_(stretch, indices)], rng.uniform(0.5, 1.0))
    return hidden


def _stretch(time: np.ndarray, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """(n,) indices of a stretch of some length about `seconds`."""
    length = rng.exponential(seconds)
    begin = rng.uniform(time[0] - length, time[-1])
    return np.flatnonzero((time >= begin) & (time <= begin + length))


def _swap(track: LandmarkTrack, rng: np.random.Generator, level: NoiseLevel) -> None:
    seconds = track.time[-1] - track.time[0]
    for _ in range(rng.poisson(level.swapped_per_second * max(seconds, 0.1))):
        groups = [("legs",), ("arms",), ("torso", "arms", "legs")][rng.integers(3)]
        stretch = _stretch(track.time, rng, 0.6)
        for group in groups:
            left, right = GROUPS[group][:, 0], GROUPS[group][:, 1]
            for values in (track.image, track.world, track.visibility):
                a, b = values[np.ix_(stretch, left)].copy(), values[np.ix_(stretch, right)].copy()
                values[np.ix_(stretch, left)], values[np.ix_(stretch, right)] = b, a
