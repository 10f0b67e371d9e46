"""The authors' checkpoint files as our model's weights.

Their outer layout: `epoch, performance, history_best_performance, state_dict, optimizer`, metrics as numpy scalars,
keys with or without `module.`, a temporal embedding of any length, and the licensed SMPL buffers under `smpl.`, which
are never used and never written again.
"""

from __future__ import annotations

import contextlib
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from int_blender_addon.core.errors import ModelFileError

from ..model.evidence import HybridPatches
from ..model.int_model import IntConfig, IntModel

RENAMED = {  # by their beginning, authors' to ours
    "patch_embed.": "evidence.patches.",
    "cls_token": "evidence.cls_token",
    "pos_embed": "evidence.pos_embed",
    "joint3d_tokens": "joint_tokens",
    "cam_token": "camera_token",
    "temporal_pos_embedding": "temporal.position",
    "temporal_transformer.": "temporal.blocks.",
    "joint3d_head.": "joint_head.",
    "cam_head.": "camera_head.",
}
UNUSED = re.compile(r"smpl\.|temp_embed$|mask_token$|(joint2d|rot6d).*")  # SMPL's buffers, and what their forward skips
FOLDED = re.compile(r"evidence\.patches\.backbone\..*weight$")
NAMED = 6  # keys that a message names before it says how many more there are


@dataclass
class AuthorsCheckpoint:
    """A checkpoint in our names, convolutions folded."""

    state: dict[str, Tensor]
    config: IntConfig
    ignored: list[str]  # keys of theirs that we do not need

    def model(self) -> IntModel:
        """The model, ready for use.

        Raises:
            ModelFileError: Keys are missing, unexpected, or of the wrong shape; they are named.
        """
        with torch.device("meta"):
            model = IntModel(self.config)
        check_keys(model, self.state)
        model.load_state_dict(self.state, assign=True)
        return model.eval()


def load_checkpoint(path: Path) -> AuthorsCheckpoint:
    """Read a checkpoint of the authors.

    Raises:
        ModelFileError: Missing, damaged, holding more than tensors and numbers, or not INT's.
    """
    try:
        with allowed_globals():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no checkpoint {path}.", "Check the path.") from error
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{path.name} holds more than weights, or is damaged: it was not opened.",
            "Get the file from its publisher again.",
        ) from error
    except Exception as error:  # zip, pickle and torch raise many kinds on damaged files
        raise ModelFileError(f"{path.name} could not be read as a checkpoint.") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path.name} holds no `state_dict` of weights.")
    return from_state_dict(state)


def from_state_dict(state: Mapping[str, Tensor]) -> AuthorsCheckpoint:
    """The authors' state dict in our names, convolutions folded; SMPL's buffers left out."""
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    ours: dict[str, Tensor] = {}
    ignored = []
    for key, value in plain.items():
        if UNUSED.match(key):
            ignored.append(key)
            continue
        name = renamed(key)
        ours[name] = HybridPatches.standardize(value) if FOLDED.match(name) and value.ndim == 4 else value
    return AuthorsCheckpoint(ours, config_of(ours), ignored)


def renamed(key: str) -> str:
    """Our name of a key of theirs."""
    for theirs, own in RENAMED.items():
        if key.startswith(theirs):
            return own + key[len(theirs) :]
    return key


def config_of(state: Mapping[str, Tensor]) -> IntConfig:
    """The shape of the model that a state dict in our names belongs to."""
    width = state["joint_tokens"].shape[-1] if "joint_tokens" in state else IntConfig.width
    position = state.get("temporal.position")
    temporal = any(key.startswith("temporal.blocks.") for key in state)
    return IntConfig(
        evidence="hybrid" if any(".backbone." in key for key in state) else "plain",
        width=width,
        depth=_count(state, r"blocks\.(\d+)\."),
        temporal="joint" if temporal else "none",
        temporal_depth=_count(state, r"temporal\.blocks\.(\d+)\.") if temporal else 0,
        temporal_length=0 if position is None else position.shape[1],
        attention="parallel" if any("ts_attn" in key for key in state) else "vanilla",
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = [int(match.group(1)) for key in state if (match := re.match(pattern, key))]
    return max(found) + 1 if found else 0


def check_keys(model: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare a state dict with what a model wants.

    Raises:
        ModelFileError: They differ; the first few keys are named.
    """
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted]
    wrong = [
        f"{key} {tuple(state[key].shape)} in place of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    said = [
        f"{what}: {', '.join(keys[:NAMED])}" + (f" and {len(keys) - NAMED} more" if len(keys) > NAMED else "")
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of the wrong shape", wrong))
        if keys
    ]
    if said:
        raise ModelFileError(f"The checkpoint is not INT's ({'; '.join(said)}).", "Use a checkpoint of the authors.")


@contextlib.contextmanager
def allowed_globals() -> Iterator[None]:
    """Besides tensors, numpy scalars may be in a checkpoint: the authors' metrics are."""
    from _codecs import encode

    core: Any = np._core if hasattr(np, "_core") else np.core  # numpy 1 has it under its old name
    scalar = core.multiarray.scalar
    kinds = {type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32)}
    allowed: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        (np.dtype, "numpy.dtype"),
        encode,
        *kinds,
    ]
    with torch.serialization.safe_globals(allowed):
        yield
