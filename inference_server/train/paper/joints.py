"""The orders of keypoints in the paper's data sets, brought to the 49 joints of SPIN."""

from __future__ import annotations

import numpy as np

SPIN = (
    *(f"openpose_{n}" for n in (
        "nose", "neck", "rshoulder", "relbow", "rwrist", "lshoulder", "lelbow", "lwrist", "midhip", "rhip", "rknee",
        "rankle", "lhip", "lknee", "lankle", "reye", "leye", "rear", "lear", "lbigtoe", "lsmalltoe", "lheel",
        "rbigtoe", "rsmalltoe", "rheel",
    )),
    "rankle", "rknee", "rhip", "lhip", "lknee", "lankle", "rwrist", "relbow", "rshoulder", "lshoulder", "lelbow",
    "lwrist", "neck", "headtop", "hip", "thorax", "spine", "jaw", "head", "nose", "leye", "reye", "lear", "rear",
)  # fmt: skip
PENN = (
    "headtop", "lshoulder", "rshoulder", "lelbow", "relbow", "lwrist", "rwrist", "lhip", "rhip", "lknee", "rknee",
    "lankle", "rankle",
)  # fmt: skip
INSTA = (
    "rankle", "rknee", "rhip", "lhip", "lknee", "lankle", "rwrist", "relbow", "rshoulder", "lshoulder", "lelbow",
    "lwrist", "neck", "headtop", "nose", "leye", "reye", "lear", "rear", "openpose_lbigtoe", "openpose_rbigtoe",
    "openpose_lsmalltoe", "openpose_rsmalltoe", "openpose_lheel", "openpose_rheel",
)  # fmt: skip
ORDERS = {"spin": SPIN, "penn_action": PENN, "instavariety": INSTA}


def to_spin(keypoints: np.ndarray, order: str) -> np.ndarray:
    """(N, 49, C) of keypoints (N, K, C) in a data set's order; what it lacks is zero, its confidence too."""
    names = ORDERS[order]
    if keypoints.shape[1] != len(names):
        raise ValueError(f"{keypoints.shape[1]} keypoints where {order} has {len(names)}")
    result = np.zeros((len(keypoints), len(SPIN), keypoints.shape[2]), keypoints.dtype)
    for number, name in enumerate(names):
        result[:, SPIN.index(name)] = keypoints[:, number]
    return result
