"""Zero-phase smoothing of motion at uneven times, in seconds, on SO(3)."""

from __future__ import annotations

import numpy as np

from .rotations import continuous_quaternions, normalize


def gaussian_smooth(values: np.ndarray, times: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian average of `values` (T, ...) at `times` (T,) seconds; `sigma` in seconds, 0 changes nothing.

    A straight line stays straight at the ends and beside gaps: the average is of a local linear fit.
    """
    values = np.asarray(values, np.float64)
    count = len(times)
    if sigma <= 0 or count < 3:
        return values.copy()
    flat = values.reshape(count, -1)
    reach = _reach(times, 3 * sigma)
    sums = [np.zeros(count) for _ in range(3)]  # of w, w d, w d^2
    total, moment = np.zeros_like(flat), np.zeros_like(flat)
    for offset in range(-reach, reach + 1):
        here = np.arange(max(0, -offset), min(count, count - offset))
        there = here + offset
        distance = times[there] - times[here]
        weight = np.exp(-0.5 * (distance / sigma) ** 2) * (np.abs(distance) <= 3 * sigma)
        for power in range(3):
            sums[power][here] += weight * distance**power
        total[here] += weight[:, None] * flat[there]
        moment[here] += (weight * distance)[:, None] * flat[there]
    # value at distance 0 of the weighted line; where there is no spread in time the plain mean
    determinant = sums[0] * sums[2] - sums[1] ** 2
    line = (sums[2][:, None] * total - sums[1][:, None] * moment) / np.maximum(determinant, 1e-18)[:, None]
    mean = total / sums[0][:, None]
    spread = determinant > 1e-9 * sums[0] ** 2 * sigma**2
    return np.where(spread[:, None], line, mean).reshape(values.shape)


def smooth_quaternions(quaternions: np.ndarray, times: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian average on SO(3) of unit quaternions (T, ..., 4): the chordal mean, exact enough within a few frames."""
    return normalize(gaussian_smooth(continuous_quaternions(quaternions), times, sigma))


def _reach(times: np.ndarray, radius: float) -> int:
    """The most frames that lie within `radius` seconds on one side."""
    last = np.searchsorted(times, times + radius, side="right") - 1
    return int(np.max(last - np.arange(len(times))))
