"""The take: one person's motion, and its file.

Spaces: the root of `poses` and `trans` are in the world (z up, metres, floor at z = 0, as AMASS has it);
`joints` are in camera space (x right, y down, z forward, metres). `world_to_camera` joins the two.
Frames without the person are absent, never invented.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from .errors import TakeFileError
from .files import save_npz
from .rotations import axis_angle_to_matrix
from .skeleton import JOINT_NAMES, NUM_JOINTS

FILE_VERSION = 1
CONTACT_NAMES = ("left_heel", "left_toe", "right_heel", "right_toe")
SUPPORT_NAMES = ("left_hand", "right_hand", "left_knee", "right_knee")


@dataclass
class Motion:
    """One person's motion over T frames. Angles in radians, lengths in metres, times in seconds."""

    poses: np.ndarray  # (T, 72) axis-angle of the 24 SMPL joints, the root in the world
    trans: np.ndarray  # (T, 3) SMPL translation in the world: pelvis position minus its rest position
    betas: np.ndarray  # (10,)
    joints: np.ndarray  # (T, 24, 3) in camera space
    frame_index: np.ndarray  # (T,) 0-based video frame numbers
    time: np.ndarray  # (T,) seconds, from the container's timestamps
    fps: float
    confidence: np.ndarray  # (T,) 0 to 1
    bridged: np.ndarray  # (T,) True where a short gap was filled
    contacts: np.ndarray  # (T, 4) 0 to 1, CONTACT_NAMES
    K: np.ndarray  # (3, 3) camera matrix in pixels
    world_to_camera: np.ndarray  # (4, 4) or (T, 4, 4)
    image_size: np.ndarray  # (2,) width, height
    person_id: int = 0
    model: str = "landmarks"
    body: str = "free"
    gender: str = "neutral"
    camera: str = "still"  # or `turning`, `travelling` (its path is not known), `scene` (the world is Blender's scene)
    supports: np.ndarray | None = None  # (T, 4) 0 to 1, SUPPORT_NAMES on the floor; None: not told
    extra: dict[str, np.ndarray] = field(default_factory=dict)  # kept when the file has more than we know

    def __len__(self) -> int:
        return len(self.time)

    @property
    def rotations(self) -> np.ndarray:
        """(T, 24, 3, 3) joint rotations, the root's in the world."""
        return axis_angle_to_matrix(np.asarray(self.poses).reshape(-1, NUM_JOINTS, 3))

    def select(self, frames: np.ndarray | slice) -> Motion:
        """The take reduced to some of its frames."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("poses", "trans", "joints", "frame_index", "time", "confidence", "bridged", "contacts"):
            values[name] = values[name][frames]
        if self.supports is not None:
            values["supports"] = self.supports[frames]
        if np.ndim(self.world_to_camera) == 3:
            values["world_to_camera"] = self.world_to_camera[frames]
        return Motion(**values)


def save_motion(path: str | Path, motion: Motion) -> None:
    """Write a take as a compressed `.npz` that loads without pickle; whole or not at all.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    arrays = dict(motion.extra)
    if motion.supports is not None:
        arrays["supports"] = np.asarray(motion.supports, np.float32)
    arrays.update(
        poses=np.asarray(motion.poses, np.float32),
        trans=np.asarray(motion.trans, np.float32),
        betas=np.asarray(motion.betas, np.float32),
        gender=np.array(motion.gender),
        mocap_framerate=np.array(float(motion.fps)),
        joints=np.asarray(motion.joints, np.float32),
        joint_names=np.array(JOINT_NAMES),
        fps=np.array(float(motion.fps)),
        frame_index=np.asarray(motion.frame_index, np.int64),
        time=np.asarray(motion.time, np.float64),
        confidence=np.asarray(motion.confidence, np.float32),
        bridged=np.asarray(motion.bridged, bool),
        contacts=np.asarray(motion.contacts, np.float32),
        K=np.asarray(motion.K, np.float64),
        world_to_camera=np.asarray(motion.world_to_camera, np.float64),
        image_size=np.asarray(motion.image_size, np.int64),
        person_id=np.array(int(motion.person_id)),
        model=np.array(motion.model),
        body=np.array(motion.body),
        camera=np.array(motion.camera),
        version=np.array(FILE_VERSION),
    )
    save_npz(path, arrays)


def load_motion(path: str | Path) -> Motion:
    """Read a take, ours or in the AMASS layout (poses of 72 values or more, trans, betas, a frame rate).

    Raises:
        TakeFileError: Not a take, damaged, or of a later version.
    """
    path = Path(path)
    arrays = _read_npz(path)
    if int(arrays.get("version", FILE_VERSION)) > FILE_VERSION:
        raise TakeFileError(f"{path.name} was written by a later version.", "Update the add-on.")
    if "poses" not in arrays or "trans" not in arrays:
        raise TakeFileError(f"{path.name} holds no take: `poses` and `trans` are missing.")
    poses = np.asarray(arrays["poses"], np.float64)
    trans = np.asarray(arrays["trans"], np.float64)
    if poses.ndim != 2 or poses.shape[1] < 66 or trans.shape != (len(poses), 3) or len(poses) == 0:
        raise TakeFileError(f"{path.name} holds no take: `poses` is {poses.shape}, `trans` is {trans.shape}.")
    if not (np.isfinite(poses).all() and np.isfinite(trans).all()):
        raise TakeFileError(f"{path.name} is damaged: it holds values that are not numbers.")
    count = len(poses)
    if poses.shape[1] != 72:  # SMPL-H and SMPL-X: fingers stand where SMPL's hands are
        poses = np.concatenate([poses[:, :66], np.zeros((count, 6))], axis=1)
    fps = _frame_rate(arrays, path)

    def get(name: str, default: np.ndarray) -> np.ndarray:
        value = arrays.get(name, default)
        if name in _PER_FRAME and len(np.atleast_1d(value)) != count:
            raise TakeFileError(f"{path.name} is damaged: `{name}` does not have {count} frames.")
        return value

    betas = np.zeros(10)
    stored = np.ravel(arrays.get("betas", betas)).astype(np.float64)[:10]
    if "body" in arrays:  # another program's are SMPL's: they mean nothing to the free body
        betas[: len(stored)] = stored
    return Motion(
        poses=poses,
        trans=trans,
        betas=betas,
        joints=get("joints", np.zeros((count, NUM_JOINTS, 3))),
        frame_index=get("frame_index", np.arange(count)),
        time=get("time", np.arange(count) / fps),
        fps=fps,
        confidence=get("confidence", np.ones(count)),
        bridged=get("bridged", np.zeros(count, bool)),
        contacts=get("contacts", np.zeros((count, 4))),
        K=get("K", np.eye(3)),
        world_to_camera=get("world_to_camera", np.eye(4)),
        image_size=get("image_size", np.zeros(2, np.int64)),
        person_id=int(get("person_id", np.array(0))),
        model=str(get("model", np.array("file"))),
        body=str(get("body", np.array("free"))),
        gender=str(get("gender", np.array("neutral"))),
        camera=str(get("camera", np.array("still"))),
        supports=get("supports", np.zeros((count, 4))) if "supports" in arrays else None,
        extra={name: value for name, value in arrays.items() if name not in _KNOWN},
    )


_PER_FRAME = ("joints", "frame_index", "time", "confidence", "bridged", "contacts", "supports")
_KNOWN = frozenset(f.name for f in fields(Motion)) | {"joint_names", "mocap_framerate", "version"}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except FileNotFoundError as error:
        raise TakeFileError(f"There is no file {path}.", "Check the path.") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, AttributeError) as error:
        raise TakeFileError(f"{path.name} could not be read as a take.") from error


def _frame_rate(arrays: dict[str, np.ndarray], path: Path) -> float:
    for name in ("fps", "mocap_framerate", "mocap_frame_rate"):
        if name in arrays:
            fps = float(arrays[name])
            if np.isfinite(fps) and fps > 0:
                return fps
    raise TakeFileError(f"{path.name} does not say its frame rate.", "Add `mocap_framerate` to the file.")
