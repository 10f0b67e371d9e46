"""Training windows for the landmark model: scenes of motion capture, the landmarker's mistakes, the model's inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch.utils.data import Dataset

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.skeleton import JOINT_INDEX
from int_blender_addon.core.smoothing import gaussian_smooth

from ..model.landmark_inputs import CALM_SECONDS, landmark_inputs
from ..model.landmark_model import CLIP_RATE, LANDMARK_CONFIG
from ..motion.bias import LandmarkBias
from ..motion.kinematics import Figure, LandmarkPoints
from ..motion.swaps import find_swaps, undo_swaps
from ..people.landmarks import LandmarkTrack
from .lean import upright_as_true
from .mocap.catalog import Clip, mirrored
from .noise import NOISE, NoiseLevel, observe
from .scenes import Scene, make_scene

SLOW_WINDOWS = 0.2  # share of windows at frame rates below the model's
SLOWEST = 5.0 / 12.0  # of the model's rate
SPEEDS = (0.8, 1.25)  # motions are played slower and faster
MIXED = 0.25  # share of windows with the upper body of another clip
FLOOR_SHARE = 0.12  # of the windows come from the few hand-keyed clips
LONGEST_SHARE = 20.0  # seconds beyond which a clip's length doesn't raise its share
SIDES = ("left", "right")
ARM = ("collar", "shoulder", "elbow", "wrist", "hand")
UPPER = [JOINT_INDEX[name] for name in ("spine2", "spine3", "neck", "head", *(f"{s}_{p}" for s in SIDES for p in ARM))]


class LandmarkWindows(Dataset):
    """Window number k is made by chance seeded with (seed, k): the same on every machine, in any order.

    Args:
        clips: What may be played.
        body: Whose shapes and joints.
        seed: Of everything.
        length: How many windows there are.
        frames: In a window.
        level: Of the mistakes.
        rate: Frames per second of most windows.
    """

    def __init__(
        self,
        clips: list[Clip],
        body: BodyModel,
        seed: int,
        length: int,
        frames: int = LANDMARK_CONFIG.temporal_length,
        level: NoiseLevel = NOISE,
        rate: float = CLIP_RATE,
    ) -> None:
        self.rate = rate
        self.clips = [c for c in clips if len(c.root) / c.fps > 0.7]
        self.body, self.seed, self.length, self.frames, self.level = body, seed, length, frames, level
        self.points = LandmarkPoints.load()
        self.mean_figure = Figure.of(body, self.points, np.zeros(10))
        share = np.array([min(len(c.root) / c.fps, LONGEST_SHARE) for c in self.clips])
        keyed = np.array([c.source == "keyed" for c in self.clips])
        for group, total in ((keyed, FLOOR_SHARE), (~keyed, 1.0 - FLOOR_SHARE)):
            if group.any():
                share[group] *= total / share[group].sum()
        self.share = share / share.sum()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Inputs and targets of a window; float32."""
        rng = np.random.default_rng((self.seed, index))
        rate = self.rate if rng.random() > SLOW_WINDOWS else rng.uniform(SLOWEST * self.rate, self.rate)
        scene = make_scene(*self.stretch(rng, rate), rate, self.body, self.points, rng)
        return window(scene, observe(scene, rng, self.level), self.mean_figure, self.body)

    def stretch(self, rng: np.random.Generator, rate: float) -> tuple[Clip, float, float]:
        """A clip, a start and a duration; the clip mirrored, mixed and played at another speed by chance."""
        seconds = self.frames / rate
        clip = self._clip(rng)
        if rng.random() < MIXED:
            clip = _mixed(clip, self._clip(rng), rng)
        clip = replace(clip, fps=clip.fps * rng.uniform(*SPEEDS))
        return clip, rng.uniform(0.0, max(len(clip.root) / clip.fps - seconds, 0.0)), seconds

    def _clip(self, rng: np.random.Generator) -> Clip:
        clip = self.clips[rng.choice(len(self.clips), p=self.share)]
        return mirrored(clip) if rng.random() < 0.5 else clip


def _mixed(lower: Clip, upper: Clip, rng: np.random.Generator) -> Clip:
    """A clip with the upper body of another, from another time."""
    frames = len(lower.root)
    begin = rng.integers(max(len(upper.root) - frames, 0) + 1)
    other = upper.quaternions[begin : begin + frames]
    frames = len(other)
    quaternions = lower.quaternions[:frames].copy()
    quaternions[:, UPPER] = other[:, UPPER]
    return replace(lower, quaternions=quaternions, root=lower.root[:frames])


def window(
    scene: Scene, track: LandmarkTrack, mean_figure: Figure, body: BodyModel, bias: LandmarkBias | None = None
) -> dict[str, np.ndarray]:
    """Inputs as in use, and what the model should say, for one scene; `bias` is taken off a real landmarker's 3D."""
    track = undo_swaps(track, find_swaps(track))
    if bias is not None:
        track.world = upright_as_true(bias.corrected(track.world), scene.points)
    calm = gaussian_smooth(track.world, track.time, CALM_SECONDS)
    center = (np.array(scene.image_size) - 1) / 2
    inputs = landmark_inputs(track, center, scene.focal, mean_figure, calm)
    back = inputs.ray_turn.swapaxes(-1, -2)
    rotations = scene.rotations.copy()
    rotations[:, 0] = back @ rotations[:, 0]
    pelvis = (back @ scene.root[..., None])[..., 0]
    distance = np.exp(inputs.place[:, 2:3])
    place = np.concatenate([pelvis[:, :2] / distance, np.log(np.maximum(pelvis[:, 2:], 0.1) / distance)], axis=-1)
    values = {
        "features": inputs.features,
        "ik": inputs.ik,
        "joints": inputs.joints,
        "place": inputs.place,
        "true_rotations": rotations,
        "true_betas": scene.betas,
        "true_place": np.clip(place, -2.0, 2.0),
        "true_contacts": scene.contacts,
        "offsets": Figure.of(body, LandmarkPoints.load(), scene.betas).offsets,
    }
    return {key: np.asarray(value, np.float32) for key, value in values.items()}
