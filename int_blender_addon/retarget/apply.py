"""Motion from one armature to another, as one step."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from .. import cleanup
from ..core.errors import RetargetError
from ..core.retarget import Mapping, Transfer, transfer
from ..core.retarget.transfer import Transferred
from .read import bones_of, control_bones, is_plain, sample
from .write import bake, bake_controls

SOURCE_PROPERTY = "int_mocap_from"


@dataclass
class Retargeted:
    """What came of it."""

    action: bpy.types.Action
    frames: np.ndarray
    moved: Transferred
    bones: list[str]


def retarget(
    source: bpy.types.Object,
    source_map: Mapping,
    target: bpy.types.Object,
    target_map: Mapping,
    how: Transfer,
    name: str = "",
    frames: np.ndarray | None = None,
) -> Retargeted:
    """Give the target an action that moves it as the source's action moves the source.

    Args:
        source: An armature with an action.
        source_map: Its bones.
        target: Another armature.
        target_map: Its bones, or its controls.
        how: Of the transfer.
        name: Of the action; after the source's and the target's if empty.
        frames: (T,) of the scene; those of the source's action if None.

    Raises:
        RetargetError: Bones that are needed are missing, or there is no motion.
    """
    if source == target:
        raise RetargetError("Source and target are the same rig.", "Choose two.")
    if frames is None:
        frames = frames_of(source)
    source_bones, rig = bones_of(source), bones_of(target)
    moving = sample(source, source_bones, frames)
    plain = not target_map.ik and not target_map.switches and hangs_together(target, target_map)
    bones = rig if plain else control_bones(rig, target_map)
    moved = transfer(source_bones, source_map, moving, bones, target_map, how)
    name = name or f"{cleanup_name(source)} on {target.name}"
    before = cleanup.active_action(target)
    if before is not None:
        before.use_fake_user = True  # what was there is not lost
    if plain:
        _clear_pose(target)
        action = bake(target, bones, moved, frames, name)
    else:
        action = bake_controls(target, rig, bones, target_map, moved, frames, name)
    action[SOURCE_PROPERTY] = source.name
    return Retargeted(action, frames, moved, bones.names)


def hangs_together(armature: bpy.types.Object, mapping: Mapping) -> bool:
    """Whether each bone that is keyed follows from its parents alone, so that no control needs Blender to place it."""
    if is_plain(armature):
        return True
    moving = {bone for name in mapping.bones() for bone in (name, *_parents(armature, name))}
    return not any(armature.pose.bones[name].constraints for name in moving)


def _parents(armature: bpy.types.Object, name: str) -> list[str]:
    found, bone = [], armature.data.bones[name].parent
    while bone is not None:
        found.append(bone.name)
        bone = bone.parent
    return found


def cleanup_name(source: bpy.types.Object) -> str:
    """The take's name."""
    action = cleanup.active_action(source)
    return action.name if action is not None else source.name


def frames_of(source: bpy.types.Object) -> np.ndarray:
    """Whole frames of the scene that an armature's action covers.

    Raises:
        RetargetError: It has none.
    """
    action = cleanup.active_action(source)
    if action is None:
        raise RetargetError(f"{source.name} has no action.", "Capture one, or assign one.")
    first, last = action.frame_range
    return np.arange(round(first), round(last) + 1, dtype=float)


def _clear_pose(armature: bpy.types.Object) -> None:
    """Bones that get no keys stand at rest."""
    data = armature.animation_data
    if data is not None:
        data.action = None
    for pose in armature.pose.bones:
        pose.matrix_basis.identity()
