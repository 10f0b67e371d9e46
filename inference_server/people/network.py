"""One LiteRT network: an array in, arrays out."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from int_blender_addon.core.errors import ModelFileError

DATA = Path(__file__).parent / "data"


class Network:
    """A `.tflite` network on the CPU. One call at a time; calls release Python's lock.

    Args:
        path: The network's file.
        threads: How many threads a call may use.

    Raises:
        ModelFileError: The file is missing or is not a network.
    """

    def __init__(self, path: Path, threads: int) -> None:
        try:
            with _without_greeting():
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelFileError(f"The network {path.name} can not be loaded: {error}.") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """The network's outputs, in its own order, for a float32 input of the shape it wants."""
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate"
_loading = threading.Lock()


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """LiteRT says hello on file descriptor 2, past any logging; everything else that it says is passed on."""
    with _loading, tempfile.TemporaryFile() as said:
        real = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            said.seek(0)
            for line in said:
                if not line.startswith(_GREETING):
                    os.write(2, line)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), with logits clipped so that nothing overflows."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))
