"""The camera that matches the video's."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

import int_blender_addon
from int_blender_addon import cleanup, keyframes, rig
from int_blender_addon.core.refine import Rest

VIDEO = Path(__file__).resolve().parents[1] / "data" / "videos" / "tfjs_pose_squats.mp4"


@pytest.fixture
def taken(empty_scene, rest_body, make_motion):
    int_blender_addon.register()
    motion = make_motion(20, 30.0, spread=0.1)
    motion.image_size = np.array([720, 1280])
    motion.K = np.array([[1500.0, 0, 400.0], [0, 1500.0, 600.0], [0, 0, 1.0]])
    camera = np.eye(4)
    camera[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # level, looking along +y
    camera[:3, 3] = [0.1, 1.4, 4.0]
    motion.world_to_camera = camera
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    keyframes.write_take(armature, motion, "Take", 30.0, 1.0)
    cleanup.attach(armature, motion, Rest.of(rest_body), 1.0, 0.0)
    for name in ("smooth", "lock_left", "lock_right"):
        with cleanup.quietly():
            setattr(cleanup.controls(armature), name, 0.0)
    bpy.context.view_layer.objects.active = armature
    yield armature, motion
    int_blender_addon.unregister()


def test_points_fall_on_their_pixels(taken) -> None:
    _armature, motion = taken
    assert bpy.ops.int_mocap.match_camera() == {"FINISHED"}
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y) == (720, 1280)
    bpy.context.view_layer.update()
    rng = np.random.default_rng(0)
    for point in rng.normal(size=(8, 3)) * [0.3, 0.3, 0.4] + [0, 0, 1.2]:
        seen = motion.K @ (motion.world_to_camera[:3, :3] @ point + motion.world_to_camera[:3, 3])
        pixel = seen[:2] / seen[2]
        x, y, _ = world_to_camera_view(scene, scene.camera, Vector(point))
        # a pixel's middle is at whole numbers there, and at halves here
        assert [x * 720 - 0.5, (1 - y) * 1280 - 0.5] == pytest.approx(pixel, abs=0.02)


def test_the_video_behind_keeps_its_time(taken) -> None:
    """A video of 5 frames a second behind a scene of 24: the frame of that moment is shown."""
    armature, motion = taken
    motion.time, motion.frame_index, motion.fps = np.arange(20) / 5.0, np.arange(20), 5.0
    cleanup.attach(armature, motion, Rest.of(rig_body()), 1.0, 0.0)
    armature.animation_data.action[cleanup.VIDEO_PROPERTY] = str(VIDEO)
    bpy.context.scene.render.fps = 24
    bpy.ops.int_mocap.match_camera()
    lens = bpy.context.scene.camera.data
    user = lens.background_images[0].image_user
    for frame in (1, 13, 25, 49, 85):
        bpy.context.scene.frame_set(frame)
        shown = frame - user.frame_start + 1 + user.frame_offset - 1  # from 0
        assert shown == pytest.approx((frame - 1) / 24 * 5, abs=0.51)


def test_again_moves_the_same_camera_and_the_scene_can_stay(taken) -> None:
    _armature, _ = taken
    scene = bpy.context.scene
    scene.render.resolution_x = 111
    bpy.ops.int_mocap.match_camera(match_resolution=False)
    first = scene.camera
    bpy.ops.int_mocap.match_camera(match_resolution=False)
    assert scene.camera == first and scene.render.resolution_x == 111
    assert sum(o.type == "CAMERA" for o in bpy.data.objects) == 1


def test_a_take_without_a_camera_is_told(taken) -> None:
    armature, motion = taken
    motion.image_size = np.zeros(2, int)
    cleanup.attach(armature, motion, Rest.of(rig_body()), 1.0, 0.0)
    with pytest.raises(RuntimeError, match="camera"):
        bpy.ops.int_mocap.match_camera()


def rig_body():
    from int_blender_addon.core.body import load_free_body

    return load_free_body().rest(np.zeros(10))


def test_a_camera_that_turned_turns_again(taken) -> None:
    armature, motion = taken
    views = np.tile(motion.world_to_camera, (20, 1, 1))
    for k, angle in enumerate(np.linspace(0, 0.5, 20)):
        pan = np.eye(4)
        pan[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        views[k] = pan @ views[k]
    motion.world_to_camera = views
    cleanup.attach(armature, motion, Rest.of(rig_body()), 1.0, 0.0)
    for _ in range(2):  # again: nothing piles up
        bpy.ops.int_mocap.match_camera()
    scene = bpy.context.scene
    scene.render.fps = 30
    bpy.ops.int_mocap.match_camera()
    assert sum(action.name.startswith("Take camera") for action in bpy.data.actions) == 1
    for k in (0, 9, 19):
        scene.frame_set(k + 1)
        seen = motion.K @ (views[k] @ [0.2, 0.1, 1.1, 1.0])[:3]
        x, y, _ = world_to_camera_view(scene, scene.camera, Vector((0.2, 0.1, 1.1)))
        assert [x * 720 - 0.5, (1 - y) * 1280 - 0.5] == pytest.approx(seen[:2] / seen[2], abs=0.05)
