"""Tables 2 to 4 of the paper asked of the landmark model, on motion that anyone can have: several seeds, with spread.

python -m inference_server.train.ablations CACHE.npz --folder RUNS [--seeds 0,1,2] [--steps 400] [--only-table]

As in the paper a clip spans the same time (128 frames there, 4 s here) whatever number of frames T is taken from it,
and a video is read as interleaved clips. A step always sees as many frames. A run that was stopped goes on; a
finished one is not done again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.files import replacing

from ..model.landmark_model import LANDMARK_CONFIG, LandmarkModel
from ..model.landmark_reader import LandmarkReader
from ..model.landmark_weights import save_landmark_model
from ..motion.kinematics import Figure, LandmarkPoints
from .heldout import Score, held_out_set, mean_score
from .landmark_data import LandmarkWindows
from .landmark_task import LandmarkTask
from .mocap.catalog import Clip, load_clips
from .tables import of_network, read, say
from .trainer import TrainConfig, Trainer

SPAN = 4.0  # seconds of a clip
VIDEO_RATE = 32.0  # frames per second of the held-out videos: 128 frames in a span
FRAMES_PER_STEP = 128
WINDOWS = 10**9
EMA = 0.98  # short runs: the averaged weights must not remember the first ones


@dataclass(frozen=True)
class Variant:
    """One thing that is different.

    Attributes:
        temporal, attention: As in `IntConfig`.
        frames: T, of a clip.
        with_ik: Whether the analytic IK enters.
    """

    name: str
    temporal: str = "joint"
    attention: str = "vanilla"
    frames: int = 16
    with_ik: bool = True

    @property
    def key(self) -> str:
        """For file names."""
        return f"{self.temporal}-{self.attention}-{self.frames}{'' if self.with_ik else '-without-ik'}"


JOINT = Variant("separate joints, T = 16")
TABLES = {
    "Table 2: what the temporal part takes": [
        Variant("image-only", "none"),
        Variant("whole pose", "pose"),
        JOINT,
    ],
    "Table 3: where time enters": [Variant("parallel spatial-temporal attention", "none", "parallel"), JOINT],
    "Table 4: frames of a clip": [JOINT, *(Variant(f"separate joints, T = {t}", frames=t) for t in (32, 64, 128))],
}


def train(variant: Variant, clips: list[Clip], folder: Path, seed: int, steps: int) -> Path:
    """The variant's averaged weights, trained on clips that are not held out."""
    path = folder / "weights.safetensors"
    config = replace(
        LANDMARK_CONFIG, temporal=variant.temporal, attention=variant.attention, temporal_length=variant.frames
    )
    rate = variant.frames / SPAN
    kept = [clip for clip in clips if not clip.held_out]
    windows = LandmarkWindows(kept, load_free_body(), seed, WINDOWS, variant.frames, rate=rate)
    torch.manual_seed(seed)
    model = LandmarkModel(config, variant.with_ik)
    task = LandmarkTask(model, windows)
    batch = FRAMES_PER_STEP // variant.frames
    trainer = Trainer(
        task,
        TrainConfig(steps=steps, batch=batch, warmup=steps // 10, ema=EMA, precision="bfloat16", seed=seed),
        folder,
    )
    trainer.run()
    save_landmark_model(path, model, trainer.averaged, {"steps": str(steps), "seed": str(seed)})
    return path


def score(variant: Variant, weights: Path, clips: list[Clip], count: int, seed: int) -> Score:
    """The network alone on held-out scenes of one span each."""
    body = load_free_body()
    reader = LandmarkReader(weights, variant.frames / SPAN)
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    examples = held_out_set(clips, count, seed, body, rates=(VIDEO_RATE,))
    return mean_score([of_network(e, read(e, reader, figure), figure) for e in examples])


def run(variant: Variant, clips: list[Clip], folder: Path, seed: int, options: argparse.Namespace) -> Score | None:
    """The score of a run, from its file if it is finished."""
    home = folder / f"{variant.key}-{seed}"
    found = home / "score.json"
    if found.exists():
        return Score(**json.loads(found.read_text()))
    if options.only_table:
        return None
    home.mkdir(parents=True, exist_ok=True)
    weights = train(variant, clips, home, seed, options.steps)
    result = score(variant, weights, clips, options.count, options.held_out_seed)
    with replacing(found) as aside:
        aside.write_text(json.dumps(asdict(result)))
    return result


def row(name: str, scores: list[Score]) -> tuple[object, ...]:
    """Mean and spread (sample standard deviation) over seeds."""

    def cell(key: str) -> str:
        values = np.array([getattr(s, key) for s in scores])
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        return f"{values.mean():.1f} ± {spread:.1f}"

    return name, *(cell(key) for key in ("mpjpe", "pa_mpjpe", "degrees", "accel")), len(scores)


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.ablations", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="for the runs")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--count", type=int, default=36, help="held-out scenes")
    parser.add_argument("--held-out-seed", type=int, default=17)
    parser.add_argument("--only-table", action="store_true", help="print what is finished")
    options = parser.parse_args()
    clips = load_clips(options.cache)
    seeds = [int(word) for word in options.seeds.split(",")]
    for seed in seeds:  # all variants of a seed first, so that a stopped run has whole comparisons
        for variant in {v.key: v for variants in TABLES.values() for v in variants}.values():
            run(variant, clips, options.folder, seed, options)
    heads = ("", "MPJPE mm", "PA-MPJPE mm", "local rotation °", "ACCEL mm/frame² at 30 fps", "seeds")
    for title, variants in TABLES.items():
        rows = []
        for variant in variants:
            scores = [run(variant, clips, options.folder, seed, replace_only(options)) for seed in seeds]
            rows.append(row(variant.name, [s for s in scores if s is not None]))
        say(title, heads, rows)


def replace_only(options: argparse.Namespace) -> argparse.Namespace:
    """The same options, for reading what there is."""
    return argparse.Namespace(**(vars(options) | {"only_table": True}))


if __name__ == "__main__":
    main()
