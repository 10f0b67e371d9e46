"""The landmark model's training: windows that don't depend on who makes them, and a short run that learns."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from test_mocap import walking

from inference_server.model.landmark_model import LANDMARK_CONFIG, LandmarkModel
from inference_server.model.landmark_weights import load_landmark_model, save_landmark_model
from inference_server.train.landmark_data import LandmarkWindows
from inference_server.train.landmark_task import LandmarkTask
from inference_server.train.mocap.catalog import Clip
from inference_server.train.noise import NoiseLevel, observe
from inference_server.train.scenes import make_scene
from inference_server.train.trainer import TrainConfig, Trainer
from int_blender_addon.core.body import load_free_body


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(4):
        clip = walking(180)
        noise = np.cumsum(rng.normal(size=(180, 24, 3)), axis=0) * 0.004
        clip.quaternions[..., 1:] += noise.astype(np.float32)
        clip.quaternions /= np.linalg.norm(clip.quaternions, axis=-1, keepdims=True)
        clip.name = f"01_{number:02d}"
        made.append(clip)
    return made


def test_a_window_is_the_same_whoever_makes_it(clips: list[Clip]) -> None:
    first, second = (LandmarkWindows(clips, load_free_body(), 7, 100)[41] for _ in range(2))
    other = LandmarkWindows(clips, load_free_body(), 8, 100)[41]
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert not np.array_equal(first["features"], other["features"])


def test_without_mistakes_the_landmarks_are_where_they_are(clips: list[Clip]) -> None:
    rng = np.random.default_rng(1)
    windows = LandmarkWindows(clips, load_free_body(), 0, 1)
    scene = make_scene(clips[0], 0.0, 1.5, 30.0, load_free_body(), windows.points, rng)
    none = NoiseLevel(**{field.name: 0.0 for field in fields(NoiseLevel)} | {"correlation": 0.12})
    quiet, noisy = observe(scene, rng, none), observe(scene, rng)
    true = scene.points - scene.points[:, [23, 24]].mean(axis=1, keepdims=True)
    assert np.abs(quiet.world - true).max() < 0.02
    assert np.abs(noisy.world - true).mean() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("with_ik", "share"), [(True, 0.97), (False, 0.85)])  # the IK leaves little to learn quickly
def test_a_short_training_learns_and_its_file_says_the_same(
    clips: list[Clip], tmp_path: Path, with_ik: bool, share: float
) -> None:
    windows = LandmarkWindows(clips, load_free_body(), 0, 10**6)
    torch.manual_seed(0)
    task = LandmarkTask(LandmarkModel(LANDMARK_CONFIG, with_ik), windows)
    unseen = [LandmarkWindows(clips, load_free_body(), 99, 16)[k] for k in range(16)]
    batch = {key: torch.from_numpy(np.stack([w[key] for w in unseen])) for key in unseen[0]}

    def loss(model: LandmarkModel) -> float:
        with torch.no_grad():
            return float(task.loss(model.eval(), batch)[0])

    before = loss(task.model)
    config = TrainConfig(steps=30, batch=8, rate=1e-3, warmup=5, workers=0, ema=0.9)
    trainer = Trainer(task, config, tmp_path, torch.device("cpu"))
    trainer.run()
    after = loss(task.model)
    assert after < share * before
    path = tmp_path / "w.safetensors"
    save_landmark_model(path, task.model, trainer.averaged, {"steps": "30"})
    kept = load_landmark_model(path)
    task.model.load_state_dict(trainer.averaged)
    assert abs(loss(kept) - loss(task.model)) < 0.01 * before  # half precision is as good
    assert path.stat().st_size < 20e6
