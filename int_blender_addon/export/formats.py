"""One function a format: an armature with its action to a file, through Blender's own exporters.

Each writes aside and takes the final name at the end; each gets a plain copy of the rig (see `baked`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ..core.errors import ArgumentsError, ExportError
from ..core.files import replacing
from ..core.motion import save_motion
from ..keyframes import scene_rate
from ..retarget import presets
from .baked import Shape, action_range, baked
from .gltf_animation import finish_animation
from .table import write_csv
from .take import heads_of, read_take


@dataclass(frozen=True)
class ExportSettings:
    """What a person may choose.

    Attributes:
        engine: A key of `ENGINES`; only FBX differs by it.
        mesh: With the mesh.
        rate: Frames per second; the scene's if None.
        root_motion: The way over the ground goes to the root.
    """

    engine: str = "blender"
    mesh: bool = True
    rate: float | None = None
    root_motion: bool = False


@dataclass(frozen=True)
class Engine:
    """What a reader of FBX wants.

    Attributes:
        title: For people.
        unit: Lengths in a metre.
        y_up: Data with y up, so that nothing has a turned root.
        axes: Forward and up of Blender's exporter.
        root: Name of the armature object, which readers take for the root bone.
        naming: The preset whose names the bones get.
    """

    title: str
    unit: float = 1.0
    y_up: bool = False
    axes: tuple[str, str] = ("-Z", "Y")
    root: str = ""
    naming: str = ""


ENGINES = {
    "blender": Engine("Blender"),
    # z up and centimetres are Unreal's own: the root comes in unscaled and unturned
    "unreal": Engine("Unreal", unit=100.0, axes=("Y", "Z"), root="root"),
    "unity": Engine("Unity", unit=100.0, y_up=True),
    "mixamo": Engine("Mixamo names", unit=100.0, y_up=True, naming="mixamo"),
}


def export_fbx(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """FBX: no leaf bones, a key on every frame, no simplification, first and last frame included.

    Raises:
        ExportError: There is no action, or Blender's exporter failed.
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    settings = settings or ExportSettings()
    if settings.engine not in ENGINES:
        raise ArgumentsError(f"`{settings.engine}` is not an engine: use {', '.join(ENGINES)}.")
    engine = ENGINES[settings.engine]
    shape = replace(
        _shape(settings),
        unit=engine.unit,
        y_up=engine.y_up,
        name=engine.root,
        names=_names_of(armature, engine.naming),
        first=action_range(armature)[0] if settings.engine == "blender" else 0,
    )
    with baked(armature, shape), _written(path) as temporary:
        bpy.ops.export_scene.fbx(
            filepath=str(temporary),
            check_existing=False,
            use_selection=True,
            object_types={"ARMATURE", "MESH"},
            axis_forward=engine.axes[0],
            axis_up=engine.axes[1],
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


def export_bvh(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """BVH of the skeleton, y up and in metres. Raises as `export_fbx`."""
    shape = replace(_shape(settings), mesh=False, y_up=True)
    with baked(armature, shape), _written(path) as temporary:
        scene = bpy.context.scene
        bpy.ops.export_anim.bvh(
            filepath=str(temporary),
            check_existing=False,
            frame_start=scene.frame_start,
            frame_end=scene.frame_end,
            rotate_mode="ZYX",
            root_transform_only=True,
        )


def export_glb(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """Binary glTF with the rig and its motion alone, from time 0. Raises as `export_fbx`."""
    with baked(armature, _shape(settings)) as copy, _written(path) as temporary:
        bpy.ops.export_scene.gltf(
            filepath=str(temporary),
            check_existing=False,
            export_format="GLB",
            use_selection=True,
            export_animations=True,
            export_animation_mode="SCENE",  # the frames of the scene's range: what others' actions are is left out
            export_anim_scene_split_object=False,
            export_force_sampling=True,
            export_optimize_animation_size=False,
            export_def_bones=False,
        )
        scene = bpy.context.scene
        finish_animation(temporary, scene.frame_end / scene_rate(scene), copy.animation_data.action.name)


def export_usd(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """USD with skeleton, mesh and motion, where this Blender has it. Raises as `export_fbx`."""
    if not bpy.app.build_options.usd:
        raise ExportError("This Blender is built without USD.", "Use an official build of Blender, or another format.")
    with baked(armature, _shape(settings)), _written(path) as temporary:
        bpy.ops.wm.usd_export(
            filepath=str(temporary), check_existing=False, selected_objects_only=True, export_animation=True
        )


def export_abc(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """Alembic of the mesh as it deforms. Raises as `export_fbx`."""
    if not bpy.app.build_options.alembic:
        raise ExportError("This Blender is built without Alembic.", "Use an official build, or another format.")
    shape = replace(_shape(settings), mesh=True)
    with baked(armature, shape) as copy, _written(path) as temporary:
        if not any(item.type == "MESH" for item in copy.children):
            raise ExportError(f"{armature.name} has no mesh.", "Alembic holds meshes: use another format.")
        copy.select_set(False)
        scene = bpy.context.scene
        bpy.ops.wm.alembic_export(
            filepath=str(temporary),
            check_existing=False,
            selected=True,
            start=scene.frame_start,
            end=scene.frame_end,
            flatten=True,
            evaluation_mode="RENDER",
            as_background_job=False,
        )


def export_npz(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """The motion as a take in the AMASS layout; a rig that isn't ours is brought onto the free body first.

    Raises as `export_fbx`, and RetargetError: the rig's bones are not understood.
    """
    save_motion(path, read_take(armature, (settings or ExportSettings()).rate))


def export_csv(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """Where each bone's head is on each frame, in the world, metres, z up. Raises as `export_fbx`."""
    names, times, heads = heads_of(armature, (settings or ExportSettings()).rate)
    write_csv(names, np.arange(len(times)), times, heads, path)


def export_blend(armature: bpy.types.Object, path: Path, settings: ExportSettings | None = None) -> None:
    """A copy of the open file as .blend, its frame range that of the take. Raises as `export_fbx`."""
    scene = bpy.context.scene
    before = scene.frame_start, scene.frame_end, scene.frame_current
    with _written(path) as temporary:
        try:
            scene.frame_start, scene.frame_end = action_range(armature)
            scene.frame_set(scene.frame_start)
            temporary.unlink()  # else Blender keeps what it writes over as a backup
            bpy.ops.wm.save_as_mainfile(filepath=str(temporary), copy=True, check_existing=False, compress=True)
        finally:
            scene.frame_start, scene.frame_end = before[:2]
            scene.frame_set(before[2])


EXPORTERS: dict[str, Callable[[bpy.types.Object, Path, ExportSettings | None], None]] = {
    "fbx": export_fbx,
    "glb": export_glb,
    "bvh": export_bvh,
    "usd": export_usd,
    "abc": export_abc,
    "npz": export_npz,
    "csv": export_csv,
    "blend": export_blend,
}


def check_formats(formats: list[str]) -> None:
    """Raises ArgumentsError for a format that is not known."""
    for name in formats:
        if name not in EXPORTERS:
            raise ArgumentsError(f"`{name}` is not a format: use {', '.join(sorted(EXPORTERS))}.")


def _shape(settings: ExportSettings | None) -> Shape:
    settings = settings or ExportSettings()
    return Shape(mesh=settings.mesh, rate=settings.rate, root_motion=settings.root_motion)


def _names_of(armature: bpy.types.Object, naming: str) -> dict[str, str]:
    """New names of bones after a preset, part by part; what it has no name for keeps its own."""
    if not naming:
        return {}
    own = presets.mapping_of(armature)[1]
    wanted = presets.mapping_of_preset(naming)
    return {a: b for slot, names in own.slots.items() for a, b in zip(names, wanted.slots.get(slot, []), strict=False)}


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    with replacing(path) as temporary:
        try:
            yield temporary
        except RuntimeError as error:
            raise ExportError(f"{path.name} could not be written: {str(error).strip().splitlines()[-1]}") from error
        if temporary.stat().st_size == 0:
            raise ExportError(f"{path.name} could not be written.")
