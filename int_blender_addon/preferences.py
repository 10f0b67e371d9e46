"""The add-on's preferences."""

from __future__ import annotations

import bpy

# the extension's own package: this one's parent when installed, this one itself from a checkout
ROOT_PACKAGE = (__package__ or "").removesuffix(".int_blender_addon")


class INT_MOCAP_AP_preferences(bpy.types.AddonPreferences):
    """Where the inference environment is."""

    bl_idname = ROOT_PACKAGE

    inference_python: bpy.props.StringProperty(
        name="Inference Python",
        description="The Python of the inference environment; empty to look for .venvs/inference beside the add-on",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences."""
        self.layout.prop(self, "inference_python")


def inference_python(context: bpy.types.Context) -> str:
    """The path in the preferences, or nothing."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    return bpy.path.abspath(addon.preferences.inference_python) if addon and addon.preferences else ""


CLASSES = (INT_MOCAP_AP_preferences,)
