"""The scene's camera as inference takes it."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from int_blender_addon import scene_camera
from int_blender_addon.core.errors import ArgumentsError


@pytest.fixture
def filming(empty_scene):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1280, 720, 100
    scene.render.fps, scene.frame_start, scene.frame_end = 25, 11, 40
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location, camera.rotation_euler = (1, -5, 1.6), (1.5, 0.05, 0.2)
    return scene, camera


def written(scene: bpy.types.Scene, path: Path) -> dict[str, np.ndarray]:
    for _ in scene_camera.write(scene, path):
        pass
    with np.load(path) as data:
        return dict(data)


@pytest.mark.parametrize(("fit", "size"), [("AUTO", (1280, 720)), ("AUTO", (720, 1280)), ("HORIZONTAL", (720, 1280)),
                                           ("VERTICAL", (1280, 720))])  # fmt: skip
def test_points_fall_where_blender_sees_them(filming, tmp_path, fit: str, size: tuple[int, int]) -> None:
    scene, camera = filming
    scene.render.resolution_x, scene.render.resolution_y = size
    camera.data.sensor_fit, camera.data.lens, camera.scale = fit, 40, (2, 2, 2)
    bpy.context.view_layer.update()
    found = written(scene, tmp_path / "camera.npz")
    assert found["time"].shape == (1,)
    for point in ((0.2, 0.3, 1.0), (-0.5, 1.0, 0.1), (0.4, 2.0, 1.9)):
        seen = found["world_to_camera"][0] @ [*point, 1.0]
        pixel = seen[:2] / seen[2] * found["focal"] * max(size) + np.array(size) / 2
        x, y, _ = world_to_camera_view(scene, camera, Vector(point))
        assert pixel == pytest.approx([x * size[0], (1 - y) * size[1]], abs=0.02)


def test_a_camera_that_moves_is_looked_at_in_every_frame(filming, tmp_path) -> None:
    scene, camera = filming
    parent = bpy.data.objects.new("Crane", None)
    scene.collection.objects.link(parent)
    camera.parent = parent
    parent.location = (0, 0, 0)
    parent.keyframe_insert("location", frame=11)
    parent.location = (2.9, 0, 0)
    parent.keyframe_insert("location", frame=40)
    scene.frame_set(20)
    found = written(scene, tmp_path / "camera.npz")
    assert scene.frame_current == 20
    assert found["time"] == pytest.approx(np.arange(30) / 25)
    eyes = np.linalg.inv(found["world_to_camera"])[:, :3, 3]
    assert eyes[0] == pytest.approx([1, -5, 1.6], abs=1e-5) and eyes[-1] == pytest.approx([3.9, -5, 1.6], abs=1e-5)


def test_a_solved_camera_of_a_clip(filming, tmp_path) -> None:
    """A constraint stands for the solve: what the camera's constraints say is what counts."""
    scene, camera = filming
    target = bpy.data.objects.new("Solve", None)
    scene.collection.objects.link(target)
    for frame in (11, 40):
        target.location = (0.1 * frame, 0, 0)
        target.keyframe_insert("location", frame=frame)
    camera.constraints.new("COPY_LOCATION").target = target
    found = written(scene, tmp_path / "camera.npz")
    eyes = np.linalg.inv(found["world_to_camera"])[:, :3, 3]
    assert eyes[[0, -1], 0] == pytest.approx([1.1, 4.0], abs=1e-4)


def test_no_camera_and_no_perspective_are_said(filming, tmp_path) -> None:
    scene, camera = filming
    camera.data.type = "ORTHO"
    with pytest.raises(ArgumentsError):
        written(scene, tmp_path / "camera.npz")
    scene.camera = None
    with pytest.raises(ArgumentsError):
        written(scene, tmp_path / "camera.npz")
