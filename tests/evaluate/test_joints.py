"""The scores of `evaluate joints`, on cases whose answer is known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference_server.evaluate.joints import LIMB12, evaluate_joints
from int_blender_addon.core.errors import ArgumentsError
from int_blender_addon.core.rotations import axis_angle_to_matrix

ROOT = Path(__file__).resolve().parents[2]


def example(frames: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """A reference: a body of twelve points that sways and walks."""
    rng = np.random.default_rng(seed)
    body = rng.normal(size=(12, 3)) * [0.3, 0.6, 0.2]
    turn = axis_angle_to_matrix(np.outer(np.linspace(0, 1, frames), [0.2, 1.0, 0.1]))
    path = np.linspace(0, 1, frames)[:, None, None] * [0.5, 0.0, 0.3] + [0.0, 0.0, 4.0]
    return {
        "joints": body @ turn.swapaxes(1, 2) + path,
        "joint_names": np.array(LIMB12),
        "fps": np.array(30.0),
        "frame_index": np.arange(frames),
        "confidence": np.ones((frames, 12)),
        "K": np.array([[1000.0, 0, 500], [0, 1000.0, 400], [0, 0, 1]]),
        "dist": np.array([0.01, 0.0, 0.001, 0.0]),
    }


def test_the_truth_scores_nothing():
    ref = example()
    scores = evaluate_joints(dict(ref, absolute=True), ref)
    for key in ("mpjpe", "pa_mpjpe", "accel", "mpjpe_centroid", "n_mpjpe", "reproj_px", "root_position_error"):
        assert scores[key] == pytest.approx(0.0, abs=1e-6), key
    assert scores["coverage"] == 1.0 and scores["pck150"] == 1.0 and scores["bone_cv_pct"] == pytest.approx(0.0)


def test_a_shift_is_forgiven_and_one_joint_is_not():
    ref = example()
    pred = dict(ref, joints=ref["joints"] + [1.0, 2.0, 3.0])
    assert evaluate_joints(pred, ref)["mpjpe"] == pytest.approx(0.0, abs=1e-6)
    pred["joints"] = pred["joints"].copy()
    pred["joints"][:, LIMB12.index("left_wrist"), 1] += 0.12
    scores = evaluate_joints(pred, ref)
    assert scores["mpjpe"] == pytest.approx(120.0 / 12)
    assert scores["per_joint_mpjpe"]["left_wrist"] == pytest.approx(120.0)
    assert 0 < scores["pa_mpjpe"] < 25.0


def test_procrustes_forgives_turn_and_size_but_never_a_mirror():
    ref = example()
    turn = axis_angle_to_matrix(np.array([0.3, -0.8, 0.4]))
    pred = dict(ref, joints=1.3 * ref["joints"] @ turn.T)
    scores = evaluate_joints(pred, ref)
    assert scores["pa_mpjpe"] == pytest.approx(0.0, abs=1e-6) and scores["pa_seq"] == pytest.approx(0.0, abs=1e-6)
    assert scores["mpjpe"] > 50
    mirror = dict(ref, joints=ref["joints"] * [-1.0, 1.0, 1.0])
    assert evaluate_joints(mirror, ref)["pa_mpjpe"] > 50


def test_acceleration_is_per_frame_squared():
    ref = example()
    bump = np.zeros((40, 1, 1))
    bump[20] = 0.01
    pred = dict(ref, joints=ref["joints"] + bump * (np.arange(12) == 0)[:, None] * np.array([1.0, 0, 0]))
    expected = 1000 * (0.01 + 0.02 + 0.01) / 38 / 12
    assert evaluate_joints(pred, ref)["accel"] == pytest.approx(expected, abs=1e-3)


def test_missing_frames_count_as_missing():
    ref = example()
    keep = np.arange(40) % 4 != 3
    pred = dict(ref, joints=ref["joints"][keep], frame_index=ref["frame_index"][keep])
    scores = evaluate_joints(pred, ref)
    assert scores["coverage"] == pytest.approx(0.75) and scores["frames_scored"] == 30
    assert scores["accel"] == pytest.approx(0.0, abs=1e-6)


def test_unsure_references_and_absent_hips():
    ref = example()
    ref["confidence"][:, 0] = 0.1
    pred = dict(ref, joints=ref["joints"].copy())
    pred["joints"][:, 0] += 1.0
    assert evaluate_joints(pred, ref, min_conf=0.5)["mpjpe"] == pytest.approx(0.0, abs=1e-6)
    lame = dict(pred, joints=pred["joints"][:, :3], joint_names=pred["joint_names"][:3])
    with pytest.raises(ArgumentsError):
        evaluate_joints(lame, ref)


def test_the_command_prints_json_and_names_bad_files(tmp_path: Path):
    ref = example()
    np.savez(tmp_path / "ref.npz", **ref)
    np.savez(tmp_path / "bad.npz", joints=ref["joints"])
    command = [sys.executable, "-m", "inference_server", "evaluate", "joints", "--ref", str(tmp_path / "ref.npz")]
    good = [*command, "--pred", str(tmp_path / "ref.npz")]
    done = subprocess.run(good, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["mpjpe"] == 0.0
    done = subprocess.run(
        [*command, "--pred", str(tmp_path / "bad.npz")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 16 and "bad.npz has no" in done.stderr
