"""Skinning weights for SMPL's joints from MakeHuman's bones, and joints as averages of skin vertices."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES, NUM_JOINTS, PARENTS

from .makehuman import MakeHuman, random_shape
from .mesh import neighbours

# MakeHuman's joint cubes drift off the skin of tall and short bodies, the knee's by 6 cm: the main bone heads are told
# as averages of the skin within these radii instead, fitted at medium height.
ATTACHED = {
    "upperleg01": 0.20, "lowerleg01": 0.11, "foot": 0.10, "upperarm01": 0.14, "lowerarm01": 0.09, "wrist": 0.07,
    "neck01": 0.13, "neck03": 0.12, "head": 0.13, "spine05": 0.22, "spine01": 0.25,
}  # fmt: skip
ATTACHED_SHAPES = 80
BONES = (("upperleg", "hip"), ("lowerleg", "knee"), ("toe", "foot"), ("upperarm", "shoulder"), ("lowerarm", "elbow"))
LEAST_WEIGHT, MOST_JOINTS = 0.004, 4


def smpl_weights(human: MakeHuman, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(V, 24) weights; the trunk's share is split over pelvis and spine by height."""
    weights = np.zeros((len(vertices), NUM_JOINTS))
    trunk = np.zeros(len(vertices))
    of_bones = human.weights.tocsc()
    for number, bone in enumerate(human.bones):
        share = np.asarray(of_bones[:, number].todense()).ravel()
        if not share.any():
            continue
        for joint, part in _joints_of(bone):
            if joint == "trunk":
                trunk += part * share
            else:
                weights[:, JOINT_INDEX[joint]] += part * share
    height = vertices[:, 1]
    hips = joints[[JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]], 1].mean()
    length = joints[JOINT_INDEX["neck"], 1] - hips

    def above(joint: str, half: float) -> np.ndarray:
        t = np.clip((height - joints[JOINT_INDEX[joint], 1]) / (2 * half * length) + 0.5, 0, 1)
        return t * t * (3 - 2 * t)

    first, second, third = above("spine1", 0.13), above("spine2", 0.11), above("spine3", 0.09)
    weights[:, JOINT_INDEX["pelvis"]] += trunk * (1 - first)
    weights[:, JOINT_INDEX["spine1"]] += trunk * first * (1 - second)
    weights[:, JOINT_INDEX["spine2"]] += trunk * first * second * (1 - third)
    weights[:, JOINT_INDEX["spine3"]] += trunk * first * second * third
    return pruned(weights)


def _joints_of(bone: str) -> list[tuple[str, float]]:
    """Joints that carry a bone of MakeHuman, with their shares."""
    name, _, letter = bone.partition(".")
    side = {"L": "left_", "R": "right_"}.get(letter, "")
    if name == "root" or name.startswith(("spine", "pelvis", "breast")):
        return [("trunk", 1.0)]
    for start, joint in BONES:
        if name.startswith(start):
            return [(side + joint, 1.0)]
    if name == "foot":
        return [(side + "ankle", 1.0)]
    if name in ("clavicle", "shoulder01"):
        return [(side + "collar", 1.0)]
    if name == "wrist" or name.startswith(("metacarpal", "finger1")):
        return [(side + "wrist", 1.0)]
    if name.startswith("finger"):
        return [(side + "hand", 1.0)]
    if name in ("neck01", "neck02"):
        return [("neck", 1.0)]
    if name == "neck03":
        return [("neck", 0.5), ("head", 0.5)]
    return [("head", 1.0)]


def softened(weights: np.ndarray, faces: np.ndarray, rounds: int = 8, share: float = 0.5) -> np.ndarray:
    """Weights blended along the surface: MakeHuman blends knees and elbows over one loop of edges."""
    near = neighbours(faces, len(weights))
    mean = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    for _ in range(rounds):
        weights = (1 - share) * weights + share * (mean @ weights)
    return pruned(weights)


def pruned(weights: np.ndarray) -> np.ndarray:
    """At most four joints a vertex, summing to 1."""
    kept = np.where(weights < LEAST_WEIGHT, 0.0, weights)
    np.put_along_axis(kept, np.argsort(-kept, axis=1, kind="stable")[:, MOST_JOINTS:], 0, axis=1)
    return kept / kept.sum(axis=1, keepdims=True)


def convex_fit(
    shapes: np.ndarray, points: np.ndarray, candidates: np.ndarray, count: int, mirror: np.ndarray | None = None
) -> np.ndarray:
    """(V,) non-negative weights, of sum 1, on some candidate vertices, whose average is a point in every shape.

    Args:
        shapes: (N, V, 3).
        points: (N, 3) where the point is in each.
        candidates: Vertices that may be used.
        count: About how many of them are used.
        mirror: (V,) each vertex's twin, if the weights are to be symmetric.
    """
    number, mean = len(shapes), shapes.mean(axis=0)
    picked = [candidates[np.argmin(np.linalg.norm(mean[candidates] - points.mean(axis=0), axis=1))]]
    distance = np.linalg.norm(mean[candidates] - mean[picked[0]], axis=1)
    while len(picked) < min(count, len(candidates)):  # spread out: always the farthest next
        farthest = candidates[np.argmax(distance)]
        picked.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(mean[candidates] - mean[farthest], axis=1))
    chosen = np.array(picked) if mirror is None else np.unique(np.concatenate([picked, mirror[picked]]))
    size = len(chosen)
    rows = (shapes[:, chosen] - points[:, None]).transpose(0, 2, 1).reshape(3 * number, -1)
    sum_weight, ridge = 50.0 * np.sqrt(number), 0.004 * np.sqrt(number)
    system = np.vstack([rows, np.full((1, size), sum_weight), ridge * np.eye(size)])
    right = np.zeros(len(system))
    right[3 * number] = sum_weight
    normal = system.T @ system
    factor = np.linalg.cholesky(normal + 1e-10 * np.trace(normal) * np.eye(size))
    found, _ = nnls(factor.T, np.linalg.solve(factor, system.T @ right), maxiter=5000)
    weights = np.zeros(len(mean))
    weights[chosen] = found / found.sum()
    return weights if mirror is None else 0.5 * (weights + weights[mirror])


def joint_regressor(shapes: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(24, V) each joint as an average of skin vertices, right mirrored; shapes (N, V, 3), joints (N, 24, 3)."""
    mean, middle = shapes.mean(axis=0), joints.mean(axis=0)
    mirror = cKDTree(mean).query(mean * [-1, 1, 1])[1]
    exact = bool((mirror[mirror] == np.arange(len(mean))).all())
    regressor = np.zeros((NUM_JOINTS, len(mean)))
    trunk = [
        JOINT_INDEX[n]
        for n in ("pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3", "left_collar", "right_collar")
    ]
    for joint, name in enumerate(JOINT_NAMES):
        if name.startswith("right") and exact:
            regressor[joint] = regressor[joint - 1][mirror]
            continue
        if name in ("pelvis", "spine1", "spine2", "spine3"):
            candidates = np.flatnonzero(weights[:, trunk].sum(axis=1) > 0.9)
        else:
            distance = np.linalg.norm(mean - middle[joint], axis=1)
            near = np.flatnonzero(weights[:, [joint, PARENTS[joint]]].sum(axis=1) > 0.3)
            reach = max(np.sort(distance[near])[min(len(near) - 1, 400)], 0.12)
            candidates = near[distance[near] <= reach]
        in_middle = not name.startswith(("left", "right"))
        count = 90 if name.startswith("spine") else 48
        regressor[joint] = convex_fit(
            shapes, joints[:, joint], candidates, count, mirror if in_middle and exact else None
        )
    return regressor


def attach_bones(human: MakeHuman, skin: np.ndarray, rng: np.random.Generator) -> None:
    """Tell the main bone heads of a MakeHuman as averages of skin vertices; changes `human.heads`."""
    shapes, heads = [], []
    for _ in range(ATTACHED_SHAPES):
        shape = random_shape(rng)
        shape.sliders["height"] = 0.5
        shape.sliders["age"] *= 0.5
        shape.local = {}
        vertices = human.shaped(shape)
        shapes.append(vertices[skin])
        heads.append(human.heads @ vertices)
    sampled, of_bones = np.array(shapes), np.array(heads)
    mean = sampled.mean(axis=0)
    mirror = cKDTree(mean).query(mean * [-1, 1, 1])[1]
    rows = human.heads.tolil()
    for bone, number in human.index.items():
        name, dot, letter = bone.partition(".")
        if name not in ATTACHED or letter == "R":
            continue
        near = np.flatnonzero(np.linalg.norm(mean - of_bones[:, number].mean(axis=0), axis=1) < ATTACHED[name])
        weights = convex_fit(sampled, of_bones[:, number], near, 60, None if dot else mirror)
        for twin, values in [(bone, weights)] + ([(name + ".R", weights[mirror])] if dot else []):
            row = sparse.lil_matrix((1, len(human.vertices)))
            row[0, skin] = values
            rows[human.index[twin]] = row
    human.heads = rows.tocsr()
