"""The raw take, refined by settings that can be turned back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body import RestBody, rest_offsets
from ..motion import SUPPORT_NAMES, Motion
from ..rotations import (
    between_vectors,
    continuous_quaternions,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    normalize,
    quaternion_to_matrix,
)
from ..skeleton import JOINT_NAMES
from ..smoothing import gaussian_smooth
from . import supports
from .feet import ANKLES, sole_points
from .filters import butterworth, one_euro, repair_outliers
from .footlock import UP, Skeleton, lock_feet, straightness
from .ground import soles_of
from .stances import runs, stances, with_hysteresis

SPREAD = 0.06  # seconds of the Gaussian at full smoothing
LIMBS = {"spine": 1.4, "arms": 0.6, "legs": 1.0}  # times that spread: a punch keeps its hit
HALF_POWER = 0.1325  # a Gaussian of spread s is 3 dB down at this over s, in hertz
DEPTH = 3.0  # times the legs' spread, for the root's path along the view
GRAVITY = 9.81
LONGEST_FLIGHT, SHORTEST_FLIGHT = 1.2, 0.12  # seconds
FLIGHT_HEIGHT = 0.03  # metres that both soles are off the floor
FEWEST_STANDING = 5
SAME_PLACE = 0.01  # metres
SCENE = "scene"  # of `Motion.camera`
STEP = 0.25  # metres from the others at which a footprint is on something else than the floor
SLOPE_RIDGE = 2.0  # m^2
STEEPEST = np.radians(30.0)
OFTEN_BELOW = 0.25
FLOOR_SHARE = 0.5  # of the standing soles are below the floor and above


@dataclass(frozen=True)
class RefineSettings:
    """How a take is refined; each from 0 (as captured) to 1.

    Attributes:
        smooth: Of everything.
        kind: `gaussian`, `butterworth`, or `one_euro` (causal: what a live stream would give).
        spine, arms, legs: Times the smoothing of these.
        lock_left, lock_right: How firmly the feet stand.
        level: Whether the floor is levelled under the footprints.
        supports: Whether hands and knees on the floor stay where they are.
        ballistic: Whether the body falls as gravity has it while no foot stands.
    """

    smooth: float = 0.5
    kind: str = "gaussian"
    spine: float = 1.0
    arms: float = 1.0
    legs: float = 1.0
    lock_left: float = 1.0
    lock_right: float = 1.0
    level: bool = True
    ballistic: bool = True
    supports: bool = True


@dataclass(frozen=True)
class Rest:
    """What refining needs of a body at rest."""

    joints: np.ndarray  # (24, 3) body space
    sole: np.ndarray  # (2, 2, 3) heel and ball of both feet, from the ankle

    @classmethod
    def of(cls, body: RestBody) -> Rest:
        """That of a body."""
        return cls(body.joints, sole_points(body) - body.joints[list(ANKLES)][:, None])


def refine(raw: Motion, rest: Rest, settings: RefineSettings) -> Motion:
    """The take, smoothed, levelled, with feet that stand; `raw` stays as it is.

    Args:
        raw: In the world. Its contacts (T, 4) say how likely heels and toes stand.
        rest: The body at rest, of the take's shape.
        settings: What to do.
    """
    time = np.asarray(raw.time, float)
    if len(time) < 3:
        return raw.select(slice(None))
    sole = rest.sole
    quaternions = continuous_quaternions(matrix_to_quaternion(raw.rotations))
    if settings.smooth > 0:
        quaternions, _ = repair_outliers(quaternions, time)
        quaternions = smooth_rotations(quaternions, time, settings)
    view = _view(raw)
    pelvis = smooth_path(raw.trans + rest.joints[0], time, view, settings)
    moving = Skeleton(quaternion_to_matrix(quaternions), pelvis, rest_offsets(rest.joints))
    standing = with_hysteresis(raw.contacts, time)
    world = np.eye(4)
    if settings.level and raw.camera != SCENE:  # there the floor is known
        world = level(moving, sole, standing)
        moving = _moved(moving, world)
    if settings.ballistic:
        moving = replace(moving, pelvis=falling(moving, sole, standing, time))
    held = np.zeros((len(time), len(SUPPORT_NAMES)), bool)
    if settings.supports:
        tall = float(rest.joints[0, 1] - (rest.joints[list(ANKLES), None] + sole)[..., 1].min())
        told = supports.find(moving, time, tall) if raw.supports is None else np.asarray(raw.supports, float)
        moving, held = supports.hold(moving, told, time)
    strength = (settings.lock_left, settings.lock_right)
    locked, standing = lock_feet(moving, sole, standing, stances(standing), time, strength, view, _eye(raw, world))
    result = _motion(raw, locked, rest.joints[0], standing, world)
    result.supports = held.astype(float)
    return result


def smooth_rotations(quaternions: np.ndarray, time: np.ndarray, settings: RefineSettings) -> np.ndarray:
    """(T, 24, 4), each limb smoothed by its own spread."""
    shares = {"spine": settings.spine, "arms": settings.arms, "legs": settings.legs}
    result = quaternions.copy()
    for limb, joints in limb_joints().items():
        sigma = settings.smooth * SPREAD * LIMBS[limb] * shares[limb]
        if sigma > 0:
            result[:, joints] = normalize(smoothed(quaternions[:, joints], time, sigma, settings.kind))
    return result


def smoothed(values: np.ndarray, time: np.ndarray, sigma: float, kind: str) -> np.ndarray:
    """Values (T, ...) smoothed as a Gaussian of `sigma` seconds does, by one of three filters."""
    if kind == "butterworth":
        return butterworth(values, time, HALF_POWER / sigma)
    if kind == "one_euro":
        return one_euro(values, time, HALF_POWER / sigma)
    return gaussian_smooth(values, time, sigma)


def limb_joints() -> dict[str, list[int]]:
    """Joints of spine (with neck and head), arms and legs."""
    legs = [k for k, name in enumerate(JOINT_NAMES) if name.endswith(("hip", "knee", "ankle", "foot"))]
    arms = [k for k, name in enumerate(JOINT_NAMES) if name.endswith(("shoulder", "elbow", "wrist", "hand"))]
    spine = [k for k in range(len(JOINT_NAMES)) if k not in legs and k not in arms]
    return {"spine": spine, "arms": arms, "legs": legs}


def smooth_path(pelvis: np.ndarray, time: np.ndarray, view: np.ndarray | None, settings: RefineSettings) -> np.ndarray:
    """(T, 3) the pelvis; along the view, where one camera sees little, smoothed harder."""
    sigma = settings.smooth * SPREAD * settings.legs
    if sigma <= 0:
        return pelvis
    path = smoothed(pelvis, time, sigma, settings.kind)
    if view is None:
        return path
    deep = smoothed(pelvis @ view, time, DEPTH * sigma, settings.kind)
    return path + (deep - path @ view)[:, None] * view


def _view(raw: Motion) -> np.ndarray | None:
    """The camera's view along the floor, in the world; None where it has none, or turns far."""
    cameras = np.asarray(raw.world_to_camera, float).reshape(-1, 4, 4)
    ahead = cameras[:, 2, :3].mean(axis=0) * [1.0, 1.0, 0.0]
    length = float(np.linalg.norm(ahead))
    return ahead / length if length > 0.3 and np.any(raw.image_size) else None


def _eye(raw: Motion, world: np.ndarray) -> np.ndarray | None:
    """Where the camera stands after the world was moved; None if there is none, or it travels."""
    cameras = np.asarray(raw.world_to_camera, float).reshape(-1, 4, 4)
    eyes = np.linalg.inv(cameras)[:, :3, 3]
    if not np.any(raw.image_size) or np.ptp(eyes, axis=0).max() > SAME_PLACE:
        return None
    return world[:3, :3] @ eyes[0] + world[:3, 3]


def level(moving: Skeleton, sole: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """(4, 4) the turn and move that puts footprints on z = 0: their slope shows how wrongly the camera's tilt was told.

    Each contact counts once, however long; few or close ones turn little (a ridge, as if slopes were small before).
    """
    points = soles_of(moving, sole)
    world = np.eye(4)
    held = [(k, first, last) for k in range(4) for first, last in runs(standing[:, k])]
    if not held or standing.sum() < FEWEST_STANDING:
        return world
    trust = np.repeat(straightness(moving.placed()[1]), 2, axis=1)
    prints = np.array(
        [np.average(points[a : b + 1, k], axis=0, weights=trust[a : b + 1, k]) for k, a, b in held]
    )  # fmt: skip
    heights = prints[:, 2]
    near = np.abs(heights - np.quantile(heights, 0.5, method="nearest")) < STEP  # others stand on boxes
    middle = prints[near].mean(axis=0)
    centred = prints[near] - middle
    normal = centred[:, :2].T @ centred[:, :2] + SLOPE_RIDGE * np.eye(2)
    slope = np.linalg.solve(normal, centred[:, :2].T @ centred[:, 2])
    up = normalize(np.array([-slope[0], -slope[1], 1.0]))
    if np.arccos(np.clip(up @ UP, -1, 1)) < STEEPEST:
        world[:3, :3] = between_vectors(up, UP)
        world[:3, 3] = middle - world[:3, :3] @ middle
    height = (points @ world[:3, :3].T + world[:3, 3])[..., 2]
    # a floor that feet are often below is none, whatever the few contacts say
    lowest = height.argmin(axis=1)
    often = _quantile(height.min(axis=1), trust[np.arange(len(trust)), lowest], OFTEN_BELOW)
    world[2, 3] -= min(_quantile(height[standing], trust[standing], FLOOR_SHARE), often)
    return world


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The value below which a share of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(below, share)), len(values) - 1)])


def _moved(moving: Skeleton, world: np.ndarray) -> Skeleton:
    rotations = moving.rotations.copy()
    rotations[:, 0] = world[:3, :3] @ rotations[:, 0]
    return replace(moving, rotations=rotations, pelvis=moving.pelvis @ world[:3, :3].T + world[:3, 3])


def falling(moving: Skeleton, sole: np.ndarray, standing: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(T, 3) the pelvis; while no foot stands and both are off the floor, it rises and falls as gravity has it."""
    off = np.logical_not(standing.any(axis=1))
    pelvis = moving.pelvis.copy()
    if not off.any():
        return pelvis
    low = soles_of(moving, sole)[..., 2].min(axis=1)
    for first, last in runs(off):
        if first == 0 or last == len(time) - 1:
            continue  # seen neither leaving nor landing
        start, end = first - 1, last + 1
        seconds = time[end] - time[start]
        if not SHORTEST_FLIGHT < seconds < LONGEST_FLIGHT or np.quantile(low[first : last + 1], 0.7) < FLIGHT_HEIGHT:
            continue
        t = time[start : end + 1] - time[start]
        straight = pelvis[start, 2] + (pelvis[end, 2] - pelvis[start, 2]) * t / seconds
        arc = straight + GRAVITY / 2 * t * (seconds - t)
        seen = pelvis[start : end + 1, 2]
        # contacts come a little late and early: a flight that rises much less than gravity says was shorter
        risen, should = (np.max(curve - straight) for curve in (seen, arc))
        if should > 1e-3 and 0.4 < risen / should < 2.5:
            pelvis[start : end + 1, 2] = arc
    return pelvis


def _motion(raw: Motion, moving: Skeleton, rest: np.ndarray, standing: np.ndarray, world: np.ndarray) -> Motion:
    result = raw.select(slice(None))
    back = (raw.trans[0] + rest - moving.pelvis[0]) * [1.0, 1.0, 0.0]  # the take begins where it began
    if raw.camera == SCENE:
        back = np.zeros(3)  # but this world is known
    moving = replace(moving, pelvis=moving.pelvis + back)
    world = world.copy()
    world[:3, 3] += back
    result.poses = matrix_to_axis_angle(moving.rotations).reshape(len(raw), -1)
    result.trans = moving.pelvis - rest
    result.contacts = standing.astype(float)
    camera = np.asarray(raw.world_to_camera, float) @ np.linalg.inv(world)
    result.world_to_camera = camera
    _, joints = moving.placed()
    result.joints = np.einsum("...ij,...kj->...ki", camera[..., :3, :3], joints) + camera[..., None, :3, 3]
    return result


def raw_extra(raw: Motion) -> dict[str, np.ndarray]:
    """The raw take as further arrays of the refined one's file."""
    return {
        "raw_poses": np.asarray(raw.poses, np.float32),
        "raw_trans": np.asarray(raw.trans, np.float32),
        "raw_contacts": np.asarray(raw.contacts, np.float32),
        "raw_world_to_camera": np.asarray(raw.world_to_camera, np.float64),
    }


def raw_of(motion: Motion) -> Motion:
    """The raw take that a file holds; the take itself where it holds none (other programs' takes)."""
    extra = motion.extra
    if any(name not in extra for name in ("raw_poses", "raw_trans", "raw_contacts", "raw_world_to_camera")):
        return motion
    raw = motion.select(slice(None))
    raw.poses, raw.trans = extra["raw_poses"].astype(float), extra["raw_trans"].astype(float)
    raw.contacts, raw.world_to_camera = extra["raw_contacts"].astype(float), extra["raw_world_to_camera"]
    raw.extra, raw.supports = {}, None
    return raw
