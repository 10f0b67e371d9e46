"""Who is in the video: pictures to click on; and videos dropped into the window."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import bpy.utils.previews

from .. import jobs
from ..asking import Question
from ..client import find_python
from ..core.errors import MocapError, VideoMissingError
from ..preferences import inference_python

TICK_SECONDS = 0.1
VIDEO_ENDINGS = ".mp4;.mov;.m4v;.avi;.mkv;.webm;.mts;.mpg;.mpeg"


@dataclass
class State:
    """The people of a video, and the question who they are."""

    video: str = ""
    people: list[dict] = field(default_factory=list)
    pictures: bpy.utils.previews.ImagePreviewCollection | None = None
    question: Question | None = None
    folder: tempfile.TemporaryDirectory | None = None


state = State()


def stop() -> None:
    """End the search, and forget the pictures."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if state.question is not None:
        state.question.stop()
        state.question = None
    forget()


def forget() -> None:
    """Drop what was found."""
    if state.pictures is not None:
        bpy.utils.previews.remove(state.pictures)
        state.pictures = None
    state.people, state.video = [], ""
    if state.folder is not None:
        state.folder.cleanup()
        state.folder = None


def begin(context: bpy.types.Context, video: str) -> None:
    """Look for the people of a video, in the background.

    Raises:
        MocapError: No video, or no inference environment.
    """
    if not video.strip():
        raise VideoMissingError("No video is chosen.", "Choose one in the field above the button.")
    python = find_python(preferred=inference_python(context))
    forget()
    state.video, state.folder = video, tempfile.TemporaryDirectory(prefix="int_mocap_people_")
    words = ["people", video, "--json", "--thumbnails", state.folder.name]
    state.question = Question(python, words)
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    question = state.question
    if question is None:
        return None
    if not question.over:
        return TICK_SECONDS
    state.question = None
    try:
        _take_in(question.answer)
    except MocapError as error:
        jobs.state.last_error = error
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()
    return None


def _take_in(answer: str) -> None:
    state.people = json.loads(answer)
    state.pictures = bpy.utils.previews.new()
    assert state.folder is not None
    for person in state.people:
        path = Path(state.folder.name) / f"person_{person['person_id']}.png"
        if path.is_file():
            state.pictures.load(str(person["person_id"]), str(path), "IMAGE")


class INT_MOCAP_OT_find_people(bpy.types.Operator):
    """Look who is in the video, to choose whose motion to capture by a picture"""

    bl_idname = "int_mocap.find_people"
    bl_label = "Find people"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Nothing else runs."""
        return state.question is None and jobs.state.current is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin."""
        try:
            begin(context, bpy.path.abspath(context.window_manager.int_mocap.video))
        except MocapError as error:
            jobs.state.last_error = error
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        jobs.state.last_error = None
        return {"FINISHED"}


class INT_MOCAP_OT_choose_person(bpy.types.Operator):
    """Capture this person"""

    bl_idname = "int_mocap.choose_person"
    bl_label = "Choose person"

    number: bpy.props.IntProperty(min=1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remember the choice."""
        settings = context.window_manager.int_mocap
        settings.person, settings.person_number = "number", self.number
        return {"FINISHED"}


class INT_MOCAP_OT_use_video(bpy.types.Operator):
    """Make a video the one to capture from"""

    bl_idname = "int_mocap.use_video"
    bl_label = "Use video"

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it into the field."""
        context.window_manager.int_mocap.video = self.filepath
        return {"FINISHED"}


class INT_MOCAP_FH_video(bpy.types.FileHandler):
    """A video dropped into a 3D View."""

    bl_idname = "INT_MOCAP_FH_video"
    bl_label = "Video to capture from"
    bl_import_operator = "int_mocap.use_video"
    bl_file_extensions = VIDEO_ENDINGS

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """3D Views take videos."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (INT_MOCAP_OT_find_people, INT_MOCAP_OT_choose_person, INT_MOCAP_OT_use_video, INT_MOCAP_FH_video)
