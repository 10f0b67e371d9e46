"""Files of arrays from anywhere, opened without trust: `.npz`, `.npy`, pickles, joblib's and torch's files.

What a file is, its first bytes tell. A pickle is a program: only constructors of plain containers, numpy's arrays and
torch's tensors may run; arrays of objects are read by the same rules; anything else is refused by name.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import TakeFileError

from ..body.smpl_file import NUMPY_NAMES, numpy_class

LARGEST = 8 << 30  # bytes that a packed file may unfold to
_PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},  # its factory is never called
    ("builtins", "dict"): dict,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
    ("builtins", "slice"): slice,
    ("pathlib", "PosixPath"): lambda *parts: "/".join(map(str, parts)),
    ("pathlib", "WindowsPath"): lambda *parts: "/".join(map(str, parts)),
}


def read_content(path: Path) -> Any:
    """Containers, arrays, numbers and text of a file; tensors become arrays.

    Raises:
        TakeFileError: Missing, damaged, or asking to run something.
    """
    try:
        return _as_arrays(_read(path))
    except TakeFileError:
        raise
    except FileNotFoundError as error:
        raise TakeFileError(f"There is no file {path}.", "Check the path.") from error
    except ImportError as error:
        raise TakeFileError(f"{path.name} needs the package {error.name}.", f"pip install {error.name}") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise TakeFileError(f"{path.name} could not be read: it is damaged, or of another kind.") from error


def _read(path: Path) -> Any:
    with open(path, "rb") as stream:
        start = stream.read(8)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sum(item.file_size for item in archive.infolist()) > LARGEST:
                raise TakeFileError(f"{path.name} unfolds to more than {LARGEST >> 30} GB: it was not opened.")
            if any(name.endswith(".npy") for name in names):
                return {n.removesuffix(".npy"): _array(io.BytesIO(archive.read(n)), path) for n in names}
        return _tensors(path)
    if start.startswith(b"\x93NUMPY"):
        with open(path, "rb") as stream:
            return _array(stream, path)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(path, "rb") as packed:
            return _pickled(_bounded(packed.read(LARGEST + 1), path), path)
    if start[:1] == b"\x78":
        return _pickled(_bounded(zlib.decompressobj().decompress(path.read_bytes(), LARGEST + 1), path), path)
    with open(path, "rb") as stream:
        return _pickled(stream, path)


def _bounded(content: bytes, path: Path) -> io.BytesIO:
    if len(content) > LARGEST:
        raise TakeFileError(f"{path.name} unfolds to more than {LARGEST >> 30} GB: it was not opened.")
    return io.BytesIO(content)


def _array(stream, path: Path) -> Any:
    """An `.npy`; one of objects is a pickle behind its header."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    dtype = header(stream)[2]
    if dtype.hasobject:
        content = _Unpickler(stream, path).load()
        return content.item() if isinstance(content, np.ndarray) and content.ndim == 0 else content
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _tensors(path: Path) -> Any:
    import torch

    from ..weights.authors import allowed_globals

    with allowed_globals():
        return torch.load(path, map_location="cpu", weights_only=True)


def _pickled(stream, path: Path) -> Any:
    """A pickle, whether or not joblib put arrays between its words."""
    return _with_joblib(stream, path)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, path: Path) -> None:
        super().__init__(stream, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        return allowed(module, name, self._path)


def allowed(module: str, name: str, path: Path) -> Any:
    """What a pickle may call.

    Raises:
        TakeFileError: It asks for something else.
    """
    module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
    if (module, name) in NUMPY_NAMES:
        return numpy_class(module, name)
    if (module, name) in _PLAIN:
        return _PLAIN[module, name]
    if (module, name) == ("_codecs", "encode"):
        from _codecs import encode

        return encode
    if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
        from torch._utils import _rebuild_tensor_v2

        return _rebuild_tensor_v2
    if (module, name) == ("torch.storage", "_load_from_bytes"):
        return _storage
    raise TakeFileError(
        f"{path.name} asks to run `{module}.{name}`, which no result of a motion capture needs: it was not opened.",
        "Get the file from where it was made again.",
    )


def _storage(content: bytes) -> Any:
    """A tensor's numbers inside a pickle: torch's own file, by torch's strict reader."""
    import torch

    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _with_joblib(stream, path: Path) -> Any:
    from joblib import numpy_pickle

    class Wrapper(numpy_pickle.NumpyArrayWrapper):
        def read(self, unpickler: Any, *options: Any) -> Any:
            if self.dtype.hasobject:
                return _Unpickler(unpickler.file_handle, path).load()
            return super().read(unpickler, *options)

    class Restricted(numpy_pickle.NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
                return Wrapper
            return allowed(module, name, path)

    return Restricted(str(path), stream, True).load()


def _as_arrays(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _as_arrays(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_as_arrays(value) for value in content]
    if hasattr(content, "detach") and hasattr(content, "numpy"):
        return content.detach().float().numpy()
    return content
