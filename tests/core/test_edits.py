"""Trim, mirror, bridged gaps, speed, and cycles."""

import numpy as np
import pytest

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine.edits import (
    Edits,
    contacts_to_raw,
    edited,
    heading_of,
    mirrored,
    placed_after,
    supports_to_raw,
)
from int_blender_addon.core.refine.loops import Loop, cycle, find_loops
from int_blender_addon.core.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_axis_angle
from int_blender_addon.core.skeleton import JOINT_INDEX, MIRROR

BODY = load_free_body().rest(np.zeros(10))
PELVIS = BODY.joints[0]
UPRIGHT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # body space to a world with z up, facing +x


def walk(seconds: float = 6.0, fps: float = 30.0, turning: float = 0.0, period: float = 1.1) -> Motion:
    """A walk along +x, of the same step again and again."""
    time = np.arange(round(seconds * fps)) / fps
    phase = 2 * np.pi * time / period
    vectors = np.zeros((len(time), 24, 3))
    for side, offset in (("left", 0.0), ("right", np.pi)):
        vectors[:, JOINT_INDEX[f"{side}_hip"], 0] = -0.45 * np.sin(phase + offset)
        vectors[:, JOINT_INDEX[f"{side}_knee"], 0] = 0.5 - 0.4 * np.cos(phase + offset)
        vectors[:, JOINT_INDEX[f"{side}_shoulder"], 2] = 1.2 if side == "right" else -1.2
    rotations = axis_angle_to_matrix(vectors)
    yaw = turning * time
    rotations[:, 0] = axis_angle_to_matrix(yaw[:, None] * np.array([0, 0, 1.0])) @ UPRIGHT
    speed = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1) * 1.2
    path = np.zeros((len(time), 3))
    path[1:, :2] = np.cumsum(speed[:-1] / fps, axis=0)
    path[:, 2] = 0.95 + 0.02 * np.cos(2 * phase)
    count = len(time)
    return Motion(
        poses=matrix_to_axis_angle(rotations).reshape(count, 72),
        trans=path - PELVIS,
        betas=np.zeros(10),
        joints=np.zeros((count, 24, 3)),
        frame_index=np.arange(count),
        time=time,
        fps=fps,
        confidence=np.ones(count),
        bridged=np.zeros(count, bool),
        contacts=np.stack([np.sin(phase) > 0, np.cos(phase) > 0, np.sin(phase) < 0, np.cos(phase) < 0], axis=-1) * 1.0,
        K=np.eye(3),
        world_to_camera=np.eye(4),
        image_size=np.array([10, 10]),
    )


def joints(motion: Motion) -> np.ndarray:
    return BODY.pose_joints(motion.rotations, motion.trans)


def test_nothing_asked_changes_nothing() -> None:
    raw = walk()
    motion, rows = edited(raw, Edits(), PELVIS)
    np.testing.assert_array_equal(motion.poses, raw.poses)
    np.testing.assert_array_equal(rows, np.arange(len(raw)))


def test_a_trim_keeps_its_seconds_and_never_nothing() -> None:
    motion, rows = edited(walk(), Edits(start=1.0, end=2.0), PELVIS)
    assert motion.time[0] == pytest.approx(1.0) and motion.time[-1] == pytest.approx(2.0) and rows[0] == 30
    assert len(edited(walk(), Edits(start=50.0, end=60.0), PELVIS)[0]) == 1


def test_a_mirror_exchanges_sides_and_keeps_the_way_ahead() -> None:
    raw = walk(turning=0.4)
    motion = mirrored(raw, PELVIS)
    there, here = joints(raw), joints(motion)
    start = there[0, 0] * [1, 1, 0]
    flipped = (there[:, MIRROR] - start) * [1, -1, 1] + start  # the first heading is +x
    np.testing.assert_allclose(here, flipped, atol=0.02)  # the body itself is nearly, not quite, symmetric
    np.testing.assert_array_equal(motion.contacts[:, :2], raw.contacts[:, 2:])
    again = mirrored(motion, PELVIS)
    np.testing.assert_allclose(geodesic_angle(again.rotations, raw.rotations), 0, atol=1e-6)
    np.testing.assert_allclose(again.trans, raw.trans, atol=1e-9)


def test_a_gap_is_bridged_without_a_jump() -> None:
    raw = walk()
    truth = joints(raw)
    holed = raw.select(np.r_[0:60, 90:180])
    motion, rows = edited(holed, Edits(bridge=3.0), PELVIS)
    assert len(motion) == 180 and (rows == -1).sum() == 30 and motion.bridged[60:90].all()
    found = joints(motion)
    np.testing.assert_allclose(found[:60], truth[:60], atol=1e-9)
    speed = np.linalg.norm(np.diff(found, axis=0), axis=-1)
    usual = np.linalg.norm(np.diff(truth, axis=0), axis=-1).max()
    assert speed.max() < 1.6 * usual
    assert np.abs(np.diff(speed[:, 0])).max() < 0.3 * usual  # the pelvis goes on as it went
    assert len(edited(holed, Edits(bridge=0.9), PELVIS)[0]) == 150  # longer than asked


def test_contacts_find_their_way_back_through_all_edits() -> None:
    raw = walk().select(np.r_[0:60, 90:180])
    edits = Edits(start=0.5, end=5.0, mirror=True, bridge=2.0, speed=2.0)
    motion, rows = edited(raw, edits, PELVIS)
    np.testing.assert_array_equal(contacts_to_raw(raw, motion.contacts, rows, True), raw.contacts)
    raw.supports = np.random.default_rng(0).integers(0, 2, (len(raw), 4)) * 1.0
    again, rows = edited(raw, edits, PELVIS)
    kept = np.isin(np.arange(len(raw)), rows)
    np.testing.assert_array_equal(supports_to_raw(raw, again.supports, rows, True)[kept], raw.supports[kept])
    assert motion.time[-1] - motion.time[0] == pytest.approx(2.25, abs=0.02)


def test_a_take_begins_where_another_ends() -> None:
    one, other = walk(turning=0.5), walk()
    end = joints(one)[-1, 0]
    placed = placed_after(other, PELVIS, end, heading_of(one.rotations[-1, 0]))
    first = joints(placed)[0, 0]
    np.testing.assert_allclose(first[:2], end[:2], atol=1e-9)
    assert heading_of(placed.rotations[0, 0]) == pytest.approx(heading_of(one.rotations[-1, 0]))
    assert np.linalg.norm(np.diff(placed.trans, axis=0), axis=1) == pytest.approx(
        np.linalg.norm(np.diff(other.trans, axis=0), axis=1)
    )


@pytest.mark.parametrize("turning", [0.0, 0.3])
def test_the_cycle_of_a_walk_is_found(turning: float) -> None:
    motion = walk(turning=turning)
    loops = find_loops(motion, BODY.offsets, 0.6, 2.0)
    assert loops[0].end - loops[0].start == pytest.approx(1.1, abs=0.035)
    assert loops[0].apart < 0.03
    assert [loop.apart for loop in loops] == sorted(loop.apart for loop in loops)


@pytest.mark.parametrize(("start", "in_place"), [(2.0, True), (2.0, False), (0.0, True), (4.8, False)])
def test_a_cycle_closes_in_place_and_in_speed(start: float, in_place: bool) -> None:
    motion = walk(turning=0.3)
    rng = np.random.default_rng(0)
    motion.poses = motion.poses + np.cumsum(rng.normal(size=motion.poses.shape), axis=0) * 0.0015  # no two steps equal
    found = cycle(motion, Loop(start, start + 1.1, 0.0), 0.3, in_place, PELVIS)
    placed = joints(found)
    placed -= placed[:, :1] * [1, 1, 0]
    np.testing.assert_allclose(placed[-1], placed[0], atol=1e-6)
    ahead, behind = placed[1] - placed[0], placed[-1] - placed[-2]
    assert np.linalg.norm(ahead - behind, axis=-1).max() < 0.03
    way = found.trans[-1] - found.trans[0]
    assert np.linalg.norm(way[:2]) == pytest.approx(0.0 if in_place else 1.32, abs=0.05)
    assert way[2] == pytest.approx(0.0, abs=1e-9)


def test_too_short_a_take_has_no_cycle() -> None:
    assert find_loops(walk(seconds=0.5), BODY.offsets, 0.6, 2.0) == []
