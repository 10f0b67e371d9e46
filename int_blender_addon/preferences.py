"""The add-on's preferences."""

from __future__ import annotations

import bpy

# the extension's own package: this one's parent when installed, this one itself from a checkout
ROOT_PACKAGE = (__package__ or "").removesuffix(".int_blender_addon")


class INT_MOCAP_AP_preferences(bpy.types.AddonPreferences):
    """Where the inference environment is, and how it is made."""

    bl_idname = ROOT_PACKAGE

    inference_python: bpy.props.StringProperty(
        name="Inference Python",
        description="The Python of an inference environment; filled in by the set-up",
        subtype="FILE_PATH",
    )
    folder: bpy.props.StringProperty(
        name="Folder",
        description="Where the set-up puts the environment; empty for your user's data folder",
        subtype="DIR_PATH",
    )
    base_python: bpy.props.StringProperty(
        name="Base Python",
        description="The Python from 3.11 on that the environment is made with; empty to find one",
        subtype="FILE_PATH",
    )
    torch: bpy.props.EnumProperty(
        name="Networks run on",
        description="Which build of torch is installed",
        items=(
            ("auto", "Automatic", "The NVIDIA card if there is one, else the processor"),
            ("cpu", "Processor", "Works everywhere"),
            ("cuda", "NVIDIA card", "Large: several gigabytes"),
        ),
        default="auto",
    )
    wheels: bpy.props.StringProperty(
        name="Wheels",
        description="A folder of Python wheels to install from without a network",
        subtype="DIR_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences."""
        from .operators import own_files
        from .panels import draw_setup

        layout = self.layout
        layout.use_property_split = True
        draw_setup(context, layout)
        layout.prop(self, "inference_python")
        column = layout.column()
        column.prop(self, "torch")
        column.prop(self, "folder")
        column.prop(self, "base_python")
        column.prop(self, "wheels")
        own_files.draw(layout)
        layout.operator("int_mocap.doctor", icon="COPYDOWN")


def own_preferences(context: bpy.types.Context) -> INT_MOCAP_AP_preferences | None:
    """This add-on's preferences; None while it runs from a checkout."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    return addon.preferences if addon else None


def inference_python(context: bpy.types.Context) -> str:
    """The path in the preferences, or nothing."""
    preferences = own_preferences(context)
    return bpy.path.abspath(preferences.inference_python) if preferences else ""


CLASSES = (INT_MOCAP_AP_preferences,)
