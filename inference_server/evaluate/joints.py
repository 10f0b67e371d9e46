"""A take's joints against a reference's, both in camera space.

    python -m inference_server evaluate joints --pred TAKE.npz --ref REF.npz

Errors are in millimetres, accelerations in millimetres per frame squared at the reference's rate after the stride.
Definitions follow HMR (Kanazawa et al. 2018), VIBE (Kocabas et al. 2020) and 3DPW. A prediction may stand anywhere:
everything 3D is relative to the middle of the hips, or aligned. Missing joints are NaN, and not scored.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import ArgumentsError, TakeFileError

from .procrustes import similarity

LIMB12 = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
LSP14 = (*LIMB12, "neck", "head_top")
HIPS = ("left_hip", "right_hip")
BONES = (
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
)  # fmt: skip
FEWEST_POINTS = 4  # of a frame that Procrustes can align
PCK_METRES = 0.15


@dataclass
class Pairs:
    """Predicted and true joints of the reference's frames; the scored joints first, then hips that aren't scored."""

    names: list[str]
    scored: int
    predicted: np.ndarray  # (T, J, 3) NaN where missing
    true: np.ndarray  # (T, J, 3)
    known: np.ndarray  # (T, J) bool: both are there, the reference with confidence
    trusted: np.ndarray  # (T, J) bool: the reference is certain enough
    frames: np.ndarray  # (T,)
    rows: np.ndarray  # (T,) of the prediction; -1 where it has no such frame
    stride: int

    @property
    def hips(self) -> list[int]:
        """Columns of the two hips."""
        return [self.names.index(name) for name in HIPS]

    @property
    def rooted(self) -> np.ndarray:
        """(T,) frames in which both hips are known."""
        return np.asarray(self.known[:, self.hips].all(axis=1))


def evaluate_files(
    pred: Path, ref: Path, joints: str = "limb12", stride: int = 1, min_conf: float = 0.0
) -> dict[str, Any]:
    """`evaluate_joints` on two files.

    Raises:
        TakeFileError: A file can't be read, or lacks what is needed.
        ArgumentsError: No joint is left to score.
    """
    return evaluate_joints(_arrays(pred), _arrays(ref), joints, stride, min_conf)


def evaluate_joints(
    pred: Mapping[str, Any], ref: Mapping[str, Any], joints: str = "limb12", stride: int = 1, min_conf: float = 0.0
) -> dict[str, Any]:
    """All scores of a prediction.

    Args:
        pred: `joints` (T, J, 3) metres, `joint_names`, `frame_index`, `fps`; `joints2d` (T, J, 2) or `absolute` add
            the error in the picture.
        ref: The same with `confidence` (T, J), `K` and `dist`.
        joints: `limb12`, `lsp14`, `all`, or names with commas.
        stride: Every so many frames of the reference are scored.
        min_conf: Joints of the reference that are less certain are not scored.

    Raises:
        ArgumentsError: No joint is left to score, or a hip is missing.
    """
    pairs = _pair(pred, ref, joints, stride, min_conf)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are NaN, and come out as None
        scores: dict[str, Any] = {
            "joint_set": joints,
            "n_joints": pairs.scored,
            "frames_ref": len(pairs.frames),
            "frames_scored": int(pairs.rooted.sum()),
            "coverage": round(float(pairs.rooted.mean()), 4),
            "fps": float(ref["fps"]) / stride,
        }
        scores |= _positions(pairs) | _accelerations(pairs) | _lengths(pairs)
        if "K" in ref:
            scores |= _in_picture(pairs, pred, ref)
    return scores


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
    except FileNotFoundError as error:
        raise TakeFileError(f"There is no file {path}.", "Check the path.") from error
    except Exception as error:  # zipfile, zlib and numpy raise kinds of their own on damaged files
        raise TakeFileError(f"{path.name} could not be read as .npz.") from error
    for key in ("joints", "joint_names", "frame_index", "fps"):
        if key not in arrays:
            raise TakeFileError(f"{path.name} has no `{key}`.")
    return arrays


def _pair(pred: Mapping[str, Any], ref: Mapping[str, Any], joints: str, stride: int, min_conf: float) -> Pairs:
    theirs, ours = [str(n) for n in ref["joint_names"]], [str(n) for n in pred["joint_names"]]
    sets: dict[str, tuple[str, ...]] = {"limb12": LIMB12, "lsp14": LSP14, "all": tuple(theirs)}
    scored = [name for name in sets.get(joints, tuple(joints.split(","))) if name in ours and name in theirs]
    for hip in HIPS:
        if hip not in ours or hip not in theirs:
            raise ArgumentsError(f"Both files must have {hip}: errors are relative to the hips.")
    if not scored or stride < 1:
        raise ArgumentsError("There is nothing to score with these joints and this stride.")
    names = scored + [hip for hip in HIPS if hip not in scored]
    frames = np.asarray(ref["frame_index"]).astype(int)[::stride]
    columns = [theirs.index(n) for n in names]
    true = np.asarray(ref["joints"], float)[::stride][:, columns]
    confidence = np.ones(true.shape[:2])
    if "confidence" in ref:
        confidence = np.asarray(ref["confidence"], float)[::stride][:, columns]
    row_of = {int(frame): row for row, frame in enumerate(np.asarray(pred["frame_index"]))}
    rows = np.array([row_of.get(int(frame), -1) for frame in frames])
    predicted = np.full_like(true, np.nan)
    predicted[rows >= 0] = np.asarray(pred["joints"], float)[rows[rows >= 0]][:, [ours.index(n) for n in names]]
    trusted = confidence >= min_conf
    known = np.isfinite(predicted).all(axis=-1) & np.isfinite(true).all(axis=-1) & trusted
    return Pairs(names, len(scored), predicted, true, known, trusted, frames, rows, stride)


def _from_hips(points: np.ndarray, hips: list[int]) -> np.ndarray:
    return points - points[:, hips].mean(axis=1, keepdims=True)


def _millimetres(values: np.ndarray) -> float | None:
    return round(float(np.nanmean(values)) * 1000, 3) if np.isfinite(values).any() else None


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)


def _positions(pairs: Pairs) -> dict[str, Any]:
    n = pairs.scored
    known = pairs.known[:, :n]
    counted = known & pairs.rooted[:, None]
    found, true = (_from_hips(points, pairs.hips)[:, :n] for points in (pairs.predicted, pairs.true))
    errors = np.where(counted, _distance(found, true), np.nan)
    aligned = np.full(known.shape, np.nan)
    for t, joints in enumerate(known):
        if joints.sum() >= FEWEST_POINTS:
            a, b = pairs.predicted[t, :n][joints], pairs.true[t, :n][joints]
            aligned[t, joints] = _distance(similarity(a, b)(a), b)
    a = np.where(known[..., None], pairs.predicted[:, :n], np.nan)
    b = np.where(known[..., None], pairs.true[:, :n], np.nan)
    centred = _distance(a - np.nanmean(a, axis=1, keepdims=True), b - np.nanmean(b, axis=1, keepdims=True))
    scores: dict[str, Any] = {
        "mpjpe": _millimetres(errors),
        "pa_mpjpe": _millimetres(aligned),
        "mpjpe_centroid": _millimetres(centred),
        "per_joint_mpjpe": {name: _millimetres(errors[:, k]) for k, name in enumerate(pairs.names[:n])},
    }
    if counted.any():
        a, b = found[counted], true[counted]
        scale = (a * b).sum() / (a * a).sum()
        whole = similarity(a, b)
        angle = np.arccos(np.clip((np.trace(whole.rotation) - 1) / 2, -1, 1))
        scores |= {
            "n_mpjpe": _millimetres(_distance(scale * a, b)),
            "best_scale": round(float(scale), 4),
            "pa_seq": _millimetres(_distance(whole(a), b)),
            "seq_rotation_deg": round(float(np.degrees(angle)), 2),
            "pck150": round(float((errors[counted] < PCK_METRES).mean()), 4),
        }
    return scores


def _accelerations(pairs: Pairs) -> dict[str, Any]:
    n = pairs.scored
    steady = pairs.frames[2:] - pairs.frames[:-2] == 2 * pairs.stride
    rooted = pairs.rooted[:-2] & pairs.rooted[1:-1] & pairs.rooted[2:]
    known = (pairs.known[:-2] & pairs.known[1:-1] & pairs.known[2:])[:, :n]
    counted = np.where(known & (steady & rooted)[:, None], 1.0, np.nan)
    found, true = (
        np.diff(_from_hips(points, pairs.hips)[:, :n], n=2, axis=0) for points in (pairs.predicted, pairs.true)
    )
    return {
        "accel": _millimetres(_distance(found, true) * counted),
        "accel_pred": _millimetres(np.linalg.norm(found, axis=-1) * counted),
        "accel_ref": _millimetres(np.linalg.norm(true, axis=-1) * counted),
    }


def _lengths(pairs: Pairs) -> dict[str, Any]:
    """How much the predicted bones change length, percent."""
    variation = []
    for start, end in BONES:
        if start in pairs.names and end in pairs.names:
            ends = [pairs.predicted[:, pairs.names.index(name)] for name in (start, end)]
            length = _distance(*ends)
            length = length[np.isfinite(length)]
            if len(length) > 2:
                variation.append(length.std() / length.mean())
    return {"bone_cv_pct": round(100 * float(np.mean(variation)), 3) if variation else None}


def _in_picture(pairs: Pairs, pred: Mapping[str, Any], ref: Mapping[str, Any]) -> dict[str, Any]:
    """The error in pixels, where the prediction says where it stands in the picture."""
    n = pairs.scored
    absolute = bool(np.asarray(pred.get("absolute", False)))
    K, lens = np.asarray(ref["K"], float), np.asarray(ref.get("dist", np.zeros(4)), float)
    if "joints2d" in pred:
        ours = [str(name) for name in pred["joint_names"]]
        pixels = np.full((*pairs.true.shape[:2], 2), np.nan)
        there = pairs.rows >= 0
        columns = [ours.index(name) for name in pairs.names]
        pixels[there] = np.asarray(pred["joints2d"], float)[pairs.rows[there]][:, columns]
    elif absolute:
        pixels = _project(pairs.predicted, K, lens)
    else:
        return {}
    true = _project(pairs.true, K, lens)
    errors = np.where(pairs.trusted, _distance(pixels, true), np.nan)[:, :n]
    height = np.nanmax(true[..., 1], axis=1) - np.nanmin(true[..., 1], axis=1)
    scores: dict[str, Any] = {
        "reproj_px": round(float(np.nanmean(errors)), 3),
        "reproj_px_median": round(float(np.nanmedian(errors)), 3),
        "reproj_pct_of_body_height_px": round(float(np.nanmean(errors / height[:, None])) * 100, 3),
    }
    if absolute:
        apart = pairs.predicted[:, pairs.hips].mean(axis=1) - pairs.true[:, pairs.hips].mean(axis=1)
        scores["root_position_error"] = _millimetres(np.linalg.norm(apart, axis=-1))
    return scores


def _project(points: np.ndarray, K: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """Pixels by a pinhole with OpenCV's radial and tangential distortion (k1, k2, p1, p2)."""
    k1, k2, p1, p2 = [*np.ravel(lens)[:4], 0.0, 0.0, 0.0, 0.0][:4]
    x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
    square = x * x + y * y
    radial = 1 + k1 * square + k2 * square**2
    u = x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x)
    v = y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y
    return np.stack([u * K[0, 0] + K[0, 2], v * K[1, 1] + K[1, 2]], axis=-1)
