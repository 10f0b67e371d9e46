"""Zero-phase filters at uneven times, and repair of what can't be true."""

from __future__ import annotations

import numpy as np

from ..rotations import continuous_quaternions, geodesic_angle, normalize, quaternion_to_matrix
from ..skeleton import JOINT_NAMES

MEDIAN_SECONDS = 0.5  # about which a joint's usual speed is told
WILD = 6.0  # times the usual speed
SLOWEST_WILD = 9.0  # rad/s: no frame slower than this is repaired
LONGEST_REPAIR = 0.12  # seconds


def butterworth(values: np.ndarray, time: np.ndarray, cutoff: float) -> np.ndarray:
    """Second order Butterworth, forward and backward, of `values` (T, ...) at `time` (T,); `cutoff` in hertz.

    Each pass integrates the filter's differential equation over the true steps in time, so frame rates may vary.
    """
    count = len(time)
    if count < 4 or cutoff <= 0:
        return np.array(values, float)
    flat = np.asarray(values, float).reshape(count, -1)
    pad = min(count - 1, max(round(1.0 / (cutoff * max(float(np.median(np.diff(time))), 1e-6))), 3))
    ahead, behind = 2 * flat[0] - flat[pad:0:-1], 2 * flat[-1] - flat[-2 : -pad - 2 : -1]
    steps = np.diff(time)
    padded = np.concatenate([ahead, flat, behind])
    spaces = np.concatenate([steps[:pad][::-1], steps, steps[-pad:][::-1]])
    once = _pass(padded, spaces, cutoff)
    twice = _pass(once[::-1], spaces[::-1], cutoff)[::-1]
    return twice[pad : pad + count].reshape(np.shape(values))


def _pass(values: np.ndarray, steps: np.ndarray, cutoff: float) -> np.ndarray:
    """x'' = w^2 (u - x) - sqrt(2) w x', by the trapezoidal rule, the input straight between samples."""
    # two passes multiply: each is made a little wider so that both together are 3 dB down at the cutoff
    w = 2 * np.pi * cutoff / (np.sqrt(2) - 1) ** 0.25
    x, v = values[0].copy(), np.zeros_like(values[0])
    result = np.empty_like(values)
    result[0] = x
    for k, h in enumerate(steps):
        u = (values[k] + values[k + 1]) / 2
        g = 1 + h * w / np.sqrt(2) + h * h * w * w / 4
        new_v = ((1 - h * w / np.sqrt(2) - h * h * w * w / 4) * v + h * w * w * (u - x)) / g
        x = x + h * (v + new_v) / 2
        v = new_v
        result[k + 1] = x
    return result


def one_euro(values: np.ndarray, time: np.ndarray, cutoff: float = 1.5, slope: float = 0.3) -> np.ndarray:
    """The One-Euro filter (Casiez et al. 2012), causal, for live use: calmer when slow, quicker when fast.

    Args:
        values: (T, ...).
        time: (T,) seconds.
        cutoff: Hertz at rest.
        slope: How much the cutoff rises with speed.
    """
    result = np.array(values, float)
    speed = np.zeros_like(result[0]) if len(result) else result
    for k in range(1, len(result)):
        step = max(float(time[k] - time[k - 1]), 1e-6)
        raw = (values[k] - result[k - 1]) / step
        speed = speed + _share(step, 1.0) * (raw - speed)
        share = _share(step, cutoff + slope * np.abs(speed))
        result[k] = result[k - 1] + share * (values[k] - result[k - 1])
    return result


def _share(step: float, cutoff):
    turned = 2 * np.pi * cutoff * step
    return turned / (turned + 1)


def repair_outliers(quaternions: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Short leaps and returns of joints (T, 24, 4), taken out: slerp across (Hampel's test on angular speed).

    Returns:
        The quaternions, and (T, 24) which ones were replaced.
    """
    count = len(time)
    replaced = np.zeros(quaternions.shape[:2], bool)
    if count < 5:
        return quaternions, replaced
    q = continuous_quaternions(quaternions)
    turned = geodesic_angle(quaternion_to_matrix(q[1:]), quaternion_to_matrix(q[:-1]))
    speed = turned / np.maximum(np.diff(time), 1e-6)[:, None]
    reach = max(round(MEDIAN_SECONDS / 2 / max(float(np.median(np.diff(time))), 1e-6)), 2)
    for joint in range(len(JOINT_NAMES)):
        own = speed[:, joint]
        fast = np.flatnonzero(own > SLOWEST_WILD)
        for leap in fast.tolist():
            usual = np.median(own[max(leap - reach, 0) : leap + reach + 1])
            if own[leap] < WILD * max(usual, 0.5) or replaced[leap, joint]:
                continue
            # frames leap+1 .. back stay away; they come back with another leap
            for back in range(leap + 1, int(min(leap + reach, count - 1))):
                if time[back] - time[leap] > LONGEST_REPAIR:
                    break
                cosine = min(1.0, abs(float(q[leap, joint] @ q[back + 1, joint])))
                home = 2 * float(np.arccos(cosine))
                if own[back] > SLOWEST_WILD and home < 0.5 * turned[leap, joint]:
                    replaced[leap + 1 : back + 1, joint] = True
                    break
    for joint in np.flatnonzero(replaced.any(axis=0)).tolist():
        good = ~replaced[:, joint]
        for axis in range(4):
            q[~good, joint, axis] = np.interp(time[~good], time[good], q[good, joint, axis])
    return normalize(q), replaced
