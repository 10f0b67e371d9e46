"""Feet that stand where they stand: a footprint for each stance, and legs that reach it.

In a stance the foot has one footprint on the floor. While the heel stands the heel is pinned to it, while the ball
stands the ball is, while both do the sole lies flat. Knees keep their plane; the pelvis comes down, smoothly and as
little as needed, where a leg would not reach. In and out of a stance the change fades. The body as a whole follows its
standing feet slowly, because a root seen by one camera drifts more than a shoe does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..rotations import (
    between_vectors,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
)
from ..skeleton import JOINT_INDEX, PARENTS, forward_kinematics
from ..smoothing import gaussian_smooth
from .feet import ANKLES, TOES
from .stances import Stance

HIPS = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])
KNEES = (JOINT_INDEX["left_knee"], JOINT_INDEX["right_knee"])
BENT = 0.6  # of the leg's length from hip to ankle: so bent, it tells nothing
FADE = 0.15  # seconds before and after a stance in which the change comes and goes
TURN_FADE = 0.06  # seconds in which the sole comes to lie flat within a stance
REACH = 0.998  # of the leg's length: beyond it knees pop
CARRY_SIGMA = 0.2  # seconds: how slowly the body follows its standing feet
FARTHEST_ALONG_RAY = 0.3  # metres
FLAT_RAY = np.sin(np.radians(30.0)) ** 2  # from here on a ray tells more of where a foot is than its own place does
FORGOTTEN = 0.6  # seconds from any stance at which the body is where it was seen
CARRIED_ACROSS = 0.3
BELIEVED = 0.95
TRUST_SIGMA = 0.03  # seconds
FAR = (0.06, 0.15)  # metres from the footprint at which a contact is doubted, and not believed
QUICK = (0.5, 1.0)  # m/s of the ankle, likewise
ON_FLOOR = 0.08  # metres: a footprint higher or lower than that is on a box or a step
DROP_SIGMA = 0.08  # seconds: how smoothly the pelvis comes down
UP = np.array([0.0, 0.0, 1.0])


@dataclass
class Skeleton:
    """What moves: rotations (T, 24, 3, 3) with the root in the world, and the pelvis (T, 3) in the world."""

    rotations: np.ndarray
    pelvis: np.ndarray
    offsets: np.ndarray  # (24, 3) from parents, at rest

    def placed(self) -> tuple[np.ndarray, np.ndarray]:
        """Global rotations (T, 24, 3, 3) and joints (T, 24, 3)."""
        offsets = np.broadcast_to(self.offsets, (len(self.pelvis), *self.offsets.shape)).copy()
        offsets[:, 0] = self.pelvis
        return forward_kinematics(self.rotations, offsets)


def lock_feet(
    body: Skeleton,
    sole: np.ndarray,
    contacts: np.ndarray,
    found: list[Stance],
    time: np.ndarray,
    strength: tuple[float, float],
    view: np.ndarray | None = None,
    eye: np.ndarray | None = None,
) -> tuple[Skeleton, np.ndarray]:
    """The motion with planted feet, and the contacts (T, 4) that were believed.

    Args:
        body: The motion; floor at z = 0.
        sole: (2, 2, 3) heel and ball of both feet, from the ankle, at rest.
        contacts: (T, 4) bool.
        found: The stances of `contacts`.
        time: (T,) seconds.
        strength: 0 to 1, of each foot.
        view: (3,) along which the camera looked over the floor, if there was one.
        eye: (3,) where it stood: footprints are brought to the floor along its rays, so that they stay in the picture.
    """
    if not found or max(strength) <= 0:
        return body, contacts
    turns, joints = body.placed()
    targets, goals, weights = joints[:, ANKLES].copy(), turns[:, ANKLES].copy(), np.zeros((len(time), 2))
    for stance in found:
        _footprint(stance, turns, joints, sole[stance.foot], contacts, time, targets, goals, weights, eye)
    carried = _carried(joints, targets, weights * (np.array(strength) > 0), time, view)
    joints = joints + carried[:, None]
    _distrust(joints, targets, weights, time)
    for foot in (0, 1):
        amount = strength[foot] * weights[:, foot]
        start = joints[:, ANKLES[foot]]
        targets[:, foot] = start + amount[:, None] * (targets[:, foot] - start)
        goals[:, foot] = _between(turns[:, ANKLES[foot]], goals[:, foot], amount)
    lift = _above_floor(targets, goals, sole) * (np.array(strength) > 0)
    targets[..., 2] += lift
    pelvis = body.pelvis + carried + _drop(body, joints, targets, weights, time)
    locked = Skeleton(body.rotations.copy(), pelvis, body.offsets)
    for foot in (0, 1):
        reach(
            locked,
            (HIPS[foot], KNEES[foot], ANKLES[foot]),
            targets[:, foot],
            goals[:, foot],
            (weights[:, foot] * strength[foot] > 0) | (lift[:, foot] > 1e-4),
        )
    _lay_toes(locked, contacts, weights * np.array(strength), time)
    return locked, contacts & np.repeat(weights > BELIEVED, 2, axis=1)


def _footprint(
    stance: Stance,
    turns: np.ndarray,
    joints: np.ndarray,
    sole: np.ndarray,
    contacts: np.ndarray,
    time: np.ndarray,
    targets: np.ndarray,
    goals: np.ndarray,
    weights: np.ndarray,
    eye: np.ndarray | None,
) -> None:
    """Where the ankle is to be, and how the foot is to lie, while a stance lasts and while it fades."""
    foot, ankle = stance.foot, ANKLES[stance.foot]
    count = len(time)
    inside = np.arange(stance.first, stance.last + 1)
    heel_on, ball_on = contacts[inside, 2 * foot], contacts[inside, 2 * foot + 1]
    own = turns[inside, ankle]
    both = heel_on & ball_on
    looked = both if both.any() else np.ones(len(inside), bool)
    along = sole[1] - sole[0]
    heading = own[looked] @ along
    heading[:, 2] = 0.0
    heading = normalize(heading.mean(axis=0))
    flat = _flat_turn(heading, along)
    # the footprint: heel and ball where they are, on average, while they stand
    ball = joints[inside, ankle] + own @ sole[1]
    heel = joints[inside, ankle] + own @ sole[0]
    length = float(np.linalg.norm(along[[0, 2]]))
    trust = straightness(joints[inside])[:, foot]
    places = np.concatenate([ball[ball_on] - heading * length, heel[heel_on]])
    middle = np.average(places, axis=0, weights=np.concatenate([trust[ball_on], trust[heel_on]]))
    height = 0.0 if abs(middle[2]) < ON_FLOOR else middle[2]
    middle = _to_height(middle, height, eye)
    heel_at = np.array([middle[0], middle[1], height])
    ball_at = heel_at + flat @ along
    ball_at[2] = height

    # the foot's turn: flat while both stand; while one does, the estimate's pitch along the footprint
    near = np.arange(max(stance.first - _frames(time, stance.first, -FADE), 0), count)
    near = near[near <= min(stance.last + _frames(time, stance.last, FADE), count - 1)]
    placed = np.clip(near, stance.first, stance.last)
    flatness = np.zeros(count)
    flatness[inside] = both
    flatness = np.clip(gaussian_smooth(flatness, time, TURN_FADE), 0, 1)
    flatness[inside] = np.where(both, np.maximum(flatness[inside], 1.0), flatness[inside])
    pitched = _to_heading(turns[near, ankle], along, heading)
    goal = _between(pitched, np.broadcast_to(flat, pitched.shape), flatness[near])
    use_ball = np.zeros(count)
    use_ball[inside] = np.where(both, 0.5, np.where(ball_on, 1.0, 0.0))
    # what is pinned changes smoothly while the sole is flat, where both are the same
    share = np.where(flatness[near] > 0.999, use_ball[placed], np.round(use_ball[placed]))[:, None]
    target = share * (ball_at - goal @ sole[1]) + (1 - share) * (heel_at - goal @ sole[0])

    weight = np.ones(len(near))
    before, after = near < stance.first, near > stance.last
    weight[before] = _fade((time[stance.first] - time[near[before]]) / FADE)
    weight[after] = _fade((time[near[after]] - time[stance.last]) / FADE)
    # where two stances' fades meet, the nearer one counts
    stronger = weight >= weights[near, foot]
    rows = near[stronger]
    targets[rows, foot], goals[rows, foot], weights[rows, foot] = target[stronger], goal[stronger], weight[stronger]


def straightness(joints: np.ndarray) -> np.ndarray:
    """(T, 2) what a leg's depth is worth: a straight one shows how far away the person is, a bent one doesn't."""
    result = np.empty((len(joints), 2))
    for foot in (0, 1):
        hip, knee, ankle = joints[:, HIPS[foot]], joints[:, KNEES[foot]], joints[:, ANKLES[foot]]
        length = np.linalg.norm(knee - hip, axis=1) + np.linalg.norm(ankle - knee, axis=1)
        result[:, foot] = np.linalg.norm(ankle - hip, axis=1) / length
    return np.clip((result - BENT) / (1 - BENT), 0.05, 1.0) ** 4


def _to_height(point: np.ndarray, height: float, eye: np.ndarray | None) -> np.ndarray:
    """A point brought to a height along the camera's ray, where that is not far; else straight up or down."""
    straight = np.array([point[0], point[1], height])
    if eye is None or abs(point[2] - eye[2]) < 0.1:
        return straight
    along = eye + (point - eye) * (height - eye[2]) / (point[2] - eye[2])
    moved = float(np.linalg.norm(along - straight))
    # a flat ray meets the floor anywhere: a height told a little wrong would send the foot far away
    slope = (point[2] - eye[2]) ** 2 / float(np.sum((point - eye) ** 2))
    share = min(slope / (slope + FLAT_RAY), FARTHEST_ALONG_RAY / max(moved, 1e-9))
    return straight + share * (along - straight)


def _frames(time: np.ndarray, frame: int, seconds: float) -> int:
    """How many frames lie within some seconds after (or before) a frame."""
    if seconds > 0:
        return int(np.searchsorted(time, time[frame] + seconds, "right")) - 1 - frame
    return frame - int(np.searchsorted(time, time[frame] + seconds, "left"))


def _fade(distance: np.ndarray) -> np.ndarray:
    left = np.clip(1 - distance, 0, 1)
    return left * left * (3 - 2 * left)


def _flat_turn(heading: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(3, 3) the global turn of an ankle whose sole, y up and `along` forward at rest, lies flat in a heading."""
    forward = normalize(np.array([along[0], 0.0, along[2]]))
    rest = np.stack([np.cross([0.0, 1.0, 0.0], forward), [0.0, 1.0, 0.0], forward], axis=-1)
    world = np.stack([np.cross(UP, heading), UP, heading], axis=-1)
    return world @ rest.T


def _to_heading(turns: np.ndarray, along: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Global turns (N, 3, 3), each yawed so that the foot points along a heading."""
    now = turns @ along
    angle = np.arctan2(heading[1], heading[0]) - np.arctan2(now[:, 1], now[:, 0])
    steep = np.linalg.norm(now[:, :2], axis=1) < 0.3 * np.linalg.norm(now, axis=1)
    angle = np.where(steep, 0.0, (angle + np.pi) % (2 * np.pi) - np.pi)
    yaw = np.zeros((len(turns), 3, 3))
    yaw[:, 0, 0] = yaw[:, 1, 1] = np.cos(angle)
    yaw[:, 1, 0], yaw[:, 0, 1], yaw[:, 2, 2] = np.sin(angle), -np.sin(angle), 1.0
    return yaw @ turns


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) so far on the way from one to the other; shares (N,)."""
    a, b = matrix_to_quaternion(start), matrix_to_quaternion(np.ascontiguousarray(end))
    b = np.where(np.sum(a * b, axis=-1, keepdims=True) < 0, -b, b)
    angle = np.arccos(np.clip(np.sum(a * b, axis=-1), -1, 1))[:, None]
    share = np.asarray(share, float)[:, None]
    small = angle < 1e-6
    sine = np.where(small, 1.0, np.sin(angle))
    first = np.where(small, 1 - share, np.sin((1 - share) * angle) / sine)
    second = np.where(small, share, np.sin(share * angle) / sine)
    return quaternion_to_matrix(normalize(first * a + second * b))


def _distrust(joints: np.ndarray, targets: np.ndarray, weights: np.ndarray, time: np.ndarray) -> None:
    """Take weight off where a foot is far from its footprint or quick: it has left already, or never stood."""
    own = joints[:, ANKLES]
    apart = np.where(weights > 0, np.linalg.norm(targets - own, axis=-1), 0.0)
    speed = np.linalg.norm(np.gradient(gaussian_smooth(own, time, TRUST_SIGMA), time, axis=0), axis=-1)
    trust = np.minimum(_falling(apart, *FAR), _falling(speed, *QUICK))
    weights *= np.clip(gaussian_smooth(trust, time, TRUST_SIGMA), 0, 1)


def _above_floor(targets: np.ndarray, goals: np.ndarray, sole: np.ndarray) -> np.ndarray:
    """(T, 2) by how much heel or ball of a foot would be in the floor."""
    low = [(targets[:, foot] + goals[:, foot] @ sole[foot, k])[:, 2] for foot in (0, 1) for k in (0, 1)]
    return np.maximum(-np.stack([np.minimum(*low[:2]), np.minimum(*low[2:])], axis=1), 0.0)


def _falling(value: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 up to `start`, 0 from `end` on."""
    return np.clip((end - value) / (end - start), 0, 1)


def _carried(
    joints: np.ndarray, targets: np.ndarray, weights: np.ndarray, time: np.ndarray, view: np.ndarray | None
) -> np.ndarray:
    """(T, 3) how the whole body goes along with its standing feet, slowly: they show how the root's path errs.

    Across the view, which the picture tells well, it follows less.
    """
    firm = np.where(weights > 0.999, 1.0, 0.0)
    some = firm.sum(axis=1) > 0
    if not some.any():
        return np.zeros((len(time), 3))
    apart = targets - joints[:, ANKLES]
    mean = (firm[..., None] * apart).sum(axis=1) / np.maximum(firm.sum(axis=1), 1.0)[:, None]
    known = np.flatnonzero(some)
    filled = np.stack([np.interp(time, time[known], mean[known, k]) for k in range(3)], axis=-1)
    away = np.abs(time[:, None] - time[known]).min(axis=1)
    carried = gaussian_smooth(filled * _falling(away, 0.0, FORGOTTEN)[:, None], time, CARRY_SIGMA)
    if view is not None:
        across = np.cross(UP, view)
        carried -= (1 - CARRIED_ACROSS) * (carried @ across)[:, None] * across
    return carried


def _drop(body: Skeleton, joints: np.ndarray, targets: np.ndarray, weights: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(T, 3) how the pelvis moves so that both legs reach; straight down, and smooth in time."""
    needed = np.zeros(len(time))
    for foot in (0, 1):
        length = REACH * _leg(body, foot)
        apart = targets[:, foot] - joints[:, HIPS[foot]]
        flat = np.sum(apart[:, :2] ** 2, axis=1)
        reachable = np.sqrt(np.maximum(length**2 - flat, (0.3 * length) ** 2))
        short = np.maximum(-apart[:, 2] - reachable, 0.0)
        needed = np.maximum(needed, np.where(weights[:, foot] > 0.999, short, 0.0))
    if not needed.any():
        return np.zeros((len(time), 3))
    widened = needed.copy()
    for offset in range(1, max(_frames(time, 0, DROP_SIGMA), 1) + 1):
        widened[offset:] = np.maximum(widened[offset:], needed[:-offset])
        widened[:-offset] = np.maximum(widened[:-offset], needed[offset:])
    smooth = np.maximum(gaussian_smooth(widened, time, DROP_SIGMA / 2), needed)
    return -smooth[:, None] * UP


def _leg(body: Skeleton, foot: int) -> float:
    lengths = np.linalg.norm(body.offsets[[KNEES[foot], ANKLES[foot]]], axis=1)
    return float(lengths.sum())


def reach(body: Skeleton, limb: tuple[int, ...], target: np.ndarray, goal: np.ndarray, where: np.ndarray) -> None:
    """Bend and turn a leg or an arm so that its end is at a target (T, 3) and turned as wanted (T, 3, 3).

    Args:
        body: Changed in place.
        limb: Joints: hip, knee and ankle; or shoulder, elbow and wrist.
        target: Of the last of them.
        goal: Its global turn.
        where: (T,) bool, frames to change.
    """
    rows = np.flatnonzero(where)
    if not len(rows):
        return
    hip, knee, ankle = limb
    part = Skeleton(body.rotations[rows], body.pelvis[rows], body.offsets)
    turns, joints = part.placed()
    thigh, shin = (float(np.linalg.norm(body.offsets[j])) for j in (knee, ankle))
    wanted = target[rows] - joints[:, hip]
    distance = np.clip(np.linalg.norm(wanted, axis=1), abs(thigh - shin) + 1e-4, (thigh + shin) * (1 - 1e-6))

    # the knee's angle, about the axis about which it is bent now
    upper, lower = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
    axis = np.cross(upper, lower)
    side = (turns[:, hip] @ np.array([1.0, 0.0, 0.0])) * 1e-2
    axis = normalize(
        axis + side * np.linalg.norm(upper, axis=1, keepdims=True) * np.linalg.norm(lower, axis=1)[:, None]
    )
    now = _angle_about(axis, upper, lower)
    cosine = (distance**2 - thigh**2 - shin**2) / (2 * thigh * shin)
    bend = np.arccos(np.clip(cosine, -1, 1)) - now
    lower_turn = _about(axis, bend)
    moved = upper + np.einsum("nij,nj->ni", lower_turn, lower)
    swing = between_vectors(normalize(moved), normalize(wanted))
    new_hip = swing @ turns[:, hip]
    new_knee = swing @ lower_turn @ turns[:, knee]
    inverse = np.swapaxes
    body.rotations[rows, hip] = inverse(turns[:, PARENTS[hip]], -1, -2) @ new_hip
    body.rotations[rows, knee] = inverse(new_hip, -1, -2) @ new_knee
    body.rotations[rows, ankle] = inverse(new_knee, -1, -2) @ goal[rows]


def _angle_about(axis: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Signed angles (N,) from a to b, seen along an axis."""
    return np.arctan2(np.sum(np.cross(a, b) * axis, axis=1), np.sum(a * b, axis=1))


def _about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    from ..rotations import axis_angle_to_matrix

    return axis_angle_to_matrix(axis * angle[:, None])


def _lay_toes(body: Skeleton, contacts: np.ndarray, weights: np.ndarray, time: np.ndarray) -> None:
    """While the ball stands the toes lie on the floor, however high the heel is."""
    turns, _ = body.placed()
    for foot in (0, 1):
        ankle, toe = ANKLES[foot], TOES[foot]
        on = contacts[:, 2 * foot + 1].astype(float) * weights[:, foot]
        amount = np.clip(gaussian_smooth(on, time, TURN_FADE), 0, 1)
        rows = np.flatnonzero(amount > 1e-3)
        if not len(rows):
            continue
        forward = turns[rows, ankle] @ np.array([0.0, 0.0, 1.0])
        forward[:, 2] = 0.0
        forward = normalize(forward + 1e-9)
        world = np.stack([np.cross(UP, forward), np.broadcast_to(UP, forward.shape), forward], axis=-1)
        goal = _between(turns[rows, toe], world, amount[rows])
        body.rotations[rows, toe] = np.swapaxes(turns[rows, ankle], -1, -2) @ goal
