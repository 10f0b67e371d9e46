"""Fewer keys: where the motion turns, with tangents from the motion, to a bound in degrees and in millimetres.

Each bone's rotation channels share their key frames, because a rotation keyed in parts is none. Between keys a curve
is the cubic that Blender draws for Bezier handles at a third of the way. The bound in degrees is per bone; the bound
in millimetres is at the joints: where it is broken, what errs most there gets another key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..rotations import normalize, quaternion_to_matrix
from ..skeleton import JOINT_NAMES, PARENTS, forward_kinematics
from .stances import runs

ROUNDS = 200


@dataclass
class Keys:
    """A bone's keys: frames (K,), values (K, C) and slopes (K, C) per frame."""

    frames: np.ndarray
    values: np.ndarray
    slopes: np.ndarray


@dataclass
class SparseTake:
    """All bones' keys; the pelvis has a place too."""

    rotations: list[Keys]  # 24, of what was given: quaternions, or angles
    location: Keys

    @property
    def count(self) -> int:
        """Keys in all, a bone's channels counted as one."""
        return sum(len(keys.frames) for keys in self.rotations) + len(self.location.frames)


def simplify(
    frames: np.ndarray,
    channels: np.ndarray,
    location: np.ndarray,
    offsets: np.ndarray,
    degrees: float,
    millimetres: float,
    kept: np.ndarray | None = None,
    read: Callable[[int, np.ndarray], np.ndarray] = lambda joint, channels: channels,
) -> SparseTake:
    """Keys whose curves stay within the bounds.

    Args:
        frames: (F,) scene frames, rising.
        channels: (F, 24, C) what the bones' curves are to say: quaternions, signs continuous, or angles, unrolled.
        location: (F, 3) of the pelvis.
        offsets: (24, 3) of joints from their parents, metres, in the axes that the quaternions turn.
        degrees: Greatest error of a bone's rotation.
        millimetres: Greatest error of a joint's place.
        kept: (F,) frames that are keys of every bone: the ends of contacts.
        read: A joint's channels (F, C) as quaternions (F, 4) in the axes of `offsets`.
    """
    count = len(frames)
    always = np.zeros(count, bool)
    always[[0, -1]] = True
    if kept is not None:
        always |= kept
    slopes = np.gradient(channels, frames, axis=0) if count > 1 else np.zeros_like(channels)
    travel = np.gradient(location, frames, axis=0) if count > 1 else np.zeros_like(location)
    chosen = np.tile(always, (len(JOINT_NAMES) + 1, 1))  # of the bones, then of the pelvis's place
    tracks = [*((channels[:, k], slopes[:, k]) for k in range(len(JOINT_NAMES))), (location, travel)]
    shown = [read(k, channels[:, k]) for k in range(len(JOINT_NAMES))] + [location]
    reach = millimetres / 1000

    def told(track: int, values: np.ndarray) -> np.ndarray:
        return values if track in (-1, len(JOINT_NAMES)) else read(track, values)

    def thin(track: int) -> np.ndarray:
        error, bound = (_distance, reach) if track in (-1, len(JOINT_NAMES)) else (_angle, np.radians(degrees))
        return _thin(
            frames, *tracks[track], chosen[track], bound, lambda found: error(told(track, found), shown[track])
        )

    curves = [told(track, thin(track)) for track in range(len(tracks))]
    _near_joints(shown, curves, chosen, offsets, reach, lambda track: told(track, thin(track)))
    placed = chosen[-1]
    rotations = [
        Keys(frames[chosen[bone]], channels[chosen[bone], bone], slopes[chosen[bone], bone])
        for bone in range(len(JOINT_NAMES))
    ]
    return SparseTake(rotations, Keys(frames[placed], location[placed], travel[placed]))


def curve(frames: np.ndarray, keys: Keys) -> np.ndarray:
    """(F, C) what Blender shows at some frames between the first and the last key."""
    known = keys.frames
    if len(known) == 1:
        return np.repeat(keys.values, len(frames), axis=0)
    after = np.clip(np.searchsorted(known, frames, side="right"), 1, len(known) - 1)
    a, b = after - 1, after
    span = (known[b] - known[a])[:, None]
    t = (frames - known[a])[:, None] / span
    first, second = keys.values[a], keys.values[b]
    start, end = keys.slopes[a] * span, keys.slopes[b] * span
    t2, t3 = t * t, t * t * t
    return (2 * t3 - 3 * t2 + 1) * first + (t3 - 2 * t2 + t) * start + (3 * t2 - 2 * t3) * second + (t3 - t2) * end


def _thin(frames, values, slopes, chosen: np.ndarray, bound: float, error) -> np.ndarray:
    """Add keys to `chosen`, in place, where a segment errs most, until none errs more than the bound; the curve."""
    while True:
        found = curve(frames, Keys(frames[chosen], values[chosen], slopes[chosen]))
        wrong = error(found)
        wrong[chosen] = 0.0
        if wrong.max(initial=0.0) <= bound:
            return found
        segment = np.cumsum(chosen)
        order = np.lexsort((wrong, segment))
        last = np.concatenate([np.flatnonzero(np.diff(segment[order])), [len(order) - 1]])
        worst = order[last]
        chosen[worst[wrong[worst] > bound]] = True


def _near_joints(
    shown: list[np.ndarray],
    curves: list[np.ndarray],
    chosen: np.ndarray,
    offsets: np.ndarray,
    reach: float,
    thin: Callable[[int], np.ndarray],
) -> None:
    """Add keys, in place, until no joint is further than `reach` from where it was.

    Where a joint is, the track that errs most there, by its lever, gets a key.
    """
    true = _joints(np.stack(shown[:-1], axis=1), shown[-1], offsets)
    for _ in range(ROUNDS):
        turned = normalize(np.stack(curves[:-1], axis=1))
        error = np.linalg.norm(_joints(turned, curves[-1], offsets) - true, axis=-1)
        if error.max() <= reach:
            return
        blame = np.stack([_angle(c, v) for c, v in zip(curves[:-1], shown[:-1], strict=True)], axis=1)
        shift = _distance(curves[-1], shown[-1])
        changed = set()
        for joint in np.flatnonzero(error.max(axis=0) > reach).tolist():
            for first, last in runs(error[:, joint] > reach):
                frame = first + int(error[first : last + 1, joint].argmax())
                above = _above(joint)
                lever = np.linalg.norm(true[frame, above] - true[frame, joint], axis=-1)
                share = [*(blame[frame, above] * lever), shift[frame]]
                for number in np.argsort(share)[::-1]:
                    track = -1 if number == len(above) else above[number]
                    if not chosen[track, frame]:
                        chosen[track, frame] = True
                        changed.add(track)
                        break
        for track in changed:
            curves[track] = thin(track)


def _angle(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    cosine = np.abs(np.sum(normalize(found) * normalize(true), axis=-1))
    return 2 * np.arccos(np.clip(cosine, 0, 1))


def _distance(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.linalg.norm(found - true, axis=-1)


def _joints(quaternions: np.ndarray, location: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    placed = np.broadcast_to(offsets, (len(location), *offsets.shape)).copy()
    placed[:, 0] = offsets[0] + location
    return forward_kinematics(quaternion_to_matrix(quaternions), placed)[1]


def _above(joint: int) -> list[int]:
    chain = []
    while joint >= 0:
        chain.append(joint)
        joint = PARENTS[joint]
    return chain
