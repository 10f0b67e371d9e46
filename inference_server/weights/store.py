"""The user's weights folder: checkpoints converted once, so that the next start is quick."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from int_blender_addon.core.errors import MocapError, ModelFileError
from int_blender_addon.core.files import data_folder, replacing

from ..model.int_model import IntConfig, IntModel
from .authors import AuthorsCheckpoint, load_checkpoint


def load_model(path: Path) -> IntModel:
    """The model of an authors' checkpoint, from the converted file if that checkpoint was converted before; or of a
    file by `save_model`.

    Raises:
        ModelFileError: The checkpoint is missing, damaged or not INT's.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no checkpoint {path}.", "Check the path.")
    if path.suffix == ".safetensors":
        own = _opened(path)
        if own is None:
            raise ModelFileError(f"{path.name} holds no INT model.")
        return own[1].model()
    checksum = sha256(path)
    kept = data_folder() / "weights" / f"{path.name.partition('.')[0]}-{checksum[:16]}.safetensors"
    checkpoint = _converted(kept, checksum)
    if checkpoint is None:
        checkpoint = load_checkpoint(path)
        model = checkpoint.model()  # what is kept must be whole
        _keep(kept, checkpoint, checksum)
        return model
    return checkpoint.model()


def save_model(path: Path, model: IntModel) -> None:
    """Keep a model that was trained here, its filters folded, as safetensors.

    Raises:
        OutputUnwritableError, DiskFullError: As they say.
    """
    state = {key: value.detach().contiguous().cpu() for key, value in model.state_dict().items()}
    with replacing(path) as aside:
        save_file(state, str(aside), {"config": json.dumps(asdict(model.config))})


def sha256(path: Path) -> str:
    """The file's checksum."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _converted(kept: Path, checksum: str) -> AuthorsCheckpoint | None:
    opened = _opened(kept)
    return opened[1] if opened is not None and opened[0].get("source_sha256") == checksum else None


def _opened(path: Path) -> tuple[dict[str, str], AuthorsCheckpoint] | None:
    """Header and weights of a file in our own form; None if it isn't one."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in list(file.keys())}
        return header, AuthorsCheckpoint(state, IntConfig(**json.loads(header["config"])), [])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _keep(kept: Path, checkpoint: AuthorsCheckpoint, checksum: str) -> None:
    header = {"source_sha256": checksum, "config": json.dumps(asdict(checkpoint.config))}
    state = {key: value.contiguous() for key, value in checkpoint.state.items()}
    try:
        with replacing(kept) as aside:
            save_file(state, str(aside), header)
    except (MocapError, SafetensorError):
        return  # a full disk must not stop a capture: the next start is slower, that is all
