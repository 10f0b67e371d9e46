"""Analytic inverse kinematics: SMPL joint rotations from the landmarker's 33 points in metres.

Frames of pelvis, chest and head come from three points each; limbs are aimed along their bones and turned so that
the bend of elbow and knee is a hinge; forearm, shin and head twist come from hand, foot and face landmarks.
"""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import (
    axis_angle_to_matrix,
    between_vectors,
    matrix_to_axis_angle,
    normalize,
)
from int_blender_addon.core.skeleton import JOINT_INDEX, NUM_JOINTS, PARENTS

from ..people.landmarks import LANDMARK_INDEX
from .kinematics import Figure, pose

# a bend below the first angle says nothing about the hinge, above the second it says all (radians)
HINGE_FROM, HINGE_FULL = np.radians(15.0), np.radians(40.0)
SIDES = ("left", "right")


def solve(world: np.ndarray, figure: Figure) -> np.ndarray:
    """Local joint rotations (T, 24, 3, 3), the root's in camera space, from landmarks (T, 33, 3) in metres."""
    rest = pose(figure, np.broadcast_to(np.eye(3), (1, NUM_JOINTS, 3, 3)), np.zeros((1, 3))).points
    turns = np.broadcast_to(np.eye(3), (len(world), NUM_JOINTS, 3, 3)).copy()
    _trunk(turns, world, rest)
    for side in SIDES:
        _arm(turns, world, rest, side)
        _leg(turns, world, rest, side)
    local = turns.copy()
    for joint in range(1, NUM_JOINTS):
        local[:, joint] = _inverse(turns[:, PARENTS[joint]]) @ turns[:, joint]
    return local


def _trunk(turns: np.ndarray, world: np.ndarray, rest: np.ndarray) -> None:
    def frame_turn(across: tuple[str, str], forward_or_up: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        seen = _frame(_at(world, across[0]) - _at(world, across[1]), forward_or_up[0])
        return seen @ _inverse(_frame(_at(rest, across[0]) - _at(rest, across[1]), forward_or_up[1]))

    def up(points: np.ndarray) -> np.ndarray:
        return _middle(points, "shoulder") - _middle(points, "hip")

    pelvis = frame_turn(("left_hip", "right_hip"), (up(world), up(rest)))
    chest = frame_turn(("left_shoulder", "right_shoulder"), (up(world), up(rest)))
    forward = [_at(points, "nose") - _middle(points, "ear") for points in (world, rest)]
    head = frame_turn(("left_ear", "right_ear"), (forward[0], forward[1]))
    bend = matrix_to_axis_angle(_inverse(pelvis) @ chest)
    _set(turns, "pelvis", pelvis)
    _set(turns, "spine1", pelvis @ axis_angle_to_matrix(bend / 3))
    _set(turns, "spine2", pelvis @ axis_angle_to_matrix(bend * 2 / 3))
    for name in ("spine3", "left_collar", "right_collar"):
        _set(turns, name, chest)
    nod = matrix_to_axis_angle(_inverse(chest) @ head)
    _set(turns, "neck", chest @ axis_angle_to_matrix(nod / 2))
    _set(turns, "head", head)


def _arm(turns: np.ndarray, world: np.ndarray, rest: np.ndarray, side: str) -> None:
    hinge = np.array([0.0, -1.0 if side == "left" else 1.0, 0.0])  # the elbow bends forward
    names = (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
    upper, lower = _limb(turns[:, JOINT_INDEX[f"{side}_collar"]], world, rest, names, hinge)
    hand = _palm(world, side) @ _inverse(_palm(rest, side))
    # half of the hand's twist about the forearm is the forearm's own
    twist = _twist_about(_inverse(lower) @ hand, _direction(rest, names[1], names[2]))
    lower = lower @ axis_angle_to_matrix(twist / 2)
    _set(turns, f"{side}_shoulder", upper)
    _set(turns, f"{side}_elbow", lower)
    _set(turns, f"{side}_wrist", hand)
    _set(turns, f"{side}_hand", hand)


def _leg(turns: np.ndarray, world: np.ndarray, rest: np.ndarray, side: str) -> None:
    hinge = np.array([1.0, 0.0, 0.0])  # the knee bends backward
    names = (f"{side}_hip", f"{side}_knee", f"{side}_ankle")
    upper, lower = _limb(turns[:, JOINT_INDEX["pelvis"]], world, rest, names, hinge)
    foot = _sole(world, side) @ _inverse(_sole(rest, side))
    _set(turns, f"{side}_hip", upper)
    _set(turns, f"{side}_knee", lower)
    _set(turns, f"{side}_ankle", foot)
    _set(turns, f"{side}_foot", foot)


def _limb(
    parent: np.ndarray, world: np.ndarray, rest: np.ndarray, names: tuple[str, str, str], hinge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations of a limb's two bones; `hinge` is the rest axis about which the lower one bends."""
    rest_upper, rest_lower = _direction(rest, *names[:2]), _direction(rest, *names[1:])
    upper, lower = _direction(world, *names[:2]), _direction(world, *names[1:])
    swung = between_vectors((parent @ rest_upper[..., None])[..., 0], upper) @ parent
    bend_axis = np.cross(upper, lower)
    bend = np.arctan2(np.linalg.norm(bend_axis, axis=-1), np.sum(upper * lower, axis=-1))
    trust = np.clip((bend - HINGE_FROM) / (HINGE_FULL - HINGE_FROM), 0.0, 1.0)
    # turn about the bone from where the swing left the hinge to where the bend shows it
    swung_hinge = (swung @ hinge[:, None])[..., 0]
    flat = swung_hinge - np.sum(swung_hinge * upper, axis=-1, keepdims=True) * upper
    angle = np.arctan2(
        np.sum(np.cross(normalize(flat), normalize(bend_axis)) * upper, axis=-1),
        np.sum(normalize(flat) * normalize(bend_axis), axis=-1),
    )
    turned = axis_angle_to_matrix(upper * (trust * angle)[..., None]) @ swung
    bent = between_vectors((turned @ rest_lower[..., None])[..., 0], lower) @ turned
    return turned, bent


def _palm(points: np.ndarray, side: str) -> np.ndarray:
    knuckles = (_at(points, f"{side}_index") + _at(points, f"{side}_pinky")) / 2
    return _frame(knuckles - _at(points, f"{side}_wrist"), _at(points, f"{side}_index") - _at(points, f"{side}_pinky"))


def _sole(points: np.ndarray, side: str) -> np.ndarray:
    forward = _at(points, f"{side}_foot_index") - _at(points, f"{side}_heel")
    return _frame(forward, _at(points, f"{side}_knee") - _at(points, f"{side}_ankle"))


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(..., 3, 3) with columns: `first`, what is left of `second` across it, and their product."""
    x = normalize(first)
    y = normalize(second - np.sum(second * x, axis=-1, keepdims=True) * x)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _twist_about(turn: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of `turn` (T, 3, 3) about `axis` (..., 3), as a rotation vector."""
    return np.sum(matrix_to_axis_angle(turn) * axis, axis=-1, keepdims=True) * axis


def _direction(points: np.ndarray, start: str, end: str) -> np.ndarray:
    return normalize(_at(points, end) - _at(points, start))


def _middle(points: np.ndarray, name: str) -> np.ndarray:
    return (_at(points, f"left_{name}") + _at(points, f"right_{name}")) / 2


def _at(points: np.ndarray, name: str) -> np.ndarray:
    return points[..., LANDMARK_INDEX[name], :]


def _set(turns: np.ndarray, joint: str, value: np.ndarray) -> None:
    turns[:, JOINT_INDEX[joint]] = value


def _inverse(turn: np.ndarray) -> np.ndarray:
    return np.swapaxes(turn, -1, -2)
