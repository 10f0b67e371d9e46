"""The Retarget panel."""

from __future__ import annotations

import bpy

from . import text
from .core.retarget.bones import NEEDED
from .operators.retarget import (
    INT_MOCAP_OT_keep_rest,
    INT_MOCAP_OT_load_preset,
    INT_MOCAP_OT_map_bones,
    INT_MOCAP_OT_retarget,
    INT_MOCAP_OT_retarget_all,
    INT_MOCAP_OT_retarget_to_all,
    INT_MOCAP_OT_save_preset,
    INT_MOCAP_OT_show_rest,
    INT_MOCAP_PG_retarget,
)


class INT_MOCAP_PT_retarget(bpy.types.Panel):
    """Motion onto other characters."""

    bl_idname = "INT_MOCAP_PT_retarget"
    bl_label = "Retarget"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = text.TAB
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout = self.layout
        settings = context.scene.int_mocap_retarget
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("source", "source_preset", "target", "preset"):
            layout.prop(settings, name)
        layout.operator(INT_MOCAP_OT_map_bones.bl_idname, icon="VIEWZOOM")
        if settings.target is not None and len(settings.bones):
            self._bones(layout, settings)
        for name in ("plant", "hands", "root_motion", "live"):
            layout.prop(settings, name)
        column = layout.column()
        column.scale_y = 1.4
        column.operator(INT_MOCAP_OT_retarget.bl_idname, icon="CON_ARMATURE")
        layout.operator(INT_MOCAP_OT_retarget_all.bl_idname)
        layout.operator(INT_MOCAP_OT_retarget_to_all.bl_idname)

    def _bones(self, layout: bpy.types.UILayout, settings: INT_MOCAP_PG_retarget) -> None:
        box = layout.column(align=True)
        for item in settings.bones:
            icon = "CHECKMARK" if item.confidence >= 0.7 else "QUESTION" if item.bone else "BLANK1"
            if not item.bone and item.slot in NEEDED:
                icon = "ERROR"
            row = box.row(align=True)
            more = f" +{len(item.more.splitlines())}" if item.more else ""
            row.prop_search(
                item, "bone", settings.target.data, "bones", text=item.slot.replace("_", " ") + more, icon=icon
            )
        row = layout.row(align=True)
        row.operator(INT_MOCAP_OT_show_rest.bl_idname)
        row.operator(INT_MOCAP_OT_keep_rest.bl_idname)
        row = layout.row(align=True)
        row.prop(settings, "preset_name", text="")
        row.operator(INT_MOCAP_OT_save_preset.bl_idname, text="", icon="ADD")
        row.operator(INT_MOCAP_OT_load_preset.bl_idname, text="", icon="IMPORT")


CLASSES = (INT_MOCAP_PT_retarget,)
