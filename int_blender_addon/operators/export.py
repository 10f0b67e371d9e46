"""Writing the active rig's take to a file."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..core.errors import MocapError
from ..export.formats import export_fbx


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature with an action that is active, or whose mesh is."""
    item = context.active_object
    if item is not None and item.type == "MESH":
        item = item.parent
    if item is None or item.type != "ARMATURE" or item.animation_data is None:
        return None
    return item if item.animation_data.action is not None else None


class INT_MOCAP_OT_export_fbx(bpy.types.Operator, ExportHelper):
    """Write the active rig, its mesh and its take as FBX: no leaf bones, no shifted frame, metres"""

    bl_idname = "int_mocap.export_fbx"
    bl_label = "Export FBX"

    filename_ext = ".fbx"
    filter_glob: bpy.props.StringProperty(default="*.fbx", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a rig with a take."""
        return active_rig(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        armature = active_rig(context)
        try:
            export_fbx(armature, Path(self.filepath))
        except MocapError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {Path(self.filepath).name}.")
        return {"FINISHED"}


CLASSES = (INT_MOCAP_OT_export_fbx,)
