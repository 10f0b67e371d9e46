"""A body as an armature with a skinned mesh.

Blender's space is z up with the person facing -y; the body's is y up facing +z (`M` below takes one to the other).
Each bone has natural axes B (in body space), so its rotation and SMPL's are conjugate: R_bone = B^T R_smpl B, exactly.
The pelvis of a take is in a z-up world already, so its turn from rest is R M^T.
"""

from __future__ import annotations

import bmesh
import bpy
import numpy as np
from mathutils import Vector

from .core.body import RestBody
from .core.rotations import matrix_to_quaternion, normalize
from .core.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS

M = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # (x, y, z) -> (x, -z, y)
BODY_COLOR = (0.32, 0.52, 0.75, 1.0)

# the joint that a bone points at; leaves go on as their parent does, by a share of its length
_TOWARDS = {
    "pelvis": "spine1",
    "spine3": "neck",
    "head": None,
    "left_foot": None,
    "right_foot": None,
    "left_hand": None,
    "right_hand": None,
}
_LEAF_SHARE = {"head": 1.6, "left_foot": 0.5, "right_foot": 0.5, "left_hand": 0.8, "right_hand": 0.8}
# what a bone's z axis should look at, in body space: knees and elbows then bend about local x
_FORWARD = np.array([0.0, 0.0, 1.0])
_UP = np.array([0.0, 1.0, 0.0])
_COLLECTIONS = {
    "Torso": ("pelvis", "spine1", "spine2", "spine3", "neck", "head"),
    "Left Arm": ("left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_hand"),
    "Right Arm": ("right_collar", "right_shoulder", "right_elbow", "right_wrist", "right_hand"),
    "Left Leg": ("left_hip", "left_knee", "left_ankle", "left_foot"),
    "Right Leg": ("right_hip", "right_knee", "right_ankle", "right_foot"),
}
BODY_PROPERTY = "int_mocap_body"


def build(body: RestBody, name: str, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make the armature, and the mesh that it carries, in `collection`; returns the armature object."""
    armature = _build_armature(body, name, collection)
    _build_mesh(body, name, armature, collection)
    return armature


def bone_axes(joints: np.ndarray) -> np.ndarray:
    """(24, 3, 3) rest axes of the bones in body space (columns x, y, z; y along the bone), from joints (24, 3)."""
    axes = np.empty((NUM_JOINTS, 3, 3))
    for joint, tail in enumerate(_tails(joints)):
        y = normalize(tail - joints[joint])
        # feet and pelvis look up and forward by turns: a bone along the axis asked for takes the other
        look = _FORWARD if abs(y @ _FORWARD) < 0.8 else _UP
        x = normalize(np.cross(y, look))
        axes[joint] = np.stack([x, y, np.cross(x, y)], axis=-1)
    return axes


def _tails(joints: np.ndarray) -> np.ndarray:
    """(24, 3) where each bone ends."""
    tails = np.empty((NUM_JOINTS, 3))
    for joint, name in enumerate(JOINT_NAMES):
        children = [child for child, parent in enumerate(PARENTS) if parent == joint]
        target = _TOWARDS.get(name, JOINT_NAMES[children[0]] if children else None)
        if target is not None:
            tails[joint] = joints[JOINT_INDEX[target]]
        else:
            tails[joint] = joints[joint] + _LEAF_SHARE[name] * (joints[joint] - joints[PARENTS[joint]])
    head = JOINT_INDEX["head"]
    tails[head] = joints[head] + _UP * np.linalg.norm(tails[head] - joints[head])
    return tails


def _build_armature(body: RestBody, name: str, collection: bpy.types.Collection) -> bpy.types.Object:
    data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, data)
    collection.objects.link(armature)
    armature[BODY_PROPERTY] = body.name
    view_layer = bpy.context.view_layer
    before, selected = view_layer.objects.active, [o for o in view_layer.objects if o.select_get()]
    mode = before.mode if before is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        axes, tails = bone_axes(body.joints), _tails(body.joints)
        bones = []
        for joint, joint_name in enumerate(JOINT_NAMES):
            bone = data.edit_bones.new(joint_name)
            bone.head = Vector(M @ body.joints[joint])
            bone.tail = Vector(M @ tails[joint])
            bone.align_roll(Vector(M @ axes[joint, :, 2]))
            if joint:
                bone.parent = bones[PARENTS[joint]]
            bone.use_connect = False
            bones.append(bone)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    for title, names in _COLLECTIONS.items():
        group = data.collections.new(title)
        for bone_name in names:
            group.assign(data.bones[bone_name])
    armature.show_in_front = True
    data.display_type = "STICK"
    for item in view_layer.objects:
        item.select_set(item in selected)
    view_layer.objects.active = before
    if before is not None and mode != "OBJECT":
        bpy.ops.object.mode_set(mode=mode)
    return armature


def _build_mesh(
    body: RestBody, name: str, armature: bpy.types.Object, collection: bpy.types.Collection
) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(f"{name} body")
    mesh.from_pydata((body.vertices @ M.T).tolist(), [], np.asarray(body.faces).tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    mesh.update()
    item = bpy.data.objects.new(f"{name} body", mesh)
    collection.objects.link(item)
    item.parent = armature
    for joint_name in JOINT_NAMES:
        item.vertex_groups.new(name=joint_name)
    _weigh(mesh, body.weights)
    modifier = item.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    modifier.use_deform_preserve_volume = False
    material = bpy.data.materials.new(f"{name} body")
    material.diffuse_color = BODY_COLOR
    mesh.materials.append(material)
    return item


def _weigh(mesh: bpy.types.Mesh, weights: np.ndarray) -> None:
    """Give vertices their weights, those of several groups at once: group by group is five times slower."""
    shaped = bmesh.new()
    shaped.from_mesh(mesh)
    layer = shaped.verts.layers.deform.verify()
    numbers, groups = np.nonzero(weights > 0)
    starts = np.searchsorted(numbers, np.arange(len(weights) + 1)).tolist()
    values, groups = weights[numbers, groups].tolist(), groups.tolist()
    for vertex, first, last in zip(shaped.verts, starts[:-1], starts[1:], strict=True):
        own = vertex[layer]
        for k in range(first, last):
            own[groups[k]] = values[k]
    shaped.to_mesh(mesh)
    shaped.free()


def joints_of(armature: bpy.types.Object) -> np.ndarray:
    """(24, 3) rest joints in body space of an armature that `build` made."""
    return np.array([armature.data.bones[name].head_local for name in JOINT_NAMES]) @ M


def rest_axes(armature: bpy.types.Object) -> np.ndarray:
    """(24, 3, 3) the bones' rest axes in body space, as Blender has them."""
    matrices = [np.array(armature.data.bones[name].matrix_local)[:3, :3] for name in JOINT_NAMES]
    return M.T @ np.array(matrices)


def pose_channels(
    armature: bpy.types.Object, rotations: np.ndarray, trans: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What Blender's pose bones are to hold for a take's rotations (T, 24, 3, 3) and translations (T, 3).

    Returns:
        Quaternions (T, 24, 4), w first, and the pelvis's location (T, 3).
    """
    axes = rest_axes(armature)
    turned = np.asarray(rotations, np.float64).copy()
    turned[:, 0] = M.T @ turned[:, 0]  # the take's root is in Blender's world: its turn from rest, in body space
    local = np.swapaxes(axes, -1, -2) @ turned @ axes
    rest = joints_of(armature)[0]
    # the pelvis stands at rest + trans in the world; at rest it is at M rest
    shift = (rest + np.asarray(trans)) - M @ rest
    return matrix_to_quaternion(local), shift @ (M @ axes[0])


def remove(armature: bpy.types.Object) -> None:
    """Take a rig that `build` made out of the file: objects, mesh, material, armature and action."""
    data = armature.animation_data
    action = data.action if data is not None else None
    for item in (*armature.children_recursive, armature):
        block, materials = item.data, [m for m in getattr(item.data, "materials", []) if m is not None]
        bpy.data.objects.remove(item)
        (bpy.data.meshes if isinstance(block, bpy.types.Mesh) else bpy.data.armatures).remove(block)
        for material in materials:
            bpy.data.materials.remove(material)
    if action is not None:
        bpy.data.actions.remove(action)
