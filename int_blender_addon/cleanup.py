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
from .core.motion import CONTACT_NAMES, Motion
from .core.refine import RefineSettings, Rest, raw_of, refine

TAKE_PROPERTY = "int_mocap_take"
VIDEO_PROPERTY = "int_mocap_video"
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
    for name in CONTACT_NAMES:
        armature[f"contact_{name}"] = 0.0
    with quietly():  # the take is as it should be
        action.int_mocap_cleanup.smooth = smooth


def active_action(item: bpy.types.Object | None) -> bpy.types.Action | None:
    """The action that an object plays, or that is being tweaked."""
    return item.animation_data.action if item is not None and item.animation_data is not None else None


def has_take(item: bpy.types.Object | None) -> bool:
    """Whether an object is an armature whose action has its raw take."""
    action = active_action(item)
    return item is not None and item.type == "ARMATURE" and action is not None and TAKE_PROPERTY in action


def controls(armature: bpy.types.Object) -> INT_MOCAP_PG_cleanup:
    """How the armature's take is refined."""
    return armature.animation_data.action.int_mocap_cleanup


def raw_take(armature: bpy.types.Object) -> tuple[Motion, Rest, float]:
    """The raw take of a rig, the body at rest, and the frame at which the video begins.

    Raises:
        TakeFileError: The rig's action holds none, or it is damaged.
    """
    action = active_action(armature)
    if action is None:
        raise TakeFileError(f"{armature.name} has no action.", "Capture again, or assign its action.")
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
        )
        return raw, Rest(arrays["rest_joints"], arrays["rest_sole"]), float(arrays["first_frame"])
    except (KeyError, ValueError) as error:
        raise TakeFileError(f"{action.name} holds no raw take that can be read.") from error


def refined_take(armature: bpy.types.Object) -> Motion:
    """The take as the rig's controls have it now.

    Raises:
        TakeFileError: The rig holds no raw take.
    """
    raw, rest, _ = raw_take(armature)
    return refine(raw, rest, controls(armature).refine())


def apply(armature: bpy.types.Object, contacts: bool = False) -> None:
    """Write the refined take into the rig's action again.

    Args:
        armature: A rig with its raw take.
        contacts: Whether the contact channels, as they were edited, are taken as true.

    Raises:
        TakeFileError: The rig holds no raw take, or it has no action.
    """
    raw, rest, first_frame = raw_take(armature)
    settings = controls(armature)
    rate = keyframes.scene_rate(bpy.context.scene)
    if contacts:
        raw.contacts = keyframes.read_contacts(armature, raw.time, rate, first_frame)
        action = armature.animation_data.action
        _store(action, _stored(action) | {"contacts": raw.contacts.astype(np.float32)})
    keyframes.rewrite_take(armature, refine(raw, rest, settings.refine()), rate, first_frame, settings.bounds())


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
        if has_take(armature) and armature.animation_data.action.name in names:
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
    ballistic: bpy.props.BoolProperty(
        name="Jumps by gravity", description="Between leaving and landing the body falls as bodies do",
        default=True, update=_changed,
    )  # fmt: skip
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
        names = ("smooth", "kind", "spine", "arms", "legs", "lock_left", "lock_right", "level", "ballistic")
        return RefineSettings(**{name: getattr(self, name) for name in names})

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
