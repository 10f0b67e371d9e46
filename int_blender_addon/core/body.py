"""The body: a skinned mesh in the SMPL file layout, and linear blend skinning.

Body space is SMPL's: y up, facing +z, the person's left at +x, metres. `trans` moves the whole body and the
pelvis turns about its own rest position, as in SMPL (Loper et al. 2015) and in AMASS's files.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import BodyFileError
from .files import save_npz
from .skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS, forward_kinematics

FREE_BODY_PATH = Path(__file__).parent / "data" / "free_body.npz"


@dataclass
class RestBody:
    """A body of one shape at rest: all that is needed to build it in Blender or to skin it here."""

    vertices: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3) or (F, 4)
    weights: np.ndarray  # (V, 24), rows sum to 1
    joints: np.ndarray  # (24, 3)
    name: str = "free"
    posedirs: np.ndarray | None = None  # (V, 3, 207) pose correctives, None where the body has none

    @property
    def offsets(self) -> np.ndarray:
        """(24, 3) rest position of each joint relative to its parent; the root's is its position."""
        return rest_offsets(self.joints)

    def pose_joints(self, rotations: np.ndarray, trans: np.ndarray) -> np.ndarray:
        """Joint positions (..., 24, 3) for joint rotations (..., 24, 3, 3) and translation (..., 3)."""
        return forward_kinematics(rotations, self.offsets)[1] + np.asarray(trans)[..., None, :]

    def skin(self, rotations: np.ndarray, trans: np.ndarray) -> np.ndarray:
        """Vertices (V, 3) of one pose: rotations (24, 3, 3), translation (3,)."""
        turns, positions = forward_kinematics(rotations, self.offsets)
        vertices = self.vertices
        if self.posedirs is not None:
            feature = (np.asarray(rotations)[1:] - np.eye(3)).reshape(-1)
            vertices = vertices + self.posedirs @ feature
        transforms = np.concatenate([turns, (positions - (turns @ self.joints[..., None])[..., 0])[..., None]], axis=-1)
        blended = np.tensordot(self.weights, transforms, axes=1)
        return (blended[..., :3] @ vertices[..., None])[..., 0] + blended[..., 3] + np.asarray(trans)

    def save(self, path: str | Path) -> None:
        """Write as `.npz` without pickle, for Blender to build. Pose correctives do not travel."""
        arrays: dict[str, np.ndarray] = {
            "vertices": self.vertices.astype(np.float32),
            "faces": self.faces.astype(np.int32),
            "weights": self.weights.astype(np.float32),
            "joints": self.joints.astype(np.float64),
            "parents": np.array(PARENTS),
            "joint_names": np.array(JOINT_NAMES),
            "name": np.array(self.name),
        }
        save_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> RestBody:
        """Read what `save` wrote.

        Raises:
            BodyFileError: Not such a file, or damaged.
        """
        arrays = read_npz(path)
        try:
            return cls(
                vertices=arrays["vertices"].astype(np.float64),
                faces=arrays["faces"],
                weights=arrays["weights"].astype(np.float64),
                joints=arrays["joints"].astype(np.float64),
                name=str(arrays["name"]),
            )
        except KeyError as error:
            raise BodyFileError(f"{Path(path).name} holds no body: {error} is missing.") from error


@dataclass
class BodyModel:
    """A body with its space of shapes, in the SMPL file layout."""

    v_template: np.ndarray  # (V, 3)
    shapedirs: np.ndarray  # (V, 3, 10)
    J_regressor: np.ndarray  # (24, V)
    weights: np.ndarray  # (V, 24)
    faces: np.ndarray  # (F, 3) or (F, 4)
    name: str = "free"
    posedirs: np.ndarray | None = None  # (V, 3, 207)

    def __post_init__(self) -> None:
        # joints are linear in the shape: the fit needs only these
        self.joint_template = self.J_regressor @ self.v_template  # (24, 3)
        self.joint_shapedirs = np.einsum("jv,vcb->jcb", self.J_regressor, self.shapedirs)  # (24, 3, 10)

    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """(24, 3) joints at rest for shape `betas` (10,)."""
        return self.joint_template + self.joint_shapedirs @ np.asarray(betas)[: self.shapedirs.shape[-1]]

    def rest(self, betas: np.ndarray) -> RestBody:
        """The body at rest for shape `betas` (10,)."""
        betas = np.asarray(betas, np.float64)[: self.shapedirs.shape[-1]]
        vertices = self.v_template + self.shapedirs @ betas
        return RestBody(vertices, self.faces, self.weights, self.rest_joints(betas), self.name, self.posedirs)


def rest_offsets(joints: np.ndarray) -> np.ndarray:
    """(24, 3) joints at rest to offsets from their parents; the root's is its position."""
    offsets = np.array(joints, np.float64)
    offsets[1:] -= joints[list(PARENTS[1:])]
    return offsets


def model_from_arrays(arrays: dict[str, np.ndarray], name: str) -> BodyModel:
    """A body from the arrays of an SMPL file.

    Raises:
        BodyFileError: An array is missing, or its shape is not SMPL's.
    """
    missing = {"v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table"} - set(arrays)
    if missing:
        raise BodyFileError(f"{name} is not an SMPL body: {', '.join(sorted(missing))} missing.")
    vertices = np.asarray(arrays["v_template"], np.float64)
    count = len(vertices)
    weights = np.asarray(arrays["weights"], np.float64)
    regressor = np.asarray(arrays["J_regressor"], np.float64)
    shapedirs = np.asarray(arrays["shapedirs"], np.float64)[..., :10]
    parents = np.asarray(arrays["kintree_table"])[0].astype(np.int64)
    if weights.shape != (count, NUM_JOINTS) or regressor.shape != (NUM_JOINTS, count) or vertices.shape != (count, 3):
        raise BodyFileError(f"{name} is not an SMPL body of {NUM_JOINTS} joints.")
    if shapedirs.shape[:2] != (count, 3) or tuple(parents[1:]) != PARENTS[1:]:
        raise BodyFileError(f"{name} is not an SMPL body: its shape space or joint tree differs.")
    faces = np.asarray(arrays["quads" if "quads" in arrays else "f"], np.int64)
    posedirs = arrays.get("posedirs")
    if posedirs is not None and not np.any(posedirs):
        posedirs = None
    return BodyModel(vertices, shapedirs, regressor, weights, faces, name, posedirs)


def load_free_body() -> BodyModel:
    """The free body that ships (CC0; made by `inference_server/body/build`)."""
    return model_from_arrays(read_npz(FREE_BODY_PATH), "free")


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz`, without pickle.

    Raises:
        BodyFileError: Missing or unreadable.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in data.files}
    except FileNotFoundError as error:
        raise BodyFileError(f"There is no body file {path}.", "Check the path.") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise BodyFileError(f"{Path(path).name} could not be read as a body.") from error
