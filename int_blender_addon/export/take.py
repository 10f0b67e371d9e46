"""The motion of a rig, with every edit, as a take again."""

from __future__ import annotations

import bpy
import numpy as np

from .. import cleanup, keyframes
from .. import rig as bodies
from ..core.body import load_free_body
from ..core.errors import TakeFileError
from ..core.motion import CONTACT_NAMES, Motion
from ..core.retarget import Transfer
from ..core.rotations import matrix_to_axis_angle
from ..core.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from ..retarget import presets
from ..retarget.apply import retarget
from ..retarget.read import bones_of, sample
from .baked import action_range


def heads_of(armature: bpy.types.Object, rate: float | None = None) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the bones, times (T,) from 0, and where their heads are (T, J, 3) in the world.

    Raises:
        ExportError: The rig has no action.
    """
    frames, times = _moments(armature, rate)
    bones = bones_of(armature)
    return bones.names, times, sample(armature, bones, frames).heads


def read_take(armature: bpy.types.Object, rate: float | None = None) -> Motion:
    """The motion of a rig as it is now. Camera and confidence come from the raw take where it is still there.

    Raises:
        ExportError: The rig has no action.
        RetargetError: It is no body of ours, and its bones are not understood.
    """
    if bodies.BODY_PROPERTY in armature and all(name in armature.data.bones for name in JOINT_NAMES):
        return _of_body(armature, rate)
    action_range(armature)
    body = load_free_body().rest(np.zeros(10))
    passing = bodies.build(body, "Passing", bpy.context.scene.collection)
    try:
        own, free = presets.mapping_of(armature)[1], presets.mapping_of(passing)[1]
        retarget(armature, own, passing, free, Transfer(), "Passing")
        return _of_body(passing, rate)
    finally:
        bodies.remove(passing)


def _moments(armature: bpy.types.Object, rate: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Frames of the scene (T,) and seconds (T,) from the first."""
    start, end = action_range(armature)
    own = keyframes.scene_rate(bpy.context.scene)
    rate = rate or own
    times = np.arange(int(np.floor((end - start) / own * rate + 1e-6)) + 1) / rate
    return start + times * own, times


def _of_body(armature: bpy.types.Object, rate: float | None) -> Motion:
    frames, times = _moments(armature, rate)
    bones = bones_of(armature)
    moving = sample(armature, bones, frames)
    order = [bones.index[name] for name in JOINT_NAMES]
    # each bone's turn from rest, in the world; then about its parent's, in body space
    turned = moving.turns[:, order] @ bones.turns[order].swapaxes(-1, -2)
    turned = bodies.M.T @ turned @ bodies.M
    local = turned.copy()
    for joint in range(1, NUM_JOINTS):
        local[:, joint] = turned[:, PARENTS[joint]].swapaxes(-1, -2) @ turned[:, joint]
    local[:, 0] = bodies.M @ turned[:, 0]  # a take's root turns from body space into the world
    count, fps = len(frames), rate or keyframes.scene_rate(bpy.context.scene)
    pelvis = bodies.joints_of(armature)[0]
    motion = Motion(
        poses=matrix_to_axis_angle(local).reshape(count, -1),
        trans=moving.heads[:, order[0]] - pelvis,
        betas=np.zeros(10),
        joints=np.zeros((count, NUM_JOINTS, 3)),
        frame_index=np.arange(count),
        time=times,
        fps=fps,
        confidence=np.ones(count),
        bridged=np.zeros(count, bool),
        contacts=moving.contacts if moving.contacts is not None else np.zeros((count, len(CONTACT_NAMES))),
        K=np.eye(3),
        world_to_camera=np.eye(4),
        image_size=np.zeros(2, np.int64),
        body=str(armature.get(bodies.BODY_PROPERTY, "free")),
    )
    if cleanup.has_take(armature):
        _add_camera(motion, armature, moving.heads[:, order])
    return motion


def _add_camera(motion: Motion, armature: bpy.types.Object, joints: np.ndarray) -> None:
    """Shape, camera and confidence of the raw take."""
    try:
        raw, _, first_frame = cleanup.edited_take(armature)
    except TakeFileError:
        return  # the motion is whole without them
    start = action_range(armature)[0]
    in_video = motion.time + (start - first_frame) / keyframes.scene_rate(bpy.context.scene)
    nearest = np.clip(np.searchsorted(raw.time, in_video - 0.5 / raw.fps), 0, len(raw.time) - 1)
    views = np.asarray(raw.world_to_camera, float)
    views = views[nearest] if views.ndim == 3 else np.broadcast_to(views, (len(motion), 4, 4))
    motion.betas, motion.K, motion.image_size = raw.betas, raw.K, raw.image_size
    motion.world_to_camera = raw.world_to_camera if np.ndim(raw.world_to_camera) == 2 else views
    motion.joints = joints @ views[:, :3, :3].swapaxes(-1, -2) + views[:, None, :3, 3]
    motion.confidence = np.asarray(raw.confidence, float)[nearest]
    motion.bridged = np.asarray(raw.bridged)[nearest]
    motion.frame_index, motion.time = np.asarray(raw.frame_index)[nearest], in_video
