"""Feet of the target where the source's stand, whatever the proportions: footprints kept, hips lowered where needed.

While the ball stands the ball's place rules, while only the heel stands the heel's; from one to the other the foot
does not jump, and what its other length adds up to is let go while it is in the air.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..refine.stances import runs, with_hysteresis
from ..rotations import between_vectors, normalize
from ..smoothing import gaussian_smooth
from .bones import SIDES

if TYPE_CHECKING:
    from .transfer import _Work

REACH = 0.998  # of a leg's length: beyond it knees pop
DROP_SECONDS = 0.1
HEIGHT, SPEED = 0.05, 0.25  # metres over the floor and m/s below which a sole stands, where nobody says
LOWEST_SOLE = 0.6  # of the hip's height: farther down the hips do not come


@dataclass
class Planted:
    """What planting changes."""

    root: np.ndarray  # (T, 3) the hips bone
    turned: dict[int, np.ndarray]  # (T, 3, 3) axes of bones
    contacts: np.ndarray  # (T, 4) bool


def plant(work: _Work, turns: np.ndarray, heads: np.ndarray, scale: float) -> Planted:
    """Reach with the legs, and with the arms if asked, from a pose that was transferred by rotations."""
    amount = work.how.plant
    standing, source_points = _contacts(work)
    hips, turned = work._bone("hips"), {}
    goals = []
    for foot, side in enumerate(SIDES):
        goal = _goal(work, turns, foot, standing[:, 2 * foot : 2 * foot + 2], source_points[foot], scale)
        own = heads[:, work._bone(f"{side}_foot")]
        goals.append(own + amount * (goal - own))
    drop = _drop(work, heads, goals, standing)
    down = np.zeros_like(heads[:, hips])
    down[:, 2] = -amount * drop
    limbs = [(f"{side}_thigh", f"{side}_shin", f"{side}_foot", goal) for side, goal in zip(SIDES, goals, strict=True)]
    if work.how.hands:
        for side in SIDES:
            theirs = work.source_map.first(f"{side}_hand")
            if theirs and work._bone(f"{side}_hand") >= 0:
                goal = work._scaled(work.moving.heads[:, work.source.index[theirs]], scale)
                limbs.append((f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand", goal))
    for upper, lower, end, goal in limbs:
        a, b, c = (work._bone(slot) for slot in (upper, lower, end))
        first, second = reach(heads[:, a] + down, heads[:, b] + down, heads[:, c] + down, goal)
        turned[a] = first @ turns[:, a]
        turned[b] = second @ turns[:, b]
    return Planted(heads[:, hips] + down, turned, standing)


def _contacts(work: _Work) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """(T, 4) bool, and for each foot heel and ball of the source (T, 3) on its sole."""
    points = []
    for side in SIDES:
        foot = work.source.index[work.source_map.first(f"{side}_foot")]
        turned = work.moving.turns[:, foot] @ work.source_rest[foot].T
        ankle = work.moving.heads[:, foot]
        points.append(tuple(ankle + turned @ offset for offset in _soles(work, side, ours=False)))
    if work.moving.contacts is not None:
        return with_hysteresis(work.moving.contacts, work.moving.time), points
    soles = np.stack([p for pair in points for p in pair], axis=1)
    if work.count < 3:
        return np.zeros((work.count, 4), bool), points
    speed = np.linalg.norm(np.gradient(soles, work.moving.time, axis=0), axis=-1)
    low = soles[..., 2] - work.source.ground < HEIGHT
    likely = 0.4 * (low & (speed < 2 * SPEED)) + 0.6 * (low & (speed < SPEED))
    return with_hysteresis(likely, work.moving.time), points


def _soles(work: _Work, side: str, ours: bool) -> tuple[np.ndarray, np.ndarray]:
    """Heel and ball on the floor at rest, from the ankle, in the world of the rest pose."""
    heads, bones, mapping = work._skeletons()[1 if ours else 0]
    foot, toe = bones.index[mapping.first(f"{side}_foot")], mapping.first(f"{side}_toe")
    ankle = heads[foot]
    front = heads[bones.index[toe]] if toe else bones.tails[foot]
    heel, ball = ankle.copy(), front.copy()
    ahead = (front - ankle) * [1.0, 1.0, 0.0]
    heel -= 0.3 * ahead
    heel[2] = ball[2] = bones.floor
    return heel - ankle, ball - ankle


def _goal(
    work: _Work,
    turns: np.ndarray,
    foot: int,
    standing: np.ndarray,
    source: tuple[np.ndarray, np.ndarray],
    scale: float,
) -> np.ndarray:
    """(T, 3) where the ankle is to be."""
    bone = work._bone(f"{SIDES[foot]}_foot")
    turned = turns[:, bone] @ work.target_rest[bone].T
    by_heel, by_ball = (
        work._scaled(point, scale) - turned @ offset
        for point, offset in zip(source, _soles(work, SIDES[foot], ours=True), strict=True)
    )
    rules = np.where(standing[:, 1:], by_ball, np.where(standing[:, :1], by_heel, (by_heel + by_ball) / 2))
    # from frame to frame by the steps of whatever rules in both, so that nothing jumps when the ruler changes
    both_ball = standing[1:, 1] & standing[:-1, 1]
    both_heel = standing[1:, 0] & standing[:-1, 0] & ~both_ball
    step = np.where(
        both_ball[:, None],
        np.diff(by_ball, axis=0),
        np.where(both_heel[:, None], np.diff(by_heel, axis=0), np.diff((by_heel + by_ball) / 2, axis=0)),
    )
    path = np.concatenate([rules[:1], rules[0] + np.cumsum(step, axis=0)])
    path += _let_go((by_heel + by_ball) / 2 - path, np.asarray(standing.any(axis=1)))
    path[:, 2] = np.maximum(by_heel[:, 2], by_ball[:, 2])
    return path


def _let_go(error: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """(T, 3) constant while a foot stands, and from one such value to the next while it is in the air."""
    found = runs(standing)
    if not found:
        return error
    frames = np.concatenate([[a, b] for a, b in found])
    values = np.concatenate([np.repeat(error[a : b + 1].mean(axis=0)[None], 2, axis=0) for a, b in found])
    t = np.arange(len(error))
    between = np.stack([np.interp(t, frames, values[:, k]) for k in range(3)], axis=-1)
    # interpolation that starts and ends gently: ease the share within each gap
    for (_, a), (b, _) in pairwise(found):
        share = (t[a : b + 1] - a) / max(b - a, 1)
        eased = share * share * (3 - 2 * share)
        between[a : b + 1] = between[a] + eased[:, None] * (between[b] - between[a])
    return between


def _drop(work: _Work, heads: np.ndarray, goals: list[np.ndarray], standing: np.ndarray) -> np.ndarray:
    """(T,) metres by which the hips come down, smoothly, so that standing feet are within reach."""
    needed = np.zeros(work.count)
    for foot, side in enumerate(SIDES):
        thigh, shin, end = (work._bone(f"{side}_{part}") for part in ("thigh", "shin", "foot"))
        rest = work.target.heads
        length = REACH * (np.linalg.norm(rest[shin] - rest[thigh]) + np.linalg.norm(rest[end] - rest[shin]))
        apart = heads[:, thigh] - goals[foot]
        flat = np.sum(apart[:, :2] ** 2, axis=1)
        most = np.sqrt(np.maximum(length**2 - flat, (LOWEST_SOLE * length) ** 2))
        stands = standing[:, 2 * foot] | standing[:, 2 * foot + 1]
        needed = np.maximum(needed, np.where(stands, apart[:, 2] - most, 0.0))
    if not needed.any():
        return needed
    time = work.moving.time
    first, last = (np.searchsorted(time, time + s * DROP_SECONDS) for s in (-1, 1))
    widened = np.array([needed[a : max(b, a + 1)].max() for a, b in zip(first, last, strict=True)])
    return np.maximum(gaussian_smooth(widened[:, None], time, DROP_SECONDS / 2)[:, 0], needed)


def reach(start: np.ndarray, middle: np.ndarray, end: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns (T, 3, 3), in the world, of the upper and the lower part of limbs so that their ends come to `goal`.

    The plane in which the limb bends is kept as well as can be; out of reach it points at the goal.
    """
    upper = np.linalg.norm(middle - start, axis=-1)
    lower = np.linalg.norm(end - middle, axis=-1)
    to = goal - start
    apart = np.linalg.norm(to, axis=-1)
    far = np.clip(apart, np.abs(upper - lower) + 1e-4, REACH * (upper + lower))
    # where the limb is nearly straight already it may stay so
    far = np.where(
        apart <= upper + lower, np.minimum(apart, np.maximum(far, np.linalg.norm(end - start, axis=-1))), far
    )
    far = np.clip(far, np.abs(upper - lower) + 1e-4, upper + lower)
    line = normalize(to)
    old = normalize(end - start)
    swing = between_vectors(old, line)
    out = (swing @ (middle - start)[..., None])[..., 0]
    out = out - np.sum(out * line, axis=-1, keepdims=True) * line
    size = np.linalg.norm(out, axis=-1, keepdims=True)
    across = np.where(size > 1e-6, out / np.maximum(size, 1e-9), 0.0)
    cosine = np.clip((upper**2 + far**2 - lower**2) / (2 * upper * far), -1, 1)
    along, aside = upper * cosine, upper * np.sqrt(1 - cosine**2)
    knee = start + along[:, None] * line + aside[:, None] * across
    ankle = start + far[:, None] * line
    first = between_vectors(normalize((swing @ (middle - start)[..., None])[..., 0]), normalize(knee - start)) @ swing
    lower_now = (first @ (end - middle)[..., None])[..., 0]
    second = between_vectors(normalize(lower_now), normalize(ankle - knee)) @ first
    return first, second
