"""A transferred motion as curves of the target's own channels, in each bone's own way of rotating."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from .. import keyframes
from ..core.retarget import Bones, Mapping
from ..core.retarget.transfer import Transferred
from ..core.rotations import (
    continuous_quaternions,
    matrix_to_axis_angle,
    matrix_to_euler,
    matrix_to_quaternion,
    normalize,
)

Channels = dict[tuple[str, int], np.ndarray]


def bake(
    armature: bpy.types.Object, bones: Bones, moved: Transferred, frames: np.ndarray, name: str
) -> bpy.types.Action:
    """An action of a plain skeleton: what is keyed follows from its parents' rest and motion alone."""
    scale = float(np.linalg.norm(np.array(armature.matrix_world)[:3, 0]))
    channels: Channels = {}
    for bone in sorted({*moved.moved, *moved.placed}):
        pose = armature.pose.bones[bones.names[bone]]
        carried, start = carrier(bones, moved.turns, moved.heads, bone, pose.bone.use_inherit_rotation)
        _add_rotation(channels, pose, carried.swapaxes(-1, -2) @ moved.turns[:, bone])
        if bone in moved.placed and not (pose.bone.use_connect and pose.parent):
            shift = moved.heads[:, bone] - start
            place = (carried.swapaxes(-1, -2) @ shift[..., None])[..., 0] / scale
            _add(channels, pose, "location", place)
    return new_action(armature, channels, frames, name)


def carrier(
    bones: Bones, turns: np.ndarray, heads: np.ndarray, bone: int, inherits: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Axes (T, 3, 3) and head (T, 3) that a bone would have without channels of its own."""
    parent, count = bones.parents[bone], len(turns)
    if parent < 0:
        return np.broadcast_to(bones.turns[bone], (count, 3, 3)), np.broadcast_to(bones.heads[bone], (count, 3))
    inverse = bones.turns[parent].T
    start = heads[:, parent] + turns[:, parent] @ (inverse @ (bones.heads[bone] - bones.heads[parent]))
    if not inherits:
        return np.broadcast_to(bones.turns[bone], (count, 3, 3)), start
    return turns[:, parent] @ (inverse @ bones.turns[bone]), start


def bake_controls(
    armature: bpy.types.Object,
    rig: Bones,
    bones: Bones,
    mapping: Mapping,
    moved: Transferred,
    frames: np.ndarray,
    name: str,
) -> bpy.types.Action:
    """An action of a rig whose controls hang on mechanisms: each control is put where it belongs, parents first, and
    Blender itself says which channels that takes.

    Args:
        armature: The rig.
        rig: All its bones.
        bones: Those of the mapping, in which `moved` counts.
        mapping: Names the controls, the goals of hands and feet, and switches.
        moved: The motion.
        frames: (T,) of the scene.
        name: Of the action.
    """
    wanted = {bones.names[b]: (moved.turns[:, b], moved.heads[:, b]) for b in moved.moved}
    wanted |= _goals(rig, bones, mapping, moved)
    poles = {name for slot, name in mapping.ik.items() if slot.endswith("_pole")}
    levels: dict[tuple[bool, int], list[str]] = {}  # poles may follow what they belong to: they come last
    for own in wanted:
        levels.setdefault((own in poles, len(rig.ancestors(rig.index[own]))), []).append(own)
    for bone, prop, value in mapping.switches:
        pose = armature.pose.bones[bone]
        if prop in pose:
            pose[prop] = type(pose[prop])(value)
    into = np.linalg.inv(np.array(armature.matrix_world))
    scale = float(np.linalg.norm(np.array(armature.matrix_world)[:3, 0]))
    kept = {own: np.empty((len(frames), 4, 4)) for own in wanted}
    hidden = _hide_meshes(armature)
    data = armature.animation_data
    if data is not None and data.action is not None:
        data.action = None
    try:
        for t in range(len(frames)):
            for level in sorted(levels):
                for own in levels[level]:
                    turns, heads = wanted[own]
                    matrix = np.eye(4)
                    matrix[:3, :3], matrix[:3, 3] = turns[t] * scale, heads[t]
                    armature.pose.bones[own].matrix = Matrix((into @ matrix).tolist())
                bpy.context.view_layer.update()
            for own in wanted:
                kept[own][t] = np.array(armature.pose.bones[own].matrix_basis)
    finally:
        for item in hidden:
            item.hide_viewport = False
    channels: Channels = {}
    for own, basis in kept.items():
        pose = armature.pose.bones[own]
        _add_rotation(channels, pose, basis[:, :3, :3])
        if np.abs(basis[:, :3, 3]).max() > 1e-6 and not all(pose.lock_location):
            _add(channels, pose, "location", basis[:, :3, 3])
    for bone, prop, value in mapping.switches:
        if prop in armature.pose.bones[bone]:
            path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"]["{prop}"]'
            channels[path, 0] = np.full(len(frames), float(value))
    return new_action(armature, channels, frames, name)


def _goals(rig: Bones, bones: Bones, mapping: Mapping, moved: Transferred) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Goals follow their hand or foot rigidly; poles stand where elbow or knee points."""
    found = {}
    for slot, name in mapping.ik.items():
        own = rig.index[name]
        if slot.endswith("_pole"):
            if slot in moved.goals:
                turns = np.broadcast_to(rig.turns[own], (len(moved.heads), 3, 3))
                found[name] = (turns, moved.goals[slot])
            continue
        bone = bones.index[mapping.first(slot)]
        turned = moved.turns[:, bone] @ bones.turns[bone].T
        head = moved.heads[:, bone] + turned @ (rig.heads[own] - bones.heads[bone])
        found[name] = (turned @ rig.turns[own], head)
    return found


def _hide_meshes(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """Meshes need not be deformed while controls are put in place."""
    meshes = [i for i in bpy.data.objects if i.type == "MESH" and not i.hide_viewport
              and any(m.type == "ARMATURE" and m.object == armature for m in i.modifiers)]  # fmt: skip
    for item in meshes:
        item.hide_viewport = True
    return meshes


def _add_rotation(channels: Channels, pose: bpy.types.PoseBone, basis: np.ndarray) -> None:
    if pose.rotation_mode == "QUATERNION":
        _add(channels, pose, "rotation_quaternion", continuous_quaternions(matrix_to_quaternion(basis)))
    elif pose.rotation_mode == "AXIS_ANGLE":
        vectors = matrix_to_axis_angle(basis)
        angles = np.linalg.norm(vectors, axis=-1, keepdims=True)
        axes = np.where(angles > 1e-9, normalize(vectors), [0.0, 1.0, 0.0])
        _add(channels, pose, "rotation_axis_angle", np.concatenate([angles, axes], axis=-1))
    else:
        _add(channels, pose, "rotation_euler", matrix_to_euler(basis, pose.rotation_mode))


def _add(channels: Channels, pose: bpy.types.PoseBone, name: str, values: np.ndarray) -> None:
    path = f'pose.bones["{bpy.utils.escape_identifier(pose.name)}"].{name}'
    for axis in range(values.shape[1]):
        channels[path, axis] = values[:, axis]


def new_action(armature: bpy.types.Object, channels: Channels, frames: np.ndarray, name: str) -> bpy.types.Action:
    """An action with a key on every frame of some channels, given to the armature."""
    action = bpy.data.actions.new(name)
    armature.animation_data_create()
    new = keyframes.channels_for(action, armature)
    for (path, index), values in channels.items():
        group = path.split('"')[1] if '"' in path else "Object"
        keyframes.fill(new(path, index, group), frames, values)
    return action
