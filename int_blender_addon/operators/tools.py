"""Clean-up of whole takes on Blender's own NLA: cycles, takes one after another, layers over a take, limbs held."""

from __future__ import annotations

import bpy
import numpy as np

from .. import cleanup, keyframes, placing, rig
from ..core.body import rest_offsets
from ..core.errors import ArgumentsError, MocapError
from ..core.refine.edits import edited, heading_of, placed_after
from ..core.refine.loops import cycle, find_loops
from ..core.refine.refine import limb_joints
from ..core.rotations import quaternion_conjugate, quaternion_multiply, slerp
from ..core.skeleton import JOINT_NAMES

LIMBS = (
    ("left_arm", "Left arm", "From the collar to the hand"),
    ("right_arm", "Right arm", "From the collar to the hand"),
    ("left_leg", "Left leg", "From the hip to the toes"),
    ("right_leg", "Right leg", "From the hip to the toes"),
    ("spine", "Spine and head", "From the lowest vertebra to the head"),
)
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
_kept: dict[str, list[tuple[str, str, str]]] = {}  # Blender needs the words of its lists to stay alive


class INT_MOCAP_OT_find_loop(bpy.types.Operator):
    """Find the cycle of a walk or run that meets its own beginning best, and make an action that repeats"""

    bl_idname = "int_mocap.find_loop"
    bl_label = "Make a loop"
    bl_options = {"REGISTER", "UNDO"}

    shortest: bpy.props.FloatProperty(name="Shortest", description="Seconds", default=0.6, min=0.2, max=60)
    longest: bpy.props.FloatProperty(name="Longest", description="Seconds", default=2.5, min=0.3, max=60)
    choice: bpy.props.IntProperty(name="Choice", description="1 meets itself best", default=1, min=1, max=5)
    blend: bpy.props.FloatProperty(name="Blend", description="Seconds", default=0.25, min=0, max=2)
    in_place: bpy.props.BoolProperty(
        name="In place", description="Take the way over the floor off; otherwise each repeat goes on", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object plays a take."""
        return cleanup.has_take(context.object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it; the take's own action is kept."""
        armature, scene = context.object, context.scene
        rate = keyframes.scene_rate(scene)
        try:
            take = cleanup.refined_take(armature)
            joints = rig.joints_of(armature)
            found = find_loops(take, rest_offsets(joints), self.shortest, max(self.longest, self.shortest))
            if not found:
                raise ArgumentsError("The take is shorter than the cycle.", "Look for a shorter one.")
            loop = found[min(self.choice, len(found)) - 1]
            closed = cycle(take, loop, max(self.blend, 1e-3), self.in_place, joints[0])
            whole = max(round(closed.time[-1] * rate), 2)  # a cycle lasts whole frames
            closed.time = closed.time * (whole / rate / closed.time[-1])
            action = _new_take(armature, closed, f"{cleanup.active_name(armature)} loop", scene.frame_start)
        except MocapError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        action[cleanup.CYCLE_PROPERTY] = not self.in_place
        cleanup.repeat(armature)
        apart = f"{1000 * loop.apart:.0f} mm"
        self.report({"INFO"}, f"{loop.start:.2f}–{loop.end:.2f} s, {whole} frames, {apart}")
        return {"FINISHED"}


def _new_take(armature: bpy.types.Object, motion, name: str, first_frame: float) -> bpy.types.Action:
    """A finished motion as a further action of a rig, its clean-up turned off; earlier actions are kept."""
    _, rest, _ = cleanup.raw_take(armature)
    for action in bpy.data.actions:
        if cleanup.TAKE_PROPERTY in action:
            action.use_fake_user = True
    motion.extra = {}
    action = keyframes.write_take(armature, motion, name, keyframes.scene_rate(bpy.context.scene), first_frame)
    cleanup.attach(armature, motion, rest, first_frame, 0.0)
    with cleanup.quietly():
        settings = action.int_mocap_cleanup
        settings.lock_left = settings.lock_right = 0.0
        settings.level = settings.ballistic = settings.supports = False
    return action


def _other_takes(_self, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    own = cleanup.taken(context.object) if context is not None else None
    names = [a.name for a in bpy.data.actions if cleanup.TAKE_PROPERTY in a and (own is None or a != own.action)]
    _kept["takes"] = [(name, name, "") for name in names] or [("", "", "")]
    return _kept["takes"]


class INT_MOCAP_OT_join_takes(bpy.types.Operator):
    """Let another take go on where this one ends, as strips of the NLA that fade over; both stay editable"""

    bl_idname = "int_mocap.join_takes"
    bl_label = "Go on with another take"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "other"

    other: bpy.props.EnumProperty(name="Take", description="What comes after", items=_other_takes)
    overlap: bpy.props.FloatProperty(name="Fade", description="Seconds in which both are heard", default=0.4, min=0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object plays a take, and there is another."""
        return cleanup.has_take(context.object) and sum(cleanup.TAKE_PROPERTY in a for a in bpy.data.actions) > 1

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask which one."""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put both on the NLA."""
        armature, scene = context.object, context.scene
        try:
            join(armature, self.other, self.overlap, scene)
        except MocapError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        return {"FINISHED"}


def join(armature: bpy.types.Object, other: str, overlap: float, scene: bpy.types.Scene) -> None:
    """Put an armature's take and another one after it on the NLA.

    Args:
        armature: Plays the first take.
        other: Name of the action with the second one.
        overlap: Seconds in which the first fades over into the second.
        scene: For its frame rate.

    Raises:
        TakeFileError: The other action holds no take.
    """
    later = bpy.data.actions.get(other)
    if later is None:
        raise ArgumentsError("No take was chosen to go on with.", "Choose one.")
    raw, _, _ = cleanup.raw_take_of(later)
    rate, first = keyframes.scene_rate(scene), cleanup.taken(armature)
    assert first is not None
    take = cleanup.refined_take(armature)
    _, rest, first_frame = cleanup.raw_take(armature)
    motion, _ = edited(raw, later.int_mocap_cleanup.edits(), rest.joints[0])
    meeting = max(float(take.time[-1]) - overlap, float(take.time[0]))
    row = int(np.abs(take.time - meeting).argmin())
    placed = placed_after(motion, rest.joints[0], take.trans[row] + rest.joints[0], heading_of(take.rotations[row, 0]))
    placed.extra = {}
    settings = later.int_mocap_cleanup
    values = {name: getattr(settings, name) for name in cleanup.REFINE_NAMES}
    if armature.animation_data.action is not None:
        start = armature.animation_data.action.frame_range[0]
        placing.as_strip(armature, armature.animation_data.action, first.action.name, int(start))
    start = first_frame + meeting * rate
    new = keyframes.write_take(armature, placed, f"{other} placed", rate, start - placed.time[0] * rate)
    cleanup.attach(armature, placed, rest, start - placed.time[0] * rate, values["smooth"])
    with cleanup.quietly():
        for name, value in values.items():
            setattr(new.int_mocap_cleanup, name, value)
        new.int_mocap_cleanup.level = False  # it stands on the first one's floor
    cleanup.apply(armature)
    strip = placing.as_strip(armature, new, new.name, int(new.frame_range[0]))
    strip.blend_in, strip.extrapolation = overlap * rate, "HOLD_FORWARD"
    armature.animation_data.action = None
    later.use_fake_user = True


class INT_MOCAP_OT_add_layer(bpy.types.Operator):
    """Put a layer over the take: what is keyed from now on is added to it, and the take stays as it is"""

    bl_idname = "int_mocap.add_layer"
    bl_label = "Add a layer"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object plays a take."""
        return cleanup.has_take(context.object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Push the take down and begin the layer."""
        layer(context.object)
        return {"FINISHED"}


def layer(armature: bpy.types.Object) -> bpy.types.Action:
    """The layer over an armature's take, begun where there is none: the active action, combined with the strips."""
    data, played = armature.animation_data, cleanup.taken(armature)
    assert played is not None
    if data.action is not None and cleanup.TAKE_PROPERTY not in data.action and data.action_blend_type == "COMBINE":
        return data.action
    if data.action is not None:
        placing.as_strip(armature, data.action, data.action.name, int(data.action.frame_range[0]))
    action = bpy.data.actions.new(f"{played.action.name} layer")
    keyframes.channels_for(action, armature)
    data.action_blend_type, data.action_extrapolation = "COMBINE", "HOLD"
    return action


class INT_MOCAP_OT_hold_limb(bpy.types.Operator):
    """Hold a limb as it is posed now over some frames, on a layer over the take"""

    bl_idname = "int_mocap.hold_limb"
    bl_label = "Hold a limb"
    bl_options = {"REGISTER", "UNDO"}

    limb: bpy.props.EnumProperty(name="Limb", description="What is held", items=LIMBS)
    before: bpy.props.IntProperty(name="Before", description="Frames before this one", default=0, min=0)
    after: bpy.props.IntProperty(name="After", description="Frames after this one", default=24, min=0)
    fade: bpy.props.IntProperty(name="Fade", description="Frames in which it comes and goes", default=8, min=0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object plays a take."""
        return cleanup.has_take(context.object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Key the layer."""
        armature, now = context.object, context.scene.frame_current
        if cleanup.controls(armature).rotation != keyframes.QUATERNION:
            self.report({"ERROR"}, "Set the rotation curves to quaternions first.")
            return {"CANCELLED"}
        hold(armature, self.limb, now, now - self.before, now + self.after, self.fade)
        return {"FINISHED"}


def limb_bones(limb: str) -> list[str]:
    """The bones of a limb of `LIMBS`."""
    joints = limb_joints()
    if limb == "spine":
        return [
            JOINT_NAMES[k] for k in joints["spine"] if JOINT_NAMES[k] != "pelvis" and "collar" not in JOINT_NAMES[k]
        ]
    side, kind = limb.split("_")
    names = [JOINT_NAMES[k] for k in (*joints["arms"], *joints["spine"])] if kind == "arm" else []
    names = names or [JOINT_NAMES[k] for k in joints["legs"]]
    return [name for name in names if name.startswith(side)]


def hold(armature: bpy.types.Object, limb: str, now: int, first: int, last: int, fade: int) -> None:
    """Key a layer so that a limb's bones stand, from one frame to another, as they do now."""
    played = cleanup.taken(armature)
    assert played is not None
    poses = {name: np.array(armature.pose.bones[name].matrix_basis.to_quaternion()) for name in limb_bones(limb)}
    layer(armature)
    frames = np.arange(first - fade, last + fade + 1, dtype=float)
    edge = np.maximum(np.maximum(first - frames, frames - last), 0.0)
    share = 1 - edge / fade if fade else np.ones(len(frames))
    share = share * share * (3 - 2 * share)
    data = armature.animation_data
    top = keyframes.Played(data.action, getattr(data, "action_slot", None))
    for name, wanted in poses.items():
        below = keyframes.rotation_values(played, name, frames)
        # a layer's quaternion is multiplied from the right
        offset = quaternion_multiply(quaternion_conjugate(below), np.broadcast_to(wanted, below.shape))
        offset = np.where(offset[:, :1] < 0, -offset, offset)
        keyframes.put_rotation(top, name, frames, slerp(np.broadcast_to(IDENTITY, offset.shape), offset, share))
    armature.update_tag()


CLASSES = (INT_MOCAP_OT_find_loop, INT_MOCAP_OT_join_takes, INT_MOCAP_OT_add_layer, INT_MOCAP_OT_hold_limb)
