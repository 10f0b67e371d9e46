"""The presets that ship and those that a person saved: JSON, read and never executed."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core.errors import PresetError
from ..core.files import data_folder
from ..core.retarget import Mapping, guess
from ..core.retarget.bones import load_preset, save_preset
from .read import bones_of

SHIPPED = Path(__file__).parent / "presets"
AUTOMATIC = "auto"
# of several that fit, the one that is meant: controls before the bones that they move, the fuller before the simpler
FIRST = ("rigify_ik_legs", "auto_rig_pro", "unreal_5", "smplx")


def own_folder() -> Path:
    """Where a person's presets are."""
    return data_folder() / "presets"


def presets() -> dict[str, Path]:
    """All presets by key; a person's own replace those of the same name that ship."""
    found = {path.stem: path for path in sorted(SHIPPED.glob("*.json"))}
    return found | {path.stem: path for path in sorted(own_folder().glob("*.json"))}


def save_own(name: str, mapping: Mapping) -> Path:
    """Keep a mapping as a preset of one's own.

    Raises:
        PresetError: The name can't be a file's.
        OutputUnwritableError, DiskFullError: It could not be written.
    """
    key = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip()
    if not key:
        raise PresetError("The preset needs a name.", "Type one.")
    own_folder().mkdir(parents=True, exist_ok=True)
    path = own_folder() / f"{key}.json"
    save_preset(path, mapping, name)
    return path


def mapping_of_preset(key: str) -> Mapping:
    """A preset that ships."""
    return load_preset(SHIPPED / f"{key}.json")[1]


def fitting(names: set[str]) -> str:
    """The key of the preset whose bones a rig has, the one that names most of them; nothing if none fits."""
    best, most = "", 0.0
    for key, path in presets().items():
        try:
            mapping = load_preset(path)[1]
        except PresetError:
            continue  # a damaged file of one's own is told where it is chosen
        if not mapping.fits(names):
            continue
        held = len(set(mapping.bones()) & names) / max(len(mapping.bones()), 1)
        worth = len(set(mapping.bones()) & names) * held + 100 * (key in FIRST) * (held > 0.95)
        if worth > most:
            best, most = key, worth
    return best


def mapping_of(armature: bpy.types.Object, preset: str = AUTOMATIC) -> tuple[str, Mapping]:
    """Key and mapping for a rig: a preset by key or path, the one that fits, or what its bones look like.

    Raises:
        PresetError: There is no such preset, or it is damaged.
    """
    names = {bone.name for bone in armature.data.bones}
    key = preset
    if preset == AUTOMATIC:
        key = fitting(names)
        if not key:
            return AUTOMATIC, guess(bones_of(armature))
    known = presets()
    path = known.get(key) or Path(key)
    if key not in known and not path.is_file():
        raise PresetError(f"There is no preset {key}.", f"Those that ship: {', '.join(known)}.")
    return key, load_preset(path)[1].restricted(names)
