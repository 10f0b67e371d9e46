"""The user's weights folder: checkpoints converted once, so that the next start is quick."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from int_blender_addon.core.errors import MocapError, ModelFileError
from int_blender_addon.core.files import replacing

from ..model.int_model import IntConfig, IntModel
from .authors import AuthorsCheckpoint, load_checkpoint

FOLDER_VARIABLE = "INT_MOCAP_DATA"


def data_folder() -> Path:
    """Where this user's own files of the program are, as the system has it; `INT_MOCAP_DATA` overrules."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "INT Mocap"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "INT Mocap"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "int-mocap"


def load_model(path: Path) -> IntModel:
    """The model of an authors' checkpoint, from the converted file if that checkpoint was converted before.

    Raises:
        ModelFileError: The checkpoint is missing, damaged or not INT's.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no checkpoint {path}.", "Check the path.")
    checksum = sha256(path)
    kept = data_folder() / "weights" / f"{path.name.partition('.')[0]}-{checksum[:16]}.safetensors"
    checkpoint = _converted(kept, checksum)
    if checkpoint is None:
        checkpoint = load_checkpoint(path)
        model = checkpoint.model()  # what is kept must be whole
        _keep(kept, checkpoint, checksum)
        return model
    return checkpoint.model()


def sha256(path: Path) -> str:
    """The file's checksum."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _converted(kept: Path, checksum: str) -> AuthorsCheckpoint | None:
    try:
        with safe_open(str(kept), framework="pt") as file:
            header = file.metadata() or {}
            if header.get("source_sha256") != checksum:
                return None
            state = {key: file.get_tensor(key) for key in list(file.keys())}
        return AuthorsCheckpoint(state, IntConfig(**json.loads(header["config"])), [])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None  # not there, or unusable: convert again


def _keep(kept: Path, checkpoint: AuthorsCheckpoint, checksum: str) -> None:
    header = {"source_sha256": checksum, "config": json.dumps(asdict(checkpoint.config))}
    state = {key: value.contiguous() for key, value in checkpoint.state.items()}
    try:
        with replacing(kept) as aside:
            save_file(state, str(aside), header)
    except (MocapError, SafetensorError):
        return  # a full disk must not stop a capture: the next start is slower, that is all
