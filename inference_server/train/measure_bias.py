"""What the landmarker's 3D gets wrong on the average, from renders.

    python -m inference_server.train.measure_bias RENDERS.npz

Robust ridge regression on the poses of training subjects; the errors that are left are told for held-out ones. Writes
inference_server/motion/data/landmark_bias.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from int_blender_addon.core.files import save_npz
from int_blender_addon.core.rotations import between_vectors

from ..motion.bias import BIAS_PATH, HIPS, LandmarkBias, pose_features
from .lean import by_pitch, lean, leaned
from .renders import QUALITIES

RIDGE = 3.0
ROUNDS = 6
USUAL = 0.08  # metres of mean error that are nothing special
STEEPEST = np.radians(50.0)  # from overhead nobody leans
WILD = 0.35  # metres of mean error beyond which the landmarker saw something else: left out


def errors(renders: dict[str, np.ndarray], quality: str) -> tuple[np.ndarray, np.ndarray]:
    """The landmarker's 3D (N, 33, 3), hip-centred, and its error, in the axes of a camera that looks at the person.

    How people lean because the camera is tilted is taken off before: see `lean`.
    """
    true = renders["true"]
    middle = true[:, HIPS].mean(axis=1)
    turn = between_vectors(np.array([0.0, 0.0, 1.0]), middle)
    straight = (true - middle[:, None]) @ turn
    world = renders[f"{quality}_world"]
    world = world - world[:, HIPS].mean(axis=1, keepdims=True)
    up = (renders["up"][:, None] @ turn)[:, 0]
    pitch = np.arctan2(up[:, 2], -up[:, 1])
    facing = pose_features(straight)[:, 1:4]
    standing = np.abs(pitch) < STEEPEST
    explained = np.zeros(len(world))
    explained[standing] = by_pitch(lean(world, straight)[standing], pitch[standing], facing[standing][:, [0, 2]])
    world = leaned(world, explained)
    return world, world - straight


def learn(world: np.ndarray, error: np.ndarray) -> LandmarkBias:
    """The bias that explains the errors best; pictures that it explains badly lose their say (Cauchy)."""
    features = pose_features(world)
    trust = np.ones(len(world))
    for _ in range(ROUNDS):
        weighted = features * trust[:, None]
        normal = weighted.T @ features + RIDGE * np.eye(features.shape[1])
        weights = np.linalg.solve(normal, weighted.T @ error.reshape(len(error), -1)).reshape(-1, *error.shape[1:])
        left = np.linalg.norm(error - np.einsum("nf,flc->nlc", features, weights), axis=-1).mean(axis=1)
        trust = 1.0 / (1.0 + (left / USUAL) ** 2)
    return LandmarkBias(weights)


def main() -> None:
    """Learn, print what is left on held-out poses, and write."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.measure_bias", description=__doc__)
    parser.add_argument("renders", type=Path)
    parser.add_argument("--out", type=Path, default=BIAS_PATH)
    options = parser.parse_args()
    with np.load(options.renders, allow_pickle=False) as data:
        renders = dict(data)
    arrays = {}
    for quality in QUALITIES:
        world, error = errors(renders, quality)
        usable = np.linalg.norm(error, axis=-1).mean(axis=1) < WILD
        taught, kept = usable & ~renders["held_out"], usable & renders["held_out"]
        bias = learn(world[taught], error[taught])
        left = error[kept] - (world[kept] - bias.corrected(world[kept]))
        print(
            f"{quality}: {usable.sum()} pictures; median error on held-out poses, mm in x, y, z:"
            f" {np.round(1000 * np.median(np.abs(error[kept]), axis=(0, 1)))} before,"
            f" {np.round(1000 * np.median(np.abs(left), axis=(0, 1)))} after"
        )
        arrays[quality] = bias.weights.astype(np.float32)
    save_npz(options.out, arrays)


if __name__ == "__main__":
    main()
