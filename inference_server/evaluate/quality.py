"""How good a take is to keep: sliding of planted feet, floor, jitter; raw against refined, no reference needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import load_free_body, rest_offsets
from int_blender_addon.core.errors import BodyFileError
from int_blender_addon.core.motion import Motion, load_motion
from int_blender_addon.core.refine import Rest, raw_of
from int_blender_addon.core.refine.feet import ANKLES
from int_blender_addon.core.refine.simplify import simplify
from int_blender_addon.core.rotations import continuous_quaternions, matrix_to_quaternion
from int_blender_addon.core.skeleton import JOINT_INDEX, forward_kinematics

DEGREES, MILLIMETRES = 1.0, 5.0
UPRIGHT = np.cos(np.radians(15.0))


@dataclass(frozen=True)
class Quality:
    """Numbers of a take; millimetres, and metres where said."""

    sliding: float  # mm a frame of planted heels and balls, on average
    sliding_most: float  # mm a frame, 95th percentile
    floor_apart: float  # mm that planted points are off z = 0, root mean square
    penetration: float  # mm of the deepest sole in the floor
    accel: float  # mm a frame squared at 30 fps, of all joints
    jitter: float  # m/s^3 of all joints, mean
    path: float  # metres that the pelvis travels over the floor
    head: float  # metres of the standing head joint above the floor, median of upright frames
    keys: float  # share of a key on each frame that 1 degree and 5 mm need


def quality(motion: Motion, rest: Rest, planted: np.ndarray) -> Quality:
    """Numbers of a take, with the contacts (T, 4) that count as planted."""
    offsets = np.broadcast_to(rest_offsets(rest.joints), (len(motion), 24, 3)).copy()
    offsets[:, 0] = motion.trans + rest.joints[0]
    turns, joints = forward_kinematics(motion.rotations, offsets)
    soles = np.stack(
        [joints[:, a] + turns[:, a] @ rest.sole[foot, k] for foot, a in enumerate(ANKLES) for k in (0, 1)], axis=1
    )
    both = planted[1:] & planted[:-1]
    steps = 1000 * np.linalg.norm(np.diff(soles, axis=0), axis=-1)[both]
    heights = 1000 * soles[planted][:, 2]
    rate = 30.0 / motion.fps
    accel = np.diff(joints, n=2, axis=0) / rate**2
    jerk = np.diff(joints, n=3, axis=0) * motion.fps**3
    trunk = joints[:, JOINT_INDEX["neck"]] - joints[:, JOINT_INDEX["pelvis"]]
    upright = trunk[:, 2] / np.linalg.norm(trunk, axis=1) > UPRIGHT
    upright &= planted.any(axis=1)
    quaternions = continuous_quaternions(matrix_to_quaternion(motion.rotations))
    sparse = simplify(
        np.arange(len(motion), dtype=float), quaternions, motion.trans, rest_offsets(rest.joints), DEGREES, MILLIMETRES
    )
    return Quality(
        sliding=_mean(steps),
        sliding_most=float(np.quantile(steps, 0.95)) if len(steps) else float("nan"),
        floor_apart=float(np.sqrt(_mean(heights**2))),
        penetration=float(max(0.0, -1000 * soles[..., 2].min())),
        accel=1000 * _mean(np.linalg.norm(accel, axis=-1)),
        jitter=_mean(np.linalg.norm(jerk, axis=-1)),
        path=float(np.linalg.norm(np.diff(joints[:, 0, :2], axis=0), axis=1).sum()),
        head=float(np.median(joints[upright, JOINT_INDEX["head"], 2])) if upright.any() else float("nan"),
        keys=sparse.count / (25 * len(motion)),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def of_take(path: Path) -> dict[str, dict[str, float]]:
    """The raw and the refined take of a file, both with the refined one's contacts.

    Raises:
        TakeFileError: Not a take.
        BodyFileError: It was made with another body than the free one.
    """
    motion = load_motion(path)
    if motion.body != "free":
        raise BodyFileError(f"{path.name} was made with {motion.body}; only the free body's takes are scored here.")
    rest = Rest.of(load_free_body().rest(motion.betas))
    planted = np.asarray(motion.contacts) > 0.5
    takes = {"raw": raw_of(motion), "refined": motion}
    return {name: asdict(quality(take, rest, planted)) for name, take in takes.items()}
