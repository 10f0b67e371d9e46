"""Files of arrays that this family of papers shares: `.npz`, `.h5`, and joblib's `.pt`, read without trust.

A joblib file is a pickle with arrays between its words. Only the constructors of numpy's arrays may run, and arrays
of objects, which joblib would unpickle freely, are refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import DataSetError

from ...body.smpl_file import NUMPY_NAMES, numpy_class


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file.

    Raises:
        DataSetError: Missing, damaged, of another kind, or holding more than arrays.
    """
    readers = {".npz": _read_npz, ".h5": _read_h5, ".pt": _read_joblib}
    if path.suffix not in readers:
        raise DataSetError(f"{path.name} is none of {', '.join(readers)}.")
    try:
        content = readers[path.suffix](path)
    except DataSetError:
        raise
    except ImportError as error:
        raise DataSetError(f"{path.name} needs the package {error.name}.", f"pip install {error.name}") from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataSetError(f"{path.name} could not be read: {error}") from error
    return content


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise DataSetError(f"{path.name} is damaged.")
    with np.load(path, allow_pickle=False) as data:
        return dict(data)


def _read_h5(path: Path) -> dict[str, np.ndarray]:
    import h5py

    with h5py.File(path, "r") as file:
        arrays = {key: np.asarray(value) for key, value in file.items()}
    return {key: value.astype(str) if value.dtype.kind in "SO" else value for key, value in arrays.items()}


def _read_joblib(path: Path) -> dict[str, np.ndarray]:
    from joblib import numpy_pickle

    class PlainWrapper(numpy_pickle.NumpyArrayWrapper):
        def read(self, unpickler: Any, *options: Any) -> Any:
            if self.dtype.hasobject:
                raise DataSetError(f"{path.name} holds objects, not arrays.")
            return super().read(unpickler, *options)

    class Restricted(numpy_pickle.NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
                return PlainWrapper
            if (module, name) in NUMPY_NAMES:
                return numpy_class(module, name)
            if (module, name) == ("collections", "defaultdict"):
                return dict
            raise DataSetError(f"{path.name} wants to run {module}.{name}, which is not allowed.")

    with open(path, "rb") as stream:
        content = Restricted(str(path), stream, True).load()
    if not isinstance(content, dict):
        raise DataSetError(f"{path.name} holds no arrays by name.")
    return {str(key): np.asarray(value) for key, value in content.items()}
