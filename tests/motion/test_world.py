"""Which way is up, from how people stand, how cameras are held and where the floor is."""

import numpy as np
import pytest
from scripted import walking_pose

from inference_server.motion.kinematics import Figure, LandmarkPoints, pose
from inference_server.motion.world import camera_to_world, sole_points, up_direction
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.rotations import axis_angle_to_matrix

FIGURE = Figure.of(load_free_body(), LandmarkPoints.load(), np.zeros(10))
LEVEL_UP = np.array([0.0, -1.0, 0.0])


def seen(pitch: float, roll: float, eye: float, lying: bool = False, seconds: float = 4.0):
    """Somebody standing four metres before a camera that looks up by some degrees from a height; and the true up."""
    time = np.arange(int(30 * seconds)) / 30
    rotations, root = walking_pose(time, 0.6)
    sway = 0.05 * np.random.default_rng(0).normal(size=(len(time), 23, 3))
    rotations[:, 1:] = axis_angle_to_matrix(sway)
    if lying:
        rotations[:, 0] = axis_angle_to_matrix(np.array([0, 0, np.pi / 2])) @ rotations[:, 0]
    posed = pose(FIGURE, rotations, root)
    lowest = sole_points(posed.points)[..., 1].max() if not lying else posed.joints[..., 1].max()
    shift = np.array([0.0, eye - lowest, 0.0])
    turn = axis_angle_to_matrix(np.radians([0, 0, roll])) @ axis_angle_to_matrix(np.radians([-pitch, 0, 0]))
    joints, points = ((p + shift) @ turn.T for p in (posed.joints, posed.points))
    return joints, sole_points(points), np.full(len(time), 1 / 30), turn @ LEVEL_UP


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@pytest.mark.parametrize(
    ("pitch", "roll", "eye"), [(0, 0, 1.0), (-6, 0, 1.5), (-22, 0, 2.1), (8, 0, 0.7), (-15, 6, 1.8)]
)
def test_an_upright_person_shows_it(pitch: float, roll: float, eye: float) -> None:
    joints, soles, span, up = seen(pitch, roll, eye)
    assert apart(up_direction(joints, soles, span), up) < 5.0


def test_a_steep_camera_above_somebody_lying_is_told_by_the_floor() -> None:
    joints, soles, span, up = seen(-30, 0, 2.0, lying=True)
    level = apart(LEVEL_UP, up)
    assert apart(up_direction(joints, soles, span), up) < level - 8


def test_a_glance_counts_less_than_a_minute() -> None:
    short, long = (apart(up_direction(j, s, t), up) for j, s, t, up in (seen(-25, 0, 1.2, seconds=s) for s in (0.2, 4)))
    assert long < short


def test_a_camera_that_turned_is_looked_at_on_average() -> None:
    joints, soles, span, up = seen(-10, 0, 1.5)
    to_camera = np.tile(np.eye(4), (len(joints), 1, 1))
    pan = axis_angle_to_matrix(np.linspace(0, 1.0, len(joints))[:, None] * up)
    to_camera[:, :3, :3] = pan
    assert apart(up_direction(joints, soles, span, to_camera), up) < 4.0


def test_the_world_stands_upright() -> None:
    for direction in ([0.0, -1.0, 0.0], [0.1, -0.9, -0.4], [0.0, 0.0, -1.0]):
        up = np.array(direction) / np.linalg.norm(direction)
        turn = camera_to_world(up)
        np.testing.assert_allclose(turn @ up, [0, 0, 1], atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)
