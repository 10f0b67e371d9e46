"""Tests that need bpy: the wheel, or a real Blender through tests/run_in_blender.py."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
bpy = pytest.importorskip("bpy")

from int_blender_addon.core.body import load_free_body  # noqa: E402
from int_blender_addon.core.motion import Motion  # noqa: E402
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle  # noqa: E402
from int_blender_addon.core.skeleton import NUM_JOINTS  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "blender" in Path(str(item.fspath)).parts:
            item.add_marker(pytest.mark.blender)


@pytest.fixture(autouse=True)
def empty_scene() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture(scope="session")
def body_model():
    return load_free_body()


@pytest.fixture
def rest_body(body_model):
    return body_model.rest(np.random.default_rng(0).normal(size=10))


def random_motion(frames: int, fps: float, seed: int = 0, spread: float = 0.5) -> Motion:
    """A smooth random take."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    phase, speed = rng.uniform(0, 6.28, (NUM_JOINTS, 3)), rng.uniform(0.5, 3.0, (NUM_JOINTS, 3))
    vectors = spread * np.sin(phase + speed * time[:, None, None])
    upright = axis_angle_to_matrix(np.array([np.pi / 2, 0.0, 0.0]))
    vectors[:, 0] = matrix_to_axis_angle(upright @ axis_angle_to_matrix(vectors[:, 0]))
    trans = np.stack([np.sin(time), 0.5 * time, 1.2 + 0.1 * np.cos(2 * time)], axis=-1)
    return Motion(
        poses=vectors.reshape(frames, -1),
        trans=trans,
        betas=np.zeros(10),
        joints=np.zeros((frames, NUM_JOINTS, 3)),
        frame_index=np.arange(frames),
        time=time,
        fps=fps,
        confidence=np.ones(frames),
        bridged=np.zeros(frames, bool),
        contacts=np.zeros((frames, 4)),
        K=np.eye(3),
        world_to_camera=np.eye(4),
        image_size=np.array([640, 480]),
    )


@pytest.fixture
def make_motion():
    return random_motion
