"""One person's landmarks to their take: swaps undone, analytic IK, the fit over windows in time, the ground."""

from __future__ import annotations

from collections.abc import Callable

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
from .camera import camera_matrix, project
from .fit import FitSettings, Pose
from .kinematics import pose
from .windows import QUALITIES, Reader, WindowedFit

FEWEST_FRAMES = 5


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

    fit = WindowedFit(image_size, body, QUALITIES[quality], focal, settings, bias, reader)
    fit.extend(track, final=True, on_window=on_window)
    return finish(fit.state(), fit.contacts(), track, image_size, fps, body, smooth)


def finish(
    state: Pose,
    told: np.ndarray | None,
    track: LandmarkTrack,
    image_size: tuple[int, int],
    fps: float,
    body: BodyModel,
    smooth: float,
) -> Motion:
    """The take from the fitted pose of the track's frames: put on the ground, refined, the raw one kept beside.

    Args:
        state: Of the track's frames.
        told: (T, 4) how likely heels and toes stand, as the network has it; None without one.
        track: The landmarks.
        image_size: Width and height of the upright picture.
        fps: Of the video.
        body: Of the take.
        smooth: 0 to 1.
    """
    raw = ground(state, told, track, image_size, fps, body)
    refined = refine(raw, Rest.of(body.rest(state.figure.betas)), RefineSettings(smooth))
    refined.extra = raw_extra(raw) | {"reprojection": _reprojection(state, track, raw.K)}
    return refined


def _reprojection(state: Pose, track: LandmarkTrack, K: np.ndarray) -> np.ndarray:
    """(T,) how far the body's points are from the landmarks, on average, as a share of the person's height in the
    picture; seen points count by how well they are seen."""
    off = np.linalg.norm(project(state.posed().points, K) - track.image, axis=-1)
    height = np.maximum(np.ptp(track.image[..., 1], axis=1), 1.0)
    weights = track.visibility + 1e-6
    return ((off * weights).sum(axis=1) / weights.sum(axis=1) / height).astype(np.float32)


def ground(
    state: Pose,
    told: np.ndarray | None,
    track: LandmarkTrack,
    image_size: tuple[int, int],
    fps: float,
    body: BodyModel,
) -> Motion:
    """The take in the world: z up, floor at z = 0, the person starting at the origin."""
    posed = state.posed()
    span = np.gradient(track.time)
    turn = world.camera_to_world(world.up_direction(posed.joints, np.minimum(span, 0.2)))
    soles = world.sole_points(posed.points) @ turn.T
    soles[..., 2] -= _height_above_sole(state, body)
    start = turn @ posed.joints[0, 0]
    origin = np.array([start[0], start[1], floor_height(soles)])
    rest_pelvis = body.rest_joints(state.figure.betas)[0]
    poses = matrix_to_axis_angle(state.rotations)
    poses[:, 0] = matrix_to_axis_angle(turn @ state.rotations[:, 0])
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = turn.T
    world_to_camera[:3, 3] = turn.T @ origin
    return Motion(
        poses=poses.reshape(len(poses), 72),
        trans=state.root @ turn.T - origin - rest_pelvis,
        betas=state.figure.betas,
        joints=posed.joints,
        frame_index=track.frame_index,
        time=track.time,
        fps=fps,
        confidence=track.score * track.visibility.mean(axis=1),
        bridged=track.bridged,
        contacts=contacts(soles - origin, track.time, told),
        K=camera_matrix(state.focal, image_size),
        world_to_camera=world_to_camera,
        image_size=np.array(image_size),
        person_id=track.person_id,
        model="landmarks",
        body=body.name,
    )


def _height_above_sole(state: Pose, body: BodyModel) -> np.ndarray:
    """(4,) how far the heel and toe landmarks stand above the sole of the foot at rest."""
    rest = body.rest(state.figure.betas)
    points = pose(state.figure, np.broadcast_to(np.eye(3), (1, NUM_JOINTS, 3, 3)), rest.joints[:1]).points
    return world.sole_points(points)[0, :, 1] - rest.vertices[:, 1].min()
