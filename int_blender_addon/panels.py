"""The N-panel."""

from __future__ import annotations

import textwrap

import bpy
from bpy.app.translations import pgettext_iface as _

from . import cleanup, jobs, text
from .core.errors import InferenceMissingError, MocapError, ProtocolError
from .operators import people, preview, setup, tools
from .operators.bring import INT_MOCAP_OT_import
from .operators.capture import (
    INT_MOCAP_OT_cancel,
    INT_MOCAP_OT_capture,
    INT_MOCAP_OT_clear_queue,
    INT_MOCAP_OT_dismiss,
    INT_MOCAP_OT_show_log,
)
from .operators.export import INT_MOCAP_OT_export
from .operators.people import INT_MOCAP_OT_choose_person, INT_MOCAP_OT_find_people
from .operators.view import INT_MOCAP_OT_match_camera, INT_MOCAP_OT_side_by_side

CHARACTER_PIXELS = 7.0  # about, at a scale of 1
# what repairs an error, by its code: an operator and an icon
REPAIRS = {
    "video_missing": ("int_mocap.choose_video", "FILE_MOVIE"),
    "video_unreadable": ("int_mocap.choose_video", "FILE_MOVIE"),
    "video_empty": ("int_mocap.choose_video", "FILE_MOVIE"),
    "no_video_stream": ("int_mocap.choose_video", "FILE_MOVIE"),
    "video_too_small": ("int_mocap.choose_video", "FILE_MOVIE"),
    "nobody_found": ("int_mocap.choose_video", "FILE_MOVIE"),
    "person_missing": ("int_mocap.find_people", "COMMUNITY"),
    "too_few_frames": ("int_mocap.find_people", "COMMUNITY"),
    "model_file": ("int_mocap.add_model", "FILE"),
    "body_file": ("int_mocap.add_body", "FILE"),
    "device": ("int_mocap.use_any_device", "PREFERENCES"),
    "disk_full": ("int_mocap.open_takes", "FILE_FOLDER"),
    "output_unwritable": ("int_mocap.open_takes", "FILE_FOLDER"),
    "inference_died": ("int_mocap.capture", "FILE_REFRESH"),
}


def draw_error(context: bpy.types.Context, layout: bpy.types.UILayout, error: MocapError, width: int) -> None:
    """A sentence, a hint, and the button that repairs it where there is one."""
    for number, line in enumerate(textwrap.wrap(error.message, width)):
        layout.label(text=line, icon="ERROR" if number == 0 else "BLANK1")
    for line in textwrap.wrap(error.hint, width):
        layout.label(text=line, icon="BLANK1")
    if isinstance(error, InferenceMissingError | ProtocolError):
        draw_setup(context, layout)
    elif error.code in REPAIRS:
        operator, icon = REPAIRS[error.code]
        layout.operator(operator, icon=icon)


def _width(context: bpy.types.Context) -> int:
    """Characters of a line of the panel, about."""
    return max(20, int(context.region.width / (CHARACTER_PIXELS * context.preferences.system.ui_scale)) - 6)


def draw_setup(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """The button that makes the inference environment, or how far that is."""
    if setup.state.running is not None:
        column = layout.column(align=True)
        stage = _(text.STAGES.get(setup.state.running.stage, setup.state.running.stage))
        text_now = f"{stage} {setup.state.running.text}"
        column.progress(factor=setup.state.running.fraction, text=text_now)
        column.operator(setup.INT_MOCAP_OT_setup_cancel.bl_idname, icon="CANCEL")
        return
    layout.operator(setup.INT_MOCAP_OT_setup.bl_idname, icon="IMPORT")
    if setup.state.last is not None and setup.state.last.finished:
        layout.label(text="Inference is set up.", icon="CHECKMARK")


class INT_MOCAP_PT_capture(bpy.types.Panel):
    """Capture from video."""

    bl_idname = "INT_MOCAP_PT_capture"
    bl_label = "Capture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        settings = context.window_manager.int_mocap
        column = layout.column()
        line = column.row(align=True)
        line.prop(settings, "video", text="")
        line.operator_menu_enum("int_mocap.use_scene_video", "source", text="", icon="SEQUENCE")
        row = column.row(align=True)
        row.scale_y = 1.6
        label = "Capture after this one" if jobs.state.current is not None else "Capture from video"
        row.operator(INT_MOCAP_OT_capture.bl_idname, icon="RENDER_ANIMATION", text=label)
        if jobs.state.current is not None:
            self._progress(layout, jobs.state.current)
        if setup.state.running is not None:
            draw_setup(context, layout)
        if jobs.state.last_error is not None:
            self._error(context, layout)
        elif jobs.state.last_result and jobs.state.current is None:
            layout.label(text=jobs.state.last_result, icon="CHECKMARK")
            for number, line in enumerate(textwrap.wrap(_(jobs.state.last_note), _width(context))):
                layout.label(text=line, icon="BLANK1" if number else "INFO")

    def _progress(self, layout: bpy.types.UILayout, job: jobs.Job) -> None:
        column = layout.column(align=True)
        stage = _(text.STAGES.get(job.stage, job.stage.capitalize()))
        counted = f"{job.done}/{job.total}" if job.total else ""
        column.progress(factor=job.fraction, text=f"{stage} {counted}".strip())
        facts = [f"{text.duration(job.eta)} {_('left')}"] if job.eta is not None else []
        if job.keys:
            facts.append(f"{job.keys:,} {_('keys')}")
        column.label(text=", ".join(facts) or " ")
        column.operator(INT_MOCAP_OT_cancel.bl_idname, icon="CANCEL").keep = False
        if job.stretches:
            column.operator(INT_MOCAP_OT_cancel.bl_idname, text="Stop and keep", icon="CHECKMARK").keep = True
        if jobs.state.waiting:
            row = column.row(align=True)
            row.label(text=f"{len(jobs.state.waiting)} {_('waiting')}")
            row.operator(INT_MOCAP_OT_clear_queue.bl_idname, text="", icon="X")

    def _error(self, context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
        error = jobs.state.last_error
        assert error is not None
        box = layout.box()
        draw_error(context, box, error, _width(context))
        row = box.row(align=True)
        row.operator(INT_MOCAP_OT_show_log.bl_idname, icon="COPYDOWN")
        row.operator(INT_MOCAP_OT_dismiss.bl_idname, icon="X", text="")


class INT_MOCAP_PT_options(bpy.types.Panel):
    """How to capture."""

    bl_idname = "INT_MOCAP_PT_options"
    bl_label = "Options"
    bl_parent_id = "INT_MOCAP_PT_capture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.window_manager.int_mocap
        layout.prop(settings, "quality")
        layout.prop(settings, "person")
        if settings.person == "number":
            layout.prop(settings, "person_number")
        self._people(layout, settings)
        layout.prop(settings, "smooth", slider=True)
        self._trim(layout, settings)
        layout.prop(settings, "where")
        layout.prop(settings, "match_rate")
        layout.prop(settings, "model")
        if settings.model not in ("", "auto"):
            layout.prop(settings, "keyframe")
        layout.prop(settings, "body")
        layout.prop(settings, "device")
        layout.prop(settings, "camera")
        if settings.camera == "video":
            layout.prop(settings, "lens")
        layout.prop(settings, "height")

    def _trim(self, layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
        """The trim, with pictures of where it begins and ends; the first frame without one."""
        layout.prop(settings, "use_trim")
        row = layout.row(align=True)
        for icon in preview.icons():
            row.template_icon(icon, scale=5.0)
        if settings.use_trim:
            layout.prop(settings, "start")
            layout.prop(settings, "end")

    def _people(self, layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
        """The people of the video as pictures to choose from."""
        label = "Looking for people…" if people.state.question is not None else ""
        layout.operator(INT_MOCAP_OT_find_people.bl_idname, icon="COMMUNITY", **({"text": label} if label else {}))
        if people.state.pictures is None or people.state.video != bpy.path.abspath(settings.video):
            return
        grid = layout.grid_flow(columns=3, even_columns=True)
        for person in people.state.people:
            number = int(person["person_id"])
            picture = people.state.pictures.get(str(number))
            column = grid.column(align=True)
            if picture is not None:
                column.template_icon(picture.icon_id, scale=4.0)
            chosen = settings.person == "number" and settings.person_number == number
            chosen = chosen or (settings.person == "auto" and person["main"])
            caption = f"{number}: {person['first']:.1f}–{person['last']:.1f} s"
            column.operator(INT_MOCAP_OT_choose_person.bl_idname, text=caption, depress=chosen).number = number


class INT_MOCAP_PT_cleanup(bpy.types.Panel):
    """Refine the take of the active rig, live."""

    bl_idname = "INT_MOCAP_PT_cleanup"
    bl_label = "Clean-up"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object is a rig with its take."""
        return cleanup.has_take(context.object)

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the controls."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = cleanup.controls(context.object)
        column = layout.column(align=True)
        column.prop(settings, "smooth", slider=True)
        for name in ("spine", "arms", "legs"):
            column.prop(settings, name)
        layout.prop(settings, "kind")
        column = layout.column(align=True)
        column.prop(settings, "lock_left", slider=True)
        column.prop(settings, "lock_right", slider=True)
        layout.operator(cleanup.INT_MOCAP_OT_resolve.bl_idname, icon="CON_FLOOR")
        layout.prop(settings, "level")
        layout.prop(settings, "supports")
        layout.prop(settings, "ballistic")


class INT_MOCAP_PT_edit(bpy.types.Panel):
    """Edits of the whole take, live."""

    bl_idname = "INT_MOCAP_PT_edit"
    bl_label = "Edit"
    bl_parent_id = "INT_MOCAP_PT_cleanup"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the edits and the tools."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = cleanup.controls(context.object)
        layout.prop(settings, "use_trim")
        if settings.use_trim:
            column = layout.column(align=True)
            column.prop(settings, "trim_start")
            column.prop(settings, "trim_end")
        for name in ("mirror", "bridge", "speed"):
            layout.prop(settings, name)
        column = layout.column(align=True)
        column.operator(tools.INT_MOCAP_OT_find_loop.bl_idname, icon="FILE_REFRESH")
        column.operator(tools.INT_MOCAP_OT_join_takes.bl_idname, icon="NLA")
        column.operator(tools.INT_MOCAP_OT_add_layer.bl_idname, icon="RENDERLAYERS")
        column.operator_menu_enum(tools.INT_MOCAP_OT_hold_limb.bl_idname, "limb", icon="PINNED")


class INT_MOCAP_PT_curves(bpy.types.Panel):
    """What the curves say, and how many keys they have."""

    bl_idname = "INT_MOCAP_PT_curves"
    bl_label = "Curves"
    bl_parent_id = "INT_MOCAP_PT_cleanup"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the controls."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = cleanup.controls(context.object)
        layout.prop(settings, "rotation")
        layout.prop(settings, "fewer_keys")
        if settings.fewer_keys:
            column = layout.column(align=True)
            column.prop(settings, "degrees")
            column.prop(settings, "millimetres")


class INT_MOCAP_PT_export(bpy.types.Panel):
    """Look at the take over its video, and export it."""

    bl_idname = "INT_MOCAP_PT_export"
    bl_label = "Look and export"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the exports."""
        self.layout.operator(INT_MOCAP_OT_match_camera.bl_idname, icon="VIEW_CAMERA")
        self.layout.operator(INT_MOCAP_OT_side_by_side.bl_idname, icon="WINDOW")
        self.layout.operator(INT_MOCAP_OT_export.bl_idname, icon="EXPORT")
        self.layout.operator(INT_MOCAP_OT_import.bl_idname, icon="IMPORT")


CLASSES = (
    INT_MOCAP_PT_capture,
    INT_MOCAP_PT_options,
    INT_MOCAP_PT_cleanup,
    INT_MOCAP_PT_edit,
    INT_MOCAP_PT_curves,
    INT_MOCAP_PT_export,
)
