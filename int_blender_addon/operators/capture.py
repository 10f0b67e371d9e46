"""Starting and stopping a capture, and looking at its log."""

from __future__ import annotations

import bpy

from .. import jobs, placing, scene_camera
from ..core.errors import ArgumentsError, MocapError, VideoMissingError

LOG_NAME = "INT Mocap log"


class INT_MOCAP_OT_capture(bpy.types.Operator):
    """Capture the motion of a person in the video, in the background, as keys on a new rig"""

    bl_idname = "int_mocap.capture"
    bl_label = "Capture from video"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start it, or put it behind the one that runs; the timer of `jobs` does the rest."""
        settings = context.window_manager.int_mocap
        try:
            if not settings.video.strip():
                raise VideoMissingError("No video is chosen.", "Choose one in the field above the button.")
            if settings.use_trim and settings.end <= settings.start:
                raise ArgumentsError("The trim ends before it starts.", "Set the end after the start.")
            if settings.camera == jobs.SCENE_CAMERA:
                scene_camera.check(context.scene)
            place = settings.place(context.object)
            if place.where != placing.RIG and not placing.is_ours(context.object):
                raise ArgumentsError(
                    "The active object is no rig of this add-on.", "Select one, or let the take have a new rig."
                )
            jobs.start(context, settings.message(), place)
        except MocapError as error:
            jobs.state.last_error = error
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        return {"FINISHED"}


class INT_MOCAP_OT_cancel(bpy.types.Operator):
    """Stop the capture; nothing of it stays in the scene"""

    bl_idname = "int_mocap.cancel"
    bl_label = "Cancel"

    keep: bpy.props.BoolProperty(
        name="Keep", description="Keep what is there as a take", default=False, options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is something to stop."""
        return jobs.state.current is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Stop it."""
        jobs.cancel(self.keep)
        self.report({"INFO"}, "The capture was cancelled.")
        return {"FINISHED"}


class INT_MOCAP_OT_clear_queue(bpy.types.Operator):
    """Forget the captures that wait; the one that runs goes on"""

    bl_idname = "int_mocap.clear_queue"
    bl_label = "Clear queue"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget them."""
        jobs.clear_waiting()
        return {"FINISHED"}


class INT_MOCAP_OT_show_log(bpy.types.Operator):
    """Copy the log of the inference process to the clipboard and into a text of this file"""

    bl_idname = "int_mocap.show_log"
    bl_label = "Copy log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy it."""
        lines = list(jobs.state.current.client.log) if jobs.state.current is not None else jobs.state.last_log
        log = "\n".join(lines) or "The log is empty."
        context.window_manager.clipboard = log
        text = bpy.data.texts.get(LOG_NAME) or bpy.data.texts.new(LOG_NAME)
        text.clear()
        text.write(log)
        self.report({"INFO"}, f"Copied; also in the text “{LOG_NAME}”.")
        return {"FINISHED"}


class INT_MOCAP_OT_dismiss(bpy.types.Operator):
    """Hide this message"""

    bl_idname = "int_mocap.dismiss"
    bl_label = "Dismiss"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hide it."""
        jobs.state.last_error = None
        return {"FINISHED"}


class INT_MOCAP_OT_use_any_device(bpy.types.Operator):
    """Let the networks run on what is there"""

    bl_idname = "int_mocap.use_any_device"
    bl_label = "Choose automatically"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do so from the next capture on."""
        context.window_manager.int_mocap.device = "auto"
        jobs.state.last_error = None
        return {"FINISHED"}


class INT_MOCAP_OT_open_takes(bpy.types.Operator):
    """Open the folder in which the takes are"""

    bl_idname = "int_mocap.open_takes"
    bl_label = "Open the takes' folder"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open it."""
        return bpy.ops.wm.path_open(filepath=str(jobs.takes_folder()))


CLASSES = (
    INT_MOCAP_OT_capture,
    INT_MOCAP_OT_cancel,
    INT_MOCAP_OT_clear_queue,
    INT_MOCAP_OT_show_log,
    INT_MOCAP_OT_dismiss,
    INT_MOCAP_OT_use_any_device,
    INT_MOCAP_OT_open_takes,
)
