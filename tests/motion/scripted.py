"""Motion written by hand for tests: a walk in place before a pinhole camera, as landmarks."""

import numpy as np

from inference_server.motion.camera import camera_matrix, project
from inference_server.motion.kinematics import Figure, LandmarkPoints, pose
from inference_server.people.landmarks import LandmarkTrack
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.rotations import axis_angle_to_matrix
from int_blender_addon.core.skeleton import JOINT_INDEX, NUM_JOINTS

IMAGE_SIZE = (1280, 720)
FOCAL = 1100.0


def walking_pose(time: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations (T, 24, 3, 3) and pelvis positions (T, 3) in camera space; yaw 0 faces the camera."""
    phase = 2 * np.pi * 0.9 * time
    vectors = np.zeros((len(time), NUM_JOINTS, 3))
    for side, offset in (("left", 0.0), ("right", np.pi)):
        swing = np.sin(phase + offset)
        sign = 1.0 if side == "left" else -1.0
        vectors[:, JOINT_INDEX[f"{side}_hip"], 0] = -0.45 * swing
        vectors[:, JOINT_INDEX[f"{side}_knee"], 0] = 0.5 - 0.4 * np.cos(phase + offset)
        vectors[:, JOINT_INDEX[f"{side}_shoulder"], 2] = -1.2 * sign
        vectors[:, JOINT_INDEX[f"{side}_elbow"], 1] = -sign * (0.6 + 0.2 * swing)
    rotations = axis_angle_to_matrix(vectors)
    upright = axis_angle_to_matrix(np.array([np.pi, 0.0, 0.0]))  # body y up, camera y down; faces the camera
    rotations[:, 0] = upright @ axis_angle_to_matrix(np.array([0.0, yaw, 0.0]))
    root = np.stack([0.15 * np.sin(0.5 * phase), 0.02 * np.cos(2 * phase), np.full(len(time), 4.0)], axis=-1)
    return rotations, root


def walking_track(yaw: float, fps: float, noise: float, seconds: float = 4.0, seed: int = 0) -> LandmarkTrack:
    """The walk as landmarks, with white noise of `noise` metres on both forms."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * fps)) / fps
    rotations, root = walking_pose(time, yaw)
    figure = Figure.of(load_free_body(), LandmarkPoints.load(), np.zeros(10))
    points = pose(figure, rotations, root).points
    hips = points[:, 23:25].mean(axis=1, keepdims=True)
    image = project(points, camera_matrix(FOCAL, IMAGE_SIZE))
    pixels = noise * FOCAL / 4.0
    count = len(time)
    return LandmarkTrack(
        person_id=0,
        frame_index=np.arange(count),
        time=time,
        image=image + rng.normal(size=image.shape) * pixels,
        image_z=np.zeros((count, 33)),
        world=points - hips + rng.normal(size=points.shape) * noise * [1.0, 1.0, 2.0],
        visibility=np.full((count, 33), 0.95),
        presence=np.full((count, 33), 0.99),
        score=np.ones(count),
        bridged=np.zeros(count, bool),
    )
