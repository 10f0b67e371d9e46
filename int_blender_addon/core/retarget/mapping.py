"""Which bone is which: by geometry and hierarchy, confirmed by names.

A body has two long paths of equal shape that go down from the same bone, two that go sideways from another, and one up
between them. In each path the knee or elbow is where two segments of the usual proportion meet. Names only add to
that, since they differ between rigs (a "shoulder" is a collar bone here and an upper arm there).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from . import names
from .bones import FINGERS, NEEDED, SIDES, Bones, Mapping

SURE, LIKELY, DOUBTED, AGAINST = 0.95, 0.75, 0.5, 0.4
NAMED = 0.15  # of the height: what a fitting name adds to a choice
BRANCHING = 0.1  # likewise, for a hand with fingers
BESIDE = 0.012  # of the height from the middle at which a bone is on a side
ARM_RATIO, LEG_RATIO = 0.92, 1.0  # forearm to upper arm, shin to thigh
UNEQUAL, BENT = 2.0, 2.0
HEAD_BELOW = 0.945  # of the height: a bone that begins above is the head's end
STRAIGHT_WORTH = 0.01
LONGEST = 0.65  # of the height: an arm or a leg, joint to joint


@dataclass
class _Frame:
    """Coordinates of heads and tails of the bones: to the left, forwards, up, each over the height."""

    heads: np.ndarray
    tails: np.ndarray
    skeleton: np.ndarray  # (B,) bool: no helpers


def guess(bones: Bones) -> Mapping:
    """The bones of a humanoid, with a confidence each; slots that are not found are missing."""
    best, best_worth = Mapping({}), -1.0
    for up, left in ((2, 0), (2, 1), (1, 0), (1, 2)):
        found = _guess_upright(bones, up, left)
        worth = sum(found.confidence.get(slot, 0.0) for slot in NEEDED)
        worth += STRAIGHT_WORTH * (up == 2) + STRAIGHT_WORTH * (left == 0)
        if worth > best_worth:
            best, best_worth = found, worth
    if best.missing():
        by_name = _by_names(bones)
        for slot, own in by_name.slots.items():
            if slot not in best.slots and not set(own) & set(best.bones()):
                best.slots[slot], best.confidence[slot] = own, by_name.confidence[slot]
    return best


def _guess_upright(bones: Bones, up: int, across: int) -> Mapping:
    ends = np.concatenate([bones.heads, bones.tails])
    low, height = ends[:, up].min(), float(np.ptp(ends[:, up]))
    if height < 1e-6 or len(bones.names) < 8:
        return Mapping({})
    centre = _middle(bones, across)
    axes = np.eye(3)
    x, z = axes[across], axes[up]
    basis = np.stack([x, np.cross(z, x), z])  # y is backwards if x is left
    origin = x * centre + z * low
    heads, tails = (bones.heads - origin) @ basis.T / height, (bones.tails - origin) @ basis.T / height
    skeleton = np.array([not names.is_helper(name) and not names.is_twist(name) for name in bones.names])
    frame = _Frame(heads, tails, skeleton)
    legs = [_leg(bones, frame, sign) for sign in (1, -1)]
    if any(leg is None for leg in legs):
        return Mapping({})
    if _forward(frame, legs) > 0:  # facing the other way: left is right
        frame.heads[:, :2] *= -1
        frame.tails[:, :2] *= -1
        legs = legs[::-1]
    taken = {bone for leg in legs if leg for bone in leg.values() if bone >= 0}
    arms = [_arm(bones, frame, sign, taken) for sign in (1, -1)]
    slots: dict[str, list[int]] = {}
    for side, leg, arm in zip(SIDES, legs, arms, strict=True):
        for part, bone in {**(leg or {}), **(arm or {})}.items():
            if bone >= 0:
                slots[f"{side}_{part}"] = [bone]
    _trunk(bones, frame, slots)
    _fingers(bones, slots)
    _twists(bones, slots)
    named = {slot: [bones.names[b] for b in own] for slot, own in slots.items()}
    return Mapping(named, {slot: _confidence(slot, own) for slot, own in named.items()})


def _middle(bones: Bones, across: int) -> float:
    """Where the plane of symmetry is: halfway between bones that differ by their side only, else the roots'."""
    by_key: dict[str, dict[str, int]] = {}
    for number, name in enumerate(bones.names):
        side = names.side(name)
        if side:
            key = "".join(word for word in names.words(name) if word not in names.SIDE_WORDS)
            by_key.setdefault(key, {})[side] = number
    pairs = [list(both.values()) for both in by_key.values() if len(both) == 2]
    if pairs:
        return float(np.median([bones.heads[pair, across].mean() for pair in pairs]))
    return float((bones.heads[:, across].max() + bones.heads[:, across].min()) / 2)


def _path(bones: Bones, frame: _Frame, tip: int, sign: int) -> list[int]:
    """From the middle of the body out to a tip: the bones on that side."""
    path = [tip]
    for bone in bones.ancestors(tip):
        if frame.heads[bone, 0] * sign < BESIDE:
            break
        path.append(bone)
    return [bone for bone in path[::-1] if frame.skeleton[bone]]


def _leg(bones: Bones, frame: _Frame, sign: int) -> dict[str, int] | None:
    beside = (frame.heads[:, 0] * sign > BESIDE) & frame.skeleton
    if not beside.any():
        return None
    candidates = np.flatnonzero(beside & (frame.heads[:, 2] < 0.2))
    best, best_worth = None, 0.0
    for tip in candidates:
        path = _path(bones, frame, int(tip), sign)
        for thigh, shin, foot in combinations(path, 3):
            worth = _limb_worth(bones, frame, (thigh, shin, foot), ("thigh", "shin", "foot"), LEG_RATIO)
            if frame.heads[foot, 2] > 0.2 or frame.heads[thigh, 2] < 0.3 or worth <= best_worth:
                continue
            best_worth, best = worth, {"thigh": thigh, "shin": shin, "foot": foot, "toe": -1}
    if best is None:
        return None
    below = [bone for bone in _descendants(bones, best["foot"]) if frame.skeleton[bone]]
    reach = [b for b in below if np.linalg.norm(frame.heads[b] - frame.heads[best["foot"]]) > 0.02]
    named = [b for b in reach if "toe" in names.meanings(bones.names[b])]
    if named or reach:
        best["toe"] = min(named or reach, key=lambda b: np.linalg.norm(frame.heads[b] - frame.heads[best["foot"]]))
    return best


def _arm(bones: Bones, frame: _Frame, sign: int, taken: set[int]) -> dict[str, int] | None:
    below = {bone for leg in taken for bone in _descendants(bones, leg)} | taken
    beside = (frame.heads[:, 0] * sign > BESIDE) & frame.skeleton
    best, best_worth = None, 0.0
    for tip in np.flatnonzero(beside):
        if int(tip) in below:
            continue
        path = [b for b in _path(bones, frame, int(tip), sign) if not _is_finger(bones.names[b])]
        for upper, fore, hand in combinations(path, 3):
            worth = _limb_worth(bones, frame, (upper, fore, hand), ("upper_arm", "forearm", "hand"), ARM_RATIO)
            if worth <= best_worth or frame.heads[upper, 2] < 0.55:
                continue
            before = path[: path.index(upper)]
            collar = [b for b in before if np.linalg.norm(frame.heads[b] - frame.heads[upper]) > 0.02]
            best_worth = worth
            best = {"clavicle": collar[-1] if collar else -1, "upper_arm": upper, "forearm": fore, "hand": hand}
    return best


def _limb_worth(bones: Bones, frame: _Frame, limb: tuple[int, ...], parts: tuple[str, ...], ratio: float) -> float:
    a, b, c = (frame.heads[bone] for bone in limb)
    upper, lower, whole = np.linalg.norm(b - a), np.linalg.norm(c - b), np.linalg.norm(c - a)
    if min(upper, lower) < 0.06 or upper + lower > LONGEST:
        return -1.0
    worth = upper + lower - UNEQUAL * abs(lower - ratio * upper) - BENT * (upper + lower - whole)
    for bone, part in zip(limb, parts, strict=True):
        said = names.meanings(bones.names[bone])
        worth += NAMED * (part in said)
    fingers = [child for child in bones.children(limb[-1]) if frame.skeleton[child] or _is_finger(bones.names[child])]
    return float(worth + BRANCHING * (parts[-1] == "hand" and len(fingers) >= 3))


def _is_finger(name: str) -> bool:
    return bool(names.meanings(name) & set(FINGERS)) or "finger" in names.words(name)


def _descendants(bones: Bones, bone: int) -> list[int]:
    found = []
    for child in bones.children(bone):
        found += [child, *_descendants(bones, child)]
    return found


def _forward(frame: _Frame, legs: list[dict[str, int] | None]) -> float:
    """Which way the feet point: negative is forwards as the frame has it."""
    total = 0.0
    for leg in legs:
        assert leg is not None
        foot, toe = leg["foot"], leg["toe"]
        end = frame.heads[toe] if toe >= 0 else frame.tails[foot]
        total += float(end[1] - frame.heads[foot][1])
    return total


def _trunk(bones: Bones, frame: _Frame, slots: dict[str, list[int]]) -> None:
    """Hips, spine, neck and head between the limbs that were found."""

    def common(parts: tuple[str, ...]) -> int:
        paths = [set(bones.ancestors(slots[f"{s}_{p}"][0])) for s in SIDES for p in parts if f"{s}_{p}" in slots]
        shared = set.intersection(*paths) if paths else set()
        return max(shared, key=lambda b: len(bones.ancestors(b)), default=-1)

    hips = common(("thigh", "upper_arm"))
    if hips < 0:
        hips = common(("thigh",))
    if hips < 0:
        return
    slots["hips"] = [hips]
    chest = common(("clavicle",)) if "left_clavicle" in slots else common(("upper_arm",))
    limbs = {b for slot, own in slots.items() if slot != "hips" for b in own}
    if chest >= 0 and chest != hips:
        between = [b for b in bones.ancestors(chest) if b not in bones.ancestors(hips) and b != hips]
        slots["spine"] = [b for b in [*between[::-1], chest] if frame.skeleton[b]]
    start = chest if chest >= 0 else hips
    below = {b for limb in limbs for b in _descendants(bones, limb)} | limbs
    above = [b for b in _descendants(bones, start) if b not in below and abs(frame.heads[b, 0]) < 0.03]
    above = [b for b in above if frame.skeleton[b]]
    said = [b for b in above if "head" in names.meanings(bones.names[b])]
    if not said:
        above = [b for b in above if frame.heads[b, 2] < HEAD_BELOW] or above
    if not above:
        return
    top = min(said, key=lambda b: len(bones.ancestors(b))) if said else max(above, key=lambda b: frame.heads[b, 2])
    path = [b for b in bones.ancestors(top)[::-1] if b in above]
    slots["head"] = [top]
    if path:
        slots["neck"] = path


def _fingers(bones: Bones, slots: dict[str, list[int]]) -> None:
    """Chains of fingers below the hands, by their names."""
    for side in SIDES:
        if f"{side}_hand" not in slots:
            continue
        for bone in _descendants(bones, slots[f"{side}_hand"][0]):
            said = names.meanings(bones.names[bone]) & set(FINGERS)
            if len(said) == 1 and not names.is_helper(bones.names[bone]):
                chain = slots.setdefault(f"{side}_{said.pop()}", [])
                if len(chain) < 3:
                    chain.append(bone)


def _twists(bones: Bones, slots: dict[str, list[int]]) -> None:
    """Bones that share a limb's twist, by their names and by lying between the limb's ends."""
    for side in SIDES:
        for part, following in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot")):
            if f"{side}_{part}" not in slots or f"{side}_{following}" not in slots:
                continue
            own, end = slots[f"{side}_{part}"][0], slots[f"{side}_{following}"][0]
            inline = [b for b in bones.ancestors(end) if own in bones.ancestors(b)]
            aside = [b for b in bones.children(own) if names.is_twist(bones.names[b]) and b != end]
            more = [b for t in aside for b in _descendants(bones, t) if names.is_twist(bones.names[b])]
            found = [*inline[::-1], *(b for b in (*aside, *more) if b not in inline)]
            if found:
                slots[f"{side}_{part}_twist"] = found


def _confidence(slot: str, own: list[str]) -> float:
    side, _, part = slot.partition("_") if slot.split("_", maxsplit=1)[0] in SIDES else ("", "", slot)
    part = part.removesuffix("_twist")
    values = []
    for name in own:
        said, told = names.meanings(name), names.side(name)
        value = SURE if part in said or names.is_twist(name) else LIKELY if not said else DOUBTED
        if told and side and told != side:
            value = AGAINST
        values.append(value)
    return min(values, default=0.0)


def _by_names(bones: Bones) -> Mapping:
    """By names alone, where the geometry tells nothing: the first bone of a meaning, in the order of the hierarchy."""
    slots: dict[str, list[str]] = {}
    used: set[str] = set()
    for name in bones.names:
        said, told = names.meanings(name), names.side(name)
        if names.is_helper(name) or names.is_twist(name):
            continue
        for part in sorted(said):
            slot = f"{told}_{part}" if told and part not in ("hips", "spine", "neck", "head") else part
            if slot.startswith(SIDES) == bool(told) and slot not in slots and name not in used:
                slots[slot] = [name]
                used.add(name)
    known = {slot: own for slot, own in slots.items() if slot in NEEDED or slot in ("head", "neck", "spine")}
    return Mapping(known, dict.fromkeys(known, DOUBTED))


def lengths(bones: Bones, mapping: Mapping) -> dict[str, float]:
    """Metres between the joints of limbs, by slot of the upper one."""
    found = {}
    for side in SIDES:
        for chain in (("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")):
            for part, following in pairwise(chain):
                a, b = mapping.first(f"{side}_{part}"), mapping.first(f"{side}_{following}")
                if a and b:
                    found[f"{side}_{part}"] = float(
                        np.linalg.norm(bones.heads[bones.index[b]] - bones.heads[bones.index[a]])
                    )
    return found
