"""Acclaim skeletons and motions (.asf, .amc), as Vicon wrote them for the CMU library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.rotations import axis_angle_to_matrix

from .source import Recording

AXES = {"x": 0, "y": 1, "z": 2}


@dataclass
class AsfBone:
    """A bone: its direction and length in the rest pose, and the axes its rotations are told in."""

    name: str
    direction: np.ndarray
    length: float
    axes: np.ndarray  # (3, 3)
    freedoms: tuple[str, ...]
    parent: int = -1


def read_asf(path: Path) -> list[AsfBone]:
    """The bones of a skeleton, parents before children; the first is the root. ValueError if it isn't one."""
    text = path.read_text(encoding="latin-1")
    if ":bonedata" not in text or ":hierarchy" not in text:
        raise ValueError(f"{path.name} has no bones")
    body, hierarchy = text.split(":hierarchy")
    bones = {"root": AsfBone("root", np.zeros(3), 0.0, np.eye(3), ("tx", "ty", "tz", "rx", "ry", "rz"))}
    for block in body.split(":bonedata")[1].split("begin")[1:]:
        fields = {line.split()[0]: line.split()[1:] for line in block.splitlines() if line.split()}
        angles = [float(v) for v in fields["axis"][:3]]
        name = fields["name"][0]
        bones[name] = AsfBone(
            name,
            np.array([float(v) for v in fields["direction"]]),
            float(fields["length"][0]),
            euler_matrix(np.radians(angles), "xyz"),
            tuple(fields.get("dof", ())),
        )
    order = ["root"]
    for line in hierarchy.splitlines():
        words = line.split()
        if not words or words[0] in ("begin", "end"):
            continue
        parent, children = words[0], words[1:]
        for child in children:
            bones[child].parent = order.index(parent)
            order.append(child)
    return [bones[name] for name in order]


def read_amc(path: Path, bones: list[AsfBone], fps: float) -> Recording:
    """A motion of a skeleton. ValueError if a bone of a frame is missing or unreadable."""
    index = {bone.name: k for k, bone in enumerate(bones)}
    frames: list[np.ndarray] = []
    for line in path.read_text(encoding="latin-1").splitlines():
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if words[0].isdigit() and len(words) == 1:
            frames.append(np.full((len(bones), 6), np.nan))
            continue
        number = index[words[0]]
        values = [float(v) for v in words[1:]]
        if len(values) != len(bones[number].freedoms) or not frames:
            raise ValueError(f"{path.name}: a line for {words[0]} has {len(values)} numbers")
        for freedom, value in zip(bones[number].freedoms, values, strict=True):
            frames[-1][number, AXES[freedom[1]] + (3 if freedom[0] == "r" else 0)] = value
    channels = np.nan_to_num(np.array(frames))
    local = euler_matrix(np.radians(channels[..., 3:]), "xyz")
    turns = np.empty_like(local)
    reference = np.zeros((len(bones), 3))
    starts = np.empty((len(local), len(bones), 3))
    starts[:, 0] = channels[:, 0, :3]
    for k, bone in enumerate(bones):
        turn = bone.axes @ local[:, k] @ bone.axes.T
        turns[:, k] = turn if bone.parent < 0 else turns[:, bone.parent] @ turn
        if bone.parent >= 0:
            before = bones[bone.parent].direction * bones[bone.parent].length
            reference[k] = reference[bone.parent] + before
            starts[:, k] = starts[:, bone.parent] + turns[:, bone.parent] @ before
    return Recording(tuple(b.name for b in bones), reference, turns, starts, fps)


def euler_matrix(angles: np.ndarray, order: str) -> np.ndarray:
    """(..., 3, 3) from angles (..., 3) about x, y, z, applied in an order: "xyz" turns about x first."""
    result = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for name in order:
        axis = AXES[name]
        result = axis_angle_to_matrix(np.eye(3)[axis] * angles[..., axis, None]) @ result
    return result
