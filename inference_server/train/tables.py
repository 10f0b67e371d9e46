"""What the landmark model is worth, measured on held-out motion: stages, joints, robustness, ablations, cost.

python -m inference_server.train.tables CACHE.npz [--only stages,joints,robustness,cost] [--variants NAME=FILE ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.rotations import geodesic_angle
from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES

from ..model.landmark_reader import LandmarkReader, Reading
from ..model.landmark_weights import LANDMARK_WEIGHTS
from ..motion.kinematics import Figure, LandmarkPoints, pose
from ..motion.swaps import find_swaps, undo_swaps
from ..people.landmarks import LANDMARK_INDEX, LandmarkTrack
from .heldout import Example, Score, aligned, evaluate, held_out_set, mean_score, median_score
from .mocap.catalog import Clip, load_clips
from .noise import NOISE

LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LIMB_NAMES = [f"{side}_{name}" for side in ("left", "right") for name in LIMBS]
REFERENCE_RATE = 30.0


def say(title: str, heads: Iterable[str], rows: Iterable[tuple[object, ...]]) -> None:
    """A table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(list(heads))}")
    for row in rows:
        cells = (f"{value:.1f}" if isinstance(value, float) else str(value) for value in row)
        print(f"| {' | '.join(cells)} |", flush=True)


def of_landmarks(example: Example) -> Score:
    """The landmarker's own 3D on twelve joints of the limbs, against where those landmarks truly are."""
    numbers = [LANDMARK_INDEX[name] for name in LIMB_NAMES]
    return _score(example.track.world[:, numbers], example.scene.points[:, numbers], example.fps)


def read(example: Example, reader: LandmarkReader, mean_figure: Figure) -> Reading:
    """What the network alone says of an example, its lens known."""
    track: LandmarkTrack = undo_swaps(example.track, find_swaps(example.track))
    center = (np.array(example.scene.image_size) - 1) / 2
    return reader.read(track, center, example.scene.focal, mean_figure)


def of_network(example: Example, reading: Reading, mean_figure: Figure) -> Score:
    """The network alone, on a body of mean shape; the twelve limb joints."""
    numbers = [JOINT_INDEX[name] for name in LIMB_NAMES]
    joints = pose(mean_figure, reading.rotations, np.zeros((len(reading.rotations), 3))).joints
    found = _score(joints[:, numbers], example.scene.joints[:, numbers], example.fps)
    turned = geodesic_angle(reading.rotations[:, 1:22], example.scene.rotations[:, 1:22])
    return replace(found, degrees=float(np.degrees(turned.mean())))


def _score(found: np.ndarray, true: np.ndarray, fps: float) -> Score:
    hips = [LIMB_NAMES.index("left_hip"), LIMB_NAMES.index("right_hip")]
    found, true = (points - points[:, hips].mean(axis=1, keepdims=True) for points in (found, true))
    return Score(
        mpjpe=1000 * float(np.linalg.norm(found - true, axis=-1).mean()),
        pa_mpjpe=1000 * float(np.linalg.norm(aligned(found, true) - true, axis=-1).mean()),
        degrees=float("nan"),
        accel=1000
        * float(np.linalg.norm(np.diff(found - true, n=2, axis=0), axis=-1).mean())
        * (fps / REFERENCE_RATE) ** 2,
    )


def _row(name: str, score: Score) -> tuple[object, ...]:
    degrees = "" if np.isnan(score.degrees) else score.degrees
    return name, score.mpjpe, score.pa_mpjpe, degrees, score.accel


HEADS = ("", "MPJPE mm", "PA-MPJPE mm", "local rotation °", "ACCEL mm/frame² at 30 fps")


def stages(examples: list[Example], body: BodyModel, reader: LandmarkReader) -> None:
    """The landmarker, the network alone, the fit alone, both; and the contacts."""
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    readings = [read(example, reader, figure) for example in examples]
    rows = [
        _row("landmarker's 3D (12 limb joints)", mean_score([of_landmarks(e) for e in examples])),
        _row(
            "network alone (12 limb joints)",
            mean_score([of_network(e, r, figure) for e, r in zip(examples, readings, strict=True)]),
        ),
    ]
    for quality in ("fast", "best"):
        rows.append(_row(f"fit alone, {quality}", mean_score(evaluate(examples, body, quality))))
        rows.append(_row(f"network and fit, {quality}", mean_score(evaluate(examples, body, quality, reader=reader))))
    say("Held-out motion, by stage", HEADS, rows)
    true = np.concatenate([e.scene.contacts for e in examples]) > 0.5
    told = np.concatenate([r.contacts for r in readings]) > 0.5
    right = float((true & told).sum())
    precision, recall = right / max(told.sum(), 1), right / max(true.sum(), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"\nContacts of the network: F1 {f1:.3f}, precision {precision:.3f}, recall {recall:.3f}")


def joints(examples: list[Example], body: BodyModel, reader: LandmarkReader) -> None:
    """Mean geodesic error of each joint's local rotation, network alone."""
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    errors = np.concatenate(
        [geodesic_angle(read(e, reader, figure).rotations, e.scene.rotations) for e in examples]
    ).mean(axis=0)
    rows = [(name, float(np.degrees(error))) for name, error in zip(JOINT_NAMES, errors, strict=True)]
    say("Geodesic error of the network alone", ("joint", "°"), rows[:22])


def robustness(clips: list[Clip], count: int, seed: int, body: BodyModel, reader: LandmarkReader) -> None:
    """The whole path with more of each kind of trouble: medians, since a scene that is lost counts more than all."""

    def scores(**changes) -> Score:
        examples = held_out_set(clips, count, seed, body, **changes)
        return median_score(evaluate(examples, body, "fast", reader=reader))

    rows: list[tuple[object, ...]] = []
    for value in (0.0, 0.12, 0.5, 1.5):
        rows.append(_row(f"limbs lost, {value} a second", scores(level=replace(NOISE, lost_per_second=value))))
    for value in (0.0, 0.05, 0.3, 1.0):
        rows.append(_row(f"sides swapped, {value} a second", scores(level=replace(NOISE, swapped_per_second=value))))
    for rate in (5.0, 15.0, 25.0, 30.0, 60.0, 120.0):
        rows.append(_row(f"{rate:g} frames per second", scores(rates=(rate,))))
    for zoom in (1.0, 1.5, 2.2):
        rows.append(_row(f"picture {zoom:g} times closer", scores(zoom=zoom)))
    say("Robustness, network and fit, fast, medians over scenes", HEADS, rows)


def variants(examples: list[Example], body: BodyModel, files: dict[str, Path]) -> None:
    """Models trained alike but for one thing (Table 2): alone, and before the fit."""
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    rows = []
    for name, path in files.items():
        reader = LandmarkReader(path)
        alone = mean_score([of_network(e, read(e, reader, figure), figure) for e in examples])
        rows.append(_row(f"{name}, alone", alone))
        rows.append(_row(f"{name}, and fit", mean_score(evaluate(examples, body, "fast", reader=reader))))
    say("Variants", HEADS, rows)


def cost(examples: list[Example], body: BodyModel, reader: LandmarkReader) -> None:
    """Size of the weights and time a frame."""
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    longest = max(examples, key=lambda e: len(e.track))
    read(longest, reader, figure)
    taken = _best(lambda: read(longest, reader, figure)) / len(longest.track)
    parameters = sum(p.numel() for p in reader.model.parameters())
    rows = [
        ("parameters, million", parameters / 1e6),
        ("file, MB", LANDMARK_WEIGHTS.stat().st_size / 1e6),
        ("ms per frame, inputs and network", 1000 * taken),
    ]
    say(f"Cost on {torch.get_num_threads()} threads", ("", ""), rows)


def _best(work: Callable[[], object], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.tables", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--weights", type=Path, default=LANDMARK_WEIGHTS)
    parser.add_argument("--only", default="stages,joints,robustness,cost")
    parser.add_argument("--variants", nargs="*", default=[], metavar="NAME=FILE")
    options = parser.parse_args()
    body, clips = load_free_body(), load_clips(options.cache)
    examples = held_out_set(clips, options.count, options.seed, body)
    reader = LandmarkReader(options.weights)
    for name in options.only.split(","):
        if name == "stages":
            stages(examples, body, reader)
        elif name == "joints":
            joints(examples, body, reader)
        elif name == "robustness":
            robustness(clips, options.count, options.seed, body, reader)
        elif name == "cost":
            cost(examples, body, reader)
    if options.variants:
        variants(examples, body, {word.partition("=")[0]: Path(word.partition("=")[2]) for word in options.variants})


if __name__ == "__main__":
    main()
