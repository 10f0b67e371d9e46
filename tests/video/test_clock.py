from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_server.video.clock import Clock

BASE = Fraction(1, 1000)


def times(stamps, fps=25.0):
    clock = Clock(fps)
    return [clock.tick(s, BASE) for s in stamps]


def test_starts_at_zero_and_keeps_uneven_steps():
    assert times([500, 533, 700, 1700]) == pytest.approx([0, 0.033, 0.2, 1.2])


def test_missing_stamps_go_on_at_the_nominal_rate():
    assert times([None, None, None]) == pytest.approx([0, 0.04, 0.08])
    assert times([0, None, 80]) == pytest.approx([0, 0.04, 0.08])


def test_a_wrapped_clock_goes_on():
    assert times([9000, 9040, 0, 40]) == pytest.approx([0, 0.04, 0.08, 0.12])


def test_one_bad_stamp_does_not_move_those_after_it():
    assert times([0, 40, 40, 120, 160])[3:] == pytest.approx([0.12, 0.16])


@given(st.lists(st.none() | st.integers(-(10**9), 10**9), min_size=2), st.floats(1, 240))
def test_times_always_rise(stamps, fps):
    assert (np.diff(times(stamps, fps)) > 0).all()
