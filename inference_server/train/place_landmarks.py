"""Where the landmarker's 33 points sit on the body, found on renders.

    python -m inference_server.train.place_landmarks RENDERS.npz

Each landmark rides on a joint at an offset, the same for left and right but mirrored; the offset is the one whose
projections lie nearest to what the landmarker saw (Gauss-Newton with Cauchy weights). Writes
inference_server/motion/data/landmark_points.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.files import save_npz
from int_blender_addon.core.skeleton import JOINT_INDEX, PARENTS, forward_kinematics

from ..motion.camera import camera_matrix, project
from ..motion.kinematics import POINTS_PATH
from ..people.landmarks import LANDMARK_INDEX, LANDMARK_NAMES, NUM_LANDMARKS

CARRIERS = {"foot_index": "foot", "heel": "ankle", "ankle": "ankle"}
ON_HAND = ("pinky", "index", "thumb", "wrist")
SEEN = 0.6  # visibility of landmarks that are used
OUTLIER = 6.0  # pixels of a 1000-pixel lens
ITERATIONS = 30
NEAREST = 12  # vertices that tell how a landmark moves with the shape


def carrier(name: str) -> int:
    """The joint that carries a landmark."""
    side, _, part = name.partition("_")
    if side not in ("left", "right") or part.startswith(("eye", "ear")) or side == "mouth":
        return JOINT_INDEX["head"]
    if part == "hip":
        return JOINT_INDEX["pelvis"]
    if part in ON_HAND:
        return JOINT_INDEX[f"{side}_wrist"]
    return JOINT_INDEX[f"{side}_{CARRIERS.get(part, part)}"]


def mirrored(name: str) -> int:
    """The landmark on the other side; itself for the nose."""
    other = {"left": "right", "right": "left"}
    return LANDMARK_INDEX["_".join(other.get(word, word) for word in name.split("_"))]


def place(renders: dict[str, np.ndarray], body: BodyModel, quality: str = "best") -> dict[str, np.ndarray]:
    """The arrays of the file: joint (33,), offset (33, 3), offset_shapedirs (33, 3, 10), residual (33,) pixels."""
    joint = np.array([carrier(name) for name in LANDMARK_NAMES])
    rest = np.stack([body.rest_joints(betas) for betas in renders["betas"]])
    offsets = np.zeros_like(rest)
    parents = np.maximum(PARENTS, 0)
    offsets[:, 1:] = rest[:, 1:] - rest[:, parents[1:]]
    offsets[:, 0] = renders["root"]
    turns, places = forward_kinematics(renders["rotations"], offsets)
    lens = camera_matrix(1000.0, (1, 1))
    scale = 1000.0 / renders["focal"]
    centre = (renders["image_size"] - 1) / 2
    seen = (renders[f"{quality}_image"] - centre[:, None]) * scale[:, None, None]
    visible = renders[f"{quality}_visibility"] > SEEN

    offset, residual = np.zeros((NUM_LANDMARKS, 3)), np.zeros(NUM_LANDMARKS)
    for number, name in enumerate(LANDMARK_NAMES):
        twin = mirrored(name)
        if twin < number:
            offset[number], residual[number] = offset[twin] * [-1.0, 1.0, 1.0], residual[twin]
            continue
        sides = [(number, np.eye(3))] if twin == number else [(number, np.eye(3)), (twin, np.diag([-1.0, 1.0, 1.0]))]
        offset[number], residual[number] = _solve(sides, joint, turns, places, seen, visible, lens)
        if twin == number:
            offset[number, 0] = 0.0
    neutral = body.rest(np.zeros(10))
    directions = np.zeros((NUM_LANDMARKS, 3, 10))
    for number in range(NUM_LANDMARKS):
        away = np.linalg.norm(neutral.vertices - neutral.joints[joint[number]] - offset[number], axis=1)
        nearest = np.argsort(away)[:NEAREST]
        if np.linalg.norm(offset[number]) > 0.03:  # else it sits in the joint itself
            moved = body.shapedirs[nearest].mean(axis=0) - body.joint_shapedirs[joint[number]]
            directions[number, :, : moved.shape[-1]] = moved
    return {"joint": joint, "offset": offset, "offset_shapedirs": directions, "residual": residual}


def _solve(
    sides: list[tuple[int, np.ndarray]],
    joint: np.ndarray,
    turns: np.ndarray,
    places: np.ndarray,
    seen: np.ndarray,
    visible: np.ndarray,
    lens: np.ndarray,
) -> tuple[np.ndarray, float]:
    """The offset (3,) of a landmark and its twin, and the median distance in pixels that is left."""
    offset = np.zeros(3)
    away: list[np.ndarray] = []
    for _ in range(ITERATIONS):
        normal, pull, away = 1e-6 * np.eye(3), np.zeros(3), []
        for number, mirror in sides:
            axes = turns[:, joint[number]] @ mirror
            points = places[:, joint[number]] + axes @ offset
            error = project(points, lens) - seen[:, number]
            depth = points[:, 2]
            by_place = np.zeros((len(points), 2, 3))
            by_place[:, 0, 0] = by_place[:, 1, 1] = 1000.0 / depth
            by_place[:, :, 2] = -1000.0 * points[:, :2] / depth[:, None] ** 2
            jacobian = by_place @ axes
            weight = visible[:, number] / (1 + (error**2).sum(axis=1) / OUTLIER**2)
            normal = normal + np.einsum("n,nai,naj->ij", weight, jacobian, jacobian)
            pull += np.einsum("n,nai,na->i", weight, jacobian, error)
            away.append(np.linalg.norm(error, axis=1)[visible[:, number]])
        offset = offset - np.linalg.solve(normal, pull)
    return offset, float(np.median(np.concatenate(away)))


def main() -> None:
    """Place the points and write the file that ships."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.place_landmarks", description=__doc__)
    parser.add_argument("renders", type=Path)
    parser.add_argument("--out", type=Path, default=POINTS_PATH)
    options = parser.parse_args()
    with np.load(options.renders, allow_pickle=False) as data:
        found = place(dict(data), load_free_body())
    for name, offset, residual in zip(LANDMARK_NAMES, found["offset"], found["residual"], strict=True):
        print(f"{name:18} {np.round(1000 * offset)} mm, {residual:.1f} px left")
    save_npz(options.out, found)


if __name__ == "__main__":
    main()
