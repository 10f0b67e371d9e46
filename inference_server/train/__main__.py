"""The trainer's command line.

python -m inference_server.train landmarks CACHE.npz --folder RUN: the weights that ship
python -m inference_server.train paper PHASE --data DIR --folder RUN ...: the paper's model, on the paper's data
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import DataSetError, MocapError

from ..body.smpl_file import load_smpl_file
from ..body.smpl_layer import SmplLayer
from ..model.int_model import TEMPORAL, IntConfig, IntModel
from ..model.landmark_model import IDENTITY_6D, LANDMARK_CONFIG, LandmarkModel
from ..model.landmark_weights import load_landmark_model, save_landmark_model
from ..weights.store import load_model, save_model
from .landmark_data import LandmarkWindows
from .landmark_task import LandmarkTask
from .mocap.catalog import load_clips
from .paper.samples import PhaseSamples
from .paper.sets import load_set
from .paper.task import PaperTask, folded, standardize_filters
from .phases import PHASES
from .rendered import RenderedWindows
from .rendered import load as load_rendered
from .trainer import TrainConfig, Trainer

WINDOWS = 10**9  # numbered samples: never seen twice


def landmarks(options: argparse.Namespace) -> None:
    """Train the landmark model, writing its averaged weights beside each checkpoint."""
    clips = [clip for clip in load_clips(options.cache) if not clip.held_out]
    made = LandmarkWindows(clips, load_free_body(), options.seed, WINDOWS)
    windows: Dataset = made
    if options.rendered is not None:
        windows = RenderedWindows(made, load_rendered(options.rendered)[0], options.share)
    config = TrainConfig(
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        precision="bfloat16",
        seed=options.seed,
        workers=options.workers,
    )
    torch.manual_seed(options.seed)
    shape = replace(LANDMARK_CONFIG, temporal=options.temporal)
    model = LandmarkModel(shape, with_ik=not options.without_ik)
    if options.start is not None:
        model.load_state_dict(load_landmark_model(options.start).state_dict())
    task = LandmarkTask(model, windows)

    def write(trainer: Trainer) -> None:
        about = {"steps": str(trainer.step), "seed": str(options.seed)}
        save_landmark_model(options.folder / "int_landmarks.safetensors", task.model, trainer.averaged, about)

    Trainer(task, config, options.folder).run(on_save=write)


def paper(options: argparse.Namespace) -> None:
    """Train a phase of the paper's scheme, from the weights of the phase before."""
    phase = PHASES[options.phase]
    names = options.sets.split(",") if options.sets else list(phase.sets)
    torch.manual_seed(options.seed)
    body = load_smpl_file(options.body)
    try:
        layer = SmplLayer(body, np.load(options.extra_joints, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise DataSetError(f"{options.extra_joints} could not be read: {error}") from error
    model = load_model(options.start) if options.start else fresh_model(IntConfig())
    standardize_filters(model)
    steps = options.steps_per_epoch * phase.epochs
    samples = PhaseSamples([load_set(name, options.data) for name in names], phase, options.seed, steps * 64)
    config = TrainConfig(
        steps=steps,
        batch=1,  # a sample is all that a process sees in a step
        rate=phase.rate,
        optimizer=phase.optimizer,
        weight_decay=phase.weight_decay,
        milestones=tuple(options.steps_per_epoch * epoch for epoch in phase.milestones),
        ema=0.0,
        clip=float("inf"),
        precision=options.precision,
        seed=options.seed,
        workers=options.workers,
    )

    def write(trainer: Trainer) -> None:
        save_model(options.folder / f"int_phase{options.phase}.safetensors", folded(model))

    Trainer(PaperTask(model, layer, samples, phase.weights), config, options.folder).run(on_save=write)


def fresh_model(config: IntConfig) -> IntModel:
    """A model to begin with: tokens and positions small, the rest as torch has it, poses near rest."""
    model = IntModel(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("_tokens", "_token", "position", "pos_embed")):
            torch.nn.init.trunc_normal_(parameter, std=0.02)
    torch.nn.init.normal_(model.joint_head.weight, std=1e-3)
    model.joint_head.bias.data = torch.tensor(IDENTITY_6D)
    torch.nn.init.zeros_(model.camera_head.weight)
    model.camera_head.bias.data = torch.tensor([0.9, 0.0, 0.0])
    return model


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("landmarks", help="the landmark model, on motion capture")
    command.add_argument("cache", type=Path, help="made by python -m inference_server.train.mocap")
    command.add_argument("--folder", type=Path, required=True, help="for checkpoints; a killed run goes on there")
    command.add_argument("--steps", type=int, default=4000)
    command.add_argument("--batch", type=int, default=32, help="windows of 16 frames")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, default=1)
    command.add_argument("--rate", type=float, default=5e-4)
    command.add_argument("--start", type=Path, help="weights to go on from")
    command.add_argument("--rendered", type=Path, help="made by python -m inference_server.train.rendered")
    command.add_argument("--share", type=float, default=0.5, help="of windows that are rendered ones")
    command.add_argument("--without-ik", action="store_true", help="the paper's own form, for comparison")
    command.add_argument("--temporal", default="joint", choices=TEMPORAL, help="what the temporal part takes (Table 2)")
    command.set_defaults(run=landmarks)
    command = commands.add_parser("paper", help="the paper's model, a phase at a time, on the paper's data")
    command.add_argument("phase", choices=sorted(PHASES))
    command.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    command.add_argument("--folder", type=Path, required=True, help="for checkpoints; a killed run goes on there")
    command.add_argument("--body", type=Path, required=True, help="your SMPL file")
    command.add_argument("--extra-joints", type=Path, required=True, help="SPIN's J_regressor_extra.npy")
    command.add_argument("--start", type=Path, help="weights of the phase before, or the authors' checkpoint")
    command.add_argument("--sets", help="data sets with commas, if not all of the phase's")
    command.add_argument("--steps-per-epoch", type=int, default=500)
    command.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "float16"))
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, default=4)
    command.set_defaults(run=paper)
    options = parser.parse_args()
    try:
        options.run(options)
    except MocapError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
