"""Models and bodies of one's own, added by file picker. Nothing is downloaded, no password is asked for."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from .. import jobs, own_files
from ..core.errors import MocapError


class INT_MOCAP_OT_add_model(bpy.types.Operator, ImportHelper):
    """Add an INT checkpoint that you have (.pth.tar, .pth, .pt or .safetensors); it stays where it is"""

    bl_idname = "int_mocap.add_model"
    bl_label = "Add model"

    kind = own_files.MODEL
    filter_glob: bpy.props.StringProperty(default="*.tar;*.pth;*.pt;*.safetensors", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it on the list, and use it."""
        return _add(self, context)


class INT_MOCAP_OT_add_body(bpy.types.Operator, ImportHelper):
    """Add an SMPL file that you have (.npz or .pkl); it stays where it is"""

    bl_idname = "int_mocap.add_body"
    bl_label = "Add body"

    kind = own_files.BODY
    filter_glob: bpy.props.StringProperty(default="*.npz;*.pkl", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it on the list, and use it."""
        return _add(self, context)


def _add(operator, context: bpy.types.Context) -> set[str]:
    path = Path(operator.filepath)
    try:
        own_files.add(operator.kind, path)
    except MocapError as error:
        operator.report({"ERROR"}, error.message)
        return {"CANCELLED"}
    setattr(context.window_manager.int_mocap, operator.kind, str(path.absolute()))
    jobs.state.last_error = None
    return {"FINISHED"}


class INT_MOCAP_OT_remove_file(bpy.types.Operator):
    """Take this file off the list; it stays on the disk"""

    bl_idname = "int_mocap.remove_file"
    bl_label = "Remove from list"

    kind: bpy.props.StringProperty(options={"HIDDEN"})
    path: bpy.props.StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take it off."""
        settings = context.window_manager.int_mocap
        if getattr(settings, self.kind) == self.path:
            setattr(settings, self.kind, "auto" if self.kind == own_files.MODEL else "free")
        try:
            own_files.remove(self.kind, Path(self.path))
        except MocapError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        return {"FINISHED"}


def draw(layout: bpy.types.UILayout) -> None:
    """The lists, for the preferences."""
    for kind, title, terms, add in (
        (own_files.MODEL, "Models", "INT's checkpoint was trained on data for research only.", INT_MOCAP_OT_add_model),
        (own_files.BODY, "Bodies", "SMPL is free for research; other use needs a licence.", INT_MOCAP_OT_add_body),
    ):
        box = layout.box()
        box.label(text=title)
        box.label(text="The one that ships", icon="CHECKMARK")
        for path in own_files.listed(kind):
            row = box.row()
            row.label(text=str(path), icon="FILE" if path.is_file() else "ERROR", translate=False)
            remove = row.operator(INT_MOCAP_OT_remove_file.bl_idname, text="", icon="X")
            remove.kind, remove.path = kind, str(path)
        box.label(text=terms)
        row = box.row()
        row.operator(add.bl_idname, icon="ADD")
        row.operator("wm.url_open", text="Where to register", icon="URL").url = own_files.PLACES[kind]


CLASSES = (INT_MOCAP_OT_add_model, INT_MOCAP_OT_add_body, INT_MOCAP_OT_remove_file)
