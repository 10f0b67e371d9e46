"""From a raw take to one that an animator can keep: smooth, grounded, with feet that stand. numpy only.

Everything works on the raw take again, so every control can be turned back.
"""

from .refine import RefineSettings, Rest, raw_extra, raw_of, refine

__all__ = ["RefineSettings", "Rest", "raw_extra", "raw_of", "refine"]
