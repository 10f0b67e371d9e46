"""One function a format: an armature with its take to a file, through Blender's own exporters.

Each writes aside and takes the final name at the end; each leaves selection, frame range and rate as they were.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy

from ..core.errors import ArgumentsError, ExportError
from ..core.files import replacing


def export_fbx(armature: bpy.types.Object, path: Path) -> None:
    """FBX with armature, mesh and action: no leaf bones, every frame, metres, z up turned to FBX's y up.

    Raises:
        ExportError: Blender's exporter failed.
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    with _prepared(armature), _written(path) as temporary:
        bpy.ops.export_scene.fbx(
            filepath=str(temporary),
            check_existing=False,
            use_selection=True,
            object_types={"ARMATURE", "MESH"},
            apply_scale_options="FBX_SCALE_ALL",
            add_leaf_bones=False,
            bake_anim=True,
            bake_anim_use_all_bones=True,
            bake_anim_use_nla_strips=False,
            bake_anim_use_all_actions=False,
            bake_anim_force_startend_keying=True,
            bake_anim_simplify_factor=0.0,
            use_mesh_modifiers=False,
            mesh_smooth_type="FACE",
        )


def export_bvh(armature: bpy.types.Object, path: Path) -> None:
    """BVH of the skeleton. Raises as `export_fbx`."""
    start, end = action_range(armature)
    with _prepared(armature), _written(path) as temporary:
        bpy.ops.export_anim.bvh(
            filepath=str(temporary), check_existing=False, frame_start=start, frame_end=end, root_transform_only=True
        )


def export_glb(armature: bpy.types.Object, path: Path) -> None:
    """Binary glTF with armature, mesh and the take alone. Raises as `export_fbx`."""
    with _prepared(armature), _written(path) as temporary:
        bpy.ops.export_scene.gltf(
            filepath=str(temporary),
            check_existing=False,
            export_format="GLB",
            use_selection=True,
            export_animations=True,
            export_animation_mode="ACTIVE_ACTIONS",
            export_force_sampling=True,
        )


def export_usd(armature: bpy.types.Object, path: Path) -> None:
    """USD with armature, mesh and the take, where this Blender has it. Raises as `export_fbx`."""
    if not hasattr(bpy.types, "WM_OT_usd_export"):
        raise ExportError("This Blender is built without USD.", "Use an official build of Blender, or another format.")
    with _prepared(armature), _written(path) as temporary:
        bpy.ops.wm.usd_export(
            filepath=str(temporary), check_existing=False, selected_objects_only=True, export_animation=True
        )


def export_blend(armature: bpy.types.Object, path: Path) -> None:
    """A copy of the open file as .blend, its frame range that of the take. Raises as `export_fbx`."""
    with _prepared(armature), _written(path) as temporary:
        bpy.context.scene.frame_set(bpy.context.scene.frame_start)
        temporary.unlink()  # else Blender keeps what it writes over as a backup
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary), copy=True, check_existing=False, compress=True)


EXPORTERS: dict[str, Callable[[bpy.types.Object, Path], None]] = {
    "fbx": export_fbx,
    "bvh": export_bvh,
    "glb": export_glb,
    "usd": export_usd,
    "blend": export_blend,
}
TAKE_FORMATS = ("npz", "csv")  # need no rig


def check_formats(formats: list[str]) -> None:
    """Raises ArgumentsError for a format that is not known."""
    known = (*EXPORTERS, *TAKE_FORMATS)
    for name in formats:
        if name not in known:
            raise ArgumentsError(f"`{name}` is not a format: use {', '.join(sorted(known))}.")


def action_range(armature: bpy.types.Object) -> tuple[int, int]:
    """First and last frame of the armature's action.

    Raises:
        ExportError: It has none.
    """
    data = armature.animation_data
    if data is None or data.action is None:
        raise ExportError(f"{armature.name} has no take.", "Capture one first, or give it an action.")
    start, end = data.action.frame_range
    return round(start), round(end)


@contextlib.contextmanager
def _prepared(armature: bpy.types.Object) -> Iterator[None]:
    """Only the rig selected, the scene's range that of the take; all put back afterwards."""
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    rig = [armature, *(child for child in armature.children_recursive if child.type == "MESH")]
    active = view_layer.objects.active
    selected = [item for item in view_layer.objects if item.select_get()]
    hidden = [item for item in rig if item.hide_get()]
    before = scene.frame_start, scene.frame_end, scene.frame_current
    mode = active.mode if active is not None else "OBJECT"
    start, end = action_range(armature)
    try:
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        for item in hidden:
            item.hide_set(False)
        for item in view_layer.objects:
            item.select_set(item in rig)
        view_layer.objects.active = armature
        scene.frame_start, scene.frame_end = start, end
        yield
    finally:
        for item in view_layer.objects:
            item.select_set(item in selected)
        for item in hidden:
            item.hide_set(True)
        view_layer.objects.active = active
        scene.frame_start, scene.frame_end = before[:2]
        scene.frame_set(before[2])
        if mode != "OBJECT" and active is not None:
            bpy.ops.object.mode_set(mode=mode)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    with replacing(path) as temporary:
        try:
            yield temporary
        except RuntimeError as error:
            raise ExportError(f"{path.name} could not be written: {str(error).strip().splitlines()[-1]}") from error
        if temporary.stat().st_size == 0:
            raise ExportError(f"{path.name} could not be written.")
