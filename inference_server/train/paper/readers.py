"""Readers of the layouts that the paper's data sets come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from int_blender_addon.core.errors import DataSetError
from int_blender_addon.core.rotations import matrix_to_axis_angle

from .annotations import Annotations, annotated
from .files import read_arrays
from .joints import to_spin

UNIT_BOX = 200.0  # pixels of a box of scale 1 (MPII's convention)


def read_video_set(name: str, path: Path, images: Path, order: str) -> Annotations:
    """The preprocessed videos of VIBE and its heirs: `vid_name`, `img_name`, `bbox`, `joints2D`, and where there are
    any `joints3D`, `pose`, `shape`, frame by frame.

    Args:
        name: The data set's.
        path: The file of arrays.
        images: Folder that image names are relative to.
        order: Of the 2D keypoints.
    """
    arrays = read_arrays(path)
    _require(path, arrays, "vid_name", "img_name", "bbox", "joints2D")
    videos = arrays["vid_name"].astype(str)
    sequence = np.cumsum(np.concatenate([[0], videos[1:] != videos[:-1]])) if len(videos) else np.zeros(0, int)
    kp_3d = arrays.get("joints3D")
    known = {key: arrays[key] for key in ("pose", "shape") if key in arrays}
    return annotated(
        name,
        [images / value for value in arrays["img_name"].astype(str)],
        sequence,
        arrays["bbox"][:, :4],
        to_spin(arrays["joints2D"], order),
        kp_3d if kp_3d is None or kp_3d.shape[1] == 49 else None,
        known.get("pose"),
        known.get("shape"),
    )


def read_spin_images(name: str, path: Path, images: Path) -> Annotations:
    """SPIN's preprocessed images: `imgname`, `center`, `scale`, `part` (N, 24, 3), and where there are any `openpose`
    (N, 25, 3), `S` (N, 24, 4), `pose`, `shape`, `has_smpl`.
    """
    arrays = read_arrays(path)
    _require(path, arrays, "imgname", "center", "scale", "part")
    count = len(arrays["imgname"])
    openpose = arrays.get("openpose", np.zeros((count, 25, 3)))
    joints_3d = arrays.get("S")
    kp_3d = None
    if joints_3d is not None:
        kp_3d = np.concatenate([np.zeros((count, 25, 4)), joints_3d], axis=1)
    return annotated(
        name,
        [images / value for value in arrays["imgname"].astype(str)],
        np.arange(count),
        _boxes(arrays["center"], arrays["scale"]),
        np.concatenate([openpose, arrays["part"]], axis=1),
        kp_3d,
        arrays.get("pose"),
        arrays.get("shape"),
        arrays.get("has_smpl", np.ones(count) if "pose" in arrays else None),
    )


def read_eft(name: str, path: Path, images: Path) -> Annotations:
    """EFT's fits to images: JSON with `data`, a list of `imageName`, `bbox_center`, `bbox_scale`,
    `gt_keypoint_2d` (49, 3), `parm_pose` (24, 3, 3) and `parm_shape`.
    """
    try:
        content = json.loads(path.read_text())
        entries = content["data"]
        pose = matrix_to_axis_angle(np.array([e["parm_pose"] for e in entries]).reshape(-1, 24, 3, 3))
        return annotated(
            name,
            [images / e["imageName"] for e in entries],
            np.arange(len(entries)),
            _boxes(np.array([e["bbox_center"] for e in entries]), np.array([e["bbox_scale"] for e in entries])),
            np.array([e["gt_keypoint_2d"] for e in entries]),
            None,
            pose.reshape(-1, 72),
            np.array([e["parm_shape"] for e in entries]).reshape(-1, 10),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataSetError(f"{path.name} is no file of EFT's fits: {error}") from error


def _boxes(center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    side = UNIT_BOX * np.asarray(scale, float).reshape(-1, 1)
    return np.concatenate([np.asarray(center, float), side, side], axis=1)


def _require(path: Path, arrays: dict[str, np.ndarray], *names: str) -> None:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataSetError(f"{path.name} lacks {', '.join(missing)}.")
