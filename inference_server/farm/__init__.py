"""Libraries of clips, not clips: one machine kept full, or a Ray cluster, with a ledger of what is done."""

from .run import FarmOptions, farm

__all__ = ["FarmOptions", "farm"]
