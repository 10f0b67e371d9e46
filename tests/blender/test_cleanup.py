"""The clean-up controls on a rig in Blender: live, without loss, with channels that can be edited."""

import time

import bpy
import numpy as np
import pytest
from test_rig import heads

import int_blender_addon
from int_blender_addon import cleanup, keyframes, rig
from int_blender_addon.core.refine import RefineSettings, raw_extra, refine
from int_blender_addon.core.refine.refine import Rest
from int_blender_addon.core.skeleton import JOINT_INDEX

FPS = 30.0


def curves(armature) -> dict[tuple[str, int], bpy.types.FCurve]:
    return {(c.data_path, c.array_index): c for c in keyframes.curves_of(armature.animation_data.action)}


@pytest.fixture
def taken(empty_scene, rest_body, make_motion):
    """A rig with a minute's take, its feet said to stand now and then."""
    int_blender_addon.register()
    bpy.context.scene.render.fps = int(FPS)
    raw = make_motion(600, FPS, spread=0.12)
    raw.contacts = np.zeros((600, 4))
    raw.contacts[100:160, :2] = 1.0
    raw.contacts[300:360, 2:] = 1.0
    refined = refine(raw, Rest.of(rest_body), RefineSettings())
    refined.extra = raw_extra(raw)
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    keyframes.write_take(armature, refined, "Take", FPS, 1.0)
    cleanup.attach(armature, refined, Rest.of(rest_body), 1.0, 0.5)
    yield armature, raw, rest_body
    int_blender_addon.unregister()


def settle() -> None:
    """Blender without a window runs no timers."""
    if bpy.app.timers.is_registered(cleanup._do_waiting):
        bpy.app.timers.unregister(cleanup._do_waiting)
        cleanup._do_waiting()


def posed(armature, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    return heads(armature)


def test_controls_act_and_can_be_turned_back(taken) -> None:
    armature, raw, body = taken
    settings, action = cleanup.controls(armature), armature.animation_data.action
    before = posed(armature, 130)
    settings.smooth, settings.lock_left, settings.lock_right, settings.level = 0.0, 0.0, 0.0, False
    settings.ballistic = False
    settle()
    assert armature.animation_data.action == action
    np.testing.assert_allclose(posed(armature, 131), body.pose_joints(raw.rotations[130], raw.trans[130]), atol=1e-4)
    settings.smooth, settings.lock_left, settings.lock_right, settings.level = 0.5, 1.0, 1.0, True
    settings.ballistic = True
    settle()
    np.testing.assert_allclose(posed(armature, 130), before, atol=1e-4)


def test_fewer_keys_draw_the_same_motion(taken) -> None:
    armature, _, _ = taken
    many = len(curves(armature)[('pose.bones["left_elbow"].rotation_quaternion', 0)].keyframe_points)
    wanted = [posed(armature, frame) for frame in range(1, 600, 7)]
    cleanup.controls(armature).fewer_keys = True
    settle()
    few = len(curves(armature)[('pose.bones["left_elbow"].rotation_quaternion', 0)].keyframe_points)
    assert few < many / 4
    found = [posed(armature, frame) for frame in range(1, 600, 7)]
    assert 1000 * max(np.linalg.norm(a - b, axis=-1).max() for a, b in zip(found, wanted, strict=True)) < 5.1


def test_edited_contacts_plant_the_feet(taken) -> None:
    armature, _, _ = taken
    bpy.context.view_layer.objects.active = armature
    ankle = JOINT_INDEX["right_ankle"]

    def moved() -> float:
        return float(
            np.linalg.norm(np.diff([posed(armature, f)[ankle] for f in range(425, 436)], axis=0), axis=-1).max()
        )

    assert moved() > 0.004
    for name in ("right_heel", "right_toe"):
        curve = curves(armature)[(keyframes.contact_path(name), 0)]
        for frame, value in ((420, 1.0), (440, 0.0)):
            curve.keyframe_points.insert(frame, value).interpolation = "CONSTANT"
    assert bpy.ops.int_mocap.resolve_contacts() == {"FINISHED"}
    assert moved() < 0.002
    cleanup.controls(armature).smooth = 0.4
    settle()
    assert moved() < 0.002, "edits stay when another control moves"


def test_the_raw_take_survives_saving_and_other_channels_stay(taken, tmp_path) -> None:
    armature, _, _ = taken
    armature["mood"] = 1.0
    armature.keyframe_insert('["mood"]', frame=5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "take.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "take.blend"))
    again = bpy.data.objects["Take"]
    assert cleanup.has_take(again)
    cleanup.controls(again).smooth = 0.9
    settle()
    assert ('["mood"]', 0) in curves(again)


def test_a_damaged_take_is_told(taken) -> None:
    armature, _, _ = taken
    armature.animation_data.action[cleanup.TAKE_PROPERTY] = "nothing"
    bpy.context.view_layer.objects.active = armature
    with pytest.raises(RuntimeError, match="raw take"):
        bpy.ops.int_mocap.resolve_contacts()


def test_twenty_seconds_are_done_anew_in_good_time(taken) -> None:
    armature, _, _ = taken
    began = time.monotonic()
    cleanup.apply(armature)
    print(f"{time.monotonic() - began:.2f} s for 600 frames")
