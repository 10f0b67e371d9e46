"""A person's own SMPL file, as its publisher ships it: `.npz`, or `.pkl` read without trust and without chumpy.

A pickle is a program. Only the few constructors that SMPL's files need are allowed to run; chumpy's arrays are
replaced by a stand-in that keeps their value; anything else is refused by name.
"""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from int_blender_addon.core.body import BodyModel, model_from_arrays, read_npz
from int_blender_addon.core.errors import BodyFileError


def load_smpl_file(path: Path) -> BodyModel:
    """The body in an SMPL file.

    Raises:
        BodyFileError: Missing, damaged, of another kind, or holding more than arrays.
    """
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path)
    elif path.suffix.lower() == ".pkl":
        arrays = _read_pickle(path)
    else:
        raise BodyFileError(f"{path.name} is neither an .npz nor a .pkl file.")
    return model_from_arrays(arrays, str(path.absolute()))


def _read_pickle(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as stream:
            content = _SmplUnpickler(stream, encoding="latin1").load()
    except FileNotFoundError as error:
        raise BodyFileError(f"There is no body file {path}.", "Check the path.") from error
    except BodyFileError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise BodyFileError(f"{path.name} could not be read as a body.") from error
    if not isinstance(content, dict):
        raise BodyFileError(f"{path.name} holds no body.")
    arrays = {}
    for key, value in content.items():
        array = _as_array(value)
        if isinstance(key, str) and array is not None:
            arrays[key] = array
    return arrays


def _as_array(value: Any) -> np.ndarray | None:
    if isinstance(value, ChumpyValue):
        value = value.array()
    if sparse.issparse(value):
        value = value.toarray()
    return value if isinstance(value, np.ndarray) and value.dtype != object else None


class ChumpyValue:
    """Stands where chumpy's arrays stood; keeps the state that they were pickled with."""

    def __init__(self, *args: Any) -> None:
        self.state: Any = args[0] if args else None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> Any:
        """The value: chumpy keeps it as `x`, or as `a` indexed by `idxs`."""
        state = self.state
        if isinstance(state, dict):
            if "x" in state:
                return _as_array(state["x"]) if not isinstance(state["x"], np.ndarray) else state["x"]
            if "a" in state and "idxs" in state:
                source = _as_array(state["a"])
                chosen = source.ravel()[np.asarray(state["idxs"])] if source is not None else None
                shape = state.get("preferred_shape")
                return chosen if chosen is None or shape is None else chosen.reshape(shape)
        return state


NUMPY_NAMES = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
}
_SPARSE = {"csc_matrix": sparse.csc_matrix, "csr_matrix": sparse.csr_matrix, "coo_matrix": sparse.coo_matrix}
_PLAIN = {("_codecs", "encode"), ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor")}


def numpy_class(module: str, name: str) -> Any:
    """One of `NUMPY_NAMES`, wherever this numpy keeps it."""
    if hasattr(np, "_core"):
        module = module.replace("numpy.core", "numpy._core")
    else:
        module = module.replace("numpy._core", "numpy.core")
    return getattr(importlib.import_module(module), name)


class _SmplUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in NUMPY_NAMES:
            return numpy_class(module, name)
        if module.startswith("scipy.sparse") and name in _SPARSE:
            return _SPARSE[name]
        if module.partition(".")[0] == "chumpy":
            return ChumpyValue
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if (module, name) in {("__builtin__", "object"), ("builtins", "object")}:
            return object
        raise BodyFileError(
            f"The body file asks to run `{module}.{name}`, which no SMPL file needs: it was not opened.",
            "Get the file from its publisher again.",
        )
