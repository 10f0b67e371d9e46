"""The models and bodies that a person has: a list of paths in the user's data folder; the files stay where they are.

No bpy in here.
"""

from __future__ import annotations

import json
from pathlib import Path

from .core.errors import BodyFileError, MocapError, ModelFileError
from .core.files import data_folder, replacing

MODEL, BODY = "model", "body"
ENDINGS = {MODEL: (".tar", ".pth", ".pt", ".safetensors"), BODY: (".npz", ".pkl")}
PLACES = {MODEL: "https://github.com/yangsenius/INT_HMR_Model", BODY: "https://smpl.is.tue.mpg.de"}
_ERRORS: dict[str, type[MocapError]] = {MODEL: ModelFileError, BODY: BodyFileError}
LIST = "files.json"


def listed(kind: str) -> list[Path]:
    """What was added of a kind, in its order."""
    return [Path(word) for word in _read().get(kind, [])]


def add(kind: str, path: Path) -> None:
    """Put a file on the list.

    Raises:
        ModelFileError, BodyFileError: It is not there, or of another kind.
        OutputUnwritableError, DiskFullError: The list could not be written.
    """
    if not path.is_file():
        raise _ERRORS[kind](f"There is no file {path}.", "Check the path, and that the drive is connected.")
    if not path.name.lower().endswith(ENDINGS[kind]):
        raise _ERRORS[kind](f"{path.name} is none of {', '.join(ENDINGS[kind])}.")
    path = path.absolute()
    if path not in listed(kind):
        _write(_read() | {kind: [*map(str, listed(kind)), str(path)]})


def remove(kind: str, path: Path) -> None:
    """Take a file off the list; it stays on the disk."""
    _write(_read() | {kind: [str(own) for own in listed(kind) if own != path]})


def _read() -> dict[str, list[str]]:
    try:
        found = json.loads((data_folder() / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: [word for word in words if isinstance(word, str)] for key, words in found.items()}


def _write(lists: dict[str, list[str]]) -> None:
    data_folder().mkdir(parents=True, exist_ok=True)
    with replacing(data_folder() / LIST) as aside:
        aside.write_text(json.dumps(lists, indent=1), encoding="utf-8")
