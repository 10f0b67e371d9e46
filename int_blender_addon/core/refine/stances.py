"""When heels and toes stand on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ON, OFF = 0.5, 0.3  # probabilities at which a contact begins and ends
SHORTEST = 0.08  # seconds: a shorter contact is none
BRIDGED = 0.07  # seconds: a shorter pause is none


@dataclass(frozen=True)
class Stance:
    """Frames `first` to `last`, both of them, in which a foot is on the floor with its heel, its toe or both."""

    foot: int  # 0 left, 1 right
    first: int
    last: int


def with_hysteresis(likely: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(T, K) bool, from how likely each of K contacts is (T, K) at times (T,) seconds.

    A contact begins above `ON` and lasts until below `OFF`; short ones and short pauses are taken out.
    """
    state = np.zeros(likely.shape, bool)
    on = np.zeros(likely.shape[1], bool)
    for frame, row in enumerate(likely):
        on = np.where(on, row > OFF, row > ON)
        state[frame] = on
    for k in range(likely.shape[1]):
        _replace_runs(state[:, k], time, False, BRIDGED)
        _replace_runs(state[:, k], time, True, SHORTEST)
    return state


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of every stretch in which `flags` (T,) hold."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def stances(contacts: np.ndarray) -> list[Stance]:
    """The stretches in which heel or ball of a foot stand; contacts (T, 4) bool, left heel, left ball, right ..."""
    return [
        Stance(foot, first, last)
        for foot in (0, 1)
        for first, last in runs(contacts[:, 2 * foot] | contacts[:, 2 * foot + 1])
    ]


def _replace_runs(flags: np.ndarray, time: np.ndarray, value: bool, shorter: float) -> None:
    """Turn stretches of `value` that are shorter than some seconds; at the ends of the take they stay."""
    for first, last in runs(flags == value):
        at_end = first == 0 or last == len(flags) - 1
        step = time[last] - time[first - 1] if first else time[last] - time[first]
        if not at_end and step < shorter:
            flags[first : last + 1] = not value
