"""Takes to animation curves, in bulk, in every Blender from 4.2 on.

From 4.4 on an action has slots, layers and channelbags; `action.fcurves` is gone in 5.0.
"""

from __future__ import annotations

import bpy
import numpy as np

from .core.motion import Motion
from .core.rotations import (
    continuous_quaternions,
    matrix_to_quaternion,
    quaternion_to_matrix,
    resample_quaternions,
)
from .core.skeleton import JOINT_NAMES
from .rig import pose_channels

LONGEST_BRIDGE = 0.5  # seconds; over longer gaps in the take no keys are set


def scene_rate(scene: bpy.types.Scene) -> float:
    """Frames per second of the scene."""
    return scene.render.fps / scene.render.fps_base


def write_take(
    armature: bpy.types.Object, motion: Motion, name: str, rate: float, first_frame: float = 1.0
) -> bpy.types.Action:
    """Make an action with the take and give it to the armature.

    Keys land on whole frames of the scene's rate, by interpolation on SO(3) at the take's own times.

    Args:
        armature: A rig made by `rig.build`.
        motion: The take.
        name: Of the action.
        rate: Frames per second of the scene.
        first_frame: The scene's frame at which the video's time 0 lies.

    Returns:
        The new action.
    """
    frames, quaternions, location = sample(armature, motion, rate, first_frame)
    action = bpy.data.actions.new(name)
    armature.animation_data_create()
    curves = _channels(action, armature)
    for joint, bone in enumerate(JOINT_NAMES):
        path = f'pose.bones["{bone}"].rotation_quaternion'
        for axis in range(4):
            _fill(curves(path, axis, bone), frames, quaternions[:, joint, axis])
    for axis in range(3):
        _fill(curves('pose.bones["pelvis"].location', axis, "pelvis"), frames, location[:, axis])
    return action


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


def _channels(action: bpy.types.Action, armature: bpy.types.Object):
    """A function (data path, index, group) -> new curve, after giving the action to the armature."""
    data = armature.animation_data
    if hasattr(action, "slots"):
        slot = action.slots.new(id_type="OBJECT", name=armature.name)
        strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
        bag = strip.channelbag(slot, ensure=True)
        data.action = action
        data.action_slot = slot
        groups: dict[str, bpy.types.ActionGroup] = {}

        def new(path: str, index: int, group: str):
            curve = bag.fcurves.new(path, index=index)
            if group not in groups:
                groups[group] = bag.groups.new(group)
            curve.group = groups[group]
            return curve

        return new
    data.action = action
    return lambda path, index, group: action.fcurves.new(path, index=index, action_group=group)


def _fill(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=-1).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.ones(len(frames), np.int32))  # linear: there is a key on each frame
    curve.update()


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
