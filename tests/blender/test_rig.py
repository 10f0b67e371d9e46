"""The rig in Blender against our own skinning, and keys against the take."""

import bpy
import numpy as np
import pytest

from int_blender_addon import keyframes, rig
from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES, PARENTS


def deformed(armature: bpy.types.Object) -> np.ndarray:
    mesh_object = next(child for child in armature.children if child.type == "MESH")
    evaluated = mesh_object.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    values = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", values)
    world = np.array(evaluated.matrix_world)
    return values.reshape(-1, 3).astype(float) @ world[:3, :3].T + world[:3, 3]


def heads(armature: bpy.types.Object) -> np.ndarray:
    world = np.array(armature.matrix_world)
    local = np.array([armature.pose.bones[name].head for name in JOINT_NAMES])
    return local @ world[:3, :3].T + world[:3, 3]


def test_the_rest_pose_stands_and_faces_minus_y(rest_body) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    bones = armature.data.bones
    assert {bone.name for bone in bones} == set(JOINT_NAMES)
    assert len(bones) == 24
    for joint, name in enumerate(JOINT_NAMES[1:], start=1):
        assert bones[name].parent.name == JOINT_NAMES[PARENTS[joint]]
    assert bones["head"].head_local.z > bones["pelvis"].head_local.z > bones["left_ankle"].head_local.z
    assert bones["left_foot"].head_local.y < bones["left_ankle"].head_local.y
    assert bones["left_wrist"].head_local.x > 0.3
    np.testing.assert_allclose(deformed(armature), rest_body.vertices @ rig.M.T, atol=1e-5)


def test_bones_are_mirror_images(body_model) -> None:
    axes = rig.bone_axes(body_model.rest(np.zeros(10)).joints)
    flip = np.diag([-1.0, 1.0, 1.0])
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot", "collar"):
        left, right = axes[JOINT_INDEX[f"left_{name}"]], axes[JOINT_INDEX[f"right_{name}"]]
        # mirrored frames differ by the sign of x, which keeps both right-handed
        np.testing.assert_allclose(flip @ left[:, 1:], right[:, 1:], atol=0.05)


def test_knees_bend_about_local_x(body_model) -> None:
    axes = rig.bone_axes(body_model.rest(np.zeros(10)).joints)
    for side in ("left", "right"):
        assert abs(axes[JOINT_INDEX[f"{side}_knee"]][:, 0] @ [1.0, 0.0, 0.0]) > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_the_mesh_is_our_skinning(rest_body, make_motion, seed: int) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    motion = make_motion(5, 30.0, seed=seed, spread=1.0)
    keyframes.write_take(armature, motion, "Take", 30.0, first_frame=1.0)
    for frame in range(5):
        bpy.context.scene.frame_set(frame + 1)
        expected = rest_body.skin(motion.rotations[frame], motion.trans[frame])
        np.testing.assert_allclose(deformed(armature), expected, atol=1e-5)
        joints = rest_body.pose_joints(motion.rotations[frame], motion.trans[frame])
        np.testing.assert_allclose(heads(armature), joints, atol=1e-5)


def test_keys_land_on_the_scenes_frames_by_time(rest_body, make_motion) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    motion = make_motion(61, 59.94)
    frames, _, location = keyframes.sample(armature, motion, 24.0, 1.0)
    assert frames[0] == 1 and frames[-1] == 25
    _, _, dense = keyframes.sample(armature, motion, 59.94, 1.0)
    np.testing.assert_allclose(location[12], dense[30], atol=2e-3)


def test_no_keys_inside_a_long_gap(rest_body, make_motion) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    motion = make_motion(90, 30.0).select(np.r_[0:20, 60:90])
    frames, _, _ = keyframes.sample(armature, motion, 30.0, 1.0)
    assert not np.any((frames > 21) & (frames < 60))
    assert frames[0] == 1 and frames[-1] == 90


def test_quaternions_do_not_jump(rest_body, make_motion) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    motion = make_motion(200, 30.0, spread=3.0)
    _, quaternions, _ = keyframes.sample(armature, motion, 30.0, 1.0)
    assert np.all(np.sum(quaternions[1:] * quaternions[:-1], axis=-1) > 0)


def test_a_long_take_is_keyed_whole(rest_body, make_motion) -> None:
    armature = rig.build(rest_body, "Take", bpy.context.scene.collection)
    action = keyframes.write_take(armature, make_motion(10_000, 30.0), "Take", 30.0)
    curves = keyframes.curves_of(action)
    assert len(curves) == 24 * 4 + 3 + len(keyframes.CHANNELS)
    assert all(len(curve.keyframe_points) == 10_000 for curve in curves if "contact" not in curve.data_path)
