"""The landmark model's weights as a file: safetensors, half precision, with the shape of the model in its header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from int_blender_addon.core.errors import ModelFileError
from int_blender_addon.core.files import replacing

from .int_model import IntConfig
from .landmark_model import LandmarkModel

LANDMARK_WEIGHTS = Path(__file__).parent / "data" / "int_landmarks.safetensors"


def save_landmark_model(
    path: Path, model: LandmarkModel, state: dict[str, torch.Tensor], about: dict[str, str]
) -> None:
    """Write weights `state` of a model like `model`; `about` goes into the header."""
    half = {k: v.detach().half().contiguous() if v.is_floating_point() else v for k, v in state.items()}
    header = about | {"config": json.dumps(asdict(model.int.config)), "with_ik": json.dumps(model.with_ik)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as aside:
        save_file(half, str(aside), header)


def load_landmark_model(path: Path = LANDMARK_WEIGHTS) -> LandmarkModel:
    """The model of a file, in single precision, ready for use.

    Raises:
        ModelFileError: Missing, damaged, or no such file.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            state = {key: file.get_tensor(key).float() for key in list(file.keys())}
        model = LandmarkModel(IntConfig(**json.loads(header["config"])), json.loads(header["with_ik"]))
        model.load_state_dict(state)
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no weights file {path}.", "Install the extension again.") from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path.name} could not be read as weights of the landmark model.") from error
    return model.eval()
