"""The raw take kept with its action, and the refined one written anew whenever a control moves.

The raw take travels in the .blend as text on the action: no file is needed, nothing is lost, and a rig may have many.
"""

from __future__ import annotations

import base64
import contextlib
import io
import zipfile
from collections.abc import Iterator

import bpy
import numpy as np

from . import keyframes
from .core.errors import TakeFileError
from .core.motion import Motion
from .core.refine import RefineSettings, Rest, raw_of, refine
from .core.refine.edits import Edits, contacts_to_raw, edited, supports_to_raw
from .keyframes import Played

TAKE_PROPERTY = "int_mocap_take"
VIDEO_PROPERTY = "int_mocap_video"
CYCLE_PROPERTY = "int_mocap_cycle"  # whether each repeat goes on from where the last one ended
REFINE_NAMES = ("smooth", "kind", "spine", "arms", "legs", "lock_left", "lock_right", "level", "supports", "ballistic")
DELAY = 0.05  # seconds after a control moved until the take is made anew
_PER_FRAME = ("poses", "trans", "frame_index", "time", "confidence", "bridged", "contacts", "world_to_camera")
_waiting: set[str] = set()  # names of actions whose controls moved
_quiet = [False]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Controls may be set in here without the take being made anew."""
    _quiet[0] = True
    try:
        yield
    finally:
        _quiet[0] = False


def attach(armature: bpy.types.Object, motion: Motion, rest: Rest, first_frame: float, smooth: float) -> None:
    """Keep the raw take, and what refining needs of the body, with the armature's action."""
    raw = raw_of(motion)
    arrays = {name: np.asarray(getattr(raw, name)) for name in _PER_FRAME}
    arrays |= {"poses": raw.poses.astype(np.float32), "trans": raw.trans.astype(np.float32)}
    arrays |= {"contacts": raw.contacts.astype(np.float32), "betas": raw.betas, "fps": np.array(raw.fps)}
    arrays |= {"camera": np.array(raw.camera), "K": raw.K, "image_size": raw.image_size}
    arrays |= {"rest_joints": rest.joints, "rest_sole": rest.sole}
    arrays["first_frame"] = np.array(first_frame)
    action = active_action(armature)
    assert action is not None
    _store(action, arrays)
    for name in keyframes.CHANNELS:
        armature[f"contact_{name}"] = 0.0
    with quietly():  # the take is as it should be
        action.int_mocap_cleanup.smooth = smooth


def active_action(item: bpy.types.Object | None) -> bpy.types.Action | None:
    """The action that an object plays, or that is being tweaked."""
    return item.animation_data.action if item is not None and item.animation_data is not None else None


def taken(item: bpy.types.Object | None) -> Played | None:
    """The action with its raw take that an armature plays: the active one, else that of the highest strip heard."""
    if item is None or item.type != "ARMATURE" or item.animation_data is None:
        return None
    data = item.animation_data
    if data.action is not None and TAKE_PROPERTY in data.action:
        return Played(data.action, getattr(data, "action_slot", None))
    for track in reversed(data.nla_tracks):
        for strip in () if track.mute else track.strips:
            if strip.action is not None and not strip.mute and TAKE_PROPERTY in strip.action:
                return Played(strip.action, getattr(strip, "action_slot", None))
    return None


def has_take(item: bpy.types.Object | None) -> bool:
    """Whether an object is an armature that plays an action with its raw take."""
    return taken(item) is not None


def controls(armature: bpy.types.Object) -> INT_MOCAP_PG_cleanup:
    """How the armature's take is refined."""
    return _taken(armature).action.int_mocap_cleanup


def _taken(armature: bpy.types.Object) -> Played:
    played = taken(armature)
    if played is None:
        raise TakeFileError(f"{armature.name} plays no take.", "Capture again, or assign its action.")
    return played


def raw_take(armature: bpy.types.Object) -> tuple[Motion, Rest, float]:
    """The raw take of a rig, the body at rest, and the frame at which the video begins.

    Raises:
        TakeFileError: The rig's action holds none, or it is damaged.
    """
    return raw_take_of(_taken(armature).action)


def raw_take_of(action: bpy.types.Action) -> tuple[Motion, Rest, float]:
    """The raw take of an action, the body at rest, and the frame at which the video begins.

    Raises:
        TakeFileError: It holds none, or it is damaged.
    """
    try:
        arrays = _stored(action)
        count = len(arrays["poses"])
        values = {name: arrays[name] for name in _PER_FRAME}
        values |= {name: values[name].astype(float) for name in ("poses", "trans", "contacts")}
        raw = Motion(
            **values,
            betas=arrays["betas"],
            joints=np.zeros((count, 24, 3)),
            fps=float(arrays["fps"]),
            K=arrays["K"],
            image_size=arrays["image_size"],
            camera=str(arrays.get("camera", "still")),
            supports=arrays.get("supports"),
        )
        return raw, Rest(arrays["rest_joints"], arrays["rest_sole"]), float(arrays["first_frame"])
    except (KeyError, ValueError) as error:
        raise TakeFileError(f"{action.name} holds no raw take that can be read.") from error


def refined_take(armature: bpy.types.Object) -> Motion:
    """The take as the rig's controls have it now.

    Raises:
        TakeFileError: The rig holds no raw take.
    """
    motion, rest, _ = edited_take(armature)
    return refine(motion, rest, controls(armature).refine())


def edited_take(armature: bpy.types.Object) -> tuple[Motion, Rest, float]:
    """The raw take after its edits (trim, mirror, bridged gaps, speed), the body at rest, and the video's first frame.

    Raises:
        TakeFileError: The rig plays no take.
    """
    raw, rest, first_frame = raw_take(armature)
    return edited(raw, controls(armature).edits(), rest.joints[0])[0], rest, first_frame


def active_name(armature: bpy.types.Object) -> str:
    """The name of the take's action."""
    return str(_taken(armature).action.name)


def repeat(armature: bpy.types.Object) -> None:
    """Let the take's curves repeat, if it is a cycle."""
    played = _taken(armature)
    if CYCLE_PROPERTY in played.action:
        keyframes.repeat(played, bool(played.action[CYCLE_PROPERTY]))


def apply(armature: bpy.types.Object, contacts: bool = False) -> None:
    """Write the refined take into the rig's action again.

    Args:
        armature: A rig with its raw take.
        contacts: Whether the contact channels, as they were edited, are taken as true.

    Raises:
        TakeFileError: The rig holds no raw take, or it has no action.
    """
    raw, rest, first_frame = raw_take(armature)
    played, settings = _taken(armature), controls(armature)
    rate = keyframes.scene_rate(bpy.context.scene)
    edits = settings.edits()
    motion, rows = edited(raw, edits, rest.joints[0])
    if contacts:
        told = keyframes.read_contacts(played, motion.time, rate, first_frame)
        motion.contacts, motion.supports = told[:, :4], told[:, 4:]
        changed = {
            "contacts": contacts_to_raw(raw, motion.contacts, rows, edits.mirror).astype(np.float32),
            "supports": supports_to_raw(raw, motion.supports, rows, edits.mirror).astype(np.float32),
        }
        _store(played.action, _stored(played.action) | changed)
    refined = refine(motion, rest, settings.refine())
    keyframes.rewrite_take(armature, played, refined, rate, first_frame, settings.bounds(), settings.rotation)
    repeat(armature)


def _store(action: bpy.types.Action, arrays: dict[str, np.ndarray]) -> None:
    """As text, because Blender cuts bytes with a zero in them when a property is written again."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    action[TAKE_PROPERTY] = base64.b85encode(stream.getvalue()).decode("ascii")


def _stored(action: bpy.types.Action) -> dict[str, np.ndarray]:
    """What `_store` wrote. KeyError or ValueError if it isn't there or damaged."""
    try:
        with np.load(io.BytesIO(base64.b85decode(str(action[TAKE_PROPERTY]))), allow_pickle=False) as data:
            return dict(data)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ValueError(str(error)) from error


def soon(action: bpy.types.Action) -> None:
    """Write the take anew in a moment; more changes until then are done together."""
    _waiting.add(action.name)
    if not bpy.app.timers.is_registered(_do_waiting):
        bpy.app.timers.register(_do_waiting, first_interval=DELAY)


def _do_waiting() -> None:
    names = set(_waiting)
    _waiting.clear()
    for armature in bpy.data.objects:
        if has_take(armature) and _taken(armature).action.name in names:
            try:
                apply(armature)
            except TakeFileError as error:
                print(f"INT Mocap: {error.message}")
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


class INT_MOCAP_PG_cleanup(bpy.types.PropertyGroup):
    """How an action's take is refined; every control can be turned back."""

    def _changed(self, _context: bpy.types.Context) -> None:
        if not _quiet[0] and TAKE_PROPERTY in self.id_data:
            soon(self.id_data)

    smooth: bpy.props.FloatProperty(
        name="Smoothing", description="0 keeps every tremble, 1 takes the edge off fast moves",
        default=0.5, min=0, max=1, update=_changed,
    )  # fmt: skip
    kind: bpy.props.EnumProperty(
        name="Filter",
        description="How it is smoothed",
        items=(
            ("gaussian", "Gaussian", "An average over a moment"),
            ("butterworth", "Butterworth", "Keeps slow moves exactly, cuts trembling off more sharply"),
            ("one_euro", "One-Euro", "Calm when slow, quick when fast; lags as a live stream does"),
        ),
        update=_changed,
    )
    spine: bpy.props.FloatProperty(
        name="Spine", description="Times the smoothing", default=1, min=0, max=3, update=_changed
    )
    arms: bpy.props.FloatProperty(
        name="Arms", description="Times the smoothing", default=1, min=0, max=3, update=_changed
    )
    legs: bpy.props.FloatProperty(
        name="Legs", description="Times the smoothing", default=1, min=0, max=3, update=_changed
    )
    lock_left: bpy.props.FloatProperty(
        name="Left foot", description="How firmly the left foot stands where it stands",
        default=1, min=0, max=1, update=_changed,
    )  # fmt: skip
    lock_right: bpy.props.FloatProperty(
        name="Right foot", description="How firmly the right foot stands where it stands",
        default=1, min=0, max=1, update=_changed,
    )  # fmt: skip
    level: bpy.props.BoolProperty(
        name="Level floor", description="Turn the take so that its footprints lie on one floor",
        default=True, update=_changed,
    )  # fmt: skip
    supports: bpy.props.BoolProperty(
        name="Hands and knees", description="What of them is on the floor stays where it is",
        default=True, update=_changed,
    )  # fmt: skip
    ballistic: bpy.props.BoolProperty(
        name="Jumps by gravity", description="Between leaving and landing the body falls as bodies do",
        default=True, update=_changed,
    )  # fmt: skip
    use_trim: bpy.props.BoolProperty(
        name="Trim", description="Keep a part of the take; the rest can be had back", default=False, update=_changed
    )
    trim_start: bpy.props.FloatProperty(
        name="Start", description="Seconds into the video", default=0, min=0, update=_changed
    )
    trim_end: bpy.props.FloatProperty(
        name="End", description="Seconds into the video", default=10, min=0, update=_changed
    )
    mirror: bpy.props.BoolProperty(
        name="Mirror", description="Exchange left and right; the person goes on facing where they faced",
        default=False, update=_changed,
    )  # fmt: skip
    bridge: bpy.props.FloatProperty(
        name="Bridge gaps", description="Fill gaps of up to so many seconds in which the person wasn't seen",
        default=0, min=0, max=10, update=_changed,
    )  # fmt: skip
    speed: bpy.props.FloatProperty(
        name="Speed", description="2 is twice as fast; for a speed that changes use the strip's time in the NLA editor",
        default=1, min=0.1, max=10, update=_changed,
    )  # fmt: skip
    rotation: bpy.props.EnumProperty(
        name="Rotation",
        description="What the rotation curves say",
        items=(
            (keyframes.QUATERNION, "Quaternion", "No gimbal lock; what was captured"),
            *((order, f"{order} Euler", "Three angles, unrolled") for order in keyframes.EULER_ORDERS),
        ),
        update=_changed,
    )
    fewer_keys: bpy.props.BoolProperty(
        name="Fewer keys", description="Keys where the motion turns, with tangents, instead of one on each frame",
        default=False, update=_changed,
    )  # fmt: skip
    degrees: bpy.props.FloatProperty(
        name="Degrees", description="By which a bone may be turned otherwise",
        default=1, min=0.05, max=20, update=_changed,
    )  # fmt: skip
    millimetres: bpy.props.FloatProperty(
        name="Millimetres", description="By which a joint may be elsewhere",
        default=5, min=0.1, max=200, update=_changed,
    )  # fmt: skip

    def refine(self) -> RefineSettings:
        """The settings of the refining."""
        return RefineSettings(**{name: getattr(self, name) for name in REFINE_NAMES})

    def edits(self) -> Edits:
        """The edits of the whole take."""
        return Edits(
            self.trim_start if self.use_trim else None,
            self.trim_end if self.use_trim else None,
            self.mirror,
            self.bridge,
            self.speed,
        )

    def bounds(self) -> tuple[float, float] | None:
        """Degrees and millimetres, where fewer keys are wanted."""
        return (self.degrees, self.millimetres) if self.fewer_keys else None


class INT_MOCAP_OT_resolve(bpy.types.Operator):
    """Take the contact channels as they are now, edits included, and plant the feet anew"""

    bl_idname = "int_mocap.resolve_contacts"
    bl_label = "Plant feet from channels"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object is a rig with its take."""
        return has_take(context.object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do it."""
        try:
            apply(context.object, contacts=True)
        except TakeFileError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (INT_MOCAP_PG_cleanup, INT_MOCAP_OT_resolve)


def register() -> None:
    """Hang the controls on actions."""
    bpy.types.Action.int_mocap_cleanup = bpy.props.PointerProperty(type=INT_MOCAP_PG_cleanup)


def unregister() -> None:
    """Take them off again."""
    if bpy.app.timers.is_registered(_do_waiting):
        bpy.app.timers.unregister(_do_waiting)
    del bpy.types.Action.int_mocap_cleanup
