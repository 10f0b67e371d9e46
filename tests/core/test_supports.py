"""Hands and knees on the floor: push-ups and crawling stay where they are; whoever stands is left alone."""

import numpy as np
import pytest
from test_refine import BODY, REST, marching, take

from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine import RefineSettings, refine
from int_blender_addon.core.refine.supports import JOINTS, THICK
from int_blender_addon.core.rotations import axis_angle_to_matrix, geodesic_angle
from int_blender_addon.core.skeleton import JOINT_INDEX

HANDS, KNEES = slice(0, 2), slice(2, 4)


def on_the_floor(pose: np.ndarray, lowest: list[str], frames: int = 90, slide: float = 0.06) -> Motion:
    """A pose (24, 3), lying forward, held for a while with its lowest joints on the floor; it slides and trembles."""
    rng = np.random.default_rng(0)
    vectors = np.tile(pose, (frames, 1, 1)) + 0.004 * np.cumsum(rng.normal(size=(frames, 24, 3)), axis=0) * 0.3
    motion = take(vectors, np.zeros((frames, 3)), np.zeros((frames, 4)))
    joints = BODY.pose_joints(motion.rotations[:1], motion.trans[:1])[0]
    numbers = [JOINT_INDEX[name] for name in lowest]
    flesh = 0.03 if "hand" in lowest[0] else 0.055
    motion.trans[:, 2] = flesh - joints[numbers, 2].mean()
    motion.trans[:, 1] = slide * np.arange(frames) / 30.0
    return motion


def push_up() -> Motion:
    pose = np.zeros((24, 3))
    pose[0, 0] = np.radians(70)  # nearly flat, face down
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose[JOINT_INDEX[f"{side}_shoulder"]] = [0, -sign * np.radians(80), 0]  # arms forward: down to the floor
    return on_the_floor(pose, ["left_hand", "right_hand"])


def kneeling() -> Motion:
    pose = np.zeros((24, 3))
    for side in ("left", "right"):
        pose[JOINT_INDEX[f"{side}_knee"], 0] = np.radians(95)
    return on_the_floor(pose, ["left_knee", "right_knee"])


def points(motion: Motion) -> np.ndarray:
    return BODY.pose_joints(motion.rotations, motion.trans)[:, JOINTS]


SETTINGS = RefineSettings(level=False)


@pytest.mark.parametrize(("make", "which"), [(push_up, HANDS), (kneeling, KNEES)])
def test_what_is_on_the_floor_stays(make, which: slice) -> None:
    raw = make()
    found = refine(raw, REST, SETTINGS)
    assert found.supports is not None and found.supports[10:-10, which].all()
    steps = 1000 * np.linalg.norm(np.diff(points(found)[5:-5, which], axis=0), axis=-1)
    before = 1000 * np.linalg.norm(np.diff(points(raw)[5:-5, which], axis=0), axis=-1)
    assert steps.mean() < 0.25 * before.mean() and steps.max() < 2.0
    assert points(found)[5:-5, which, 2] == pytest.approx(THICK[which].mean(), abs=0.02)


def test_turned_off_nothing_is_held() -> None:
    found = refine(push_up(), REST, RefineSettings(level=False, supports=False, smooth=0.0))
    assert found.supports is not None and not found.supports.any()
    assert np.linalg.norm(points(found)[-1, 0] - points(found)[0, 0]) > 0.1


def test_whoever_stands_has_no_hands_on_the_floor() -> None:
    found = refine(marching(), REST, RefineSettings())
    assert found.supports is not None and not found.supports.any()


def test_what_a_person_said_counts() -> None:
    raw = push_up()
    raw.supports = np.zeros((len(raw), 4))
    raw.supports[20:60, 0] = 1.0
    found = refine(raw, REST, SETTINGS)
    assert found.supports[25:55, 0].all() and not found.supports[:, 1:].any()
    left = np.linalg.norm(np.diff(points(found)[25:55, 0], axis=0), axis=-1)
    right = np.linalg.norm(np.diff(points(found)[25:55, 1], axis=0), axis=-1)
    assert left.max() < 0.002 and right.mean() > left.mean()


@pytest.mark.parametrize("turn", [[np.pi, 0, 0], [0, 0, np.pi / 2], [-np.pi / 2, 0, 0]])
def test_upside_down_and_lying_come_through(turn: list[float]) -> None:
    vectors = np.zeros((40, 24, 3))
    vectors[:, 0] = turn
    motion = take(vectors, np.zeros((40, 3)), np.zeros((40, 4)))
    joints = BODY.pose_joints(motion.rotations, motion.trans)
    motion.trans[:, 2] -= joints[..., 2].min() - 0.03
    found = refine(motion, REST, RefineSettings())
    assert np.isfinite(found.poses).all() and np.isfinite(found.trans).all()
    before = axis_angle_to_matrix(vectors[:, 1:])
    assert np.degrees(geodesic_angle(found.rotations[:, 1:], before)).max() < 60.0
