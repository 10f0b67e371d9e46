"""Motion from other programs, brought into Blender."""

import os
import time
from pathlib import Path

import bpy
import numpy as np
import pytest
from test_rig import heads

import int_blender_addon
from int_blender_addon import cleanup, jobs, keyframes, placing, rig
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.motion import load_motion, save_motion
from int_blender_addon.export.formats import EXPORTERS
from int_blender_addon.operators import bring

INFERENCE = os.environ.get("INT_MOCAP_INFERENCE", "")
needs_inference = pytest.mark.skipif(not INFERENCE, reason="INT_MOCAP_INFERENCE is not set")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def registered(empty_scene):
    int_blender_addon.register()
    yield
    int_blender_addon.unregister()


def rigs() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if item.type == "ARMATURE"]


def wait() -> None:
    end = time.monotonic() + 60
    while bring._waiting and time.monotonic() < end:
        time.sleep(0.05)
        bring._tick()
    assert not bring._waiting


def test_an_amass_file_becomes_a_take_of_ours(rest_body, make_motion, tmp_path) -> None:
    motion = make_motion(40, 30.0)
    poses = np.concatenate([motion.poses[:, :66], np.zeros((40, 90))], axis=1)
    path = tmp_path / "wälk.npz"
    np.savez(path, poses=poses, trans=motion.trans, betas=np.ones(16), mocap_framerate=30.0, gender="male")
    placing.set_rate(bpy.context.scene, 30.0)
    assert bpy.ops.int_mocap.import_motion(filepath=str(path)) == {"FINISHED"}
    (armature,) = rigs()
    assert cleanup.has_take(armature)
    raw = cleanup.raw_take(armature)[0]
    np.testing.assert_allclose(raw.rotations[:, :22], motion.rotations[:, :22], atol=1e-5)
    np.testing.assert_allclose(raw.betas, 0)  # SMPL's shapes are not the free body's
    assert raw.contacts.any()


def test_a_take_of_ours_comes_back(make_motion, tmp_path) -> None:
    rest_body = load_free_body().rest(np.zeros(10))
    motion = make_motion(24, 30.0)
    placing.set_rate(bpy.context.scene, 30.0)
    first = rig.build(rest_body, "First", bpy.context.scene.collection)
    keyframes.write_take(first, motion, "First", 30.0)
    EXPORTERS["npz"](first, tmp_path / "take.npz", None)
    take = load_motion(tmp_path / "take.npz")
    take = bring.with_raw(take, rest_body, 0.0)
    save_motion(tmp_path / "take.npz", take)
    bpy.data.objects.remove(first)
    assert bpy.ops.int_mocap.import_motion(filepath=str(tmp_path / "take.npz")) == {"FINISHED"}
    (armature,) = rigs()
    expected = rest_body.pose_joints(take.rotations, take.trans)
    bpy.context.scene.frame_set(12)
    np.testing.assert_allclose(heads(armature), expected[11], atol=1e-3)


@needs_inference
def test_another_systems_result_comes_through_the_inference_process(make_motion, tmp_path) -> None:
    import pickle

    from int_blender_addon.core.rotations import axis_angle_to_matrix

    bpy.context.preferences.addons  # noqa: B018  (the preferences are there in a real Blender only)
    motion = make_motion(30, 30.0)
    matrices = axis_angle_to_matrix(motion.poses.reshape(30, 24, 3)).reshape(30, -1)
    content = {"pred_thetas": matrices, "pred_betas": np.zeros((30, 10)), "transl": np.tile([0.0, 0, 4], (30, 1))}
    (tmp_path / "res.pk").write_bytes(pickle.dumps(content))
    assert bpy.ops.int_mocap.import_motion(filepath=str(tmp_path / "res.pk")) == {"FINISHED"}
    wait()
    assert jobs.state.last_error is None
    (armature,) = rigs()
    assert cleanup.has_take(armature)


@needs_inference
def test_a_hostile_file_is_refused_by_the_inference_process(tmp_path) -> None:
    import pickle

    class Hostile:
        def __reduce__(self):
            return (os.system, (f"touch '{tmp_path}/hacked'",))

    (tmp_path / "res.pk").write_bytes(pickle.dumps({"pred_thetas": Hostile()}))
    bpy.ops.int_mocap.import_motion(filepath=str(tmp_path / "res.pk"))
    wait()
    assert jobs.state.last_error is not None and "was not opened" in jobs.state.last_error.message
    assert not (tmp_path / "hacked").exists() and not rigs()


def test_a_bvh_is_a_person_and_the_source(rest_body, make_motion, tmp_path) -> None:
    motion = make_motion(24, 30.0)
    placing.set_rate(bpy.context.scene, 30.0)
    first = rig.build(rest_body, "First", bpy.context.scene.collection)
    keyframes.write_take(first, motion, "First", 30.0)
    EXPORTERS["bvh"](first, tmp_path / "take.bvh", None)
    text = (tmp_path / "take.bvh").read_text().splitlines()
    inches = [_scaled(line, 1 / 0.0254) for line in text]
    (tmp_path / "inches.bvh").write_text("\n".join(inches))
    bpy.data.objects.remove(first)
    assert bpy.ops.int_mocap.import_motion(filepath=str(tmp_path / "inches.bvh")) == {"FINISHED"}
    (armature,) = rigs()
    assert bpy.context.scene.int_mocap_retarget.source == armature
    assert armature.scale.x == pytest.approx(0.0254)


def _scaled(line: str, factor: float) -> str:
    words = line.split()
    if words and words[0] == "OFFSET":
        return " ".join(["OFFSET", *(str(float(v) * factor) for v in words[1:])])
    if words and words[0].lstrip("-")[:1].isdigit():
        return " ".join([*(str(float(v) * factor) for v in words[:3]), *words[3:]])
    return line


@pytest.mark.parametrize("name", ["missing.npz", "text.bvh", "missing.pkl"])
def test_what_can_not_be_read_is_said(tmp_path, name: str) -> None:
    (tmp_path / "text.bvh").write_text("hello")
    with pytest.raises(RuntimeError):
        bpy.ops.int_mocap.import_motion(filepath=str(tmp_path / name))
    assert jobs.state.last_error is not None
    assert not rigs()
