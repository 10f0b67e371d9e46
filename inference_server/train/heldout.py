"""A held-out set of synthetic takes, on which the product's settings are chosen and its stages compared.

python -m inference_server.train.heldout CACHE.npz --count 24
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.rotations import axis_angle_to_matrix, geodesic_angle

from ..motion.bias import LandmarkBias
from ..motion.estimate import estimate_motion
from ..motion.fit import FitSettings
from ..motion.kinematics import LandmarkPoints
from ..motion.windows import Reader
from ..people.landmarks import LandmarkTrack
from .mocap.catalog import Clip, load_clips
from .noise import NOISE, NoiseLevel, observe
from .scenes import Scene, make_scene

SECONDS = 4.0
RENDERED_SECONDS = 3.0
RATES = (30.0, 25.0, 60.0, 15.0)


@dataclass
class Example:
    """A scene and what the landmarker made of it."""

    name: str
    fps: float
    scene: Scene
    track: LandmarkTrack


@dataclass
class Score:
    """Mean errors over a set: mm, mm, degrees of local rotation, mm per frame squared at 30 fps."""

    mpjpe: float
    pa_mpjpe: float
    degrees: float
    accel: float


def held_out_set(
    clips: list[Clip],
    count: int,
    seed: int,
    body: BodyModel,
    level: NoiseLevel = NOISE,
    rates: tuple[float, ...] = RATES,
    zoom: float = 1.0,
) -> list[Example]:
    """Scenes of clips that training never sees, spread evenly over their subjects.

    Args:
        clips: Those held out are used.
        count: Of scenes.
        seed: Of everything.
        body: Whose shapes.
        level: Of the landmarker's mistakes.
        rates: Frame rates, in turn.
        zoom: Lenses are so much longer, so that the picture cuts the person.
    """
    points = LandmarkPoints.load()
    clips = [c for c in clips if c.held_out and len(c.root) / c.fps > 1.0]
    subjects = sorted({c.subject for c in clips})
    examples = []
    for k in range(count):
        rng = np.random.default_rng((seed, k))  # the scene stays the same whatever happens to it
        of_subject = [c for c in clips if c.subject == subjects[k % len(subjects)]]
        clip = of_subject[rng.integers(len(of_subject))]
        seconds = min(SECONDS, len(clip.root) / clip.fps)
        start = rng.uniform(0.0, len(clip.root) / clip.fps - seconds)
        fps = rates[k % len(rates)]
        scene = make_scene(clip, start, seconds, fps, body, points, rng)
        scene.focal *= zoom
        examples.append(Example(clip.name, fps, scene, observe(scene, np.random.default_rng((seed, k, 1)), level)))
    return examples


def rendered_set(
    clips: list[Clip],
    count: int,
    seed: int,
    body: BodyModel,
    quality: str,
    fps: float = 15.0,
    seconds: float = RENDERED_SECONDS,
) -> list[Example]:
    """Scenes of held-out clips drawn as videos of the clothed free body, with what the real landmarker sees in them.

    Videos in which it finds nobody for most of the time are left out.
    """
    from .rendered import watch

    rng = np.random.default_rng(seed)
    points = LandmarkPoints.load()
    clips = [c for c in clips if c.held_out and len(c.root) / c.fps > seconds + 0.1]
    subjects = sorted({c.subject for c in clips})
    examples: list[Example] = []
    for k in range(count):
        of_subject = [c for c in clips if c.subject == subjects[k % len(subjects)]]
        clip = of_subject[rng.integers(len(of_subject))]
        start = rng.uniform(0.0, len(clip.root) / clip.fps - seconds)
        scene = make_scene(clip, start, seconds, fps, body, points, rng)
        track = watch(scene, body, quality, fps, rng, share=0.7)
        if track is not None:
            examples.append(Example(clip.name, fps, scene, track))
    return examples


def score(motion: Motion, example: Example) -> Score:
    """Errors of a take against its scene; MPJPE with pelvis on pelvis."""
    scene = example.scene
    true, found = scene.joints[motion.frame_index], motion.joints
    apart = (found - found[:, :1]) - (true - true[:, :1])
    rotations = axis_angle_to_matrix(motion.poses.reshape(len(found), 24, 3))[:, 1:22]
    degrees = np.degrees(geodesic_angle(rotations, scene.rotations[motion.frame_index, 1:22]).mean())
    return Score(
        mpjpe=1000 * np.linalg.norm(apart, axis=-1).mean(),
        pa_mpjpe=1000 * np.linalg.norm(aligned(found, true) - true, axis=-1).mean(),
        degrees=float(degrees),
        accel=1000 * np.linalg.norm(np.diff(found - true, n=2, axis=0), axis=-1).mean() * (example.fps / 30.0) ** 2,
    )


def aligned(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Each frame's joints moved, turned and scaled onto the true ones (Procrustes)."""
    a, b = found - found.mean(axis=1, keepdims=True), true - true.mean(axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    scale = s.sum(axis=1) / (a**2).sum(axis=(1, 2))
    return scale[:, None, None] * (a @ u @ vt) + true.mean(axis=1, keepdims=True)


def evaluate(
    examples: list[Example],
    body: BodyModel,
    quality: str,
    settings: FitSettings | None = None,
    reader: Reader | None = None,
    focal_known: bool = False,
    bias: LandmarkBias | None = None,
) -> list[Score]:
    """Scores of the landmark path on each example."""
    scores = []
    for example in examples:
        scene = example.scene
        focal = scene.focal if focal_known else None
        motion = estimate_motion(
            example.track, scene.image_size, example.fps, body, quality, focal, 0.5, settings, bias, reader
        )
        scores.append(score(motion, example))
    return scores


def mean_score(scores: list[Score]) -> Score:
    """The mean of each number."""
    return Score(*(float(np.mean([getattr(s, k) for s in scores])) for k in ("mpjpe", "pa_mpjpe", "degrees", "accel")))


def median_score(scores: list[Score]) -> Score:
    """The median of each number."""
    return Score(
        *(float(np.median([getattr(s, k) for s in scores])) for k in ("mpjpe", "pa_mpjpe", "degrees", "accel"))
    )


def main() -> None:
    """Print the landmark path's errors on the set."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.heldout", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    body = load_free_body()
    examples = held_out_set(load_clips(options.cache), options.count, options.seed, body)
    for quality in ("fast", "best"):
        print(quality, mean_score(evaluate(examples, body, quality)))


if __name__ == "__main__":
    main()
