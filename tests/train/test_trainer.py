"""The trainer: two processes as one, killed and resumed as never killed, weights that are averaged."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny import Regression

from inference_server.train.trainer import TrainConfig, Trainer

SCRIPT = Path(__file__).parent / "tiny.py"


def train(folder: Path, *words: object, processes: int = 1) -> dict:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [*(start if processes > 1 else [sys.executable]), str(SCRIPT), str(folder), *map(str, words)]
    run = subprocess.run(command, timeout=180, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return state_of(folder)


def state_of(folder: Path) -> dict:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def assert_same(a: dict, b: dict, tolerance: float) -> None:
    assert a["step"] == b["step"]
    for part in ("model", "averaged"):
        for key, value in a[part].items():
            torch.testing.assert_close(value, b[part][key], rtol=tolerance, atol=tolerance)


def test_two_processes_are_one_with_the_doubled_batch(tmp_path: Path) -> None:
    two = train(tmp_path / "two", "--batch", 8, processes=2)
    one = train(tmp_path / "one", "--batch", 16)
    other = train(tmp_path / "other", "--batch", 8)
    assert_same(two, one, 1e-5)
    with pytest.raises(AssertionError):
        assert_same(two, other, 1e-3)  # a process alone sees half


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "--steps", 40)
    folder = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), str(folder), "--steps", "40", "--slow", "0.01"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (folder / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert 0 < state_of(folder)["step"] < 40
    assert_same(train(folder, "--steps", 40), whole, 0.0)


def test_the_loss_falls_and_the_averaged_weights_follow(tmp_path: Path) -> None:
    task = Regression()
    config = TrainConfig(steps=300, batch=32, rate=1e-2, warmup=10, workers=0, ema=0.98)
    trainer = Trainer(task, config, tmp_path, torch.device("cpu"))
    batch = {k: torch.stack([task.samples()[10**6 + n][k] for n in range(256)]) for k in ("x", "y")}
    before = task.loss(task.model, batch)[0].item()
    trainer.run()
    after = task.loss(task.model, batch)[0].item()
    task.model.load_state_dict(trainer.averaged)
    averaged = task.loss(task.model, batch)[0].item()
    assert after < 0.5 * before and averaged < 0.5 * before


def test_a_step_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    class Poisoned(Regression):
        def loss(self, model, batch):
            value, parts = super().loss(model, batch)
            return value * float("nan"), parts

    task = Poisoned()
    before = {k: v.clone() for k, v in task.model.state_dict().items()}
    Trainer(task, TrainConfig(steps=2, batch=4, workers=0), tmp_path, torch.device("cpu")).run()
    for key, value in task.model.state_dict().items():
        assert torch.equal(value, before[key])
