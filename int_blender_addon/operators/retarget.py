"""Retargeting in the panel: which bone is which, how the rest poses lie, and the motion, live."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper
from mathutils import Quaternion

from .. import keyframes
from ..core.errors import MocapError, RetargetError
from ..core.retarget import SLOTS, Mapping, Transfer
from ..core.retarget.bones import NEEDED, TWISTS, load_preset, scale_free
from ..core.retarget.transfer import Moving
from ..core.retarget.transfer import transfer as transfer_motion
from ..core.rotations import matrix_to_quaternion
from ..retarget import presets
from ..retarget.apply import hangs_together, retarget
from ..retarget.read import bones_of
from ..retarget.write import carrier

SHOWN = [slot for slot in SLOTS if slot not in TWISTS]
_kept: list[tuple[str, str, str]] = []
_quiet = [False]


def is_armature(_self: bpy.types.PropertyGroup, item: bpy.types.Object) -> bool:
    """Only armatures are offered."""
    return item.type == "ARMATURE"


def _preset_items(_self, _context) -> list[tuple[str, str, str]]:
    _kept[:] = [(presets.AUTOMATIC, "Automatic", "The preset that fits, or what the bones look like")]
    for key, path in presets.presets().items():
        try:
            _kept.append((key, load_preset(path)[0], key))
        except MocapError:
            _kept.append((key, f"{key} (damaged)", key))
    return _kept


def _live(settings: INT_MOCAP_PG_retarget, context: bpy.types.Context) -> None:
    """While mapping, the frame that is shown follows."""
    if settings.live and not _quiet[0] and settings.source and settings.target:
        try:
            show(settings, context)
        except MocapError:
            return  # said by the button; a half-made mapping is no reason to complain at each click


class INT_MOCAP_PG_bone(bpy.types.PropertyGroup):
    """The bones of one slot."""

    def _changed(self, context: bpy.types.Context) -> None:
        if not _quiet[0]:
            self.confidence = 1.0
            _live(context.scene.int_mocap_retarget, context)

    slot: bpy.props.StringProperty()
    bone: bpy.props.StringProperty(
        name="Bone", description="The target's bone for this part of the body", update=_changed
    )
    more: bpy.props.StringProperty()  # the other bones of a chain, a line each
    confidence: bpy.props.FloatProperty()


class INT_MOCAP_PG_retarget(bpy.types.PropertyGroup):
    """Which rig moves which, and how."""

    source: bpy.props.PointerProperty(
        name="From", description="An armature with an action", type=bpy.types.Object, poll=is_armature
    )
    target: bpy.props.PointerProperty(
        name="To", description="The armature that is to move", type=bpy.types.Object, poll=is_armature
    )
    source_preset: bpy.props.EnumProperty(
        name="Its bones", description="What the bones of the source are", items=_preset_items
    )
    preset: bpy.props.EnumProperty(name="Preset", description="What the bones of the target are", items=_preset_items)
    bones: bpy.props.CollectionProperty(type=INT_MOCAP_PG_bone)
    used: bpy.props.StringProperty()  # key of the preset that the list began with
    rest: bpy.props.StringProperty()  # the rest alignment, a bone a line
    plant: bpy.props.FloatProperty(
        name="Plant feet", description="How firmly feet keep the footprints of the source",
        default=1, min=0, max=1, update=_live,
    )  # fmt: skip
    hands: bpy.props.BoolProperty(
        name="Hands reach", description="Hands come to where the source's are, by the scale of the legs",
        default=False, update=_live,
    )  # fmt: skip
    root_motion: bpy.props.BoolProperty(
        name="Root motion", description="The way over the ground goes to the rig's ground bone, as engines like it",
        default=False,
    )  # fmt: skip
    live: bpy.props.BoolProperty(
        name="Live", description="The target follows at the frame that is shown while the bones are chosen",
        default=False, update=_live,
    )  # fmt: skip
    preset_name: bpy.props.StringProperty(name="Name", description="Of the preset to be saved", default="My rig")

    def how(self) -> Transfer:
        """The settings of the transfer."""
        return Transfer(plant=self.plant, hands=self.hands, root_motion=self.root_motion)

    def mapping(self) -> Mapping:
        """The target's bones as the list has them now."""
        found = presets.mapping_of(self.target, self.used or self.preset)[1]
        if not len(self.bones):
            return found
        slots = {slot: own for slot, own in found.slots.items() if slot in TWISTS}
        for item in self.bones:
            own = [name for name in (item.bone, *item.more.split("\n")) if name]
            if own:
                slots[item.slot] = own
        rest = dict(found.rest)
        for line in self.rest.splitlines():
            name, _, values = line.rpartition("\t")
            rest[name] = [float(v) for v in values.split()]
        return Mapping(slots, dict(found.confidence), rest, found.ik, found.switches, found.ground)

    def fill(self, mapping: Mapping, key: str) -> None:
        """Put a mapping into the list."""
        _quiet[0] = True
        try:
            self.bones.clear()
            self.used = key
            self.rest = "\n".join(f"{n}\t{' '.join(map(str, v))}" for n, v in mapping.rest.items())
            for slot in SHOWN:
                own = mapping.slots.get(slot, [])
                if not own and slot not in NEEDED and not slot.endswith(("clavicle", "hand", "toe")):
                    continue
                item = self.bones.add()
                item.slot, item.name = slot, slot
                item.bone = own[0] if own else ""
                item.more = "\n".join(own[1:])
                item.confidence = mapping.confidence.get(slot, 0.0) if own else 0.0
        finally:
            _quiet[0] = False


def source_mapping(settings: INT_MOCAP_PG_retarget) -> Mapping:
    """The source's bones."""
    return presets.mapping_of(settings.source, settings.source_preset or presets.AUTOMATIC)[1]


def chosen(settings: INT_MOCAP_PG_retarget) -> tuple[bpy.types.Object, bpy.types.Object]:
    """Both rigs.

    Raises:
        RetargetError: One is not chosen.
    """
    if settings.source is None or settings.target is None:
        raise RetargetError("Two rigs are needed.", "Choose one to take the motion from and one to give it to.")
    return settings.source, settings.target


def show(settings: INT_MOCAP_PG_retarget, context: bpy.types.Context) -> None:
    """Pose the target at the frame that is shown.

    Raises:
        MocapError: A rig is not chosen, or bones are missing.
    """
    source, target = chosen(settings)
    mapping = settings.mapping()
    if mapping.ik or mapping.switches or not hangs_together(target, mapping):
        raise RetargetError("Rigs of controls are not shown live.", "Press Retarget.")
    source_bones, bones = bones_of(source), bones_of(target)
    world = np.array(source.matrix_world)
    poses = np.array([world @ np.array(source.pose.bones[name].matrix) for name in source_bones.names])
    poses = scale_free(poses)[None]
    moving = Moving(poses[..., :3, :3], poses[..., :3, 3], np.zeros(1))
    moved = transfer_motion(source_bones, source_mapping(settings), moving, bones, mapping, settings.how())
    pose_at(target, bones, moved.turns, moved.heads, sorted({*moved.moved, *moved.placed}), moved.placed)


def pose_at(target, bones, turns, heads, moved, placed) -> None:
    """Set the channels of bones to the first frame of a motion."""
    scale = float(np.linalg.norm(np.array(target.matrix_world)[:3, 0]))
    for bone in moved:
        pose = target.pose.bones[bones.names[bone]]
        carried, start = carrier(bones, turns, heads, bone, pose.bone.use_inherit_rotation)
        basis = carried[0].T @ turns[0, bone]
        quaternion = Quaternion(matrix_to_quaternion(basis).tolist())
        if pose.rotation_mode == "QUATERNION":
            pose.rotation_quaternion = quaternion
        elif pose.rotation_mode == "AXIS_ANGLE":
            axis, angle = quaternion.to_axis_angle()
            pose.rotation_axis_angle = (angle, *axis)
        else:
            pose.rotation_euler = quaternion.to_euler(pose.rotation_mode)
        if bone in placed and not (pose.bone.use_connect and pose.parent):
            pose.location = (carried[0].T @ (heads[0, bone] - start[0]) / scale).tolist()


class _Retargeting:
    """What the operators share."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Both rigs are chosen."""
        settings = context.scene.int_mocap_retarget
        return settings.source is not None and settings.target is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it, or say in a sentence why not."""
        try:
            self.report({"INFO"}, self.run(context, context.scene.int_mocap_retarget))
        except MocapError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}".strip())
            return {"CANCELLED"}
        return {"FINISHED"}


class INT_MOCAP_OT_map_bones(_Retargeting, bpy.types.Operator):
    """Find out which bone of the target is which, to be looked at and corrected"""

    bl_idname = "int_mocap.map_bones"
    bl_label = "Find bones"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Fill the list."""
        key, mapping = presets.mapping_of(settings.target, settings.preset or presets.AUTOMATIC)
        settings.fill(mapping, key)
        absent = mapping.missing()
        if absent:
            return f"Not found: {', '.join(slot.replace('_', ' ') for slot in absent)}."
        unsure = mapping.unsure()
        return (
            f"To be looked at: {', '.join(s.replace('_', ' ') for s in unsure)}." if unsure else "All bones are found."
        )


class INT_MOCAP_OT_retarget(_Retargeting, bpy.types.Operator):
    """Give the target an action that moves it as the source moves; again after the source was changed"""

    bl_idname = "int_mocap.retarget"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Do it."""
        source, target = chosen(settings)
        done = retarget(source, source_mapping(settings), target, settings.mapping(), settings.how())
        return f"{len(done.frames)} frames, {len(keyframes.curves_of(done.action))} curves."


class INT_MOCAP_OT_retarget_all(_Retargeting, bpy.types.Operator):
    """Retarget every selected armature with an action to the target: an action each"""

    bl_idname = "int_mocap.retarget_all"
    bl_label = "Retarget from all selected"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Do it."""
        target = chosen(settings)[1]
        sources = [o for o in context.selected_objects if o.type == "ARMATURE" and o != target]
        if not sources:
            raise RetargetError("No other armature is selected.", "Select those whose motion is wanted.")
        for source in sources:
            mapping = presets.mapping_of(source)[1]
            retarget(source, mapping, target, settings.mapping(), settings.how()).action.use_fake_user = True
        return f"{len(sources)} actions."


class INT_MOCAP_OT_retarget_to_all(_Retargeting, bpy.types.Operator):
    """Retarget the source to every selected armature: an action each, bones found by themselves"""

    bl_idname = "int_mocap.retarget_to_all"
    bl_label = "Retarget to all selected"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Do it; a rig whose bones are not understood does not keep the others from it."""
        source = chosen(settings)[0]
        targets = [o for o in context.selected_objects if o.type == "ARMATURE" and o != source]
        if not targets:
            raise RetargetError("No other armature is selected.", "Select those that are to move.")
        own, failed = source_mapping(settings), []
        for target in targets:
            try:
                mapping = settings.mapping() if target == settings.target else presets.mapping_of(target)[1]
                retarget(source, own, target, mapping, settings.how())
            except MocapError as error:
                failed.append(f"{target.name}: {error.message}")
        if failed:
            raise RetargetError(f"{len(targets) - len(failed)} rigs move; {' '.join(failed)}")
        return f"{len(targets)} rigs."


class INT_MOCAP_OT_show_rest(_Retargeting, bpy.types.Operator):
    """Pose the target as the source stands at rest, to be looked at and corrected by hand"""

    bl_idname = "int_mocap.show_rest"
    bl_label = "Show rest alignment"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Pose it."""
        source, target = chosen(settings)
        own, bones = bones_of(source), bones_of(target)
        still = Moving(own.turns[None], own.heads[None], np.zeros(1))
        mapping = settings.mapping()
        moved = transfer_motion(own, source_mapping(settings), still, bones, mapping, Transfer(plant=0.0))
        pose_at(target, bones, moved.turns, moved.heads, moved.moved, [])
        return "Correct the pose if limbs don't lie as the source's, then keep it."


class INT_MOCAP_OT_keep_rest(_Retargeting, bpy.types.Operator):
    """Take the pose that the target has now as the one that matches the source's rest pose"""

    bl_idname = "int_mocap.keep_rest"
    bl_label = "Keep as alignment"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Keep it."""
        target = chosen(settings)[1]
        lines = []
        for name in settings.mapping().bones():
            w, x, y, z = target.pose.bones[name].matrix_basis.to_quaternion()
            lines.append(f"{name}\t{w} {x} {y} {z}")
        settings.rest = "\n".join(lines)
        return "Kept."


class INT_MOCAP_OT_save_preset(_Retargeting, bpy.types.Operator):
    """Save the bones and the rest alignment as a preset: a file that can be shared"""

    bl_idname = "int_mocap.save_preset"
    bl_label = "Save preset"

    def run(self, context: bpy.types.Context, settings: INT_MOCAP_PG_retarget) -> str:
        """Save it."""
        return str(presets.save_own(settings.preset_name, settings.mapping()))


class INT_MOCAP_OT_load_preset(bpy.types.Operator, ImportHelper):
    """Add a preset that somebody shared; nothing in it is executed"""

    bl_idname = "int_mocap.load_preset"
    bl_label = "Add preset"

    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read it, and keep it with one's own."""
        try:
            title, mapping = load_preset(Path(self.filepath))
            presets.save_own(title, mapping)
        except MocapError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}".strip())
            return {"CANCELLED"}
        self.report({"INFO"}, title)
        return {"FINISHED"}


GROUPS = (INT_MOCAP_PG_bone, INT_MOCAP_PG_retarget)
CLASSES = (
    INT_MOCAP_OT_map_bones,
    INT_MOCAP_OT_retarget,
    INT_MOCAP_OT_retarget_all,
    INT_MOCAP_OT_retarget_to_all,
    INT_MOCAP_OT_show_rest,
    INT_MOCAP_OT_keep_rest,
    INT_MOCAP_OT_save_preset,
    INT_MOCAP_OT_load_preset,
)


def register() -> None:
    """Hang the settings on scenes: they are about this file's rigs."""
    bpy.types.Scene.int_mocap_retarget = bpy.props.PointerProperty(type=INT_MOCAP_PG_retarget)


def unregister() -> None:
    """Take them off again."""
    del bpy.types.Scene.int_mocap_retarget
