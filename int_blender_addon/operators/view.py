"""Seeing a take over its video: a camera that matches the video's, with the video behind."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from .. import cleanup, keyframes
from ..core.errors import MocapError, TakeFileError
from ..core.motion import Motion
from ..core.rotations import continuous_quaternions

FROM_VISION = np.diag([1.0, -1.0, -1.0, 1.0])  # y down, looking along +z, to Blender's camera
SENSOR_MM = 36.0
SIDE_METRES = 5.0  # from which the body is looked at from the side
SIDEBAR_SHIFT = 1.0  # metres that the view moves, so that the sidebar doesn't cover the body


class INT_MOCAP_OT_match_camera(bpy.types.Operator):
    """Look through a camera that matches the video's, with the video behind the body"""

    bl_idname = "int_mocap.match_camera"
    bl_label = "Match camera"
    bl_options = {"REGISTER", "UNDO"}

    match_resolution: bpy.props.BoolProperty(
        name="Match resolution", description="Give the scene the video's picture size", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """The active object is a rig with its take."""
        return cleanup.has_take(context.object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the camera, or move the one that is there."""
        try:
            camera = match(context, context.object, self.match_resolution)
        except MocapError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        context.scene.camera = camera
        for area in context.screen.areas if context.screen else ():
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}


class INT_MOCAP_OT_side_by_side(bpy.types.Operator):
    """Split the view: the body over the video on the left, the body from the side on the right"""

    bl_idname = "int_mocap.side_by_side"
    bl_label = "Side by side"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A 3D View, and a rig with its take."""
        return cleanup.has_take(context.object) and context.area is not None and context.area.type == "VIEW_3D"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Match the camera on one side, and look from the side on the other."""
        try:
            context.scene.camera = match(context, context.object, True)
        except MocapError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        before = {area.as_pointer() for area in context.screen.areas}
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
        added = [area for area in context.screen.areas if area.as_pointer() not in before]
        left, right = sorted((context.area, *added), key=lambda area: area.x)[:2]
        left.spaces.active.region_3d.view_perspective = "CAMERA"
        left.spaces.active.show_region_ui = False  # else it covers half of what is to be seen
        aside = right.spaces.active.region_3d
        aside.view_perspective = "PERSP"
        rig = context.object
        middle = rig.matrix_world @ rig.pose.bones["pelvis"].head
        camera = context.scene.camera
        turned = camera.matrix_world.to_quaternion() @ Quaternion((0.0, 1.0, 0.0), np.radians(90.0))
        beside = turned @ Vector((SIDEBAR_SHIFT, 0.0, 0.0)) if right.spaces.active.show_region_ui else Vector()
        aside.view_rotation, aside.view_location, aside.view_distance = turned, middle + beside, SIDE_METRES
        return {"FINISHED"}


def match(context: bpy.types.Context, armature: bpy.types.Object, resolution: bool) -> bpy.types.Object:
    """The camera of a rig's take, with the video as its background where the file is still there.

    Raises:
        TakeFileError: The take knows no camera.
    """
    take = cleanup.refined_take(armature)
    width, height = (int(side) for side in take.image_size)
    if not width or not height:
        raise TakeFileError("This take knows no camera.", "Takes of other programs have none.")
    name = f"{armature.name} camera"
    camera = bpy.data.objects.get(name)
    if camera is None or camera.type != "CAMERA":
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        context.scene.collection.objects.link(camera)
    lens = camera.data
    lens.sensor_fit, lens.sensor_width, lens.sensor_height = "HORIZONTAL", SENSOR_MM, SENSOR_MM
    if height > width:
        lens.sensor_fit = "VERTICAL"
    longer = max(width, height)
    lens.lens = float(take.K[0, 0]) / longer * SENSOR_MM
    lens.shift_x = ((width - 1) / 2 - float(take.K[0, 2])) / longer
    lens.shift_y = (float(take.K[1, 2]) - (height - 1) / 2) / longer
    _stand(camera, armature, take, keyframes.scene_rate(context.scene))
    if resolution:
        render = context.scene.render
        render.resolution_x, render.resolution_y = width, height
        render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    _put_video_behind(context, armature, lens, take)
    return camera


def _stand(camera: bpy.types.Object, armature: bpy.types.Object, take: Motion, rate: float) -> None:
    """Bring the camera to where the video's was; with keys, where that moved."""
    before = cleanup.active_action(camera)
    camera.animation_data_clear()
    if before is not None and before.users == 0:
        bpy.data.actions.remove(before)
    views = np.asarray(take.world_to_camera, float).reshape(-1, 4, 4)
    root = np.array(armature.matrix_world)
    placed = [Matrix((root @ np.linalg.inv(view) @ FROM_VISION).tolist()) for view in views]
    camera.matrix_world = placed[0]
    if len(placed) == 1:
        return
    camera.rotation_mode = "QUATERNION"
    first_frame = cleanup.raw_take(armature)[2]
    turns = continuous_quaternions(np.array([matrix.to_quaternion() for matrix in placed]))
    places = np.array([matrix.to_translation() for matrix in placed])
    camera.animation_data_create()
    curves = keyframes.channels_for(bpy.data.actions.new(camera.name), camera)
    frames = first_frame + np.asarray(take.time, float) * rate
    for axis in range(4):
        keyframes.fill(curves("rotation_quaternion", axis, "Camera"), frames, turns[:, axis])
    for axis in range(3):
        keyframes.fill(curves("location", axis, "Camera"), frames, places[:, axis])


def _put_video_behind(
    context: bpy.types.Context, armature: bpy.types.Object, lens: bpy.types.Camera, take: Motion
) -> None:
    played = cleanup.taken(armature)
    assert played is not None
    video = Path(str(played.action.get(cleanup.VIDEO_PROPERTY, "")))
    lens.show_background_images = True
    lens.background_images.clear()
    lens.animation_data_clear()
    first_frame = cleanup.raw_take(armature)[2]
    if not video.is_file():
        return
    image = bpy.data.images.load(str(video), check_existing=True)
    behind = lens.background_images.new()
    behind.image = image
    behind.alpha = 1.0
    behind.display_depth = "BACK"
    _run_in_time(context.scene, behind.image_user, image.frame_duration, take.time, take.frame_index, first_frame)


def _run_in_time(
    scene: bpy.types.Scene,
    user: bpy.types.ImageUser,
    length: int,
    times: np.ndarray,
    frame_index: np.ndarray,
    first_frame: float,
) -> None:
    """Let the video show, at every scene frame, its frame of that time: Blender itself goes on by one a frame."""
    rate = keyframes.scene_rate(scene)
    frames = np.arange(int(np.ceil(first_frame + times[0] * rate)), int(first_frame + times[-1] * rate) + 1)
    after = np.clip(np.searchsorted(times, (frames - first_frame) / rate), 1, max(len(times) - 1, 1))
    at = (frames - first_frame) / rate
    nearer = np.abs(times[np.minimum(after, len(times) - 1)] - at) < np.abs(times[after - 1] - at)
    shown = frame_index[np.where(nearer, np.minimum(after, len(times) - 1), after - 1)] + 1
    user.frame_start = int(first_frame)
    user.frame_duration = max(length, int(frames[-1] - first_frame) + 1) if len(frames) else max(length, 1)
    user.use_auto_refresh = True
    offsets = shown - (frames - int(first_frame) + 1)
    for k in np.flatnonzero(np.concatenate([[True], np.diff(offsets) != 0])) if len(frames) else ():
        user.frame_offset = int(offsets[k])
        user.keyframe_insert("frame_offset", frame=float(frames[k]))
    for curve in keyframes.curves_of(user.id_data.animation_data.action) if user.id_data.animation_data else ():
        for point in curve.keyframe_points:
            point.interpolation = "CONSTANT"


CLASSES = (INT_MOCAP_OT_match_camera, INT_MOCAP_OT_side_by_side)
