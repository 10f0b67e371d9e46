"""Rest-pose transfer: a recording's bones to the joints of the SMPL skeleton.

A joint's global rotation is its bone's turn away from the reference pose, times the small rotation that takes the
SMPL rest pose to the reference pose there: for limbs the shortest one between the bones' directions, for the trunk
none, for feet the shin's, because in both poses the soles are flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.rotations import between_vectors, normalize
from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS

from .source import Recording

LIMBS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}


@dataclass
class MocapClip:
    """A motion of the SMPL skeleton; y up, metres of a body of the free body's size, floor at y = 0."""

    name: str
    source: str
    fps: float
    rotations: np.ndarray  # (T, 24, 3, 3) relative to the parent
    root: np.ndarray  # (T, 3) position of the pelvis


def _cmu() -> dict[str, str]:
    bones = {"pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "spine3": "thorax"}
    bones |= {"neck": "lowerneck", "head": "head"}
    limbs = {"hip": "femur", "knee": "tibia", "ankle": "foot", "foot": "toes"}
    limbs |= {"collar": "clavicle", "shoulder": "humerus", "elbow": "radius", "wrist": "hand"}
    return bones | {f"{side}_{k}": side[0] + v for side in ("left", "right") for k, v in limbs.items()}


def _poser() -> dict[str, str]:
    bones = {"pelvis": "hip", "spine1": "abdomen", "spine2": "chest", "spine3": "chest", "neck": "neck", "head": "head"}
    limbs = {"hip": "Thigh", "knee": "Shin", "ankle": "Foot", "foot": "Foot"}
    limbs |= {"collar": "Collar", "shoulder": "Shldr", "elbow": "ForeArm", "wrist": "Hand"}
    return bones | {f"{side}_{k}": side[0] + v for side in ("left", "right") for k, v in limbs.items()}


def _iclone() -> dict[str, str]:
    bones = {"pelvis": "Hip", "spine1": "Waist", "spine2": "Spine01", "spine3": "Spine02"}
    bones |= {"neck": "NeckTwist01", "head": "Head"}
    limbs = {"hip": "Thigh", "knee": "Calf", "ankle": "Foot", "foot": "ToeBase"}
    limbs |= {"collar": "Clavicle", "shoulder": "Upperarm", "elbow": "Forearm", "wrist": "Hand"}
    bones |= {f"{side}_{k}": f"{side[0].upper()}_{v}" for side in ("left", "right") for k, v in limbs.items()}
    return {joint: "CC_Base_" + bone for joint, bone in bones.items()}


def _unreal() -> dict[str, str]:
    bones = {"pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03"}
    bones |= {"neck": "neck_01", "head": "head"}
    limbs = {"hip": "thigh", "knee": "calf", "ankle": "foot", "foot": "ball"}
    limbs |= {"collar": "clavicle", "shoulder": "upperarm", "elbow": "lowerarm", "wrist": "hand"}
    return bones | {f"{side}_{k}": f"{v}_{side[0]}" for side in ("left", "right") for k, v in limbs.items()}


BONE_OF = {"cmu": _cmu(), "poser": _poser(), "iclone": _iclone(), "unreal": _unreal()}


def transfer(recording: Recording, bone_of: dict[str, str], body: BodyModel, name: str, source: str) -> MocapClip:
    """The recording on the SMPL skeleton of a body."""
    rest = body.rest(np.zeros(10)).joints
    turns = np.empty((len(recording.turns), NUM_JOINTS, 3, 3))
    aligned = alignments(recording, bone_of, rest)
    for joint, joint_name in enumerate(JOINT_NAMES):
        if joint_name.endswith("hand"):
            turns[:, joint] = turns[:, PARENTS[joint]]
        else:
            turns[:, joint] = recording.turns[:, recording.bone(bone_of[joint_name])] @ aligned[joint]
    rotations = turns.copy()
    for joint in range(1, NUM_JOINTS):
        rotations[:, joint] = turns[:, PARENTS[joint]].swapaxes(-1, -2) @ turns[:, joint]
    scale = _leg(rest, [JOINT_INDEX[f"left_{n}"] for n in ("hip", "knee", "ankle")]) / _leg(
        recording.reference, [recording.bone(bone_of[f"left_{n}"]) for n in ("hip", "knee", "ankle")]
    )
    return MocapClip(
        name, source, recording.fps, rotations, recording.starts[:, recording.bone(bone_of["pelvis"])] * scale
    )


def alignments(recording: Recording, bone_of: dict[str, str], rest: np.ndarray) -> np.ndarray:
    """(24, 3, 3) rotations that take the SMPL rest pose to the recording's reference pose."""
    result = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    for side in ("left", "right"):
        for start, end in LIMBS.items():
            ours = rest[JOINT_INDEX[f"{side}_{end}"]] - rest[JOINT_INDEX[f"{side}_{start}"]]
            ends = [recording.reference[recording.bone(bone_of[f"{side}_{n}"])] for n in (start, end)]
            result[JOINT_INDEX[f"{side}_{start}"]] = between_vectors(normalize(ours), normalize(ends[1] - ends[0]))
        for foot in ("ankle", "foot"):
            result[JOINT_INDEX[f"{side}_{foot}"]] = result[JOINT_INDEX[f"{side}_knee"]]
        result[JOINT_INDEX[f"{side}_wrist"]] = result[JOINT_INDEX[f"{side}_elbow"]]
    return result


def _leg(points: np.ndarray, chain: list[int]) -> float:
    return float(np.linalg.norm(np.diff(points[chain], axis=0), axis=1).sum())
