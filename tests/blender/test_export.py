"""Files that were exported, read back."""

import csv

import bpy
import numpy as np
import pytest
from test_rig import heads

from int_blender_addon import keyframes, rig
from int_blender_addon.core.errors import ArgumentsError, ExportError, OutputUnwritableError
from int_blender_addon.core.skeleton import JOINT_NAMES
from int_blender_addon.export.formats import check_formats, export_blend, export_fbx
from int_blender_addon.export.table import write_csv


@pytest.fixture
def take(rest_body, make_motion):
    bpy.context.scene.render.fps = 30
    motion = make_motion(24, 30.0)
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    keyframes.write_take(armature, motion, "Take", 30.0, first_frame=1.0)
    return armature, motion


def expected_joints(rest_body, motion) -> np.ndarray:
    return rest_body.pose_joints(motion.rotations, motion.trans)


def test_fbx_comes_back_frame_for_frame(take, rest_body, tmp_path) -> None:
    armature, motion = take
    path = tmp_path / "päth with 'quotes'.fbx"
    export_fbx(armature, path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.import_scene.fbx(filepath=str(path), anim_offset=0.0)
    imported = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    assert len(imported.data.bones) == len(JOINT_NAMES)
    assert any(item.type == "MESH" and item.vertex_groups for item in bpy.data.objects)
    expected = expected_joints(rest_body, motion)
    assert imported.animation_data.action.frame_range[:] == (1.0, 24.0)
    for frame in range(24):
        bpy.context.scene.frame_set(frame + 1)
        np.testing.assert_allclose(heads(imported), expected[frame], atol=1e-3)


def test_export_leaves_the_scene_as_it_was(take, tmp_path) -> None:
    armature, _ = take
    scene = bpy.context.scene
    other = bpy.data.objects.new("Other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    scene.frame_start, scene.frame_end = 5, 9
    scene.frame_set(7)
    export_fbx(armature, tmp_path / "a.fbx")
    assert other.select_get() and not armature.select_get()
    assert bpy.context.view_layer.objects.active == other
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (5, 9, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["a.fbx"]


def test_blend_opens_with_the_take(take, tmp_path, rest_body) -> None:
    armature, motion = take
    export_blend(armature, tmp_path / "take.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "take.blend"))
    bpy.context.scene.frame_set(10)
    expected = expected_joints(rest_body, motion)[9]
    np.testing.assert_allclose(heads(bpy.data.objects["Take"]), expected, atol=1e-5)


def test_csv_has_every_joint(take, rest_body, tmp_path) -> None:
    _, motion = take
    joints = expected_joints(rest_body, motion)
    write_csv(JOINT_NAMES, motion.frame_index, motion.time, joints, tmp_path / "joints.csv")
    with open(tmp_path / "joints.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(motion)
    expected = expected_joints(rest_body, motion)
    assert float(rows[5]["left_wrist_z"]) == pytest.approx(expected[5, JOINT_NAMES.index("left_wrist"), 2], abs=1e-5)


def test_errors_have_sentences(take, tmp_path, rest_body) -> None:
    armature, _ = take
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputUnwritableError):
        export_fbx(armature, blocker / "take.fbx")
    bare = rig.build(rest_body, "Bare", bpy.context.scene.collection)
    with pytest.raises(ExportError):
        export_fbx(bare, tmp_path / "bare.fbx")
    assert not (tmp_path / "bare.fbx").exists()
    with pytest.raises(ArgumentsError):
        check_formats(["fbx", "mp3"])
