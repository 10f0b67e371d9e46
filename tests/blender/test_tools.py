"""Edits, loops, layers and takes one after another, in Blender."""

import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from test_rig import heads

import int_blender_addon
from int_blender_addon import cleanup, keyframes, rig
from int_blender_addon.core.errors import TakeFileError
from int_blender_addon.core.refine import Rest
from int_blender_addon.core.refine.edits import heading_of
from int_blender_addon.core.rotations import quaternion_to_matrix
from int_blender_addon.core.skeleton import JOINT_INDEX, MIRROR
from int_blender_addon.operators import tools

sys.path.append(str(Path(__file__).resolve().parents[1] / "core"))
from test_edits import walk

FPS = 30


def make(name: str, body, **options):
    motion = walk(**options)
    armature = rig.build(body, name, bpy.context.scene.collection)
    keyframes.write_take(armature, motion, name, FPS, 1.0)
    cleanup.attach(armature, motion, Rest.of(body), 1.0, 0.0)
    with cleanup.quietly():
        settings = cleanup.controls(armature)
        settings.lock_left = settings.lock_right = 0.0
        settings.level = settings.ballistic = False
    bpy.context.view_layer.objects.active = armature
    return armature


@pytest.fixture
def walking(empty_scene, rest_body):
    int_blender_addon.register()
    bpy.context.scene.render.fps = FPS
    yield make("Walk", rest_body)
    int_blender_addon.unregister()


def settle() -> None:
    """Blender without a window runs no timers."""
    if bpy.app.timers.is_registered(cleanup._do_waiting):
        bpy.app.timers.unregister(cleanup._do_waiting)
        cleanup._do_waiting()


def posed(armature, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    return heads(armature)


def ends(armature) -> tuple[float, float]:
    return tuple(armature.animation_data.action.frame_range)


def test_a_mirror_and_back(walking) -> None:
    before = posed(walking, 40)
    cleanup.controls(walking).mirror = True
    settle()
    start = before[0, 0] - posed(walking, 40)[0, 0]
    assert abs(start) < 0.2  # it walks the same way
    ankles = [JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"]]
    np.testing.assert_allclose(posed(walking, 40)[MIRROR][ankles, 2], before[ankles, 2], atol=0.02)
    assert np.abs(posed(walking, 40)[ankles, 2] - before[ankles, 2]).max() > 0.05
    cleanup.controls(walking).mirror = False
    settle()
    np.testing.assert_allclose(posed(walking, 40), before, atol=1e-4)


def test_trim_and_speed_and_back(walking) -> None:
    settings = cleanup.controls(walking)
    whole = ends(walking)
    settings.use_trim, settings.trim_start, settings.trim_end = True, 1.0, 3.0
    settle()
    assert ends(walking) == (31.0, 91.0)
    settings.speed = 2.0
    settle()
    assert ends(walking) == (31.0, 61.0)
    settings.use_trim, settings.speed = False, 1.0
    settle()
    assert ends(walking) == whole


def test_a_gap_has_no_keys_until_it_is_bridged(empty_scene, rest_body, monkeypatch) -> None:
    int_blender_addon.register()
    try:
        bpy.context.scene.render.fps = FPS
        holed = walk().select(np.r_[0:60, 90:180])
        monkeypatch.setattr(sys.modules[__name__], "walk", lambda: holed)
        armature = make("Walk", rest_body)
        path = 'pose.bones["left_knee"].rotation_quaternion'

        def keys() -> int:
            curves = keyframes.curves_of(armature.animation_data.action)
            return sum(61.5 < p.co[0] < 90.5 for c in curves if c.data_path == path for p in c.keyframe_points)

        assert keys() == 0
        cleanup.controls(armature).bridge = 2.0
        settle()
        assert keys() > 4 * 27
    finally:
        int_blender_addon.unregister()


@pytest.mark.parametrize("fewer", [False, True])
@pytest.mark.parametrize("order", ["XYZ", "ZXY"])
def test_euler_curves_draw_the_same_and_do_not_jump(walking, order: str, fewer: bool) -> None:
    wanted = [posed(walking, frame) for frame in range(1, 180, 11)]
    settings = cleanup.controls(walking)
    settings.rotation, settings.fewer_keys = order, fewer
    settle()
    assert walking.pose.bones["left_hip"].rotation_mode == order
    found = [posed(walking, frame) for frame in range(1, 180, 11)]
    bound = 0.0052 if fewer else 1e-4
    assert max(np.linalg.norm(a - b, axis=-1).max() for a, b in zip(found, wanted, strict=True)) < bound
    curves = keyframes.curves_of(walking.animation_data.action)
    assert not any(c.data_path.endswith("rotation_quaternion") for c in curves)
    euler = [c for c in curves if c.data_path.endswith("rotation_euler")]
    assert len(euler) == 72
    if not fewer:
        steps = [np.abs(np.diff([p.co[1] for p in c.keyframe_points])).max() for c in euler]
        assert max(steps) < 1.0
    settings.rotation = "QUATERNION"
    settle()
    np.testing.assert_allclose(posed(walking, 45), wanted[4], atol=0.0052 if fewer else 1e-4)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_loop_repeats(walking, in_place: bool) -> None:
    assert bpy.ops.int_mocap.find_loop(in_place=in_place) == {"FINISHED"}
    action = walking.animation_data.action
    assert action.name == "Walk loop" and bpy.data.actions["Walk"].use_fake_user
    first, last = ends(walking)
    length = last - first
    assert length == pytest.approx(33, abs=1)
    one, again = posed(walking, 5), posed(walking, 5 + 3 * round(length))
    step = again[0] - one[0]
    np.testing.assert_allclose(again - step, one, atol=1e-3)
    assert np.linalg.norm(step) == pytest.approx(0.0 if in_place else 3 * 1.32, abs=0.15)
    cleanup.controls(walking).smooth = 0.2  # live on the loop, too, and it still repeats
    settle()
    assert np.linalg.norm(posed(walking, 5 + 3 * round(length)) - step - posed(walking, 5)) < 0.02


def test_no_loop_in_a_take_that_is_too_short(walking) -> None:
    with pytest.raises(RuntimeError):
        bpy.ops.int_mocap.find_loop(shortest=30.0, longest=40.0)


def test_another_take_goes_on_where_this_one_ends(walking, rest_body) -> None:
    make("Turn", rest_body, turning=0.6)
    bpy.context.view_layer.objects.active = walking
    end = posed(walking, 180)
    assert bpy.ops.int_mocap.join_takes(other="Turn", overlap=0.5) == {"FINISHED"}
    tracks = walking.animation_data.nla_tracks
    assert [len(track.strips) for track in tracks] == [1, 1] and walking.animation_data.action is None
    second = tracks[1].strips[0]
    assert second.frame_start == pytest.approx(165, abs=1.5) and second.blend_in == pytest.approx(15)
    steps = [np.linalg.norm(posed(walking, f + 1)[0] - posed(walking, f)[0]) for f in range(150, 200)]
    assert max(steps) < 0.06  # 1.2 m/s, at 30 frames a second: no leap
    assert np.linalg.norm(posed(walking, 200)[0] - end[0]) > 0.5
    # the later one is what the controls act on
    assert cleanup.active_name(walking) == "Turn placed"
    cleanup.controls(walking).speed = 2.0
    settle()
    assert bpy.data.actions["Turn placed"].frame_range[1] < 270


def test_a_layer_holds_a_limb_and_the_take_stays(walking) -> None:
    names = tools.limb_bones("left_arm")
    assert set(names) == {"left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_hand"}
    curve = keyframes.curves_of(walking.animation_data.action)[0]
    count = len(curve.keyframe_points)
    bpy.context.scene.frame_set(60)
    held = np.array(walking.pose.bones["left_hip"].matrix_basis.to_quaternion())
    before = {frame: posed(walking, frame) for frame in (30, 70, 120)}
    bpy.context.scene.frame_set(60)
    assert bpy.ops.int_mocap.hold_limb(limb="left_leg", after=24, fade=8) == {"FINISHED"}
    layer = walking.animation_data.action
    assert layer.name == "Walk layer" and walking.animation_data.action_blend_type == "COMBINE"
    bpy.context.scene.frame_set(75)
    now = np.array(walking.pose.bones["left_hip"].matrix_basis.to_quaternion())
    np.testing.assert_allclose(quaternion_to_matrix(now), quaternion_to_matrix(held), atol=1e-3)
    np.testing.assert_allclose(posed(walking, 30), before[30], atol=1e-4)
    np.testing.assert_allclose(posed(walking, 120), before[120], atol=1e-4)
    right = [JOINT_INDEX["right_ankle"], JOINT_INDEX["head"]]
    np.testing.assert_allclose(posed(walking, 70)[right], before[70][right], atol=1e-4)
    # the take beneath is untouched, and its controls are still there
    assert len(curve.keyframe_points) == count
    assert cleanup.active_name(walking) == "Walk"
    cleanup.controls(walking).smooth = 1.0
    settle()
    bpy.context.scene.frame_set(100)
    assert bpy.ops.int_mocap.hold_limb(limb="right_arm") == {"FINISHED"}  # on the same layer
    assert walking.animation_data.action == layer and len(walking.animation_data.nla_tracks) == 1


def test_two_takes_that_meet_face_the_same_way(walking, rest_body) -> None:
    other = make("Turn", rest_body, turning=0.6)
    tools.join(other, "Walk", 0.0, bpy.context.scene)
    raw, _, _ = cleanup.raw_take(other)
    first, _, _ = cleanup.raw_take_of(bpy.data.actions["Turn"])
    assert heading_of(raw.rotations[0, 0]) == pytest.approx(heading_of(first.rotations[-1, 0]), abs=1e-3)


def test_a_rig_without_a_take_says_so(walking) -> None:
    walking.animation_data.action = None
    assert not bpy.ops.int_mocap.find_loop.poll()
    with pytest.raises(TakeFileError):
        cleanup.refined_take(walking)
