"""A model with a person of a video, ready to be looked at: the landmark model that ships, or an INT checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.smoothing import gaussian_smooth

from ..model.evidence import LANDMARK_PARTS
from ..model.int_model import IntModel, rot6d_to_matrix
from ..model.landmark_inputs import CALM_SECONDS, landmark_inputs
from ..model.landmark_model import IDENTITY_6D, LandmarkModel
from ..model.landmark_weights import load_landmark_model
from ..motion.camera import default_focal
from ..motion.kinematics import Figure, LandmarkPoints
from ..motion.swaps import find_swaps, undo_swaps
from ..people.choose import choose_person
from ..people.landmarks import LandmarkTrack
from ..people.observe import collect
from ..video import read_frames

LOOKED_AT = 6  # frames on which the tokens' looks are drawn


@dataclass
class Subject:
    """What is drawn.

    Attributes:
        model: The tokens, blocks and heads.
        residual: Whether the rotation head tells what is left to turn after the identity.
        pictures: Frames of the video by row of the clip.
        rows: (T,) the clip's frames, rows of the track.
        track: The person.
        tokens: (T, 24, d) joint tokens of the clip.
        looks: (T, heads, 24, E) attention of joint tokens to evidence; for a few rows alone with pictures as evidence.
        looked: Rows of the clip that `looks` is of.
        places: (T, E, 2) where the evidence tokens lie in the picture, pixels.
        rotations: (T, 24, 3, 3) what the model says of the clip.
    """

    model: IntModel
    residual: bool
    pictures: dict[int, np.ndarray]
    rows: np.ndarray
    track: LandmarkTrack
    tokens: Tensor
    looks: np.ndarray
    looked: np.ndarray
    places: np.ndarray
    rotations: np.ndarray


def landmark_subject(video: Path, quality: str, length: int, rate: float, weights: Path | None = None) -> Subject:
    """The landmark model on a video's leading person."""
    loaded = load_landmark_model(weights) if weights is not None else load_landmark_model()
    observed = collect(video, quality)
    track = choose_person(observed.tracks(), observed.info)[0]
    track = undo_swaps(track, find_swaps(track))
    size = observed.info.size
    figure = Figure.of(load_free_body(), LandmarkPoints.load(), np.zeros(10))
    calm = gaussian_smooth(track.world, track.time, CALM_SECONDS)
    center = (np.array(size) - 1) / 2
    inputs = landmark_inputs(track, center, default_focal(size), figure, calm)
    rows = clip_rows(track.time, length, rate)
    ik = torch.from_numpy(inputs.ik.astype(np.float32))[rows]
    told = (
        torch.from_numpy(inputs.features)[rows],
        ik,
        torch.from_numpy(inputs.joints.astype(np.float32))[rows],
        torch.from_numpy(inputs.place)[rows],
    )
    from .attention import evidence_attention

    kept = []
    looks = evidence_attention(loaded.int, lambda: kept.append(loaded.encode(*told)))
    with torch.inference_mode():
        tokens = kept[0]
        said = loaded.decode(tokens.unflatten(1, len(rows)), ik[None])
    places = np.stack([track.image[rows][:, list(part)].mean(axis=1) for part in LANDMARK_PARTS], axis=1)
    return Subject(
        loaded.int,
        True,
        _pictures(video, track, rows),
        rows,
        track,
        tokens.joints,
        looks,
        np.arange(len(rows)),
        places,
        said.rotations[0].numpy().astype(float),
    )


def checkpoint_subject(video: Path, quality: str, length: int, rate: float, path: Path) -> Subject:
    """An INT checkpoint on a video's leading person."""
    from ..model import crops
    from ..model.video import person_boxes
    from ..weights.store import load_model
    from .attention import evidence_attention

    model = load_model(path).eval()
    observed = collect(video, quality)
    track = choose_person(observed.tracks(), observed.info)[0]
    rows = clip_rows(track.time, length, rate)
    pictures = _pictures(video, track, rows)
    boxes = person_boxes(track)[rows]
    affines = [crops.crop_affine(box) for box in boxes]
    cut = np.stack([crops.crop(pictures[k], affine) for k, affine in enumerate(affines)])
    images = torch.from_numpy(np.ascontiguousarray(crops.network_input(cut)))
    kept: list[Tensor] = []
    with torch.inference_mode():
        kept = [model.encode(image[None]).joints for image in images]
    tokens = torch.cat(kept)
    looked = np.unique(np.linspace(0, len(rows) - 1, LOOKED_AT).round().astype(int))
    looks = evidence_attention(model, lambda: model.encode(images[torch.from_numpy(looked)]))
    side = int(looks.shape[-1] ** 0.5)
    looks = looks[..., -side * side :]  # a class token, where there is one, lies nowhere
    with torch.inference_mode():
        read = tokens[None] if model.config.temporal == "none" else model.temporal(tokens[None])
        rotations = rot6d_to_matrix(model.joint_head(read))[0].numpy().astype(float)
    grid = (np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) + 0.5) * crops.CROP / side
    places = np.stack([_uncropped(grid, affine) for affine in affines])
    return Subject(model, False, pictures, rows, track, tokens, looks, looked, places, rotations)


def prior_rotations(model: IntModel, residual: bool) -> np.ndarray:
    """(24, 3, 3) the initial joint tokens straight through the rotation head: what they hold without any evidence."""
    with torch.inference_mode():
        said = model.joint_head(model.joint_tokens[0])
        if residual:
            said = said + said.new_tensor(IDENTITY_6D)
        return rot6d_to_matrix(said.float()).numpy().astype(float)


def untrained(model: IntModel, residual: bool, seed: int = 0) -> IntModel:
    """The same model before any training, to compare with."""
    torch.manual_seed(seed)
    if residual:
        return LandmarkModel(model.config).int
    fresh = IntModel(model.config)
    torch.nn.init.normal_(fresh.joint_tokens, std=0.02)
    return fresh


def clip_rows(time: np.ndarray, length: int, rate: float) -> np.ndarray:
    """Rows of a clip of at most `length` frames, `rate` a second, about the middle of a track."""
    span = min((length - 1) / rate, float(time[-1] - time[0]))
    start = (time[0] + time[-1] - span) / 2
    wanted = start + np.arange(int(span * rate) + 1) / rate
    return np.unique(np.clip(np.searchsorted(time, wanted - 1e-6), 0, len(time) - 1))


def _pictures(video: Path, track: LandmarkTrack, rows: np.ndarray) -> dict[int, np.ndarray]:
    numbers = {int(track.frame_index[row]): k for k, row in enumerate(rows)}
    found = {}
    for frame in read_frames(video):
        if frame.index in numbers:
            found[numbers[frame.index]] = frame.image
            if len(found) == len(numbers):
                break
    last = next(iter(found.values()))
    return {k: found.get(k, last) for k in range(len(rows))}


def _uncropped(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points of a crop in the full picture."""
    return (points - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
