"""Motion of one skeleton on another: rotations from rest to rest, the root by the length of the legs, feet that stand.

A bone turns in the world as its counterpart turns from its own rest pose. Limbs point where the source's point,
whatever both rest poses are: the target's rest is first brought to the source's by the smallest turn of each limb.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import RetargetError
from ..rotations import (
    axis_angle_to_matrix,
    between_vectors,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
    slerp,
)
from .bones import FINGERS, SIDES, TWISTED, Bones, Mapping
from .feet import plant

NEXT = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shin", "shin": "foot"}


@dataclass(frozen=True)
class Transfer:
    """How motion is transferred.

    Attributes:
        plant: 0 to 1: how firmly the target's feet keep the source's footprints.
        hands: Whether the hands reach where the source's do, by the scale of the legs.
        twist: Whether twist bones share the twist.
        root_motion: Whether the way over the ground goes to the rig's ground bone, if it has one.
    """

    plant: float = 1.0
    hands: bool = False
    twist: bool = True
    root_motion: bool = False


@dataclass
class Moving:
    """A skeleton in motion, in the world: T frames of B bones."""

    turns: np.ndarray  # (T, B, 3, 3) axes of the bones
    heads: np.ndarray  # (T, B, 3)
    time: np.ndarray  # (T,) seconds
    contacts: np.ndarray | None = None  # (T, 4) left heel, left toe, right heel, right toe; 0 to 1


@dataclass
class Transferred:
    """What came of it, on the target's skeleton."""

    turns: np.ndarray  # (T, B, 3, 3)
    heads: np.ndarray  # (T, B, 3)
    moved: list[int]  # bones whose rotation is to be keyed, parents first
    placed: list[int]  # bones whose place is to be keyed too
    scale: float  # of the root
    contacts: np.ndarray  # (T, 4) bool, as believed
    goals: dict[str, np.ndarray] = field(default_factory=dict)  # (T, 3) where elbows and knees should point, by slot


def transfer(
    source: Bones, source_map: Mapping, moving: Moving, target: Bones, target_map: Mapping, how: Transfer
) -> Transferred:
    """Motion of `source` on `target`.

    Raises:
        RetargetError: Needed bones are missing.
    """
    for bones, mapping, what in ((source, source_map, "source"), (target, target_map, "target")):
        absent = [s for s in mapping.missing()] or [n for n in mapping.bones() if n not in bones.index]
        if absent:
            raise RetargetError(f"The {what} rig has no bone for {absent[0].replace('_', ' ')}.")
    return _Work(source, source_map, moving, target, target_map, how).run()


class _Work:
    """One transfer, step by step."""

    def __init__(
        self, source: Bones, source_map: Mapping, moving: Moving, target: Bones, target_map: Mapping, how: Transfer
    ) -> None:
        self.source, self.source_map, self.moving = source, source_map, moving
        self.target, self.target_map, self.how = target, target_map, how
        self.source_rest, self.source_heads = aligned_rest(source, source_map)
        self.target_rest, self.target_heads = aligned_rest(target, target_map)
        frames = [body_axes(heads, b, m) for heads, b, m in (
            (self.source_heads, source, source_map), (self.target_heads, target, target_map))]  # fmt: skip
        self.facing = frames[0] @ frames[1].T  # takes the target's rest to face as the source's
        self.count = len(moving.time)
        self.wanted: dict[int, np.ndarray] = {}  # (T, 3, 3) of target bones

    def run(self) -> Transferred:
        self._trunk()
        for side in SIDES:
            self._limb(side, ("upper_arm", "forearm", "hand"), "clavicle")
            self._limb(side, ("thigh", "shin", "foot"), "")
            self._end(side, "toe", "foot")
            for finger in FINGERS:
                self._fingers(side, finger)
        scale = self._scale()
        turns, heads = self._forward(self._root(scale))
        turns, heads, contacts = self._planted(turns, heads, scale)
        if self.how.twist:
            self._twist(turns)
            turns, heads = self._forward(heads[:, self._bone("hips")])
        return self._result(turns, heads, scale, contacts)

    # ---- rotations

    def _bone(self, slot: str) -> int:
        return self.target.index.get(self.target_map.first(slot), -1)

    def _said(self, slot: str, number: int = 0) -> np.ndarray | None:
        """(T, 3, 3) how the source's bone of a slot is turned from rest."""
        own = self.source_map.slots.get(slot, [])
        if not own:
            return None
        bone = self.source.index[own[min(number, len(own) - 1)]]
        return self.moving.turns[:, bone] @ self.source_rest[bone].T

    def _turn(self, bone: int, turned: np.ndarray, align: np.ndarray | None = None) -> None:
        rest = self.facing @ self.target_rest[bone]
        self.wanted[bone] = turned @ (rest if align is None else align @ rest)

    def _trunk(self) -> None:
        hips = self._said("hips")
        assert hips is not None
        self._turn(self._bone("hips"), hips)
        below = hips
        for slot in ("spine", "neck"):
            own, theirs = self.target_map.slots.get(slot, []), self.source_map.slots.get(slot, [])
            chain = [below, *(turn for k in range(len(theirs)) if (turn := self._said(slot, k)) is not None)]
            if slot == "neck" and not theirs and self._said("head") is not None:
                chain.append(_halfway(below, self._said("head"), 0.5))
            for number, name in enumerate(own):
                at = (number + 1) / len(own) * (len(chain) - 1)
                first = min(int(at), len(chain) - 1)
                turned = _halfway(chain[first], chain[min(first + 1, len(chain) - 1)], at - first)
                self._turn(self.target.index[name], turned)
            below = chain[-1]
            if slot == "spine":
                self.chest = below
        head = self._said("head")
        if self._bone("head") >= 0:
            self._turn(self._bone("head"), below if head is None else head)

    def _limb(self, side: str, parts: tuple[str, ...], before: str) -> None:
        if before and self._bone(f"{side}_{before}") >= 0:
            own = self._said(f"{side}_{before}")
            self._turn(self._bone(f"{side}_{before}"), self.chest if own is None else own)
        align = None
        for part in parts:
            bone, said = self._bone(f"{side}_{part}"), self._said(f"{side}_{part}")
            if bone < 0:
                continue
            if part in NEXT:
                align = self._aligned(f"{side}_{part}", f"{side}_{NEXT[part]}")
            elif part == "foot":
                align = self._heading(side)
            if said is None:  # a hand that the source lacks goes with the forearm
                said = self._said(f"{side}_{parts[-2]}")
            assert said is not None
            self._turn(bone, said, align)
        self._align_last = align
        if parts[-1] == "hand":
            self._hand_align = {**getattr(self, "_hand_align", {}), side: align}

    def _aligned(self, slot: str, following: str) -> np.ndarray:
        """The smallest turn from the target's limb at rest to the source's."""
        directions = []
        for heads, bones, mapping in self._skeletons():
            a, b = mapping.first(slot), mapping.first(following)
            if not a or not b:
                return np.eye(3)
            directions.append(normalize(heads[bones.index[b]] - heads[bones.index[a]]))
        return between_vectors(self.facing @ directions[1], directions[0])

    def _heading(self, side: str) -> np.ndarray:
        """Feet lie flat at rest in both: only where they point to differs."""
        angles = []
        for (heads, bones, mapping), turn in zip(self._skeletons(), (np.eye(3), self.facing), strict=True):
            foot, toe = mapping.first(f"{side}_foot"), mapping.first(f"{side}_toe")
            foot_bone = bones.index[foot]
            end = heads[bones.index[toe]] if toe else bones.tails[foot_bone]
            along = turn @ (end - heads[foot_bone])
            angles.append(np.arctan2(along[1], along[0]) if np.linalg.norm(along[:2]) > 1e-3 else np.nan)
        if not np.isfinite(angles).all():
            return np.eye(3)
        return axis_angle_to_matrix(np.array([0.0, 0.0, angles[0] - angles[1]]))

    def _skeletons(self):
        return (
            (self.source_heads, self.source, self.source_map),
            (self.target_heads, self.target, self.target_map),
        )

    def _end(self, side: str, slot: str, before: str) -> None:
        bone = self._bone(f"{side}_{slot}")
        if bone < 0:
            return
        said = self._said(f"{side}_{slot}")
        said = self._said(f"{side}_{before}") if said is None else said
        assert said is not None
        self._turn(bone, said, self._heading(side))

    def _fingers(self, side: str, finger: str) -> None:
        theirs = self.source_map.slots.get(f"{side}_{finger}", [])
        align = self._hand_align.get(side)
        for number, name in enumerate(self.target_map.slots.get(f"{side}_{finger}", [])):
            if number < len(theirs):
                said = self._said(f"{side}_{finger}", number)
                assert said is not None
                self._turn(self.target.index[name], said, align)

    # ---- places

    def _scale(self) -> float:
        """The target's legs over the source's, floor to hip."""
        legs = []
        for heads, bones, mapping in self._skeletons():
            total = 0.0
            for side in SIDES:
                points = [heads[bones.index[mapping.first(f"{side}_{p}")]] for p in ("thigh", "shin", "foot")]
                total += sum(np.linalg.norm(np.diff(points, axis=0), axis=1)) + max(points[2][2] - bones.floor, 0.0)
            legs.append(total)
        return float(legs[1] / legs[0])

    def _root(self, scale: float) -> np.ndarray:
        """(T, 3) where the target's hips bone is: the middle of the hip joints follows the source's."""
        thighs = [self.source.index[self.source_map.first(f"{side}_thigh")] for side in SIDES]
        own = [self._bone(f"{side}_thigh") for side in SIDES]
        middle = self.moving.heads[:, thighs].mean(axis=1)
        wanted = self._scaled(middle, scale)
        hips = self._bone("hips")
        arm = self.target_rest[hips].T @ (self.target_heads[own].mean(axis=0) - self.target_heads[hips])
        return wanted - self.wanted[hips] @ arm

    def _scaled(self, points: np.ndarray, scale: float) -> np.ndarray:
        below, ground = np.array([0, 0, self.source.ground]), np.array([0, 0, self.target.ground])
        return scale * (points - below) + ground

    def _forward(self, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Axes and heads of all bones: those that nobody turns stay as they are on their parents."""
        rest, heads = self.target.turns, self.target.heads
        turns = np.empty((self.count, len(rest), 3, 3))
        placed = np.empty((self.count, len(rest), 3))
        hips = self._bone("hips")
        for bone, parent in enumerate(self.target.parents):
            if parent < 0:
                turns[:, bone], placed[:, bone] = rest[bone], heads[bone]
            else:
                turns[:, bone] = turns[:, parent] @ (rest[parent].T @ rest[bone])
                offset = rest[parent].T @ (heads[bone] - heads[parent])
                placed[:, bone] = placed[:, parent] + turns[:, parent] @ offset
            if bone == hips:
                placed[:, bone] = root
            if bone in self.wanted:
                turns[:, bone] = self.wanted[bone]
        return turns, placed

    def _planted(self, turns: np.ndarray, heads: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Legs, and arms if asked, reach where the source's do; the hips come down where they must."""
        found = plant(self, turns, heads, scale)
        for bone, turned in found.turned.items():
            self.wanted[bone] = turned
        turns, heads = self._forward(found.root)
        return turns, heads, found.contacts

    # ---- twists

    def _twist(self, turns: np.ndarray) -> None:
        for side in SIDES:
            for part in TWISTED:
                own = self.target_map.slots.get(f"{side}_{part}_twist", [])
                bone, end = self._bone(f"{side}_{part}"), self._bone(f"{side}_{NEXT[part]}")
                if not own or bone < 0 or end < 0:
                    continue
                before = self.target.parents[bone]
                at_far_end = part in ("forearm", "shin")
                pair = (bone, end) if at_far_end else (int(before), bone)
                line = self.target.heads[end] - self.target.heads[bone]
                axis, length = normalize(line), float(np.linalg.norm(line))
                angle = _twist_angle(self._from_rest(turns, pair[0]), self._from_rest(turns, pair[1]), axis)
                shares = [float((self.target.heads[self.target.index[n]] - self.target.heads[bone]) @ axis) / length
                          for n in own]  # fmt: skip
                if len(own) == 1 and shares[0] < 0.1:
                    shares = [0.5]
                limb = self._from_rest(turns, bone)
                for name, share in zip(own, np.clip(shares, 0.0, 1.0), strict=True):
                    number = self.target.index[name]
                    part_of = share if at_far_end else share - 1.0
                    turn = axis_angle_to_matrix(axis * (part_of * angle)[:, None])
                    self.wanted[number] = limb @ turn @ self.target.turns[number]

    def _from_rest(self, turns: np.ndarray, bone: int) -> np.ndarray:
        if bone < 0:
            return np.broadcast_to(np.eye(3), (self.count, 3, 3))
        return turns[:, bone] @ self.target.turns[bone].T

    # ---- what comes out

    def _result(self, turns: np.ndarray, heads: np.ndarray, scale: float, contacts: np.ndarray) -> Transferred:
        hips = self._bone("hips")
        moved = sorted(self.wanted)
        placed = [hips]
        ground = self.target.index.get(self.target_map.ground, -1)
        if self.how.root_motion and ground >= 0 and ground in self.target.ancestors(hips):
            way = heads[:, hips] - self.target.heads[hips]
            heads[:, ground] = self.target.heads[ground] + way * [1.0, 1.0, 0.0]
            placed = [ground, hips]
        goals = {}
        for side in SIDES:
            for limb, middle, end in (("hand", "forearm", "hand"), ("foot", "shin", "foot")):
                start = self._bone(f"{side}_{'upper_arm' if limb == 'hand' else 'thigh'}")
                a, b, c = (heads[:, k] for k in (start, self._bone(f"{side}_{middle}"), self._bone(f"{side}_{end}")))
                if min(start, self._bone(f"{side}_{end}")) >= 0:
                    goals[f"{side}_{limb}_pole"] = pole(a, b, c)
        return Transferred(turns, heads, moved, placed, scale, contacts, goals)


def aligned_rest(bones: Bones, mapping: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """(B, 3, 3) axes and (B, 3) heads of the rest pose, with the mapping's own alignment."""
    turns, heads = bones.turns.copy(), bones.heads.copy()
    if not mapping.rest:
        return turns, heads
    for bone, parent in enumerate(bones.parents):
        if parent >= 0:
            inverse = bones.turns[parent].T
            turns[bone] = turns[parent] @ inverse @ bones.turns[bone]
            heads[bone] = heads[parent] + turns[parent] @ inverse @ (bones.heads[bone] - bones.heads[parent])
        own = mapping.rest.get(bones.names[bone])
        if own is not None:
            turns[bone] = turns[bone] @ quaternion_to_matrix(normalize(np.array(own)))
    return turns, heads


def body_axes(heads: np.ndarray, bones: Bones, mapping: Mapping) -> np.ndarray:
    """(3, 3) columns to the left, forwards and up of a skeleton at rest."""

    def at(slot: str) -> np.ndarray:
        return heads[bones.index[mapping.first(slot)]]

    left = sum(at(f"left_{part}") - at(f"right_{part}") for part in ("thigh", "upper_arm"))
    up = sum(at(f"{side}_upper_arm") - at(f"{side}_thigh") for side in SIDES)
    up = _nearest_axis(normalize(up))  # rest poses stand straight up
    left = normalize(left - (left @ up) * up)
    return np.stack([left, np.cross(up, left), up], axis=-1)


def _nearest_axis(vector: np.ndarray) -> np.ndarray:
    axis = np.zeros(3)
    axis[np.abs(vector).argmax()] = np.sign(vector[np.abs(vector).argmax()])
    return axis if vector @ axis > 0.9 else vector


def _halfway(a: np.ndarray, b: np.ndarray | None, share: float) -> np.ndarray:
    if b is None or share <= 0:
        return a
    mixed = slerp(matrix_to_quaternion(a), matrix_to_quaternion(b), np.full(len(a), share))
    return quaternion_to_matrix(mixed)


def _twist_angle(before: np.ndarray, after: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(T,) radians by which `after` is twisted against `before` about an axis of the rest pose; continuous in time."""
    q = matrix_to_quaternion(before.swapaxes(-1, -2) @ after)
    return np.unwrap(2 * np.arctan2(q[:, 1:] @ axis, q[:, 0]), period=2 * np.pi)


def pole(start: np.ndarray, middle: np.ndarray, end: np.ndarray, far: float = 0.5) -> np.ndarray:
    """(T, 3) where a pole target stands: away from the limb on the side to which it bends."""
    line = normalize(end - start)
    out = (middle - start) - np.sum((middle - start) * line, axis=-1, keepdims=True) * line
    length = np.linalg.norm(out, axis=-1)
    good = length > 0.005
    if good.any() and not good.all():  # straight limbs keep the side of the nearest bent frame
        nearest = np.abs(np.arange(len(out))[:, None] - np.flatnonzero(good)[None]).argmin(axis=1)
        out = np.where(good[:, None], out, out[np.flatnonzero(good)[nearest]])
    return middle + far * normalize(out)
