"""Biovision hierarchies (.bvh)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from int_blender_addon.core.rotations import axis_angle_to_matrix

from .asf import AXES
from .source import Recording


def read_bvh(path: Path) -> Recording:
    """A motion told against the skeleton's own zero pose. ValueError if the file isn't one."""
    head, separator, motion = path.read_text(encoding="latin-1").partition("MOTION")
    if not separator or "HIERARCHY" not in head:
        raise ValueError(f"{path.name} is no BVH file")
    names, parents, offsets, channels = _hierarchy(head)
    lines = motion.split("\n")
    start = next(k for k, line in enumerate(lines) if "Frame Time" in line)
    step = float(lines[start].split(":")[1])
    values = np.array([line.split() for line in lines[start + 1 :] if line.strip()], dtype=float)
    if values.shape[1] != sum(len(c) for c in channels):
        raise ValueError(f"{path.name}: {values.shape[1]} numbers in a frame")

    turns = np.empty((len(values), len(names), 3, 3))
    reference = np.zeros((len(names), 3))
    starts = np.zeros((len(values), len(names), 3))
    column = 0
    for k, own in enumerate(channels):
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for channel in own:
            axis, kind = AXES[channel[0].lower()], channel[1:]
            if kind == "position" and k == 0:
                starts[:, 0, axis] = values[:, column]
            elif kind == "rotation":
                turn = turn @ axis_angle_to_matrix(np.eye(3)[axis] * np.radians(values[:, column, None]))
            column += 1
        if parents[k] < 0:
            turns[:, k] = turn
        else:
            turns[:, k] = turns[:, parents[k]] @ turn
            reference[k] = reference[parents[k]] + offsets[k]
            starts[:, k] = starts[:, parents[k]] + turns[:, parents[k]] @ offsets[k]
    return Recording(tuple(names), reference, turns, starts, 1.0 / step)


def against_frame(recording: Recording, other: Recording, frame: int) -> Recording:
    """The same motion told against the pose of a frame of another recording of that skeleton, matched by names."""
    shared = [name for name in recording.names if name in other.names]
    mine = [recording.bone(name) for name in shared]
    theirs = [other.bone(name) for name in shared]
    turns = recording.turns[:, mine] @ other.turns[frame, theirs].swapaxes(-1, -2)
    return Recording(tuple(shared), other.starts[frame, theirs], turns, recording.starts[:, mine], recording.fps)


def _hierarchy(text: str) -> tuple[list[str], list[int], np.ndarray, list[list[str]]]:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    open_bones: list[int] = []
    in_end = False
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("ROOT", "JOINT"):
            parents.append(open_bones[-1] if open_bones else -1)
            names.append(words[1])
            offsets.append([0.0, 0.0, 0.0])
            channels.append([])
            open_bones.append(len(names) - 1)
        elif words[0] == "End":
            in_end = True
        elif words[0] == "}":
            if in_end:
                in_end = False
            else:
                open_bones.pop()
        elif words[0] == "OFFSET" and not in_end:
            offsets[-1] = [float(v) for v in words[1:4]]
        elif words[0] == "CHANNELS":
            channels[-1] = words[2:]
    return names, parents, np.array(offsets), channels
