"""Benchmarks as their publishers ship them: who did what in which pictures, in camera space.

Nothing is converted beforehand. Pickles are read without trust. What is missing is told with where it is had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import DataSetError, TakeFileError
from int_blender_addon.core.rotations import axis_angle_to_matrix

from ..convert.opened import read_content

SEEN = 0.3  # score above which a keypoint counts as seen
LEAST_SEEN = 6  # keypoints that must be exceeded for a frame to count, in VIBE's family


@dataclass
class Reference:
    """One person of one sequence, T frames.

    Attributes:
        name: Of the sequence, with `_N` for the person where there are several.
        gender: neutral, male or female.
        fps: Frames per second.
        valid: (T,) bool, frames that count under the protocol of WHAM and GVHMR.
        seen: (T,) bool, frames that count under the paper's.
        poses: (T, 24, 3, 3) SMPL's, the root in camera space; None where only joints are annotated.
        betas: (10,) of the person.
        joints: (T, 14, 3) metres in camera space, where only joints are annotated.
        world: Root (T, 3, 3) and SMPL translation (T, 3) in a world, where there is one.
        images: (T,) paths.
        keypoints: (T, K, 3) pixels and score, for boxes.
    """

    name: str
    gender: str
    fps: float
    valid: np.ndarray
    seen: np.ndarray
    poses: np.ndarray | None = None
    betas: np.ndarray = field(default_factory=lambda: np.zeros(10))
    joints: np.ndarray | None = None
    world: tuple[np.ndarray, np.ndarray] | None = None
    images: list[Path] = field(default_factory=list)
    keypoints: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.valid)


def read_3dpw(root: Path) -> Iterator[Reference]:
    """3DPW's test sequences: `sequenceFiles/test/*.pkl` and `imageFiles/SEQUENCE/image_00000.jpg`."""
    for path in _files(root / "sequenceFiles" / "test", "*.pkl", BENCHMARKS["3dpw"]):
        content = _content(path)
        camera = np.asarray(content["cam_poses"], float)[:, :3, :3]
        name = str(content.get("sequence", path.stem))
        for person, poses in enumerate(content["poses"]):
            matrices = axis_angle_to_matrix(np.asarray(poses, float).reshape(-1, 24, 3))
            count = min(len(matrices), len(camera))
            matrices = matrices[:count]
            world_root = matrices[:, 0].copy()
            matrices[:, 0] = camera[:count] @ matrices[:, 0]
            keypoints = np.asarray(content["poses2d"][person], float)[:count].swapaxes(1, 2)
            seen = (keypoints[..., 2] > SEEN).sum(axis=1) > LEAST_SEEN
            filled = np.zeros(count, bool)
            if seen.any():  # from the first to the last that counts
                first, last = np.flatnonzero(seen)[[0, -1]]
                filled[first : last + 1] = True
            valid = np.asarray(content["campose_valid"][person], bool)[:count]
            several = len(content["poses"]) > 1
            yield Reference(
                name=f"{name}_{person}" if several else name,
                gender={"m": "male", "f": "female"}.get(str(content["genders"][person]), "neutral"),
                fps=30.0,
                valid=valid & seen,
                seen=seen & filled,
                poses=matrices,
                betas=np.ravel(content["betas"][person])[:10].astype(float),
                world=(world_root, np.asarray(content["trans"][person], float)[:count]),
                images=[root / "imageFiles" / name / f"image_{n:05d}.jpg" for n in range(count)],
                keypoints=keypoints,
            )


def read_emdb(root: Path) -> Iterator[Reference]:
    """EMDB's sequences `P*/*/*_data.pkl`; EMDB 1 is scored in the camera, EMDB 2 in the world."""
    for path in _files(root, "P*/*/*_data.pkl", BENCHMARKS["emdb"]):
        content = _content(path)
        own, camera = content["smpl"], content["camera"]
        pose = np.concatenate([own["poses_root"], own["poses_body"]], axis=1).reshape(-1, 24, 3)
        matrices = axis_angle_to_matrix(np.asarray(pose, float))
        view = np.asarray(camera["extrinsics"], float)[:, :3, :3]
        world_root = matrices[:, 0].copy()
        matrices[:, 0] = view @ matrices[:, 0]
        good = np.asarray(content.get("good_frames_mask", np.ones(len(matrices))), bool)
        yield Reference(
            name=str(content.get("name", path.stem.removesuffix("_data"))),
            gender=str(content.get("gender", "neutral")),
            fps=30.0,
            valid=good,
            seen=good,
            poses=matrices,
            betas=np.ravel(own["betas"])[:10].astype(float),
            world=(world_root, np.asarray(own["trans"], float)),
            images=sorted((path.parent / "images").glob("*.jpg")),
            keypoints=_box_corners(content.get("bboxes"), len(matrices)),
        )


def read_rich(root: Path) -> Iterator[Reference]:
    """RICH's test bodies `test_body/SEQUENCE/FRAME/PERSON.pkl` (SMPL-X; its body joints are SMPL's), seen by the
    scene's first camera in `scan_calibration/SCENE/calibration/`; without one, in RICH's world."""
    folders = sorted(p for p in (root / "test_body").glob("*") if p.is_dir())
    if not folders:
        raise _missing(root / "test_body", BENCHMARKS["rich"])
    for folder in folders:
        people: dict[str, list[tuple[int, dict]]] = {}
        for path in sorted(folder.glob("*/*.pkl")):
            people.setdefault(path.stem, []).append((int(path.parent.name), _content(path)))
        for person, rows in people.items():
            parts = [np.concatenate([np.ravel(c["global_orient"]), np.ravel(c["body_pose"])]) for _, c in rows]
            body = axis_angle_to_matrix(np.array(parts, float).reshape(len(rows), 22, 3))
            hands = np.broadcast_to(np.eye(3), (len(rows), 2, 3, 3))
            matrices = np.concatenate([body, hands], axis=1)
            world_root = matrices[:, 0].copy()
            view = _rich_view(root, folder.name)
            matrices[:, 0] = view @ matrices[:, 0]
            every = np.ones(len(rows), bool)
            yield Reference(
                name=f"{folder.name}_{person}",
                gender="neutral",
                fps=30.0,
                valid=every,
                seen=every,
                poses=matrices,
                betas=np.ravel(rows[0][1].get("betas", np.zeros(10)))[:10].astype(float),
                world=(world_root, np.array([np.ravel(c["transl"]) for _, c in rows], float)),
            )


def read_3dhp(root: Path) -> Iterator[Reference]:
    """MPI-INF-3DHP's test set: `TS1` to `TS6` with `annot_data.mat`; joints alone are annotated."""
    import h5py

    folders = [root / f"TS{n}" for n in range(1, 7) if (root / f"TS{n}" / "annot_data.mat").is_file()]
    if not folders:
        raise _missing(root / "TS1", BENCHMARKS["mpi-inf-3dhp"])
    for folder in folders:
        try:
            with h5py.File(folder / "annot_data.mat") as file:
                joints = np.asarray(file["annot3"], float).reshape(-1, 17, 3) / 1000
                valid = np.asarray(file["valid_frame"]).ravel().astype(bool)
        except (OSError, KeyError, ValueError) as error:
            raise DataSetError(f"{folder.name}/annot_data.mat could not be read: {error}") from error
        yield Reference(
            name=folder.name,
            gender="neutral",
            fps=25.0 if folder.name in {"TS5", "TS6"} else 50.0,
            valid=valid,
            seen=valid,
            joints=joints[:, DHP_TO_14],
            images=sorted((folder / "imageSequence").glob("*.jpg")),
        )


def read_h36m(root: Path) -> Iterator[Reference]:
    """Human3.6M's test subjects: `S9` and `S11` with `MyPoseFeatures/D3_Positions_mono/*.cdf`, in camera space."""
    try:
        import cdflib
    except ImportError as error:
        raise DataSetError("Human3.6M's files need the package cdflib.", "pip install cdflib") from error
    found = [
        path for subject in ("S9", "S11")
        for path in sorted((root / subject / "MyPoseFeatures" / "D3_Positions_mono").glob("*.cdf"))
    ]  # fmt: skip
    if not found:
        raise _missing(root / "S9" / "MyPoseFeatures" / "D3_Positions_mono", BENCHMARKS["h36m"])
    for path in found:
        joints = np.asarray(cdflib.CDF(str(path)).varget("Pose"), float).reshape(-1, 32, 3) / 1000
        every = np.zeros(len(joints), bool)
        every[::25] = True  # the usual frames of protocol 2
        yield Reference(f"{path.parents[2].name}_{path.stem}", "neutral", 50.0, every, every,
                        joints=joints[:, H36M_32_TO_14])  # fmt: skip


# right and left ankle to hip (right up, left down), right wrist to shoulder, left shoulder to wrist, neck, head
DHP_TO_14 = [10, 9, 8, 11, 12, 13, 4, 3, 2, 5, 6, 7, 1, 0]
H36M_32_TO_14 = [3, 2, 1, 6, 7, 8, 27, 26, 25, 17, 18, 19, 13, 15]


@dataclass(frozen=True)
class Benchmark:
    """Where a benchmark is had, and how it is read."""

    title: str
    publisher: str
    terms: str
    read: Callable[[Path], Iterator[Reference]]


RESEARCH = "non-commercial research, on registration"
BENCHMARKS: dict[str, Benchmark] = {
    "3dpw": Benchmark("3DPW", "https://virtualhumans.mpi-inf.mpg.de/3DPW", "non-commercial research", read_3dpw),
    "h36m": Benchmark("Human3.6M", "http://vision.imar.ro/human3.6m", RESEARCH, read_h36m),
    "mpi-inf-3dhp": Benchmark(
        "MPI-INF-3DHP", "https://vcai.mpi-inf.mpg.de/3dhp-dataset", "non-commercial research", read_3dhp
    ),
    "emdb": Benchmark("EMDB", "https://eth-ait.github.io/emdb", RESEARCH, read_emdb),
    "rich": Benchmark("RICH", "https://rich.is.tue.mpg.de", RESEARCH, read_rich),
}


def _files(folder: Path, pattern: str, benchmark: Benchmark) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise _missing(folder, benchmark)
    return found


def _missing(place: Path, benchmark: Benchmark) -> DataSetError:
    return DataSetError(
        f"{benchmark.title} is not at {place}.", f"Get it from {benchmark.publisher} ({benchmark.terms})."
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_content(path)
    except TakeFileError as error:
        raise DataSetError(error.message, error.hint) from error
    if not isinstance(content, dict):
        raise DataSetError(f"{path.name} holds no sequence.")
    return content


def _box_corners(boxes: Any, count: int) -> np.ndarray | None:
    """(T, 2, 3) corners of boxes as keypoints, where a file has boxes."""
    values = boxes.get("bboxes") if isinstance(boxes, dict) else boxes
    if values is None or np.shape(values) != (count, 4):
        return None
    corners = np.asarray(values, float).reshape(count, 2, 2)
    return np.concatenate([corners, np.ones((count, 2, 1))], axis=-1)


def _rich_view(root: Path, sequence: str) -> np.ndarray:
    """(3, 3) the first camera's turn, of `scan_calibration/SCENE/calibration/*.xml`; a sequence begins with its scene's
    name."""
    import cv2

    files = sorted((root / "scan_calibration" / sequence.partition("_")[0] / "calibration").glob("*.xml"))
    if not files:
        return np.eye(3)
    stored = cv2.FileStorage(str(files[0]), cv2.FILE_STORAGE_READ)  # its nodes live as long as it does
    matrix = stored.getNode("CameraMatrix").mat()
    stored.release()
    if matrix is None or matrix.shape[0] != 3:
        raise DataSetError(f"{files[0].name} holds no CameraMatrix.")
    return np.asarray(matrix, float)[:, :3]
