"""Writing the active rig's motion to a file."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from .. import cleanup
from ..core.errors import MocapError
from ..export.formats import ENGINES, EXPORTERS, ExportSettings

FORMATS = (
    ("fbx", "FBX", "For game engines and other programs"),
    ("glb", "glTF", "For the web and engines: one binary file"),
    ("bvh", "BVH", "The skeleton's motion as text"),
    ("usd", "USD", "Skeleton, mesh and motion"),
    ("abc", "Alembic", "The mesh as it deforms"),
    ("npz", "AMASS", "A take as researchers know it, for SMPL"),
    ("csv", "CSV", "Where each joint is on each frame"),
)


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The armature with an action that is active, or whose mesh is."""
    item = context.active_object
    if item is not None and item.type == "MESH":
        item = item.parent
    if item is None or item.type != "ARMATURE" or item.animation_data is None:
        return None
    return item if item.animation_data.action is not None else None


class INT_MOCAP_OT_export(bpy.types.Operator, ExportHelper):
    """Write the active rig's motion, as it moves now, for another program"""

    bl_idname = "int_mocap.export"
    bl_label = "Export motion"

    filename_ext = ""
    check_extension = None  # the ending follows the format
    filter_glob: bpy.props.StringProperty(default="*.fbx;*.glb;*.bvh;*.usd;*.abc;*.npz;*.csv", options={"HIDDEN"})
    format: bpy.props.EnumProperty(name="Format", description="Kind of file", items=FORMATS)
    engine: bpy.props.EnumProperty(
        name="For",
        description="The program that will read it: unit, axes, root and names of bones are as it likes them",
        items=[(key, engine.title, "") for key, engine in ENGINES.items()],
    )  # fmt: skip
    mesh: bpy.props.BoolProperty(name="Mesh", description="With the mesh, or the skeleton alone", default=True)
    video_rate: bpy.props.BoolProperty(
        name="The video's rate", description="As many frames a second as the video has, in place of the scene's"
    )
    root_motion: bpy.props.BoolProperty(
        name="Root motion", description="The way over the ground goes to the rig's ground bone, as engines like it"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a rig with a take."""
        return active_rig(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """What this format knows."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "format")
        if self.format == "fbx":
            layout.prop(self, "engine")
        if self.format in {"fbx", "glb", "usd"}:
            layout.prop(self, "mesh")
        if self.format not in {"npz", "csv"}:
            layout.prop(self, "root_motion")
        row = layout.row()
        row.enabled = cleanup.has_take(active_rig(context))
        row.prop(self, "video_rate")

    def check(self, context: bpy.types.Context) -> bool:
        """Keep the ending of the name that of the format."""
        path = Path(self.filepath)
        if path.suffix.lower() == f".{self.format}" or not path.name:
            return False
        known = path.suffix.lower().lstrip(".") in EXPORTERS
        self.filepath = str(path.with_suffix(f".{self.format}") if known else f"{path}.{self.format}")
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it."""
        armature = active_rig(context)
        self.check(context)
        path = Path(self.filepath)
        try:
            rate = None
            if self.video_rate and cleanup.has_take(armature):
                rate = float(cleanup.raw_take(armature)[0].fps)
            settings = ExportSettings(self.engine, self.mesh, rate, self.root_motion)
            EXPORTERS[self.format](armature, path, settings)
        except MocapError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}".strip())
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path.name}.")
        return {"FINISHED"}


CLASSES = (INT_MOCAP_OT_export,)
