"""What exporters get in place of a person's rig: a plain copy, keyed on every frame as the rig really moves.

Control rigs, constraints, scaled objects and odd frame rates end here: each exporter meets bones with rotations and a
mesh, in the file's own unit and axes, and the scene is as before afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import keyframes
from ..core.errors import ExportError
from ..core.retarget import Bones
from ..core.rotations import continuous_quaternions, matrix_to_quaternion
from ..placing import set_rate
from ..retarget.read import bones_of, sample
from ..retarget.write import Channels, carrier, new_action

SHORTEST = 1e-4  # metres; Blender drops a bone without length
STILL = 1e-6  # metres that a bone must leave its place by to get location keys
Y_UP = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))  # an object that holds y-up data upright


@dataclass(frozen=True)
class Shape:
    """How the copy is made.

    Attributes:
        unit: Lengths of the file in a metre: 1, or 100 for centimetres.
        y_up: The data itself has y up, so that an exporter that turns z up to y up leaves nothing turned.
        name: Of the armature object; the rig's own if empty.
        names: New names of bones.
        mesh: With the meshes that the rig moves.
        rate: Frames per second; the scene's if None.
        root_motion: The way over the ground goes to the armature object.
        first: The frame on which the copy begins.
    """

    unit: float = 1.0
    y_up: bool = False
    name: str = ""
    names: dict[str, str] = field(default_factory=dict)
    mesh: bool = True
    rate: float | None = None
    root_motion: bool = False
    first: int = 0


def action_range(armature: bpy.types.Object) -> tuple[int, int]:
    """First and last frame of the armature's action.

    Raises:
        ExportError: It has none.
    """
    data = armature.animation_data
    if data is None or data.action is None:
        raise ExportError(f"{armature.name} has no take.", "Capture one first, or give it an action.")
    start, end = data.action.frame_range
    return round(start), round(end)


@contextlib.contextmanager
def baked(armature: bpy.types.Object, shape: Shape) -> Iterator[bpy.types.Object]:
    """The copy: alone selected and active, the scene's range and rate those of the motion. All is put back.

    Raises:
        ExportError: The rig has no action.
        RetargetError: It has no bones.
    """
    start, end = action_range(armature)
    scene = bpy.context.scene
    own_rate = keyframes.scene_rate(scene)
    rate = shape.rate or own_rate
    count = int(np.floor((end - start) / own_rate * rate + 1e-6)) + 1
    bones, kept = _exported_bones(armature)
    moving = sample(armature, bones, start + np.arange(count) / rate * own_rate)
    turns, heads = moving.turns[:, kept.numbers], moving.heads[:, kept.numbers] * shape.unit
    with contextlib.ExitStack() as stack:
        stack.enter_context(_scene_kept())
        copy = _copy_skeleton(stack, armature, bones, kept, shape)
        copies = [copy]
        if shape.mesh:
            copies += [_copy_mesh(stack, item, armature, copy, shape) for item in meshes_of(armature)]
        frames = np.arange(shape.first, shape.first + count, dtype=float)
        place = {shape.names.get(bones.names[n], bones.names[n]): k for k, n in enumerate(kept.numbers)}
        order = [place[bone.name] for bone in copy.data.bones]  # Blender sorts by hierarchy
        _key(stack, copy, turns[:, order], heads[:, order], frames, shape, armature.animation_data.action.name)
        for item in bpy.context.view_layer.objects:
            item.select_set(item in copies)
        bpy.context.view_layer.objects.active = copy
        set_rate(scene, rate)
        scene.frame_start, scene.frame_end = shape.first, shape.first + count - 1
        scene.unit_settings.scale_length = 1 / shape.unit
        scene.frame_set(shape.first)
        yield copy


def meshes_of(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """Meshes that the rig deforms, and those that hang on its bones, as far as they are seen."""
    found = []
    for item in bpy.context.view_layer.objects:
        if item.type != "MESH" or item.hide_render:
            continue
        hangs = item.parent == armature and item.parent_type == "BONE"
        if hangs or any(m.type == "ARMATURE" and m.object == armature for m in item.modifiers):
            found.append(item)
    return found


@dataclass
class _Kept:
    """The bones that go into the copy: their numbers among all, and their parents among themselves."""

    numbers: list[int]
    parents: list[int]


def _exported_bones(armature: bpy.types.Object) -> tuple[Bones, _Kept]:
    """All bones of a skeleton; of a control rig those that deform."""
    bones = bones_of(armature)
    numbers = list(range(len(bones.names)))
    if bones.deform.any() and any(pose.constraints for pose in armature.pose.bones):
        numbers = [n for n in numbers if bones.deform[n]]
    place = {number: k for k, number in enumerate(numbers)}
    return bones, _Kept(numbers, [place.get(_kept_parent(bones, n, place), -1) for n in numbers])


def _kept_parent(bones: Bones, number: int, place: dict[int, int]) -> int:
    """The nearest ancestor that is kept; a mechanism bone of Rigify stands for the deforming bone of its name."""
    parent = bones.parents[number]
    while parent >= 0 and parent not in place:
        name = bones.names[parent]
        twin = bones.index.get(f"DEF-{name[4:]}", -1) if name.startswith(("ORG-", "MCH-")) else -1
        if twin in place and twin != number and number not in bones.ancestors(twin):
            return twin
        parent = bones.parents[parent]
    return int(parent)


def _into(shape: Shape) -> Matrix:
    """From the world in metres to the copy's data."""
    turn = Y_UP.inverted() if shape.y_up else Matrix.Identity(4)
    return turn @ Matrix.Scale(shape.unit, 4)


def _copy_skeleton(stack, armature: bpy.types.Object, bones: Bones, kept: _Kept, shape: Shape) -> bpy.types.Object:
    name = shape.name or armature.name
    data = bpy.data.armatures.new(name)
    stack.callback(bpy.data.armatures.remove, data)
    copy = bpy.data.objects.new(name, data)
    _lend_name(stack, bpy.data.objects, copy, name)
    stack.callback(bpy.data.objects.remove, copy)
    copy.matrix_world = Y_UP if shape.y_up else Matrix.Identity(4)
    bpy.context.scene.collection.objects.link(copy)
    into = _into(shape)
    bpy.context.view_layer.objects.active = copy
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        made = []
        for number in kept.numbers:
            own = bones.names[number]
            bone = data.edit_bones.new(shape.names.get(own, own))
            head, tail = Vector(bones.heads[number]), Vector(bones.tails[number])
            axes = Matrix(bones.turns[number].tolist())
            length = max((tail - head).length, SHORTEST)
            bone.head, bone.tail = into @ head, into @ (head + axes.col[1] * length)
            bone.align_roll(into.to_3x3() @ axes.col[2])
            bone.use_deform = bool(bones.deform[number])
            made.append(bone)
        for bone, parent in zip(made, kept.parents, strict=True):  # parents need not come first
            bone.parent = made[parent] if parent >= 0 else None
            bone.use_connect = False
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
    for pose in copy.pose.bones:
        pose.rotation_mode = "QUATERNION"
    return copy


def _copy_mesh(stack, item, armature, copy: bpy.types.Object, shape: Shape) -> bpy.types.Object:
    """The mesh in the copy's unit and axes; one that hangs on a bone becomes skinned to it."""
    mesh = item.data.copy()
    _lend_name(stack, bpy.data.meshes, mesh, item.data.name)
    stack.callback(bpy.data.meshes.remove, mesh)
    twin = item.copy()
    _lend_name(stack, bpy.data.objects, twin, item.name)
    stack.callback(bpy.data.objects.remove, twin)
    twin.data = mesh
    twin.animation_data_clear()
    twin.constraints.clear()
    world = item.matrix_world
    if item.parent == armature and item.parent_type == "BONE":
        bone = armature.data.bones[item.parent_bone]
        end = Matrix.Translation((0, bone.length, 0))
        world = armature.matrix_world @ bone.matrix_local @ end @ item.matrix_parent_inverse @ item.matrix_basis
        twin.vertex_groups.clear()
        twin.vertex_groups.new(name=bone.name).add(list(range(len(mesh.vertices))), 1.0, "REPLACE")
        twin.modifiers.new("Armature", "ARMATURE").object = armature
    mesh.transform(_into(shape) @ world, shape_keys=True)
    if world.determinant() < 0:
        mesh.flip_normals()
    for group in twin.vertex_groups:
        group.name = shape.names.get(group.name, group.name)
    for modifier in twin.modifiers:
        if modifier.type == "ARMATURE" and modifier.object == armature:
            modifier.object = copy
    twin.parent, twin.parent_type = copy, "OBJECT"
    twin.matrix_parent_inverse, twin.matrix_basis = Matrix.Identity(4), Matrix.Identity(4)
    bpy.context.scene.collection.objects.link(twin)
    twin.hide_set(False)
    twin.hide_viewport = False
    return twin


def _key(stack, copy, turns, heads, frames: np.ndarray, shape: Shape, name: str) -> None:
    """A key on each frame: rotations of all bones, and locations of those that leave their place."""
    bones = bones_of(copy)
    channels: Channels = {}
    if shape.root_motion:
        way = heads[:, _traveller(bones, heads)] * [1, 1, 0]
        way = way - bones.heads[_traveller(bones, heads)] * [1, 1, 0]
        heads = heads - way[:, None]
        for axis in range(3):
            channels["location", axis] = way[:, axis]
    for number, bone in enumerate(bones.names):
        carried, start = carrier(bones, turns, heads, number)
        path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"]'
        basis = continuous_quaternions(matrix_to_quaternion(carried.swapaxes(-1, -2) @ turns[:, number]))
        for axis in range(4):
            channels[f"{path}.rotation_quaternion", axis] = basis[:, axis]
        place = (carried.swapaxes(-1, -2) @ (heads[:, number] - start)[..., None])[..., 0]
        if np.abs(place).max() > STILL * shape.unit or bones.parents[number] < 0:
            for axis in range(3):
                channels[f"{path}.location", axis] = place[:, axis]
    action = new_action(copy, channels, frames, name)
    _lend_name(stack, bpy.data.actions, action, name)
    stack.callback(bpy.data.actions.remove, action)


def _traveller(bones: Bones, heads: np.ndarray) -> int:
    """The bone whose way over the ground is the motion's: the highest in the hierarchy that moves at all."""
    for number in range(len(bones.names)):
        if np.ptp(heads[:, number], axis=0).max() > 0:
            return number
    return 0


def _lend_name(stack: contextlib.ExitStack, collection, block: bpy.types.ID, name: str) -> None:
    """Give a passing block a name that another has, until the stack closes."""
    other = collection.get(name)
    if other is not None and other != block:
        other.name = f"{name[:50]} (kept)"
        stack.callback(setattr, other, "name", name)
    block.name = name


@contextlib.contextmanager
def _scene_kept() -> Iterator[None]:
    """Object mode inside; selection, active object, mode, range, rate and unit as before afterwards."""
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    active = view_layer.objects.active
    selected = [item for item in view_layer.objects if item.select_get()]
    range_before = scene.frame_start, scene.frame_end
    shown = scene.frame_current, scene.frame_subframe
    rate = scene.render.fps, scene.render.fps_base
    unit = scene.unit_settings.scale_length
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        for item in view_layer.objects:
            item.select_set(item in selected)
        view_layer.objects.active = active
        scene.unit_settings.scale_length = unit
        scene.render.fps, scene.render.fps_base = rate
        scene.frame_start, scene.frame_end = range_before
        scene.frame_set(shown[0], subframe=shown[1])
        if mode != "OBJECT" and active is not None:
            bpy.ops.object.mode_set(mode=mode)
