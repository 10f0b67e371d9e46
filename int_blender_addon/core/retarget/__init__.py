"""From one humanoid skeleton to another: which bone is which, rotations from rest, feet that stand. Numpy only."""

from .bones import SLOTS, Bones, Mapping
from .mapping import guess
from .transfer import Transfer, transfer

__all__ = ["SLOTS", "Bones", "Mapping", "Transfer", "guess", "transfer"]
