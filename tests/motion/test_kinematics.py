"""Derivatives of the figure against finite differences, and IK against known poses."""

import numpy as np
import pytest

from inference_server.motion import ik
from inference_server.motion.kinematics import (
    NUM_PARAMETERS,
    Figure,
    LandmarkPoints,
    joint_jacobian,
    point_jacobian,
    point_shape_jacobian,
    pose,
)
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.rotations import axis_angle_to_matrix, geodesic_angle
from int_blender_addon.core.skeleton import JOINT_INDEX, NUM_JOINTS

BODY = load_free_body()
POINTS = LandmarkPoints.load()


def random_state(seed: int, frames: int = 2, spread: float = 0.6) -> tuple[Figure, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    figure = Figure.of(BODY, POINTS, rng.normal(size=10))
    rotations = axis_angle_to_matrix(rng.normal(size=(frames, NUM_JOINTS, 3)) * spread)
    return figure, rotations, rng.normal(size=(frames, 3))


@pytest.mark.parametrize("seed", [0, 1])
def test_pose_jacobians_are_the_derivatives(seed: int) -> None:
    figure, rotations, root = random_state(seed)
    posed = pose(figure, rotations, root)
    points, joints = point_jacobian(figure, posed), joint_jacobian(posed)
    step = 1e-6
    for parameter in range(NUM_PARAMETERS):
        turned, moved = rotations.copy(), root.copy()
        if parameter < 3 * NUM_JOINTS:
            vector = np.zeros((NUM_JOINTS, 3))
            vector.ravel()[parameter] = step
            turned = rotations @ axis_angle_to_matrix(vector)
        else:
            moved[:, parameter - 3 * NUM_JOINTS] += step
        other = pose(figure, turned, moved)
        np.testing.assert_allclose((other.points - posed.points) / step, points[..., parameter], atol=1e-5)
        np.testing.assert_allclose((other.joints - posed.joints) / step, joints[..., parameter], atol=1e-5)


def test_shape_jacobian_is_the_derivative() -> None:
    figure, rotations, root = random_state(3)
    posed = pose(figure, rotations, root)
    columns = point_shape_jacobian(figure, posed)
    for beta in range(10):
        betas = figure.betas.copy()
        betas[beta] += 1e-5
        other = pose(Figure.of(BODY, POINTS, betas), rotations, root)
        np.testing.assert_allclose((other.points - posed.points) / 1e-5, columns[..., beta], atol=1e-5)


def test_figure_agrees_with_the_skinned_body() -> None:
    figure, rotations, root = random_state(4, frames=1)
    rest = BODY.rest(figure.betas)
    joints = rest.pose_joints(rotations, root - rest.joints[0])
    np.testing.assert_allclose(pose(figure, rotations, root).joints, joints, atol=1e-12)


def test_ik_recovers_poses_that_it_can_express() -> None:
    rng = np.random.default_rng(5)
    figure = Figure.of(BODY, POINTS, np.zeros(10))
    vectors = np.zeros((20, NUM_JOINTS, 3))
    vectors[:, 0] = rng.normal(size=(20, 3))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        vectors[:, JOINT_INDEX[f"{side}_knee"], 0] = rng.uniform(0.8, 1.8, 20)
        vectors[:, JOINT_INDEX[f"{side}_hip"]] = rng.normal(size=(20, 3)) * 0.4
        vectors[:, JOINT_INDEX[f"{side}_elbow"], 1] = sign * rng.uniform(0.8, 1.8, 20)
        vectors[:, JOINT_INDEX[f"{side}_shoulder"]] = rng.normal(size=(20, 3)) * 0.4
    truth = axis_angle_to_matrix(vectors)
    posed = pose(figure, truth, np.zeros((20, 3)))
    found = pose(figure, ik.solve(posed.points, figure), np.zeros((20, 3)))
    limbs = [JOINT_INDEX[f"{s}_{j}"] for s in ("left", "right") for j in ("hip", "knee", "shoulder", "elbow")]
    angles = np.degrees(geodesic_angle(found.turns[:, limbs], posed.turns[:, limbs]))
    assert np.median(angles) < 8.0
    assert np.degrees(geodesic_angle(found.turns[:, 0], posed.turns[:, 0])).max() < 5.0
