"""Where the video comes from: a file, or what is in the scene already."""

from __future__ import annotations

import bpy
from bpy_extras.io_utils import ImportHelper

from .people import VIDEO_ENDINGS

_kept: list[tuple[str, str, str]] = []  # Blender needs the words of its lists to stay alive


def videos_of_scene(context: bpy.types.Context) -> list[tuple[str, str, float | None, float | None]]:
    """(name, path, start, end) of movie clips, of strips with their cuts in seconds, and of movies used as pictures."""
    found: list[tuple[str, str, float | None, float | None]] = []
    for clip in bpy.data.movieclips:
        if clip.source == "MOVIE":
            found.append((clip.name, bpy.path.abspath(clip.filepath), None, None))
    editor = context.scene.sequence_editor
    for strip in _strips(editor):
        if strip.type != "MOVIE":
            continue
        rate = strip.fps or context.scene.render.fps / context.scene.render.fps_base
        left, right, trimmed, length = (getattr(strip, name) for name in _cut_names(strip))
        before = (left + trimmed) / rate
        cut = (before, before + length / rate) if left or right or trimmed else (None, None)
        found.append((strip.name, bpy.path.abspath(strip.filepath), *cut))
    for image in bpy.data.images:
        if image.source == "MOVIE":
            found.append((image.name, bpy.path.abspath(image.filepath), None, None))
    return found


def _cut_names(strip) -> tuple[str, str, str, str]:
    """What a strip's cuts are called: Blender 5.2 has new names, and drops the old ones in 6.0."""
    if hasattr(strip, "left_handle_offset"):
        return "left_handle_offset", "right_handle_offset", "content_trim_start", "duration"
    return "frame_offset_start", "frame_offset_end", "animation_offset_start", "frame_final_duration"


def _strips(editor):
    if editor is None:
        return ()
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def _items(_self, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    context = context or bpy.context
    _kept[:] = [(str(k), name, path) for k, (name, path, _, _) in enumerate(videos_of_scene(context))]
    return _kept


class INT_MOCAP_OT_use_scene_video(bpy.types.Operator):
    """Capture from a movie clip, a strip (with its cuts) or a movie picture of this file"""

    bl_idname = "int_mocap.use_scene_video"
    bl_label = "From the scene"

    source: bpy.props.EnumProperty(name="Source", description="What to capture from", items=_items)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is one."""
        return bool(videos_of_scene(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it into the fields."""
        _, path, start, end = videos_of_scene(context)[int(self.source)]
        settings = context.window_manager.int_mocap
        settings.video = path
        settings.use_trim = start is not None
        if start is not None and end is not None:
            settings.start, settings.end = start, end
        return {"FINISHED"}


class INT_MOCAP_OT_choose_video(bpy.types.Operator, ImportHelper):
    """Choose another video"""

    bl_idname = "int_mocap.choose_video"
    bl_label = "Choose video"

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{ending}" for ending in VIDEO_ENDINGS.split(";")), options={"HIDDEN"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it into the field."""
        from .. import jobs

        context.window_manager.int_mocap.video = self.filepath
        jobs.state.last_error = None
        return {"FINISHED"}


CLASSES = (INT_MOCAP_OT_use_scene_video, INT_MOCAP_OT_choose_video)
