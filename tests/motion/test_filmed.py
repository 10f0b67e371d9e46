"""A walk filmed in a room by a camera that pans after it, through the whole capture."""

from pathlib import Path

import numpy as np
from scripted import walking_pose

from inference_server.capture import CaptureOptions, capture
from inference_server.train.filmed import film, measure
from inference_server.train.mocap.catalog import Clip
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.motion import load_motion
from int_blender_addon.core.refine import Rest
from int_blender_addon.core.rotations import matrix_to_quaternion


def walk(seconds: float = 3.0, fps: float = 30.0) -> Clip:
    """Three metres straight on, y up."""
    time = np.arange(int(seconds * fps)) / fps
    rotations, _ = walking_pose(time, 0.0)
    rotations[:, 0] = np.eye(3)  # facing +z
    root = np.stack([0 * time, 0.97 + 0.02 * np.cos(11 * time), 1.0 * time - 1.5], axis=-1)
    return Clip("walk", "nobody", "test", fps, matrix_to_quaternion(rotations), root)


def test_a_pan_is_taken_out_of_the_way_over_the_floor(tmp_path: Path) -> None:
    body, rng = load_free_body(), np.random.default_rng(4)
    filmed = film(walk(), True, tmp_path / "pan.mp4", body, rng)
    (taken,) = capture(CaptureOptions(filmed.video, tmp_path / "pan.npz", quality="fast"))
    motion = load_motion(taken.path)
    assert motion.camera == "turning" and motion.world_to_camera.shape == (len(motion), 4, 4)
    place = measure(motion, Rest.of(body.rest(motion.betas)), filmed)
    assert place.root < 20.0 and place.way < 25.0 and place.gravity < 8.0
    still = film(walk(), False, tmp_path / "still.mp4", body, np.random.default_rng(4))
    (taken,) = capture(CaptureOptions(still.video, tmp_path / "still.npz", quality="fast"))
    assert load_motion(taken.path).camera == "still"
