"""A small regression for the trainer: python tests/train/tiny.py FOLDER --batch 8 --steps 20 [--slow SECONDS]

Under `torchrun` the batch is that of one process.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from inference_server.train.trainer import TrainConfig, Trainer


class Numbers(Dataset):
    """Sample k is made by chance seeded with k."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        time.sleep(self.pause)
        x = torch.randn(6, generator=torch.Generator().manual_seed(index))
        return {"x": x, "y": torch.stack([x.sum(), (x * x).sum()])}


def small_network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))


@dataclass
class Regression:
    """A sum and a sum of squares, learned."""

    pause: float = 0.0
    model: nn.Module = field(default_factory=small_network)

    def samples(self) -> Dataset:
        return Numbers(self.pause)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        error = (model(batch["x"]) - batch["y"]).square().mean()
        return error, {"error": error.detach()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--slow", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = TrainConfig(
        steps=options.steps, batch=options.batch, rate=1e-2, warmup=3, workers=0, save_every=5, precision="float32"
    )
    Trainer(Regression(options.slow), config, options.folder, torch.device("cpu")).run()


if __name__ == "__main__":
    main()
