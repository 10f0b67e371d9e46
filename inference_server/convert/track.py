"""One person as another system has them, and as a take of ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from int_blender_addon.core.body import BodyModel, RestBody
from int_blender_addon.core.errors import TakeFileError
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine import Rest
from int_blender_addon.core.refine.footlock import Skeleton
from int_blender_addon.core.refine.ground import contacts, floor_height, soles_of
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from int_blender_addon.core.skeleton import NUM_JOINTS, forward_kinematics

from ..motion import world
from ..motion.camera import camera_matrix, default_focal

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # (x, y, z) -> (x, -z, y)
# where the pelvis of the systems' bodies rests, in metres: their `trans` counts from there
SMPL_PELVIS = np.array([-0.0018, -0.2233, 0.0282])
SMPLX_PELVIS = np.array([0.0031, -0.3514, 0.0120])


@dataclass
class Camera:
    """The root of the same person in camera space (x right, y down, z forward): it tells where the camera is."""

    root: np.ndarray  # (T, 3, 3)
    pelvis: np.ndarray  # (T, 3)


@dataclass
class Track:
    """One person's motion over T frames, as read."""

    rotations: np.ndarray  # (T, 24, 3, 3) relative to parents, the root in `space`
    pelvis: np.ndarray  # (T, 3) metres in `space`
    space: str  # "camera": x right, y down, z forward; "y up"; "z up"
    system: str
    frames: np.ndarray  # (T,) 0-based video frame numbers
    person_id: int = 0
    betas: np.ndarray | None = None  # (10,) of SMPL
    fps: float | None = None
    K: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    seen: Camera | None = None


def rotations_of(values: np.ndarray, count: int) -> np.ndarray:
    """(T, 24, 3, 3) from matrices, quaternions (w first) or axis-angles of 22 joints or more.

    Joints from the 22nd on are fingers, jaw or eyes where there are more than 24; SMPL's hands then stay at rest.

    Raises:
        TakeFileError: The numbers can't be rotations of a body.
    """
    flat = np.asarray(values, np.float64).reshape(count, -1)
    size = flat.shape[1]
    if not np.isfinite(flat).all():
        raise TakeFileError("The file is damaged: it holds rotations that are not numbers.")
    if size == 24 * 4:
        from int_blender_addon.core.rotations import normalize, quaternion_to_matrix

        return quaternion_to_matrix(normalize(flat.reshape(count, 24, 4)))
    if size % 9 == 0 and size >= 22 * 9 and _are_matrices(flat):
        matrices = flat.reshape(count, -1, 3, 3)
    elif size % 3 == 0 and size >= 22 * 3:
        matrices = axis_angle_to_matrix(flat.reshape(count, -1, 3))
    else:
        raise TakeFileError(f"The file is no take: {size} numbers a frame are no rotations of a body.")
    if matrices.shape[1] != NUM_JOINTS:
        rest = np.broadcast_to(np.eye(3), (count, NUM_JOINTS - 22, 3, 3))
        matrices = np.concatenate([matrices[:, :22], rest], axis=1)
    return matrices


def _are_matrices(flat: np.ndarray) -> bool:
    first = flat[0].reshape(-1, 3, 3)
    return bool(np.allclose(first @ first.swapaxes(-1, -2), np.eye(3), atol=1e-2))


def to_motion(track: Track, body: BodyModel, times: np.ndarray, fps: float, image_size: tuple[int, int]) -> Motion:
    """The take: z up, the floor under its feet, contacts from its soles.

    Args:
        track: As read.
        body: Of the take. SMPL's shape goes to an SMPL body alone: the free body's shapes are others.
        times: (T,) seconds of the track's frames.
        fps: Of the video.
        image_size: Width and height of the video's picture; zeros if not known.
    """
    free = body.name == "free"
    betas = np.zeros(10) if free or track.betas is None else np.asarray(track.betas, float)[:10]
    rest = body.rest(betas)
    offsets = rest.offsets.copy()
    offsets[0] = 0
    turn = _turn(track, rest, offsets, times)
    rotations = track.rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    pelvis = track.pelvis @ turn.T
    origin = _origin(track, rotations, pelvis, rest, offsets)
    pelvis = pelvis - origin
    soles = _soles(rotations, pelvis, rest, offsets)
    world_to_camera, known = _cameras(track, turn, origin)
    joints = forward_kinematics(rotations, offsets)[1] + pelvis[:, None]
    if known:
        views = np.broadcast_to(world_to_camera, (len(pelvis), 4, 4))
        joints = joints @ views[:, :3, :3].swapaxes(-1, -2) + views[:, None, :3, 3]
    size = track.image_size or image_size
    K = track.K if track.K is not None else camera_matrix(default_focal(size), size) if size[0] else np.eye(3)
    extra = {} if track.betas is None or not free else {"smpl_betas": np.asarray(track.betas, np.float32)}
    count = len(pelvis)
    return Motion(
        poses=matrix_to_axis_angle(rotations).reshape(count, -1),
        trans=pelvis - rest.joints[0],
        betas=betas,
        joints=joints if known else np.zeros_like(joints),
        frame_index=np.asarray(track.frames, int),
        time=times,
        fps=fps,
        confidence=np.ones(count),
        bridged=np.zeros(count, bool),
        contacts=contacts(soles, times),
        K=K,
        world_to_camera=world_to_camera,
        image_size=np.array(size),
        person_id=track.person_id,
        model=track.system,
        body=body.name,
        extra=extra,
    )


def _turn(track: Track, rest: RestBody, offsets: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(3, 3) from the track's space to a world with z up."""
    if track.space == "z up":
        return np.eye(3)
    if track.space == "y up":
        return Y_UP
    joints = forward_kinematics(track.rotations, offsets)[1] + track.pelvis[:, None]
    span = np.gradient(times) if len(times) > 1 else np.ones(1)
    soles = _soles(track.rotations, track.pelvis, rest, offsets)
    return world.camera_to_world(world.up_direction(joints, soles, np.minimum(span, 0.2)))


def _origin(track: Track, rotations, pelvis, rest, offsets) -> np.ndarray:
    """What is taken off: the floor's height, and the start where the world is ours."""
    floor = floor_height(_soles(rotations, pelvis, rest, offsets))
    if track.space == "z up":  # a studio's floor is true already
        return np.zeros(3)
    start = pelvis[0] if track.space == "camera" else np.zeros(3)
    return np.array([start[0], start[1], floor])


def _soles(rotations, pelvis, rest, offsets) -> np.ndarray:
    """(T, 4, 3) left heel, left ball, right heel, right ball."""
    return soles_of(Skeleton(rotations, pelvis, offsets), Rest.of(rest).sole)


def _cameras(track: Track, turn: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, bool]:
    """World to camera, (4, 4) or one a frame, and whether it is known."""
    if track.space == "camera":
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn.T, turn.T @ origin
        return matrix, True
    if track.seen is None:
        return np.eye(4), False
    root = turn @ track.rotations[:, 0]
    pelvis = track.pelvis @ turn.T - origin
    matrices = np.tile(np.eye(4), (len(pelvis), 1, 1))
    matrices[:, :3, :3] = track.seen.root @ root.swapaxes(-1, -2)
    matrices[:, :3, 3] = track.seen.pelvis - (matrices[:, :3, :3] @ pelvis[..., None])[..., 0]
    return matrices, True
