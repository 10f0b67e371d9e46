"""MakeHuman's standing pose turned into SMPL's rest pose, and SMPL's joints in it."""

from __future__ import annotations

import numpy as np

from int_blender_addon.core.rotations import axis_angle_to_matrix, between_vectors, normalize
from int_blender_addon.core.skeleton import JOINT_INDEX, NUM_JOINTS

from .makehuman import MakeHuman

# Directions of the limbs at rest, left side; x is mirrored for the right.
UPPER_ARM = np.array([0.993, -0.050, -0.105])
FOREARM = np.array([0.999, 0.030, -0.010])
HAND = np.array([0.985, -0.090, -0.150])
THIGH = np.array([0.022, -0.999, -0.020])
SHANK = np.array([-0.032, -0.993, -0.110])
FOOT = np.array([0.205, 0.0, 0.979])
# MakeHuman stands with its chest further forward: degrees about x from the pelvis up, the head kept level.
SPINE_LEAN = {
    "spine05": -1.5, "spine04": -3.0, "spine03": -4.5, "spine02": -5.5, "spine01": -6.5, "neck01": -3.0, "neck02": 0.0,
}  # fmt: skip
CLAVICLE_UP, SCAPULA_UP = np.radians(10.0), np.radians(8.0)  # as in MPFB2's own T-pose (CC0)
PELVIS_AT = np.array([0.0, -0.24, 0.028])  # where SMPL's rest pelvis lies in its own frame
HIP_INWARD = 0.80  # SMPL's hips lie nearer to the middle
X, Y, Z = np.eye(3)


def _turn(axis: np.ndarray, angle: float) -> np.ndarray:
    return axis_angle_to_matrix(normalize(axis) * angle)


def _twist(a: np.ndarray, b: np.ndarray, axis: np.ndarray) -> float:
    """The signed angle about an axis that brings a's projection onto b's."""
    axis = normalize(axis)
    a, b = a - axis * (a @ axis), b - axis * (b @ axis)
    return float(np.arctan2(np.cross(a, b) @ axis, a @ b))


def to_rest_pose(human: MakeHuman, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3), bone heads (B, 3) and tails (B, 3) in SMPL's rest pose."""
    heads = human.heads @ vertices
    turns = bone_turns(human, heads)
    transforms = np.zeros((len(human.bones), 3, 4))
    whole: list[np.ndarray] = []
    for number, bone in enumerate(human.bones):
        parent = human.parent[number]
        inherited = np.eye(3) if parent < 0 else whole[parent]
        whole.append(turns.get(bone, inherited))
        head = heads[number]
        placed = head if parent < 0 else transforms[parent, :, :3] @ head + transforms[parent, :, 3]
        transforms[number, :, :3] = whole[number]
        transforms[number, :, 3] = placed - whole[number] @ head
    blended = (human.weights @ transforms.reshape(-1, 12)).reshape(-1, 3, 4)
    posed = np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3]
    tails = human.tails @ vertices
    posed_heads, posed_tails = (
        np.einsum("bij,bj->bi", transforms[:, :, :3], ends) + transforms[:, :, 3] for ends in (heads, tails)
    )
    return posed, posed_heads, posed_tails


def bone_turns(human: MakeHuman, heads: np.ndarray) -> dict[str, np.ndarray]:
    """Global rotations of the bones that turn by themselves; the others follow their parents."""

    def at(bone: str) -> np.ndarray:
        return heads[human.index[bone]]

    turns = {bone: _turn(X, np.radians(degrees)) for bone, degrees in SPINE_LEAN.items()}
    chest = turns["spine01"]
    for side, sign in ((".L", 1.0), (".R", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        upper_arm, forearm, hand, thigh, shank = (
            normalize(direction * mirror) for direction in (UPPER_ARM, FOREARM, HAND, THIGH, SHANK)
        )
        turns["clavicle" + side] = _turn(Z, sign * CLAVICLE_UP) @ chest
        scapula = turns["shoulder01" + side] = _turn(Z, sign * (CLAVICLE_UP + SCAPULA_UP)) @ chest
        above, below = at("lowerarm01" + side) - at("upperarm01" + side), at("wrist" + side) - at("lowerarm01" + side)
        arm = between_vectors(normalize(scapula @ above), upper_arm) @ scapula
        # the elbow's hinge stands upright: the forearm folds forward, palms down
        hinge = _twist(arm @ np.cross(above, below), np.array([0.0, -sign, 0.0]), upper_arm)
        turns["upperarm01" + side] = _turn(upper_arm, 0.5 * hinge) @ arm
        arm = turns["upperarm02" + side] = _turn(upper_arm, hinge) @ arm
        fore = between_vectors(normalize(arm @ below), forearm) @ arm
        knuckles = [at(f"finger{finger}-1" + side) for finger in (2, 3, 4, 5)]
        palm = between_vectors(normalize(fore @ (np.mean(knuckles, axis=0) - at("wrist" + side))), hand) @ fore
        level = _twist(palm @ (knuckles[0] - knuckles[3]), Z, hand)
        turns["lowerarm01" + side] = _turn(forearm, 0.33 * level) @ fore
        turns["lowerarm02" + side] = _turn(forearm, 0.67 * level) @ fore
        turns["wrist" + side] = _turn(hand, level) @ palm
        upper, lower = at("lowerleg01" + side) - at("upperleg01" + side), at("foot" + side) - at("lowerleg01" + side)
        turns["upperleg01" + side] = turns["upperleg02" + side] = between_vectors(normalize(upper), thigh)
        turns["lowerleg01" + side] = turns["lowerleg02" + side] = between_vectors(normalize(lower), shank)
        toes = np.mean([at(f"toe{toe}-1" + side) for toe in range(1, 6)], axis=0) - at("foot" + side)
        turns["foot" + side] = _turn(Y, _twist(toes, FOOT * mirror, Y))
    return turns


def smpl_joints(human: MakeHuman, heads: np.ndarray) -> np.ndarray:
    """SMPL's 24 joints (24, 3) from the bone heads in the rest pose."""

    def at(bone: str) -> np.ndarray:
        return heads[human.index[bone]]

    joints = np.zeros((NUM_JOINTS, 3))
    for side, name in ((".L", "left_"), (".R", "right_")):
        knuckles = np.mean([at(f"finger{finger}-1" + side) for finger in (2, 3, 4, 5)], axis=0)
        places = {
            "hip": at("upperleg01" + side) * [HIP_INWARD, 1.0, 1.0],
            "knee": at("lowerleg01" + side),
            "ankle": at("foot" + side),
            "foot": np.mean([at(f"toe{toe}-1" + side) for toe in range(1, 6)], axis=0),
            "shoulder": at("upperarm01" + side),
            "elbow": at("lowerarm01" + side),
            "wrist": at("wrist" + side),
            "hand": 0.12 * at("wrist" + side) + 0.88 * knuckles,
        }
        for part, place in places.items():
            joints[JOINT_INDEX[name + part]] = place
    hips = joints[[JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]].mean(axis=0)
    neck = at("neck01")
    trunk = neck[1] - hips[1]
    curve = np.array([hips, *(at(f"spine0{number}") for number in (5, 4, 3, 2, 1)), neck])
    order = np.argsort(curve[:, 1])

    def on_spine(share: float, forward: float = 0.0) -> np.ndarray:
        y = hips[1] + share * trunk
        return np.array([0.0, y, np.interp(y, curve[order, 1], curve[order, 2]) + forward * trunk])

    joints[JOINT_INDEX["pelvis"]] = [0.0, on_spine(0.151)[1], hips[2] + 0.006]
    joints[JOINT_INDEX["spine1"]] = on_spine(0.332)
    joints[JOINT_INDEX["spine2"]] = on_spine(0.556, 0.030)  # SMPL's lie nearer the chest than vertebrae
    joints[JOINT_INDEX["spine3"]] = on_spine(0.644, 0.085)
    joints[JOINT_INDEX["neck"]] = neck
    joints[JOINT_INDEX["head"]] = 0.5 * (at("neck03") + at("head")) + [0.0, 0.0, 0.035 * trunk]
    for name in ("left_", "right_"):
        shoulder = joints[JOINT_INDEX[name + "shoulder"]]
        collar = [0.46 * shoulder[0], shoulder[1] - 0.052 * trunk, shoulder[2] + 0.010]
        joints[JOINT_INDEX[name + "collar"]] = collar
    joints[[JOINT_INDEX[n] for n in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")], 0] = 0.0
    return joints
