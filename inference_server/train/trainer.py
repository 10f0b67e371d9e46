"""One training loop for every model here: distributed, mixed precision, resumable with nothing lost.

What is learned is a `Task`: a model, numbered samples, and a loss. Sample numbers follow from the step, the rank and
the batch alone, so a run that was killed goes on as if it had not been, and two processes see together what one
with a doubled batch sees.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from int_blender_addon.core.files import replacing

SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True)
class TrainConfig:
    """How a phase is trained.

    Attributes:
        steps: Optimizer steps of the whole phase.
        batch: Samples of one process in a step.
        optimizer: `adamw`, `adam` (decay as L2) or `sgd`.
        warmup: Steps in which the rate rises; it falls by a cosine to a hundredth in the end.
        milestones: Steps at which the rate falls to a tenth instead, without a warm-up.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights that are kept beside; 0 for none.
        precision: `float32`, `bfloat16` or `float16` (the last with loss scaling, on CUDA).
        workers: Processes that make samples; 0 to make them in this one.
        save_every: Steps between checkpoints.
    """

    steps: int
    batch: int
    rate: float = 5e-4
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    momentum: float = 0.9
    warmup: int = 100
    milestones: tuple[int, ...] = ()
    clip: float = 1.0
    ema: float = 0.998
    precision: str = "float32"
    seed: int = 0
    workers: int = 1
    save_every: int = 200


class Task(Protocol):
    """What a trainer needs to know of what is learned."""

    @property
    def model(self) -> nn.Module:
        """The model."""

    def samples(self) -> Dataset:
        """Numbered samples, the same whoever asks."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a mean over samples, and its parts to be shown."""


class Trainer:
    """Trains a task in a folder; goes on where the folder's checkpoint stands.

    Args:
        task: What is learned.
        config: How.
        folder: For `checkpoint.pt` and TensorBoard's curves.
        device: Where; the process's own CUDA device under `torchrun` if None.
    """

    def __init__(self, task: Task, config: TrainConfig, folder: Path, device: torch.device | None = None) -> None:
        self.task, self.config, self.folder = task, config, folder
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.device = device or _own_device()
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(config.seed)
        self.model = task.model.to(self.device)
        self.optimizer = _optimizer(self.model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self.averaged = {k: v.detach().clone() for k, v in self.model.state_dict().items()} if config.ema else {}
        self.step = 0
        self.resume()
        self.parallel: nn.Module = DistributedDataParallel(self.model) if self.world > 1 else self.model

    @property
    def checkpoint(self) -> Path:
        """Where the run stands."""
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        """Go on where the checkpoint of the folder stands, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        changed = [k for k, v in asdict(self.config).items() if state["config"].get(k, v) != v]
        if changed:
            print(f"resumed with other settings: {', '.join(changed)}", flush=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.averaged, self.step = state["averaged"], state["step"]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all; the first process alone does."""
        if self.rank:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "averaged": self.averaged,
            "step": self.step,
        }
        with replacing(self.checkpoint) as aside:
            torch.save(state, aside)

    def run(self, until: int | None = None, on_save: Callable[[Trainer], None] | None = None) -> None:
        """Train to the end, or to a step; `on_save` is called after each checkpoint."""
        last = min(until or self.config.steps, self.config.steps)
        board = _Board(self.folder) if self.rank == 0 else None
        begun, first = time.monotonic(), self.step
        for batch in self._batches(last):
            parts = self._one_step(batch)
            if board is not None:
                board.add(self.step, parts, self._rate(), (time.monotonic() - begun) / (self.step - first), last)
            if self.step % self.config.save_every == 0 or self.step == last:
                self.save()
                if on_save is not None and self.rank == 0:
                    on_save(self)
        if board is not None:
            board.close()

    def _batches(self, last: int) -> Iterator[dict[str, Tensor]]:
        size, each = self.config.batch * self.world, self.config.batch
        numbers = [
            list(range(step * size + self.rank * each, step * size + (self.rank + 1) * each))
            for step in range(self.step, last)
        ]
        workers = self.config.workers
        loader = DataLoader(
            self.task.samples(),
            batch_sampler=numbers,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for batch in loader:
            yield {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}

    def _one_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.parallel.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        with _autocast(self.device, self.config.precision):
            loss, parts = self.task.loss(self.parallel, batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        if torch.isfinite(norm):
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self._average()
        return {"loss": loss.detach(), **parts}

    def _rate(self) -> float:
        config = self.config
        if config.milestones:
            return config.rate * 0.1 ** sum(self.step >= milestone for milestone in config.milestones)
        if self.step < config.warmup:
            return config.rate * (self.step + 1) / config.warmup
        done = (self.step - config.warmup) / max(config.steps - config.warmup, 1)
        return config.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for key, value in self.model.state_dict().items() if self.averaged else ():
            if value.is_floating_point():
                self.averaged[key].lerp_(value, 1 - decay)
            else:
                self.averaged[key].copy_(value)


class _Board:
    """A line now and then, and TensorBoard's curves where it is installed."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.writer = None
        else:
            self.writer = SummaryWriter(str(folder))
        self.sums: dict[str, float] = {}
        self.count, self.shown = 0, time.monotonic()

    def add(self, step: int, parts: dict[str, Tensor], rate: float, seconds: float, last: int) -> None:
        for key, value in parts.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value)
        self.count += 1
        if time.monotonic() - self.shown < SECONDS_BETWEEN_LINES and step < last:
            return
        means = {key: total / self.count for key, total in self.sums.items()}
        left = (last - step) * seconds / 60
        shown = " ".join(f"{key} {mean:.4f}" for key, mean in means.items())
        print(f"step {step}/{last} rate {rate:.2e} {seconds:.2f} s/step {left:.0f} min left | {shown}", flush=True)
        if self.writer is not None:
            for key, mean in means.items():
                self.writer.add_scalar(key, mean, step)
        self.sums, self.count, self.shown = {}, 0, time.monotonic()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _own_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def _autocast(device: torch.device, precision: str):
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Biases, norms and tokens are not decayed."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1 and p.shape[0] > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1 or p.shape[0] == 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.rate, momentum=config.momentum)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.rate)
    return torch.optim.AdamW(groups, lr=config.rate)
