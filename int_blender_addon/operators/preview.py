"""Pictures of the video in the panel: its first frame, and where a trim begins and ends."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import bpy.utils.previews

from ..asking import Question
from ..client import find_python
from ..core.errors import MocapError
from ..preferences import inference_python

DELAY = 0.4  # seconds after the last change of the trim
TICK_SECONDS = 0.1


@dataclass
class State:
    """What is shown, and the question that is open."""

    pictures: bpy.utils.previews.ImagePreviewCollection | None = None
    folder: tempfile.TemporaryDirectory | None = None
    question: Question | None = None
    video: str = ""
    times: tuple[float, float] | None = None  # of the trim's pictures


state = State()


def show_first(video: str) -> None:
    """Have Blender draw a video's first frame, when it draws the panel."""
    forget()
    if Path(video).is_file():
        state.pictures = bpy.utils.previews.new()
        state.video = video
        with contextlib.suppress(OSError, RuntimeError):
            state.pictures.load("first", video, "MOVIE")


def soon() -> None:
    """Ask for the pictures of the trim in a moment."""
    if bpy.app.timers.is_registered(_ask):
        bpy.app.timers.unregister(_ask)
    bpy.app.timers.register(_ask, first_interval=DELAY)


def icons() -> list[int]:
    """The pictures to show: start and end of the trim, or the first frame, or none."""
    if state.pictures is None:
        return []
    keys = [key for key in state.pictures if key.startswith("still")] or ["first"]
    return [state.pictures[key].icon_id for key in keys if key in state.pictures]


def forget() -> None:
    """Drop the pictures, and end the question."""
    if state.question is not None:
        state.question.stop()
        state.question = None
    if state.pictures is not None:
        bpy.utils.previews.remove(state.pictures)
        state.pictures = None
    if state.folder is not None:
        state.folder.cleanup()
        state.folder = None
    state.video, state.times = "", None


def stop() -> None:
    """Leave nothing; for unregistering."""
    for timer in (_ask, _tick):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    forget()


def _ask() -> None:
    settings = bpy.context.window_manager.int_mocap
    times = (settings.start, settings.end)
    if not settings.use_trim or times == state.times or not state.video:
        return
    if state.question is not None:
        state.question.stop()
    state.folder = state.folder or tempfile.TemporaryDirectory(prefix="int_mocap_preview_")
    words = ["still", state.video, "--at", *(f"{t:.3f}" for t in times), "--out", state.folder.name]
    try:
        state.question = Question(find_python(preferred=inference_python(bpy.context)), words)
    except MocapError:
        return  # the capture itself will say what is missing
    state.times = times
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    question = state.question
    if question is None:
        return None
    if not question.over:
        return TICK_SECONDS
    state.question = None
    if question.code == 0 and state.pictures is not None and state.folder is not None:
        for name in ("still_0", "still_1"):
            if name in state.pictures:
                del state.pictures[name]
            state.pictures.load(name, str(Path(state.folder.name) / f"{name}.png"), "IMAGE", True)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()
    return None
