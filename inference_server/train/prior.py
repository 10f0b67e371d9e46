"""The pose prior of the fit, learned from motion capture.

    python -m inference_server.train.prior CACHE.npz

writes inference_server/motion/data/pose_prior.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from int_blender_addon.core.files import save_npz
from int_blender_addon.core.rotations import geodesic_angle
from int_blender_addon.core.skeleton import JOINT_INDEX

from ..motion.prior import PRIOR_PATH
from .mocap.catalog import Clip, load_clips, mirrored

APART = np.radians(9.0)  # mean angle over the joints by which two poses of one clip differ to count as two
LEAST_SPREAD = 0.06  # standard deviation in 6D below which no direction is believed to be still
HAND_SPREAD = 0.15  # recordings have no fingers: hands stay about straight


def distinct_poses(clip: Clip) -> np.ndarray:
    """(N, 24, 3, 3) poses of a clip that differ from one another, so that standing and walking do not outvote."""
    rotations = clip.rotations[:: max(round(clip.fps / 10), 1)]
    kept: list[np.ndarray] = []
    for pose in rotations:
        if not kept or geodesic_angle(np.array(kept[-200:])[:, 1:], pose[1:]).mean(axis=1).min() > APART:
            kept.append(pose)
    return np.array(kept)


def learn(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (138,) and whitening (138, 138) of the 6D local rotations of joints 1 to 23, symmetric left to right."""
    poses = np.concatenate([distinct_poses(c) for clip in clips for c in (clip, mirrored(clip))])
    values = poses[:, 1:, :, :2].reshape(len(poses), -1)
    mean = values.mean(axis=0)
    covariance = np.cov(values.T)
    for side in ("left", "right"):
        hand = slice(6 * (JOINT_INDEX[f"{side}_hand"] - 1), 6 * JOINT_INDEX[f"{side}_hand"])
        covariance[hand] = covariance[:, hand] = 0.0
        covariance[hand, hand] = HAND_SPREAD**2 * np.eye(6)
    covariance += LEAST_SPREAD**2 * np.eye(len(mean))
    return mean, np.linalg.inv(np.linalg.cholesky(covariance))


def main() -> None:
    """Learn from the clips that are not held out, and write the file that ships."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.prior", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--out", type=Path, default=PRIOR_PATH)
    options = parser.parse_args()
    clips = [clip for clip in load_clips(options.cache) if not clip.held_out]
    mean, whiten = learn(clips)
    save_npz(options.out, {"mean": mean.astype(np.float32), "whiten": whiten.astype(np.float32)})
    for name, group in (("learned", clips), ("held out", [c for c in load_clips(options.cache) if c.held_out])):
        values = np.concatenate([c.rotations[::10, 1:, :, :2].reshape(len(c.root[::10]), -1) for c in group])
        print(f"{name}: mean squared residual {np.square((values - mean) @ whiten.T).sum(axis=1).mean():.1f}")


if __name__ == "__main__":
    main()
