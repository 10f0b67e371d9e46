"""One person's landmarks to their take: swaps undone, analytic IK, the fit over windows in time, the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.errors import CancelledError, TooFewFramesError
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine import RefineSettings, Rest, raw_extra, refine
from int_blender_addon.core.refine.ground import contacts, floor_height
from int_blender_addon.core.rotations import matrix_to_axis_angle
from int_blender_addon.core.skeleton import NUM_JOINTS

from ..people.landmarks import LandmarkTrack
from . import world
from .bias import LandmarkBias
from .camera import camera_matrix, from_camera, in_camera, project
from .fit import FitSettings, Pose
from .height import betas_of_height, height_of
from .kinematics import Figure, LandmarkPoints, pose
from .moving_camera import SCENE
from .windows import QUALITIES, CameraSays, Fitted, Reader, WindowedFit

FEWEST_FRAMES = 5
LOWEST_EYE = 0.5  # metres: a camera nearer to the floor doesn't tell how far away feet on it are
LARGEST_SCALE = 1.25  # of a body by the scene's floor: more would be a scene that doesn't match


def estimate_motion(
    track: LandmarkTrack,
    image_size: tuple[int, int],
    fps: float,
    body: BodyModel,
    quality: str = "best",
    focal: float | None = None,
    smooth: float = 0.5,
    settings: FitSettings | None = None,
    bias: LandmarkBias | None = None,
    reader: Reader | None = None,
    camera: CameraSays | None = None,
    height: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Motion:
    """The take of one person.

    Args:
        track: Landmarks, unsmoothed.
        image_size: Width and height of the upright picture.
        fps: The video's average frame rate, written into the take.
        body: The body whose joints move; its betas are estimated once for the take.
        quality: `fast` or `best`.
        focal: Focal length in pixels if the lens is known; estimated near a usual one if not.
        smooth: 0 to 1, smoothing after the fit.
        settings: Spreads of the fit's terms.
        bias: What the landmarker's 3D usually gets wrong.
        reader: A model that tells rotations from landmarks.
        camera: Tells how the camera moved.
        height: Of the person, in metres, if known.
        on_progress: Called with frames done and frames in all.
        cancelled: Asked between windows.

    Raises:
        TooFewFramesError: The person is seen in fewer than 5 frames.
        CancelledError: `cancelled` said so.
    """
    if len(track) < FEWEST_FRAMES:
        raise TooFewFramesError(f"The person is seen in {len(track)} frames only.")

    def on_window(done: int) -> None:
        if on_progress is not None:
            on_progress(done, len(track))
        if cancelled is not None and cancelled():
            raise CancelledError("The capture was cancelled.")

    fit = WindowedFit(image_size, body, QUALITIES[quality], focal, settings, bias, reader, height)
    fit.extend(track, final=True, on_window=on_window, camera=camera)
    return finish(fit.fitted(track), track, image_size, fps, body, smooth)


def finish(
    fitted: Fitted,
    track: LandmarkTrack,
    image_size: tuple[int, int],
    fps: float,
    body: BodyModel,
    smooth: float,
) -> Motion:
    """The take from what was fitted to a track: put on the ground, refined, the raw one kept beside.

    Args:
        fitted: Of the track's frames.
        track: The landmarks.
        image_size: Width and height of the upright picture.
        fps: Of the video.
        body: Of the take.
        smooth: 0 to 1.
    """
    raw = ground(fitted, track, image_size, fps, body)
    refined = refine(raw, Rest.of(body.rest(raw.betas)), RefineSettings(smooth))
    refined.extra = raw_extra(raw) | {"reprojection": _reprojection(fitted, track, raw.K)}
    return refined


def _reprojection(fitted: Fitted, track: LandmarkTrack, K: np.ndarray) -> np.ndarray:
    """(T,) how far the body's points are from the landmarks, on average, as a share of the person's height in the
    picture; seen points count by how well they are seen."""
    points = in_camera(fitted.pose.posed().points, fitted.to_camera)
    off = np.linalg.norm(project(points, K) - track.image, axis=-1)
    height = np.maximum(np.ptp(track.image[..., 1], axis=1), 1.0)
    weights = track.visibility + 1e-6
    return ((off * weights).sum(axis=1) / weights.sum(axis=1) / height).astype(np.float32)


def ground(fitted: Fitted, track: LandmarkTrack, image_size: tuple[int, int], fps: float, body: BodyModel) -> Motion:
    """The take in the world: z up, floor at z = 0, the person starting at the origin.

    Where Blender's scene told the camera, the world is the scene's, and the person stands where they stood.
    """
    state, to_camera = fitted.pose, fitted.to_camera
    in_scene = fitted.camera_kind == SCENE
    if in_scene:
        state = _on_scene_floor(fitted, track, body)
        turn, origin = np.eye(3), np.zeros(3)
        soles = _soles(state, turn, body)
    else:
        posed = state.posed()
        span = np.minimum(np.gradient(track.time), 0.2)
        up = world.up_direction(posed.joints, world.sole_points(posed.points), span, to_camera)
        turn = world.camera_to_world(up)
        soles = _soles(state, turn, body)
        start = turn @ posed.joints[0, 0]
        origin = np.array([start[0], start[1], floor_height(soles)])
    poses = matrix_to_axis_angle(state.rotations)
    poses[:, 0] = matrix_to_axis_angle(turn @ state.rotations[:, 0])
    to_steady = np.eye(4)
    to_steady[:3, :3], to_steady[:3, 3] = turn.T, turn.T @ origin
    return Motion(
        poses=poses.reshape(len(poses), 72),
        trans=state.root @ turn.T - origin - body.rest_joints(state.figure.betas)[0],
        betas=state.figure.betas,
        joints=in_camera(state.posed().joints, to_camera),
        frame_index=track.frame_index,
        time=track.time,
        fps=fps,
        confidence=track.score * track.visibility.mean(axis=1),
        bridged=track.bridged,
        contacts=contacts(soles - origin, track.time, fitted.contacts),
        K=camera_matrix(state.focal, image_size),
        world_to_camera=to_steady if to_camera is None else to_camera @ to_steady,
        image_size=np.array(image_size),
        person_id=track.person_id,
        model="landmarks",
        body=body.name,
        camera=fitted.camera_kind,
    )


def _soles(state: Pose, turn: np.ndarray, body: BodyModel) -> np.ndarray:
    """(T, 4, 3) places on the soles, turned to z up."""
    soles = world.sole_points(state.posed().points) @ turn.T
    soles[..., 2] -= _height_above_sole(state, body)
    return soles


def _on_scene_floor(fitted: Fitted, track: LandmarkTrack, body: BodyModel) -> Pose:
    """The pose made larger or smaller from the camera, so that standing feet are on the scene's floor: through one
    lens a tall person far away looks like a small one nearby, and the floor tells which it was."""
    state, to_camera = fitted.pose, fitted.to_camera
    assert to_camera is not None
    eye = from_camera(np.zeros((len(track), 3)), to_camera)
    soles = _soles(state, np.eye(3), body)
    above = eye[:, None, 2] - soles[..., 2]
    standing = contacts(soles, track.time, fitted.contacts) > 0.5
    usable = standing & (above > 0.2 * np.abs(eye[:, None, 2])) & (eye[:, None, 2] > LOWEST_EYE)
    if fitted.height_known or usable.sum() < FEWEST_FRAMES:
        return state
    scale = float(np.median((np.broadcast_to(eye[:, None, 2], above.shape) / above)[usable]))
    scale = float(np.clip(scale, 1 / LARGEST_SCALE, LARGEST_SCALE))
    tall = height_of(body, state.figure.betas)
    figure = Figure.of(body, LandmarkPoints.load(), betas_of_height(body, state.figure.betas, tall * scale))
    return replace(state, figure=figure, root=eye + scale * (state.root - eye))


def _height_above_sole(state: Pose, body: BodyModel) -> np.ndarray:
    """(4,) how far the heel and toe landmarks stand above the sole of the foot at rest."""
    rest = body.rest(state.figure.betas)
    points = pose(state.figure, np.broadcast_to(np.eye(3), (1, NUM_JOINTS, 3, 3)), rest.joints[:1]).points
    return world.sole_points(points)[0, :, 1] - rest.vertices[:, 1].min()
