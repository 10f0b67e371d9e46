"""Walks and runs that go round: the best place to cut a cycle, and a cycle that closes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..motion import Motion
from ..rotations import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_matrix,
    resample_quaternions,
    slerp,
)
from ..skeleton import forward_kinematics
from .edits import heading_of

SPEED_SHARE = 0.15  # seconds: how much a joint's speed counts beside its place
APART = 0.2  # of a cycle's length, that two proposals begin apart at least
PROPOSALS = 5
RATE = 30.0  # frames a second at which cycles are looked for


@dataclass(frozen=True)
class Loop:
    """A cycle: seconds of the take, and how far its ends are apart (metres, mean of the joints, speeds included)."""

    start: float
    end: float
    apart: float


def find_loops(motion: Motion, offsets: np.ndarray, shortest: float, longest: float) -> list[Loop]:
    """Cycles of the take, those whose ends meet best first.

    Args:
        motion: The take.
        offsets: (24, 3) of joints from their parents at rest.
        shortest, longest: Seconds.
    """
    time = np.asarray(motion.time, float)
    if time[-1] - time[0] < shortest:
        return []
    at = np.arange(time[0], time[-1] + 1e-9, 1 / RATE)
    rotations = quaternion_to_matrix(resample_quaternions(matrix_to_quaternion(motion.rotations), time, at))
    posed = _in_heading(rotations, offsets)
    speed = np.gradient(posed, 1 / RATE, axis=0)
    features = np.concatenate([posed, SPEED_SHARE * speed], axis=-1).reshape(len(at), -1, 6)
    found = []
    for steps in range(max(round(shortest * RATE), 2), min(round(longest * RATE), len(at) - 1) + 1):
        apart = np.linalg.norm(features[steps:] - features[:-steps], axis=-1).mean(axis=1)
        found += [(float(a), k, k + steps) for k, a in enumerate(apart) if _lowest(apart, k)]
    chosen: list[tuple[float, int, int]] = []
    for apart, a, b in sorted(found):
        if all(abs(a - c) > APART * (b - a) or abs((b - a) - (d - c)) > APART * (b - a) for _, c, d in chosen):
            chosen.append((apart, a, b))
        if len(chosen) == PROPOSALS:
            break
    return [Loop(float(at[a]), float(at[b]), apart) for apart, a, b in chosen]


def _lowest(values: np.ndarray, k: int) -> bool:
    return bool(values[k] <= values[max(k - 1, 0)] and values[k] <= values[min(k + 1, len(values) - 1)])


def _in_heading(rotations: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(T, 24, 3) joints from the pelvis, as seen by someone who turns with the person."""
    placed = np.broadcast_to(offsets, (len(rotations), *offsets.shape)).copy()
    placed[:, 0] = 0.0
    joints = forward_kinematics(rotations, placed)[1]
    angles = np.array([-heading_of(root) for root in rotations[:, 0]])
    turns = axis_angle_to_matrix(angles[:, None] * np.array([0.0, 0.0, 1.0]))
    return joints @ np.swapaxes(turns, -1, -2)


def cycle(motion: Motion, loop: Loop, blend: float, in_place: bool, rest_pelvis: np.ndarray) -> Motion:
    """One cycle whose last frame is its first one again, at the take's frame rate, beginning at time 0.

    The end fades over into what came before the beginning, one cycle earlier, so speeds meet too; where the take has
    nothing before, the beginning fades out of what comes after the end. It goes straight on: the way turned within the
    cycle is taken off.

    Args:
        motion: The take.
        loop: Where to cut it.
        blend: Seconds of the fade.
        in_place: Whether the way over the floor is taken off.
        rest_pelvis: (3,) of the body at rest.
    """
    time = np.asarray(motion.time, float)
    period = loop.end - loop.start
    count = max(round(period * motion.fps), 2)
    phase = np.arange(count + 1) / count
    at = loop.start + phase * period
    quaternions, pelvis = _straight(motion, rest_pelvis, loop)
    before, after = loop.start - time[0], time[-1] - loop.end
    blend = min(blend, 0.5 * period, max(before, after, 1e-3))
    if before >= after:
        other, share = at - period, _smooth((at - (loop.end - blend)) / blend)
    else:
        other, share = at + period, _smooth(((loop.start + blend) - at) / blend)
    step = pelvis(np.array([loop.end]))[0] - pelvis(np.array([loop.start]))[0]
    own_turns, other_turns = quaternions(at), quaternions(np.clip(other, time[0], time[-1]))
    turned = slerp(own_turns, other_turns, np.repeat(share[:, None], own_turns.shape[1], axis=1))
    shift = step if before >= after else -step
    path = pelvis(at) + share[:, None] * (pelvis(np.clip(other, time[0], time[-1])) + shift - pelvis(at))
    closing = path[0] + step * [1.0, 1.0, 0.0] - path[-1]  # exact where the fade found too little on either side
    path = path + phase[:, None] * closing
    turned[-1] = turned[0]
    if in_place:
        path[:, :2] -= phase[:, None] * (path[-1] - path[0])[:2]
    nearest = np.clip(np.searchsorted(time, at), 0, len(time) - 1)
    result = motion.select(nearest)
    result.time = phase * period
    result.frame_index = np.arange(count + 1)
    result.poses = matrix_to_axis_angle(quaternion_to_matrix(turned)).reshape(count + 1, -1)
    result.trans = path - rest_pelvis
    result.contacts = np.asarray(result.contacts, float).copy()
    result.contacts[-1] = result.contacts[0]
    result.image_size = np.zeros(2, np.int64)
    result.world_to_camera = np.eye(4)
    result.extra = {}
    return result


def _straight(motion: Motion, rest_pelvis: np.ndarray, loop: Loop):
    """Functions of seconds: quaternions (S, 24, 4) and the pelvis (S, 3), the cycle's turn about the vertical undone
    evenly."""
    time = np.asarray(motion.time, float)
    period = loop.end - loop.start
    rotations, path = motion.rotations, motion.trans + rest_pelvis
    q = matrix_to_quaternion(rotations)
    ends = quaternion_to_matrix(resample_quaternions(q[:, :1], time, np.array([loop.start, loop.end])))[:, 0]
    turn = heading_of(ends[1]) - heading_of(ends[0])
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    angles = -turn * (time - loop.start) / period
    unwound = axis_angle_to_matrix(angles[:, None] * np.array([0.0, 0.0, 1.0]))
    rotations[:, 0] = unwound @ rotations[:, 0]
    steps = np.diff(path, axis=0, prepend=path[:1])
    path = path[0] + np.cumsum((unwound @ steps[..., None])[..., 0], axis=0)
    q = matrix_to_quaternion(rotations)

    def quaternions(at: np.ndarray) -> np.ndarray:
        return resample_quaternions(q, time, at)

    def pelvis(at: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(at, time, path[:, k]) for k in range(3)], axis=-1)

    return quaternions, pelvis


def _smooth(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
