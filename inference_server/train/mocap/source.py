"""A recording as its file has it: a skeleton of its own, turned away from a reference pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Recording:
    """A motion of J named bones through T frames; y up, any unit of length.

    `turns` are global rotations away from the reference pose, in which the person stands facing +z, arms to the sides.
    """

    names: tuple[str, ...]
    reference: np.ndarray  # (J, 3) where each bone begins in the reference pose
    turns: np.ndarray  # (T, J, 3, 3)
    starts: np.ndarray  # (T, J, 3) where each bone begins
    fps: float

    def bone(self, name: str) -> int:
        """The index of a bone; KeyError if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(name) from None
