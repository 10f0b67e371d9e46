"""Takes to animation curves, in bulk, in every Blender from 4.2 on.

From 4.4 on an action has slots, layers and channelbags; `action.fcurves` is gone in 5.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

from .core.body import rest_offsets
from .core.motion import CONTACT_NAMES, SUPPORT_NAMES, Motion
from .core.refine.simplify import simplify
from .core.rotations import (
    continuous_quaternions,
    euler_to_matrix,
    matrix_to_euler,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
    resample_quaternions,
)
from .core.skeleton import JOINT_NAMES
from .rig import joints_of, pose_channels, rest_axes

QUATERNION = "QUATERNION"
EULER_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
CHANNELS = CONTACT_NAMES + SUPPORT_NAMES  # of contacts, that can be edited
LOCATION_PATH = 'pose.bones["pelvis"].location'
CONSTANT, LINEAR, BEZIER = 0, 1, 2  # Blender's numbers for them
FREE = 0
LONGEST_BRIDGE = 0.5  # seconds; over longer gaps in the take no keys are set


@dataclass
class Played:
    """An action, and the slot of it that an object uses; None before Blender 4.4."""

    action: bpy.types.Action
    slot: object = None


def scene_rate(scene: bpy.types.Scene) -> float:
    """Frames per second of the scene."""
    return scene.render.fps / scene.render.fps_base


def write_take(
    armature: bpy.types.Object,
    motion: Motion,
    name: str,
    rate: float,
    first_frame: float = 1.0,
    bounds: tuple[float, float] | None = None,
) -> bpy.types.Action:
    """Make an action with the take and give it to the armature.

    Keys land on whole frames of the scene's rate, by interpolation on SO(3) at the take's own times.

    Args:
        armature: A rig made by `rig.build`.
        motion: The take.
        name: Of the action.
        rate: Frames per second of the scene.
        first_frame: The scene's frame at which the video's time 0 lies.
        bounds: Degrees and millimetres by which curves may differ, for fewer keys; None for a key on each frame.

    Returns:
        The new action.
    """
    action = bpy.data.actions.new(name)
    armature.animation_data_create()
    for bone in JOINT_NAMES:
        armature.pose.bones[bone].rotation_mode = QUATERNION
    _write_keys(armature, motion, rate, first_frame, bounds, channels_for(action, armature), QUATERNION)
    return action


def rewrite_take(
    armature: bpy.types.Object,
    played: Played,
    motion: Motion,
    rate: float,
    first_frame: float,
    bounds: tuple[float, float] | None,
    order: str = QUATERNION,
) -> None:
    """Put a take into an action in place of the one that is there; other channels stay.

    Args:
        armature: The rig.
        played: Its action.
        motion: The take.
        rate: Frames per second of the scene.
        first_frame: The scene's frame at which the video's time 0 lies.
        bounds: Degrees and millimetres by which curves may differ, for fewer keys; None for a key on each frame.
        order: `QUATERNION`, or an order of Euler angles as Blender names it.
    """
    holder = _holder(played)
    for path in _take_paths():
        for axis in range(4):
            curve = holder.fcurves.find(path, index=axis)
            if curve is not None:
                holder.fcurves.remove(curve)
    for bone in JOINT_NAMES:
        armature.pose.bones[bone].rotation_mode = order
    _write_keys(armature, motion, rate, first_frame, bounds, _channels_of(holder), order)


def _write_keys(
    armature: bpy.types.Object,
    motion: Motion,
    rate: float,
    first_frame: float,
    bounds: tuple[float, float] | None,
    curves: Callable[[str, int, str], bpy.types.FCurve],
    order: str,
) -> None:
    frames, quaternions, location = sample(armature, motion, rate, first_frame)
    if bounds is not None:
        _write_sparse(armature, motion, frames, quaternions, location, rate, first_frame, bounds, curves, order)
        return
    for joint, bone in enumerate(JOINT_NAMES):
        values = quaternions[:, joint]
        if order != QUATERNION:
            values = matrix_to_euler(quaternion_to_matrix(values), order)
        for axis in range(values.shape[1]):
            fill(curves(_rotation_path(bone, order), axis, bone), frames, values[:, axis])
    for axis in range(3):
        fill(curves(LOCATION_PATH, axis, "pelvis"), frames, location[:, axis])
    _write_contacts(motion, rate, first_frame, curves)


def _write_sparse(armature, motion, frames, quaternions, location, rate, first_frame, bounds, curves, order) -> None:
    """The same with few keys. Rotations are conjugate to SMPL's by fixed axes, and so are curves and tangents."""
    axes = rest_axes(armature)
    at = np.clip((frames - first_frame) / rate, motion.time[0], motion.time[-1])
    nearest = np.clip(np.searchsorted(motion.time, at), 0, len(motion.time) - 1)
    standing = np.asarray(motion.contacts)[nearest] > 0.5
    turning = np.zeros(len(frames), bool)
    turning[1:] = (standing[1:] != standing[:-1]).any(axis=1)
    offsets = rest_offsets(joints_of(armature))
    values = quaternions
    if order != QUATERNION:
        turns = quaternion_to_matrix(quaternions)
        values = np.stack([matrix_to_euler(turns[:, joint], order) for joint in range(len(JOINT_NAMES))], axis=1)

    def shared(joint: int, channels: np.ndarray) -> np.ndarray:
        """What the curves of a bone say, as quaternions in SMPL's axes."""
        if order != QUATERNION:
            channels = matrix_to_quaternion(euler_to_matrix(channels, order))
        return np.concatenate([channels[:, :1], channels[:, 1:] @ axes[joint].T], axis=1)

    found = simplify(frames, values, location @ axes[0].T, offsets, *bounds, kept=turning, read=shared)
    for bone, keys in zip(JOINT_NAMES, found.rotations, strict=True):
        for axis in range(keys.values.shape[1]):
            curve = curves(_rotation_path(bone, order), axis, bone)
            _fill_smooth(curve, keys.frames, keys.values[:, axis], keys.slopes[:, axis])
    keys = found.location
    values, slopes = keys.values @ axes[0], keys.slopes @ axes[0]
    for axis in range(3):
        _fill_smooth(curves(LOCATION_PATH, axis, "pelvis"), keys.frames, values[:, axis], slopes[:, axis])
    _write_contacts(motion, rate, first_frame, curves)


def _write_contacts(motion: Motion, rate: float, first_frame: float, curves) -> None:
    """Contacts as channels of 0 and 1 that can be edited: a key where one begins or ends."""
    held = np.zeros((len(motion), 4)) if motion.supports is None else np.asarray(motion.supports)
    standing = np.concatenate([np.asarray(motion.contacts), held], axis=1) > 0.5
    frames = np.round(first_frame + np.asarray(motion.time) * rate)
    for number, name in enumerate(CHANNELS):
        turns = np.flatnonzero(np.concatenate([[True], standing[1:, number] != standing[:-1, number]]))
        curve = curves(contact_path(name), 0, "Contacts")
        fill(curve, frames[turns], standing[turns, number].astype(float), interpolation=CONSTANT)


def read_contacts(played: Played, times: np.ndarray, rate: float, first_frame: float) -> np.ndarray:
    """(T, 8) contacts of feet, hands and knees as the channels have them now, edits included, at a take's times;
    missing channels are 0."""
    holder = _holder(played)
    contacts = np.zeros((len(times), len(CHANNELS)))
    for number, name in enumerate(CHANNELS):
        curve = holder.fcurves.find(contact_path(name), index=0)
        if curve is not None:
            contacts[:, number] = [curve.evaluate(first_frame + time * rate) > 0.5 for time in times]
    return contacts


def contact_path(name: str) -> str:
    """The data path of a contact's channel on the armature object."""
    return f'["contact_{name}"]'


def _rotation_path(bone: str, order: str = QUATERNION) -> str:
    return f'pose.bones["{bone}"].rotation_{"quaternion" if order == QUATERNION else "euler"}'


def _take_paths() -> list[str]:
    rotations = [_rotation_path(bone, order) for bone in JOINT_NAMES for order in (QUATERNION, "XYZ")]
    return [*rotations, LOCATION_PATH, *map(contact_path, CHANNELS)]


def sample(
    armature: bpy.types.Object, motion: Motion, rate: float, first_frame: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (F,), bone quaternions (F, 24, 4) with continuous signs, and the pelvis's location (F, 3)."""
    times = np.asarray(motion.time, np.float64)
    frames = _frames(times, rate, first_frame)
    at = np.clip((frames - first_frame) / rate, times[0], times[-1])
    rotations = quaternion_to_matrix(resample_quaternions(matrix_to_quaternion(motion.rotations), times, at))
    trans = np.stack([np.interp(at, times, motion.trans[:, k]) for k in range(3)], axis=-1)
    quaternions, location = pose_channels(armature, rotations, trans)
    return frames, continuous_quaternions(quaternions), location


def _frames(times: np.ndarray, rate: float, first_frame: float) -> np.ndarray:
    """Whole scene frames that the take covers; none inside long gaps."""
    first = int(np.ceil(first_frame + times[0] * rate - 1e-3))
    last = max(first, int(np.floor(first_frame + times[-1] * rate + 1e-3)))
    frames = np.arange(first, last + 1, dtype=np.float64)
    at = (frames - first_frame) / rate
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1) if len(times) > 1 else np.zeros(len(at), int)
    before = np.maximum(after - 1, 0)
    inside_gap = (times[after] - times[before] > LONGEST_BRIDGE) & (
        np.minimum(at - times[before], times[after] - at) > 0.5 / rate + 1e-6
    )
    return frames[~inside_gap]


def rotation_values(played: Played, bone: str, frames: np.ndarray) -> np.ndarray:
    """(F, 4) the quaternions that an action's curves say of a bone, whole; the identity where it has none."""
    holder = _holder(played)
    values = np.tile([1.0, 0.0, 0.0, 0.0], (len(frames), 1))
    for axis in range(4):
        curve = holder.fcurves.find(_rotation_path(bone), index=axis)
        if curve is not None:
            values[:, axis] = [curve.evaluate(frame) for frame in frames]
    return normalize(values)


def put_rotation(played: Played, bone: str, frames: np.ndarray, quaternions: np.ndarray) -> None:
    """Set keys of a bone's quaternion on some frames in a row; other frames keep theirs, and new curves are the
    identity before and after."""
    holder = _holder(played)
    new = _channels_of(holder)
    for axis in range(4):
        curve = holder.fcurves.find(_rotation_path(bone), index=axis)
        if curve is None:
            curve = new(_rotation_path(bone), axis, bone)
        kept = [point for point in curve.keyframe_points if not frames[0] - 0.5 < point.co[0] < frames[-1] + 0.5]
        numbers = np.array([point.co[0] for point in kept] + list(frames))
        values = np.array([point.co[1] for point in kept] + list(quaternions[:, axis]))
        order = np.argsort(numbers)
        curve.keyframe_points.clear()
        fill(curve, numbers[order], values[order])


def repeat(played: Played, onwards: bool) -> None:
    """Let an action's curves repeat for ever; the pelvis goes on from where it is if `onwards`."""
    holder = _holder(played)
    for path in _take_paths():
        for axis in range(4):
            curve = holder.fcurves.find(path, index=axis)
            if curve is None or any(modifier.type == "CYCLES" for modifier in curve.modifiers):
                continue
            cycles = curve.modifiers.new("CYCLES")
            mode = "REPEAT_OFFSET" if onwards and path == LOCATION_PATH else "REPEAT"
            cycles.mode_before = cycles.mode_after = mode


def channels_for(action: bpy.types.Action, armature: bpy.types.Object) -> Callable[[str, int, str], bpy.types.FCurve]:
    """A function (data path, index, group) -> new curve, after giving the action to the armature."""
    data = armature.animation_data
    if hasattr(action, "slots"):
        slot = action.slots.new(id_type="OBJECT", name=armature.name)
        strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
        strip.channelbag(slot, ensure=True)
        data.action = action
        data.action_slot = slot
    else:
        data.action = action
    return _channels_of(_holder(Played(action, getattr(data, "action_slot", None))))


def _holder(played: Played):
    """What holds the curves: the action itself before Blender 4.4, a channelbag from then on."""
    if not hasattr(played.action, "slots"):
        return played.action
    return played.action.layers[0].strips[0].channelbag(played.slot, ensure=True)


def _channels_of(holder) -> Callable[[str, int, str], bpy.types.FCurve]:
    if isinstance(holder, bpy.types.Action):
        return lambda path, index, group: holder.fcurves.new(path, index=index, action_group=group)

    def new(path: str, index: int, group: str) -> bpy.types.FCurve:
        curve = holder.fcurves.new(path, index=index)
        curve.group = holder.groups.get(group) or holder.groups.new(group)
        return curve

    return new


def fill(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray, interpolation: int = LINEAR) -> None:
    """Put keys on a new curve, all at once."""
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=-1).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(len(frames), interpolation, np.int32))
    curve.update()


def _fill_smooth(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> None:
    """Bezier keys whose handles stand at a third of the way: the cubic with these slopes (per frame)."""
    points = curve.keyframe_points
    count = len(frames)
    points.add(count)
    before = np.diff(frames, prepend=frames[0] - 3.0) / 3
    after = np.diff(frames, append=frames[-1] + 3.0) / 3
    points.foreach_set("co", np.stack([frames, values], axis=-1).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(count, BEZIER, np.int32))
    for side in ("left", "right"):
        points.foreach_set(f"handle_{side}_type", np.full(count, FREE, np.int32))
    left = np.stack([frames - before, values - slopes * before], axis=-1)
    right = np.stack([frames + after, values + slopes * after], axis=-1)
    points.foreach_set("handle_left", left.astype(np.float32).ravel())
    points.foreach_set("handle_right", right.astype(np.float32).ravel())
    curve.update()


def own_curves(armature: bpy.types.Object) -> list[bpy.types.FCurve]:
    """The curves of an armature's action that are its own: of its slot, where actions have slots."""
    action = armature.animation_data.action
    if not hasattr(action, "slots"):
        return list(action.fcurves)
    slot = armature.animation_data.action_slot
    bags = [s.channelbag(slot) for layer in action.layers for s in layer.strips] if slot is not None else []
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def curves_of(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All curves of an action, whichever way this Blender keeps them."""
    if hasattr(action, "layers"):
        return [
            curve
            for layer in action.layers
            for strip in layer.strips
            for bag in strip.channelbags
            for curve in bag.fcurves
        ]
    return list(action.fcurves)
