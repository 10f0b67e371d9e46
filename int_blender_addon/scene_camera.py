"""The scene's camera as inference takes it: where it stood and looked while the video was filmed.

A camera that was placed by hand, or one that Blender's motion tracking solved. The scene's frames are the video's: its
first frame is at the scene's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from . import keyframes
from .core.errors import ArgumentsError
from .core.files import save_npz

TO_VISION = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera to y down, looking along +z


def check(scene: bpy.types.Scene) -> None:
    """ArgumentsError if the scene has no camera of a kind that films."""
    if scene.camera is None or scene.camera.type != "CAMERA":
        raise ArgumentsError("The scene has no camera.", "Add one, or let the camera be found in the video.")
    if scene.camera.data.type != "PERSP":
        raise ArgumentsError(f"{scene.camera.name} is no perspective camera.", "Change its type, or use another.")


def write(scene: bpy.types.Scene, path: Path) -> Iterator[str]:
    """Write the scene's camera to an `.npz`, a frame at each step; the scene's frame is as before after each.

    Raises:
        ArgumentsError: The scene has no camera that films.
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    check(scene)
    rate, views, time = keyframes.scene_rate(scene), [], []
    frames = range(scene.frame_start, scene.frame_end + 1) if _moves(scene.camera) else [scene.frame_current]
    for frame in frames:
        shown = scene.frame_current
        if frame != shown:
            scene.frame_set(frame)
        views.append(_world_to_camera(scene.camera))
        time.append((frame - scene.frame_start) / rate)
        if frame != shown:
            scene.frame_set(shown)
        yield "camera"
    save_npz(path, {"time": np.array(time), "world_to_camera": np.stack(views), "focal": np.array(focal(scene))})


def _world_to_camera(camera: bpy.types.Object) -> np.ndarray:
    """(4, 4) from the world to x right, y down, z forward; the camera's scale doesn't count, as in Blender."""
    place, turn, _ = camera.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.decompose()
    return TO_VISION @ np.linalg.inv(np.array(Matrix.LocRotScale(place, turn, None)))


def focal(scene: bpy.types.Scene) -> float:
    """The focal length in lengths of the picture's longer side."""
    lens, render = scene.camera.data, scene.render
    width, height = render.resolution_x * render.pixel_aspect_x, render.resolution_y * render.pixel_aspect_y
    if lens.sensor_fit == "VERTICAL":
        pixels = lens.lens / lens.sensor_height * height
    elif lens.sensor_fit == "HORIZONTAL":
        pixels = lens.lens / lens.sensor_width * width
    else:
        pixels = lens.lens / lens.sensor_width * max(width, height)
    return pixels / max(width, height)


def _moves(item: bpy.types.Object | None) -> bool:
    """Whether an object may be elsewhere at another frame."""
    if item is None:
        return False
    keyed = item.animation_data is not None and (item.animation_data.action is not None or item.animation_data.drivers)
    return bool(keyed) or len(item.constraints) > 0 or _moves(item.parent)
