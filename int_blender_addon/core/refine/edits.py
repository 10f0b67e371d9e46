"""Edits of a whole take that can be turned back: trim, mirror, bridged gaps, speed. They come before the refining."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..motion import Motion
from ..rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
)
from ..skeleton import MIRROR, NUM_JOINTS

GAP = 0.5  # seconds without the person that are a gap; shorter ones are filled by the keys around them
SPEED_SECONDS = 0.1  # over which the speed at a gap's edge is told
ACROSS = np.diag([-1.0, 1.0, 1.0])  # body space: left is +x
SIDES = [2, 3, 0, 1]  # contacts, left and right exchanged
PAIRS = [1, 0, 3, 2]  # hands and knees likewise


@dataclass(frozen=True)
class Edits:
    """What is done to a raw take.

    Attributes:
        start, end: Seconds of the video that are kept; None for all.
        mirror: Left and right exchanged; the person goes on facing where they faced.
        bridge: Gaps up to so many seconds are filled.
        speed: 2 is twice as fast.
    """

    start: float | None = None
    end: float | None = None
    mirror: bool = False
    bridge: float = 0.0
    speed: float = 1.0


def edited(raw: Motion, edits: Edits, rest_pelvis: np.ndarray) -> tuple[Motion, np.ndarray]:
    """The take after the edits.

    Args:
        raw: As captured; stays as it is.
        edits: What to do.
        rest_pelvis: (3,) of the body at rest.

    Returns:
        The take, and (T,) the row of the raw take that each frame comes from, -1 for those that were made up. A trim
        that leaves nothing keeps one frame.
    """
    time = np.asarray(raw.time, float)
    kept = np.ones(len(time), bool)
    if edits.start is not None:
        kept &= time >= edits.start - 1e-6
    if edits.end is not None:
        kept &= time <= edits.end + 1e-6
    if not kept.any():
        kept[np.abs(time - (edits.start or edits.end or 0.0)).argmin()] = True
    rows = np.flatnonzero(kept)
    motion = raw.select(rows)
    if edits.mirror:
        motion = mirrored(motion, rest_pelvis)
    if edits.bridge > GAP:
        motion, rows = bridged(motion, rows, edits.bridge)
    if edits.speed != 1.0:
        motion.time = motion.time[0] + (np.asarray(motion.time) - motion.time[0]) / edits.speed
    return motion, rows


def contacts_to_raw(raw: Motion, contacts: np.ndarray, rows: np.ndarray, mirror: bool) -> np.ndarray:
    """Contacts (T, 4) of an edited take as those of the raw one; frames that were trimmed keep theirs."""
    result = np.array(raw.contacts, float)
    own = rows >= 0
    result[rows[own]] = contacts[own][:, SIDES] if mirror else contacts[own]
    return result


def supports_to_raw(raw: Motion, supports: np.ndarray, rows: np.ndarray, mirror: bool) -> np.ndarray:
    """The same for hands and knees; frames that were trimmed have none."""
    result = np.zeros((len(raw), 4))
    own = rows >= 0
    result[rows[own]] = supports[own][:, PAIRS] if mirror else supports[own]
    return result


def mirrored(motion: Motion, rest_pelvis: np.ndarray) -> Motion:
    """Left and right exchanged, in a mirror that stands along the person's first heading; the camera is lost."""
    result = motion.select(slice(None))
    rotations = motion.rotations
    ahead = rotations[0, 0, :, 2] * [1.0, 1.0, 0.0]
    if np.linalg.norm(ahead) < 0.3:  # lying: along the trunk
        ahead = rotations[0, 0, :, 1] * [1.0, 1.0, 0.0]
    left = np.cross([0.0, 0.0, 1.0], ahead / np.linalg.norm(ahead))
    mirror = np.eye(3) - 2 * np.outer(left, left)
    turned = ACROSS @ rotations[:, MIRROR] @ ACROSS
    turned[:, 0] = mirror @ rotations[:, 0] @ ACROSS
    pelvis = motion.trans + rest_pelvis
    result.poses = matrix_to_axis_angle(turned).reshape(len(motion), -1)
    result.trans = (pelvis - pelvis[0]) @ mirror + pelvis[0] - rest_pelvis
    result.contacts = np.asarray(motion.contacts)[:, SIDES]
    if motion.supports is not None:
        result.supports = np.asarray(motion.supports)[:, PAIRS]
    result.image_size = np.zeros(2, np.int64)
    return result


def bridged(motion: Motion, rows: np.ndarray, longest: float) -> tuple[Motion, np.ndarray]:
    """Gaps filled with motion that leaves one side and arrives at the other as fast as it is there (cubic Hermite)."""
    time = np.asarray(motion.time, float)
    steps = np.diff(time)
    gaps = np.flatnonzero((steps > GAP) & (steps <= longest))
    if not len(gaps):
        return motion, rows
    spacing = float(np.median(steps))
    quaternions = matrix_to_quaternion(motion.rotations)
    pieces = [np.arange(gaps[0] + 1)]
    filled: list[dict[str, np.ndarray]] = []
    for number, gap in enumerate(gaps):
        count = max(round((time[gap + 1] - time[gap]) / spacing) - 1, 1)
        filled.append(_between(motion, quaternions, time, int(gap), count))
        last = gaps[number + 1] + 1 if number + 1 < len(gaps) else len(time)
        pieces.append(np.arange(gap + 1, last))
    result = motion.select(slice(None))
    for name in filled[0]:
        parts = [getattr(motion, name)[pieces[0]]]
        for piece, fill in zip(pieces[1:], filled, strict=True):
            parts += [fill[name], getattr(motion, name)[piece]]
        setattr(result, name, np.concatenate(parts))
    if np.ndim(motion.world_to_camera) == 3:
        result.world_to_camera = _repeated(motion.world_to_camera, pieces, filled)
    numbers = [rows[pieces[0]]]
    for piece, fill in zip(pieces[1:], filled, strict=True):
        numbers += [np.full(len(fill["time"]), -1), rows[piece]]
    return result, np.concatenate(numbers)


def _repeated(values: np.ndarray, pieces: list[np.ndarray], filled: list[dict[str, np.ndarray]]) -> np.ndarray:
    parts = [values[pieces[0]]]
    for piece, fill in zip(pieces[1:], filled, strict=True):
        parts += [np.repeat(values[piece[:1] - 1], len(fill["time"]), axis=0), values[piece]]
    return np.concatenate(parts)


def _between(motion: Motion, q: np.ndarray, time: np.ndarray, gap: int, count: int) -> dict[str, np.ndarray]:
    """The frames of one gap, after row `gap`."""
    seconds = time[gap + 1] - time[gap]
    share = np.arange(1, count + 1) / (count + 1)
    before = _edge(time, gap, -1)
    after = _edge(time, gap + 1, 1)
    whole = _turn(q[gap], q[gap + 1])
    leaving = _turn(q[before], q[gap]) / max(time[gap] - time[before], 1e-6) * seconds
    arriving = _turn(q[gap + 1], q[after]) / max(time[after] - time[gap + 1], 1e-6) * seconds
    turned = axis_angle_to_quaternion(_hermite(share, np.zeros_like(whole), whole, leaving, arriving))
    poses = matrix_to_axis_angle(quaternion_to_matrix(quaternion_multiply(q[gap], turned)))
    trans = motion.trans
    unsupported = {} if motion.supports is None else {"supports": np.zeros((count, 4))}
    speed_out = (trans[gap] - trans[before]) / max(time[gap] - time[before], 1e-6) * seconds
    speed_in = (trans[after] - trans[gap + 1]) / max(time[after] - time[gap + 1], 1e-6) * seconds
    return {
        "poses": poses.reshape(count, 3 * NUM_JOINTS),
        "trans": _hermite(share, trans[gap], trans[gap + 1], speed_out, speed_in),
        "joints": np.zeros((count, NUM_JOINTS, 3)),
        "frame_index": np.round(np.interp(share, [0, 1], motion.frame_index[gap : gap + 2])).astype(np.int64),
        "time": time[gap] + share * seconds,
        "confidence": np.zeros(count),
        "bridged": np.ones(count, bool),
        "contacts": np.zeros((count, 4)),
        **unsupported,
    }


def _edge(time: np.ndarray, row: int, direction: int) -> int:
    """A row up to `SPEED_SECONDS` away on the person's side of a gap; the row itself if it stands alone."""
    other = row
    while 0 <= other + direction < len(time) and abs(time[other + direction] - time[row]) <= SPEED_SECONDS:
        other += direction
    return other


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 3) the turn from one to another, in the first's axes."""
    return quaternion_to_axis_angle(quaternion_multiply(quaternion_conjugate(a), b))


def _hermite(
    share: np.ndarray, start: np.ndarray, end: np.ndarray, leaving: np.ndarray, arriving: np.ndarray
) -> np.ndarray:
    """(S, ...) a cubic from one value to another with slopes over the whole way, tamed so that it does not swing out.

    A slope of more than three times the way would leave the way between both ends (Fritsch and Carlson 1980).
    """
    way = np.linalg.norm(end - start, axis=-1, keepdims=True)

    def tamed(slope: np.ndarray) -> np.ndarray:
        return slope * np.minimum(1.0, 3 * way / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9))

    t = share.reshape(-1, *[1] * np.ndim(start))
    t2, t3 = t * t, t * t * t
    result = (2 * t3 - 3 * t2 + 1) * start + (3 * t2 - 2 * t3) * end
    return result + (t3 - 2 * t2 + t) * tamed(leaving) + (t3 - t2) * tamed(arriving)


def placed_after(motion: Motion, rest_pelvis: np.ndarray, pelvis: np.ndarray, heading: float) -> Motion:
    """The take moved and turned about the vertical so that it begins over a place (3,) with a heading in radians."""
    result = motion.select(slice(None))
    angle = heading - heading_of(motion.rotations[0, 0])
    turn = axis_angle_to_matrix(np.array([0.0, 0.0, angle]))
    rotations = motion.rotations
    rotations[:, 0] = turn @ rotations[:, 0]
    path = motion.trans + rest_pelvis
    moved = (path - path[0]) @ turn.T + path[0]
    moved[:, :2] += pelvis[:2] - path[0, :2]
    result.poses = matrix_to_axis_angle(rotations).reshape(len(motion), -1)
    result.trans = moved - rest_pelvis
    world = np.eye(4)
    world[:3, :3] = turn
    world[:3, 3] = moved[0] - turn @ path[0]
    result.world_to_camera = np.asarray(motion.world_to_camera, float) @ np.linalg.inv(world)
    return result


def heading_of(root: np.ndarray) -> float:
    """Where a root rotation (3, 3) in the world faces over the floor, in radians about z."""
    ahead = root[:, 2] if np.hypot(*root[:2, 2]) > 0.3 else root[:, 1]
    return float(np.arctan2(ahead[1], ahead[0]))
