"""Bodies: the free one that ships, or a person's own SMPL file."""

from __future__ import annotations

from pathlib import Path

from int_blender_addon.core.body import BodyModel, load_free_body

from .smpl_file import load_smpl_file

FREE = "free"


def load_body(name: str) -> BodyModel:
    """The free body (`free`), or the SMPL file at a path.

    Raises:
        BodyFileError: The file is missing, damaged, or no SMPL body.
    """
    return load_free_body() if name == FREE else load_smpl_file(Path(name))
