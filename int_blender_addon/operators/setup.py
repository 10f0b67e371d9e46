"""Making the inference environment from inside Blender, and telling what there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import environment, jobs
from ..asking import Question
from ..client import find_python
from ..core.errors import MocapError
from ..preferences import ROOT_PACKAGE, inference_python, own_preferences

TICK_SECONDS = 0.1


@dataclass
class State:
    """The set-up that runs, and the one before."""

    running: environment.Setup | None = None
    last: environment.Setup | None = None
    doctor: Question | None = None


state = State()


def begin(context: bpy.types.Context) -> None:
    """Start to make the environment that the preferences ask for.

    Raises:
        MocapError: Blender may not go online, or no Python is to be had.
    """
    preferences = own_preferences(context)
    wheels = bpy.path.abspath(preferences.wheels) if preferences and preferences.wheels else ""
    if not wheels and not bpy.app.online_access:
        raise MocapError(
            "Blender is not allowed to go online.",
            "Allow it in Preferences > System > Network, or give a folder of wheels.",
        )
    folder = Path(bpy.path.abspath(preferences.folder)) if preferences and preferences.folder else None
    chosen = bpy.path.abspath(preferences.base_python) if preferences and preferences.base_python else ""
    torch = preferences.torch if preferences else "auto"
    python = environment.base_python(chosen)
    state.running = environment.start(folder or environment.default_folder(), python, torch, wheels)
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def stop() -> None:
    """End a set-up that runs; for cancel, and for unregistering."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if bpy.app.timers.is_registered(_tick_doctor):
        bpy.app.timers.unregister(_tick_doctor)
    if state.doctor is not None:
        state.doctor.stop()
        state.doctor = None
    if state.running is not None:
        state.running.cancel()
        state.running = None


def _tick() -> float | None:
    if state.running is None:
        return None
    if not state.running.poll():
        _redraw()
        return TICK_SECONDS
    state.last, state.running = state.running, None
    last = state.last
    if last.finished:
        preferences = own_preferences(bpy.context)
        if preferences is not None:
            preferences.inference_python = str(environment.python_in(last.folder))
        jobs.state.last_error = None
    else:
        jobs.state.last_error = last.error
        jobs.state.last_log = list(last.log)
    _redraw()
    return None


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "PREFERENCES"}:
                area.tag_redraw()


class INT_MOCAP_OT_setup(bpy.types.Operator):
    """Make the inference environment, in the background; it lies outside Blender and survives updates"""

    bl_idname = "int_mocap.setup"
    bl_label = "Set up inference"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One at a time."""
        return state.running is None and jobs.state.current is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin."""
        try:
            begin(context)
        except MocapError as error:
            jobs.state.last_error = error
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        jobs.state.last_error = None
        return {"FINISHED"}


class INT_MOCAP_OT_setup_cancel(bpy.types.Operator):
    """Stop the set-up; a second one goes on where this one stood"""

    bl_idname = "int_mocap.setup_cancel"
    bl_label = "Cancel set-up"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One runs."""
        return state.running is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Stop it."""
        stop()
        return {"FINISHED"}


class INT_MOCAP_OT_doctor(bpy.types.Operator):
    """Copy a report for a bug report: versions, devices, what is missing; without the names of your folders"""

    bl_idname = "int_mocap.doctor"
    bl_label = "Copy report"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One at a time."""
        return state.doctor is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask; the answer is copied when it is there."""
        try:
            state.doctor = Question(find_python(preferred=inference_python(context)), ["doctor"])
        except MocapError as error:
            copy_report(context, error.message)
            self.report({"INFO"}, "The report is in the clipboard.")
            return {"FINISHED"}
        if not bpy.app.timers.is_registered(_tick_doctor):
            bpy.app.timers.register(_tick_doctor, first_interval=TICK_SECONDS, persistent=True)
        self.report({"INFO"}, "The report will be in the clipboard in a moment.")
        return {"FINISHED"}


def _tick_doctor() -> float | None:
    if state.doctor is None:
        return None
    if not state.doctor.over:
        return TICK_SECONDS
    question, state.doctor = state.doctor, None
    copy_report(bpy.context, question.printed)
    return None


def copy_report(context: bpy.types.Context, found: str) -> None:
    """Put what the doctor said, this Blender and the last error into the clipboard."""
    lines = [f"Blender {bpy.app.version_string}, {ROOT_PACKAGE}", found]
    if jobs.state.last_error is not None:
        lines.append(f"last error: {jobs.state.last_error.code}: {jobs.state.last_error.message}")
    context.window_manager.clipboard = without_names("\n".join(lines))


def without_names(text: str) -> str:
    """The text with this user's folder as `~`."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


CLASSES = (INT_MOCAP_OT_setup, INT_MOCAP_OT_setup_cancel, INT_MOCAP_OT_doctor)
