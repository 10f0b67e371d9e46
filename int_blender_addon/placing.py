"""Where a take goes: onto a rig of its own, as a new action of a rig that is there, or as a strip of that rig."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

from . import cleanup, keyframes, rig
from .core.body import RestBody
from .core.errors import MocapError
from .core.motion import Motion
from .core.refine import RefineSettings, Rest, raw_of, refine

RIG, ACTION, STRIP = "rig", "action", "strip"


@dataclass
class Place:
    """What a capture was asked to do with its take.

    Attributes:
        where: `rig` (a new one), `action` (a new one on `target`) or `strip` (of `target`'s NLA).
        target: Name of the armature.
        match_rate: Whether the scene takes the video's frame rate.
        smooth: 0 to 1.
    """

    where: str = RIG
    target: str = ""
    match_rate: bool = False
    smooth: float = 0.5


def is_ours(item: bpy.types.Object | None) -> bool:
    """Whether an object is a rig that this add-on built."""
    return item is not None and item.type == "ARMATURE" and rig.BODY_PROPERTY in item


def place(
    motion: Motion, body: RestBody, video: Path, name: str, asked: Place, made: list[str]
) -> Iterator[bpy.types.Object]:
    """Bring a take into the scene, a step at a time: each `next` is short. Yields the armature from when it is there.

    Args:
        motion: The take, refined for `body`.
        body: At rest.
        video: Where it comes from.
        name: For what is made.
        asked: Where it goes.
        made: Names of the rigs that were made; a new one is added.

    Raises:
        MocapError: The rig was taken away meanwhile.
    """
    scene = bpy.context.scene
    if asked.match_rate:
        set_rate(scene, motion.fps)
    target = bpy.data.objects.get(asked.target) if asked.where != RIG else None
    rest = Rest.of(body)
    if is_ours(target):
        armature = target
        rest = Rest(rig.joints_of(armature), rest.sole)
        motion = _fitted(motion, rest, asked.smooth)
    else:
        armature = rig.build(body, name, scene.collection)
        made.append(armature.name)
    yield armature
    armature = _still_there(armature.name if armature is target else made[-1])
    before = cleanup.active_action(armature)
    slot = getattr(armature.animation_data, "action_slot", None) if before is not None else None
    action = keyframes.write_take(armature, motion, name, keyframes.scene_rate(scene), scene.frame_start)
    yield armature
    armature = _still_there(armature.name)
    cleanup.attach(armature, motion, rest, scene.frame_start, asked.smooth)
    action[cleanup.VIDEO_PROPERTY] = str(video)
    if before is not None:
        before.use_fake_user = True  # the earlier take is not lost
    if asked.where == STRIP and armature is target:
        as_strip(armature, action, name, scene.frame_start)
        armature.animation_data.action = before
        if before is not None and slot is not None:
            armature.animation_data.action_slot = slot
    yield armature


def as_strip(armature: bpy.types.Object, action: bpy.types.Action, name: str, start: int) -> bpy.types.NlaStrip:
    """The action as a strip on a track of its own, above the others."""
    track = armature.animation_data.nla_tracks.new()
    track.name = name
    strip = track.strips.new(name, start, action)
    if hasattr(strip, "action_slot") and action.slots:
        strip.action_slot = action.slots[0]
    strip.extrapolation = "NOTHING"
    return strip


def set_rate(scene: bpy.types.Scene, fps: float) -> None:
    """A rate as Blender's whole number and divisor: 59.94 is 60 / 1.001."""
    whole = max(1, round(fps))
    scene.render.fps, scene.render.fps_base = whole, whole / fps


def _fitted(motion: Motion, rest: Rest, smooth: float) -> Motion:
    """The take refined for another body: its feet stand on that one's legs."""
    raw = raw_of(motion)
    fitted = refine(raw, rest, RefineSettings(smooth=smooth))
    fitted.extra = motion.extra
    return fitted


def _still_there(name: str) -> bpy.types.Object:
    armature = bpy.data.objects.get(name)
    if armature is None:
        raise MocapError("The rig was taken away while it was being built.", "Capture again.")
    return armature
