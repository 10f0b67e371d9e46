"""Refining: feet that stand, filters that keep what they should, hysteresis, falls, and sane answers to odd takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine import RefineSettings, Rest, raw_extra, raw_of, refine
from int_blender_addon.core.refine.feet import ANKLES, sole_points
from int_blender_addon.core.refine.filters import butterworth, one_euro, repair_outliers
from int_blender_addon.core.refine.stances import runs, stances, with_hysteresis
from int_blender_addon.core.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_axis_angle
from int_blender_addon.core.skeleton import JOINT_INDEX, forward_kinematics

BODY = load_free_body().rest(np.zeros(10))
REST = Rest.of(BODY)
UPRIGHT = axis_angle_to_matrix(np.array([np.pi / 2, 0.0, 0.0]))  # body space (y up) to the world (z up)


def take(vectors: np.ndarray, trans: np.ndarray, contacts: np.ndarray, fps: float = 30.0) -> Motion:
    """A take of joint vectors (T, 24, 3); the root's is in body space."""
    count = len(vectors)
    poses = vectors.copy()
    poses[:, 0] = matrix_to_axis_angle(UPRIGHT @ axis_angle_to_matrix(vectors[:, 0]))
    return Motion(
        poses=poses.reshape(count, 72), trans=trans, betas=np.zeros(10), joints=np.zeros((count, 24, 3)),
        frame_index=np.arange(count), time=np.arange(count) / fps, fps=fps, confidence=np.ones(count),
        bridged=np.zeros(count, bool), contacts=contacts, K=np.eye(3), world_to_camera=np.eye(4),
        image_size=np.zeros(2, int),
    )  # fmt: skip


def standing_height() -> float:
    """What brings the soles of the upright rest pose to z = 0."""
    return -float(sole_points(BODY)[..., 1].min()) - (BODY.joints[0][2] - BODY.joints[0][1])


def marching(frames: int = 150, fps: float = 30.0, noise: float = 0.0, slide: float = 0.25) -> Motion:
    """Feet lifted by turns, each standing for a second; the body slides and trembles as raw takes do."""
    rng = np.random.default_rng(3)
    time = np.arange(frames) / fps
    vectors = np.zeros((frames, 24, 3))
    lift = np.sin(np.pi * time)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        up = np.clip(sign * lift, 0, None)
        vectors[:, JOINT_INDEX[f"{side}_hip"], 0] = -0.9 * up
        vectors[:, JOINT_INDEX[f"{side}_knee"], 0] = 1.2 * up
    vectors += noise * rng.normal(size=vectors.shape)
    trans = np.zeros((frames, 3))
    trans[:, 1] = -slide * time
    trans[:, 2] = standing_height()
    contacts = np.stack([lift < 0.02, lift < 0.02, lift > -0.02, lift > -0.02], axis=-1).astype(float)
    return take(vectors, trans, contacts, fps)


def soles(motion: Motion) -> np.ndarray:
    """(T, 4, 3) left heel, left ball, right heel, right ball in the world."""
    offsets = np.broadcast_to(BODY.offsets, (len(motion), 24, 3)).copy()
    offsets[:, 0] = motion.trans + BODY.joints[0]
    turns, joints = forward_kinematics(motion.rotations, offsets)
    points = [joints[:, a] + turns[:, a] @ REST.sole[f, k] for f, a in enumerate(ANKLES) for k in (0, 1)]
    return np.stack(points, axis=1)


def sliding(motion: Motion, standing: np.ndarray) -> float:
    """Millimetres a frame that standing points move, on average."""
    both = standing[1:] & standing[:-1]
    return 1000 * float(np.linalg.norm(np.diff(soles(motion), axis=0), axis=-1)[both].mean())


def test_standing_feet_do_not_move_and_stay_on_the_floor() -> None:
    raw = marching(noise=0.01)
    found = refine(raw, REST, RefineSettings())
    standing = found.contacts > 0.5
    assert sliding(raw, standing) > 8.0
    both = standing[1:] & standing[:-1]
    steps = 1000 * np.linalg.norm(np.diff(soles(found), axis=0), axis=-1)
    # the first and last frames of a stance blend in
    inner = both & np.roll(both, 1, axis=0) & np.roll(both, -1, axis=0)
    assert np.quantile(steps[inner], 0.99) < 2.0
    assert np.abs(soles(found)[standing][:, 2]).max() < 0.004
    assert sliding(refine(raw, REST, RefineSettings(lock_left=0, lock_right=0)), standing) > 5.0


def test_each_foot_has_its_own_strength() -> None:
    raw = marching()
    found = refine(raw, REST, RefineSettings(lock_left=1.0, lock_right=0.0, level=False))
    standing = found.contacts > 0.5
    left, right = standing.copy(), standing.copy()
    left[:, 2:], right[:, :2] = False, False
    assert sliding(found, left) < 1.0
    assert sliding(found, right) > 5.0


def test_knees_do_not_pop_and_bones_keep_their_length() -> None:
    raw = marching(slide=0.35)
    found = refine(raw, REST, RefineSettings(smooth=0.0))
    knees = found.rotations[:, [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]]
    before = raw.rotations[:, [JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"]]]
    jump = np.degrees(geodesic_angle(knees[1:], knees[:-1]))
    usual = np.degrees(geodesic_angle(before[1:], before[:-1]))
    assert jump.max() < usual.max() + 8.0
    assert np.isfinite(found.poses).all()


def test_nothing_asked_for_nothing_changed() -> None:
    raw = marching(noise=0.02)
    off = RefineSettings(smooth=0, lock_left=0, lock_right=0, level=False, ballistic=False)
    found = refine(raw, REST, off)
    assert np.abs(geodesic_angle(found.rotations, raw.rotations)).max() < 1e-6
    assert np.abs(found.trans - raw.trans).max() < 1e-9


@pytest.mark.parametrize("kind", ["gaussian", "butterworth", "one_euro"])
def test_more_smoothing_is_smoother(kind: str) -> None:
    raw = marching(noise=0.05)
    trembles = []
    for smooth in (0.0, 0.3, 1.0):
        found = refine(raw, REST, RefineSettings(smooth=smooth, kind=kind, lock_left=0, lock_right=0))
        trembles.append(np.abs(np.diff(found.rotations[:, 1:], n=2, axis=0)).mean())
    assert trembles[0] > 1.3 * trembles[1] > 1.3 * 1.3 * trembles[2]


def test_a_slope_is_levelled_and_the_camera_goes_with_it() -> None:
    raw = marching(frames=300, slide=0.4)
    tilt = axis_angle_to_matrix(np.array([np.radians(4.0), 0.0, 0.0]))
    tilted = raw.select(slice(None))
    tilted.trans = (raw.trans + BODY.joints[0]) @ tilt.T - BODY.joints[0]
    poses = tilted.poses.reshape(-1, 24, 3).copy()
    poses[:, 0] = matrix_to_axis_angle(tilt @ raw.rotations[:, 0])
    tilted.poses = poses.reshape(-1, 72)
    found = refine(tilted, REST, RefineSettings(smooth=0, lock_left=0, lock_right=0))
    heights = soles(found)[found.contacts > 0.5][:, 2]
    assert np.ptp(heights) < 0.03
    before = soles(tilted)[found.contacts > 0.5][:, 2]
    assert np.ptp(before) > 0.1
    seen = found.world_to_camera @ np.append(found.trans[7] + BODY.joints[0], 1.0)
    assert seen[:3] == pytest.approx(tilted.trans[7] + BODY.joints[0], abs=1e-6)  # the camera was the world's


def test_footprints_at_two_far_heights_are_no_floor_between() -> None:
    raw = marching(frames=60, slide=0.0)
    raw.contacts[:] = 0.0
    raw.contacts[5:20, 0] = 1.0
    raw.contacts[40:55, 0] = 1.0
    raw.trans[30:, 2] += 1.0  # a step onto a table
    found = refine(raw, REST, RefineSettings())
    assert np.isfinite(found.poses).all() and np.isfinite(found.trans).all()


def test_a_jump_follows_gravity() -> None:
    frames, fps = 60, 60.0
    time = np.arange(frames) / fps
    raw = take(np.zeros((frames, 24, 3)), np.zeros((frames, 3)), np.ones((frames, 4)), fps)
    raw.trans[:, 2] = standing_height()
    flying = (time > 0.3) & (time < 0.7)
    t = np.clip(time - 0.3, 0, 0.4)
    rng = np.random.default_rng(0)
    raw.trans[:, 2] += 0.7 * 9.81 / 2 * t * (0.4 - t) + rng.normal(size=frames) * 0.004 * flying
    raw.contacts[flying] = 0.0
    found = refine(raw, REST, RefineSettings(smooth=0.0))
    middle = slice(22, 40)
    fall = np.diff(found.trans[middle, 2], n=2) * fps**2
    assert fall == pytest.approx(np.full(len(fall), -9.81), abs=0.05)


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_short_takes_come_through(frames: int) -> None:
    found = refine(marching(frames), REST, RefineSettings())
    assert len(found) == frames and np.isfinite(found.poses).all() and np.isfinite(found.trans).all()


@pytest.mark.parametrize("turn", [[0, 0, 0], [np.pi / 2, 0, 0], [np.pi, 0, 0]])
@pytest.mark.parametrize("contact", [0.0, 0.45, 1.0])
def test_odd_takes_come_through(turn: list[float], contact: float) -> None:
    """Seated, lying or upside down, with no contact, a doubtful one, or one that never ends."""
    rng = np.random.default_rng(0)
    vectors = 0.4 * np.cumsum(rng.normal(size=(40, 24, 3)), axis=0) / 40 + 0.2
    vectors[:, 0] = turn
    found = refine(take(vectors, np.zeros((40, 3)), np.full((40, 4), contact)), REST, RefineSettings())
    assert np.isfinite(found.poses).all() and np.isfinite(found.trans).all() and np.isfinite(found.joints).all()
    assert np.abs(found.trans).max() < 3.0


def test_hysteresis_bridges_short_pauses_and_drops_short_contacts() -> None:
    time = np.arange(30) / 30.0
    likely = np.zeros((30, 1))
    likely[5:20] = 0.9
    likely[10] = 0.1  # a pause of a frame
    likely[25] = 0.9  # a contact of a frame
    likely[20:22] = 0.45  # not enough to begin, enough to last
    assert runs(with_hysteresis(likely, time)[:, 0]) == [(5, 21)]


def test_a_stance_is_that_of_heel_or_ball() -> None:
    contacts = np.zeros((10, 4), bool)
    contacts[2:5, 0] = True
    contacts[4:8, 1] = True
    assert [(s.foot, s.first, s.last) for s in stances(contacts)] == [(0, 2, 7)]


def test_butterworth_is_three_decibels_down_at_its_cutoff_at_any_rate() -> None:
    for fps in (60.0, 240.0):
        time = np.arange(int(8 * fps)) / fps
        wave = np.sin(2 * np.pi * 3.0 * time)
        middle = slice(len(time) // 4, -len(time) // 4)
        kept = np.abs(butterworth(wave, time, 3.0)[middle]).max()
        assert kept == pytest.approx(np.sqrt(0.5), abs=0.02)
        assert np.abs(butterworth(wave, time, 30.0)[middle] - wave[middle]).max() < 0.02
        assert np.abs(butterworth(time * 2.0 + 1.0, time, 3.0) - (time * 2.0 + 1.0)).max() < 1e-3


def test_one_euro_is_calm_at_rest_and_quick_in_motion() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(200) / 60.0
    still = rng.normal(size=200) * 0.01
    assert one_euro(still, time).std() < 0.5 * still.std()
    fast = np.where(time > 1.5, (time - 1.5) * 20.0, 0.0)
    late = np.abs(one_euro(fast, time)[-1] - fast[-1]) / 20.0
    assert late < 0.05


def test_a_leap_and_return_is_repaired_and_a_fast_move_is_kept() -> None:
    from int_blender_addon.core.rotations import axis_angle_to_quaternion

    time = np.arange(60) / 30.0
    vectors = np.zeros((60, 24, 3))
    vectors[:, 4, 0] = np.sin(time * 3)
    vectors[:, 18, 1] = 1.5 * np.sin(time * 12)  # quick, but steadily so
    true = axis_angle_to_quaternion(vectors)
    vectors[20:22, 4, 0] += 1.5
    found, replaced = repair_outliers(axis_angle_to_quaternion(vectors), time)
    assert replaced[20:22, 4].all() and replaced.sum() == 2
    assert np.abs(found - true).max() < 0.02


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_hysteresis_never_fails(values: list[float]) -> None:
    likely = np.array(values)[:, None]
    found = with_hysteresis(likely, np.arange(len(values)) / 30.0)
    assert found.shape == likely.shape
    assert not found.any() or likely.max() > 0.35


def test_the_raw_take_travels_beside_the_refined_one(tmp_path) -> None:
    from int_blender_addon.core.motion import load_motion, save_motion

    raw = marching(noise=0.01)
    found = refine(raw, REST, RefineSettings())
    found.extra = raw_extra(raw)
    save_motion(tmp_path / "take.npz", found)
    back = raw_of(load_motion(tmp_path / "take.npz"))
    assert np.allclose(back.poses, raw.poses, atol=1e-6) and np.allclose(back.trans, raw.trans, atol=1e-6)
    again = refine(back, REST, RefineSettings())
    assert np.abs(again.trans - found.trans).max() < 1e-4
