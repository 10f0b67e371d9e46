"""Fewer keys within the bounds."""

import numpy as np
import pytest
from test_refine import BODY, REST, marching

from int_blender_addon.core.refine import RefineSettings, refine
from int_blender_addon.core.refine.simplify import _joints, curve, simplify
from int_blender_addon.core.rotations import continuous_quaternions, matrix_to_quaternion, normalize


def walk(seconds: float, noise: float = 0.004):
    motion = refine(marching(int(30 * seconds), noise=noise), REST, RefineSettings())
    return (
        np.arange(len(motion)) + 1.0,
        continuous_quaternions(matrix_to_quaternion(motion.rotations)),
        motion.trans,
    )


@pytest.mark.parametrize(("degrees", "millimetres"), [(1.0, 5.0), (3.0, 15.0), (0.3, 1.0)])
def test_curves_stay_within_the_bounds(degrees: float, millimetres: float) -> None:
    frames, quaternions, location = walk(10)
    found = simplify(frames, quaternions, location, BODY.offsets, degrees, millimetres)
    drawn = np.stack([curve(frames, keys) for keys in found.rotations], axis=1)
    cosine = np.abs(np.sum(normalize(drawn) * quaternions, axis=-1))
    worst = float(np.degrees(2 * np.arccos(np.clip(cosine, 0, 1))).max())
    assert worst < degrees + 0.01
    place = curve(frames, found.location)
    apart = _joints(normalize(drawn), place, BODY.offsets) - _joints(quaternions, location, BODY.offsets)
    assert 1000 * np.linalg.norm(apart, axis=-1).max() < millimetres + 0.01


def test_a_minute_keeps_less_than_a_fifth_of_its_keys() -> None:
    frames, quaternions, location = walk(60, noise=0.0)
    found = simplify(frames, quaternions, location, BODY.offsets, 1.0, 5.0)
    assert found.count < 0.2 * 25 * len(frames)


def test_looser_bounds_keep_fewer_and_wanted_frames_stay() -> None:
    frames, quaternions, location = walk(8)
    kept = np.zeros(len(frames), bool)
    kept[[17, 100]] = True
    counts = [simplify(frames, quaternions, location, BODY.offsets, d, 5 * d, kept).count for d in (0.5, 1.0, 4.0)]
    assert counts[0] > counts[1] > counts[2]
    found = simplify(frames, quaternions, location, BODY.offsets, 4.0, 20.0, kept)
    assert all({18.0, 101.0} <= set(keys.frames) for keys in [*found.rotations, found.location])


def test_a_still_take_and_a_single_frame() -> None:
    still = np.zeros((50, 24, 4))
    still[..., 0] = 1
    assert simplify(np.arange(50.0), still, np.zeros((50, 3)), BODY.offsets, 1, 5).count == 50  # the two ends of 25
    assert simplify(np.arange(1.0), still[:1], np.zeros((1, 3)), BODY.offsets, 1, 5).count == 25
