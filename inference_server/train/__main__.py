"""python -m inference_server.train landmarks CACHE.npz --folder RUN: train the weights that ship."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from int_blender_addon.core.body import load_free_body

from ..model.int_model import TEMPORAL
from ..model.landmark_model import LANDMARK_CONFIG, LandmarkModel
from ..model.landmark_weights import save_landmark_model
from .landmark_data import LandmarkWindows
from .landmark_task import LandmarkTask
from .mocap.catalog import load_clips
from .trainer import TrainConfig, Trainer

WINDOWS = 10**9  # numbered samples: never seen twice


def landmarks(options: argparse.Namespace) -> None:
    """Train the landmark model, writing its averaged weights beside each checkpoint."""
    clips = [clip for clip in load_clips(options.cache) if not clip.held_out]
    windows = LandmarkWindows(clips, load_free_body(), options.seed, WINDOWS)
    config = TrainConfig(
        steps=options.steps, batch=options.batch, precision="bfloat16", seed=options.seed, workers=options.workers
    )
    torch.manual_seed(options.seed)
    shape = replace(LANDMARK_CONFIG, temporal=options.temporal)
    task = LandmarkTask(LandmarkModel(shape, with_ik=not options.without_ik), windows)

    def write(trainer: Trainer) -> None:
        about = {"steps": str(trainer.step), "seed": str(options.seed)}
        save_landmark_model(options.folder / "int_landmarks.safetensors", task.model, trainer.averaged, about)

    Trainer(task, config, options.folder).run(on_save=write)


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
    command.add_argument("--without-ik", action="store_true", help="the paper's own form, for comparison")
    command.add_argument("--temporal", default="joint", choices=TEMPORAL, help="what the temporal part takes (Table 2)")
    command.set_defaults(run=landmarks)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
