"""Armatures and their actions as arrays."""

from __future__ import annotations

import bpy
import numpy as np

from .. import keyframes
from ..core.errors import RetargetError
from ..core.motion import CONTACT_NAMES
from ..core.retarget import Bones, Mapping
from ..core.retarget.bones import SLOTS, scale_free
from ..core.retarget.transfer import Moving
from ..core.rotations import axis_angle_to_matrix, euler_to_matrix, normalize, quaternion_to_matrix
from ..rig import BODY_PROPERTY

SLOT_PARENTS = {
    "spine": ("hips",), "neck": ("spine", "hips"), "head": ("neck", "spine", "hips"),
    "clavicle": ("spine", "hips"), "upper_arm": ("clavicle", "spine", "hips"), "forearm": ("upper_arm",),
    "hand": ("forearm",), "thigh": ("hips",), "shin": ("thigh",), "foot": ("shin",), "toe": ("foot",),
    "thumb": ("hand",), "index": ("hand",), "middle": ("hand",), "ring": ("hand",), "pinky": ("hand",),
}  # fmt: skip


def bones_of(armature: bpy.types.Object) -> Bones:
    """All bones at rest, in the world.

    Raises:
        RetargetError: There are none.
    """
    own = list(armature.data.bones)
    if not own:
        raise RetargetError(f"{armature.name} has no bones.", "Choose another rig.")
    index = {bone.name: number for number, bone in enumerate(own)}
    world = np.array(armature.matrix_world)
    local = np.array([np.array(bone.matrix_local) for bone in own]).reshape(-1, 4, 4)
    tails = np.array([[*bone.tail_local, 1.0] for bone in own]) @ world.T
    parents = np.array([index[bone.parent.name] if bone.parent else -1 for bone in own], int)
    bones = Bones(
        names=[bone.name for bone in own],
        parents=parents,
        rest=scale_free(world @ local),
        tails=tails[:, :3],
        deform=np.array([bone.use_deform for bone in own]),
    )
    bones.floor = bones.ground = _floor(armature, bones)
    if BODY_PROPERTY in armature:  # our rigs rest about their pelvis, and stand on the scene's floor when they move
        bones.ground = float(world[2, 3])
    return bones


def control_bones(bones: Bones, mapping: Mapping) -> Bones:
    """Only the bones of a mapping, each the child of the body part that carries it: for rigs whose controls hang on
    mechanisms."""
    numbers, parents = [], []
    place: dict[str, int] = {}
    for slot in SLOTS:
        side, _, part = slot.partition("_") if slot.startswith(("left_", "right_")) else ("", "", slot)
        if slot.endswith("_twist"):
            continue
        for k, name in enumerate(mapping.slots.get(slot, [])):
            before = slot if k else _carrier(side, part, place)
            parents.append(place.get(before, -1))
            place[slot] = len(numbers)
            numbers.append(bones.index[name])
    return Bones(
        [bones.names[n] for n in numbers],
        np.array(parents, int),
        bones.rest[numbers],
        bones.tails[numbers],
        bones.deform[numbers],
        bones.floor,
        bones.ground,
    )


def _carrier(side: str, part: str, place: dict[str, int]) -> str:
    """The slot that carries a part of the body, among those that are there."""
    for before in SLOT_PARENTS.get(part, ()):
        for slot in (f"{side}_{before}", before):
            if slot in place:
                return slot
    return ""


def _floor(armature: bpy.types.Object, bones: Bones) -> float:
    """Height of the soles at rest: the lowest vertex of its meshes, else the lowest end of a bone that deforms."""
    lowest = []
    for item in bpy.data.objects:
        if item.type == "MESH" and any(m.type == "ARMATURE" and m.object == armature for m in item.modifiers):
            points = np.empty(3 * len(item.data.vertices), np.float32)
            item.data.vertices.foreach_get("co", points)
            if len(points):
                world = np.array(item.matrix_world)
                lowest.append(float((points.reshape(-1, 3) @ world[2, :3] + world[2, 3]).min()))
    if lowest:
        return min(lowest)
    ends = np.concatenate([bones.heads, bones.tails])
    return float(ends[:, 2].min())


def is_plain(armature: bpy.types.Object) -> bool:
    """Whether its pose follows from its channels alone: no constraints, drivers or own motion of the object."""
    data = armature.animation_data
    if data is not None and (data.drivers or data.nla_tracks):
        return False
    if any(pose.constraints for pose in armature.pose.bones) or armature.constraints or armature.parent is not None:
        return False
    if not all(
        b.use_inherit_rotation and b.inherit_scale == "FULL" and b.use_local_location for b in armature.data.bones
    ):
        return False
    curves = keyframes.curves_of(data.action) if data is not None and data.action is not None else []
    return all(c.data_path.startswith("pose.bones") or not _moves_object(c.data_path) for c in curves)


def _moves_object(path: str) -> bool:
    return path in {"location", "rotation_euler", "rotation_quaternion", "scale", "rotation_axis_angle"}


def sample(armature: bpy.types.Object, bones: Bones, frames: np.ndarray) -> Moving:
    """The pose of an armature at scene frames (T,): from its curves where that is all there is, else frame by frame."""
    scene = bpy.context.scene
    time = (frames - frames[0]) / keyframes.scene_rate(scene)
    if is_plain(armature):
        turns, heads = _from_curves(armature, bones, frames)
    else:
        turns, heads = _frame_by_frame(armature, bones, frames)
    return Moving(turns, heads, time, _contacts(armature, frames))


def _contacts(armature: bpy.types.Object, frames: np.ndarray) -> np.ndarray | None:
    told = {keyframes.contact_path(name) for name in CONTACT_NAMES}
    data = armature.animation_data
    if data is None or data.action is None or not told & {c.data_path for c in keyframes.own_curves(armature)}:
        return None
    played = keyframes.Played(data.action, getattr(data, "action_slot", None))
    return keyframes.read_contacts(played, frames, 1.0, 0.0)[:, : len(CONTACT_NAMES)]


def _from_curves(armature: bpy.types.Object, bones: Bones, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = _channels(armature, frames)
    count = len(frames)
    turns, heads = np.empty((count, len(bones.names), 3, 3)), np.empty((count, len(bones.names), 3))
    scale = float(np.linalg.norm(np.array(armature.matrix_world)[:3, 0]))
    for number, name in enumerate(bones.names):
        pose = armature.pose.bones[name]
        basis = _rotation(pose, channels, count)
        parent = bones.parents[number]
        rest, head = bones.turns[number], bones.heads[number]
        if parent >= 0:
            carried = turns[:, parent] @ (bones.turns[parent].T @ rest)
            offset = bones.turns[parent].T @ (head - bones.heads[parent])
            start = heads[:, parent] + turns[:, parent] @ offset
        else:
            carried, start = np.broadcast_to(rest, (count, 3, 3)), np.broadcast_to(head, (count, 3))
        turns[:, number] = carried @ basis
        place = _values(pose, channels, "location", 3, pose.location, count)
        connected = pose.bone.use_connect and parent >= 0
        heads[:, number] = start if connected else start + (carried @ (scale * place)[..., None])[..., 0]
    return turns, heads


def _channels(armature: bpy.types.Object, frames: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
    data = armature.animation_data
    if data is None or data.action is None:
        return {}
    wanted = frames.astype(float)
    found = {}
    for curve in keyframes.own_curves(armature):
        if curve.data_path.startswith("pose.bones"):
            found[curve.data_path, curve.array_index] = _evaluated(curve, wanted)
    return found


def _evaluated(curve: bpy.types.FCurve, frames: np.ndarray) -> np.ndarray:
    points = curve.keyframe_points
    if len(points) >= 2 and not curve.modifiers:
        keys = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", keys)
        at, values = keys[::2], keys[1::2]
        first = np.searchsorted(at, frames)
        hit = np.minimum(first, len(at) - 1)
        if np.array_equal(at[hit], frames.astype(np.float32)):
            return values[hit].astype(float)
    return np.array([curve.evaluate(frame) for frame in frames])


def _values(pose, channels, name: str, size: int, still, count: int) -> np.ndarray:
    path = f'pose.bones["{bpy.utils.escape_identifier(pose.name)}"].{name}'
    columns = [channels.get((path, k)) for k in range(size)]
    return np.stack([np.full(count, still[k]) if c is None else c for k, c in enumerate(columns)], axis=-1)


def _rotation(pose: bpy.types.PoseBone, channels, count: int) -> np.ndarray:
    if pose.rotation_mode == "QUATERNION":
        values = _values(pose, channels, "rotation_quaternion", 4, pose.rotation_quaternion, count)
        return quaternion_to_matrix(normalize(values))
    if pose.rotation_mode == "AXIS_ANGLE":
        values = _values(pose, channels, "rotation_axis_angle", 4, pose.rotation_axis_angle, count)
        return axis_angle_to_matrix(normalize(values[:, 1:]) * values[:, :1])
    values = _values(pose, channels, "rotation_euler", 3, pose.rotation_euler, count)
    return euler_to_matrix(values, pose.rotation_mode)


def _frame_by_frame(armature: bpy.types.Object, bones: Bones, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scene = bpy.context.scene
    before = scene.frame_current, scene.frame_subframe
    poses = [armature.pose.bones[name] for name in bones.names]
    found = np.empty((len(frames), len(poses), 4, 4))
    try:
        for t, frame in enumerate(frames):
            scene.frame_set(int(np.floor(frame)), subframe=float(frame % 1))
            world = np.array(armature.matrix_world)
            for number, pose in enumerate(poses):
                found[t, number] = world @ np.array(pose.matrix)
    finally:
        scene.frame_set(before[0], subframe=before[1])
    found = scale_free(found)
    return found[..., :3, :3], found[..., :3, 3]
