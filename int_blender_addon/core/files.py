"""Writing files so that a reader never meets half of one; and where this user's own files are."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import OutputUnwritableError, from_os_error

FOLDER_VARIABLE = "INT_MOCAP_DATA"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and is removed otherwise.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise from_os_error(error, path) from error
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise from_os_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def save_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed `.npz` whole or not at all.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # a false alarm about allow_pickle
        stream.flush()
        os.fsync(stream.fileno())


def check_writable(folder: str | Path) -> None:
    """Fail now rather than after an hour of work if nothing can be written into `folder`.

    Raises:
        DiskFullError, OutputUnwritableError: A small file could not be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputUnwritableError(f"{folder} is a file, not a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise from_os_error(error, folder) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def data_folder() -> Path:
    """Where this user's own files of the program are, as the system has it; `INT_MOCAP_DATA` overrules."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "INT Mocap"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "INT Mocap"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "int-mocap"
