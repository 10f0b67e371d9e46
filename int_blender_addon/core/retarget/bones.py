"""A skeleton as arrays, and what its bones are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import PresetError
from ..files import replacing
from ..rotations import nearest_rotation

SIDES = ("left", "right")
LIMB = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
CENTRE = ("hips", "spine", "neck", "head")  # spine and neck may be of several bones, from below
SIDED = tuple(f"{side}_{part}" for side in SIDES for part in (*LIMB, *FINGERS))
TWISTED = ("upper_arm", "forearm", "thigh", "shin")
TWISTS = tuple(f"{side}_{part}_twist" for side in SIDES for part in TWISTED)
SLOTS = (*CENTRE, *SIDED, *TWISTS)
NEEDED = ("hips", *(f"{side}_{part}" for side in SIDES for part in ("upper_arm", "forearm", "thigh", "shin", "foot")))
PRESET_VERSION = 1


@dataclass
class Bones:
    """An armature at rest, in its world: metres, z up. B bones, parents before children."""

    names: list[str]
    parents: np.ndarray  # (B,) numbers, -1 for none
    rest: np.ndarray  # (B, 4, 4) scale-free: columns of the rotation are the bone's axes, y along it
    tails: np.ndarray  # (B, 3)
    deform: np.ndarray  # (B,) bool
    floor: float = 0.0  # height of what the soles stand on at rest
    ground: float | None = None  # height of what they stand on in motion; the same if None

    def __post_init__(self) -> None:
        self.ground = self.floor if self.ground is None else self.ground
        self.index = {name: number for number, name in enumerate(self.names)}

    @property
    def heads(self) -> np.ndarray:
        """(B, 3) where bones begin."""
        return self.rest[:, :3, 3]

    @property
    def turns(self) -> np.ndarray:
        """(B, 3, 3) rest axes."""
        return self.rest[:, :3, :3]

    def children(self, bone: int) -> list[int]:
        """Numbers of a bone's children."""
        return [int(k) for k in np.flatnonzero(self.parents == bone)]

    def ancestors(self, bone: int) -> list[int]:
        """From a bone's parent up to its root."""
        found = []
        while (bone := int(self.parents[bone])) >= 0:
            found.append(bone)
        return found


def scale_free(matrices: np.ndarray) -> np.ndarray:
    """(..., 4, 4) matrices with the scale taken out of their rotations."""
    result = np.array(matrices, float)
    result[..., :3, :3] = nearest_rotation(result[..., :3, :3])
    return result


@dataclass
class Mapping:
    """What the bones of a rig are.

    Attributes:
        slots: Names of bones by slot (`SLOTS`); spine, neck, fingers and twists may have several, from the body out.
        confidence: 0 to 1 by slot.
        rest: Pose rotations (w, x, y, z) of bones by name that bring the rig into the rest pose of SMPL's body; where
            it is empty the limbs are aligned by themselves.
        ik: Bones that are goals and poles of hands and feet by slot (`left_foot`, `left_foot_pole`, ...), if the rig
            has any; `switches` sets properties of pose bones: bone, property and value.
        ground: A bone that carries the way over the ground, if the rig has one.
    """

    slots: dict[str, list[str]]
    confidence: dict[str, float] = field(default_factory=dict)
    rest: dict[str, list[float]] = field(default_factory=dict)
    ik: dict[str, str] = field(default_factory=dict)
    switches: list[tuple[str, str, float]] = field(default_factory=list)
    ground: str = ""

    def first(self, slot: str) -> str:
        """The slot's first bone, or nothing."""
        return next(iter(self.slots.get(slot, [])), "")

    def missing(self) -> list[str]:
        """Needed slots without a bone."""
        return [slot for slot in NEEDED if not self.slots.get(slot)]

    def unsure(self, below: float = 0.7) -> list[str]:
        """Slots whose bones ought to be looked at."""
        return [slot for slot, value in self.confidence.items() if value < below and self.slots.get(slot)]

    def bones(self) -> list[str]:
        """All bones that it names."""
        return [name for names in self.slots.values() for name in names]

    def fits(self, names: set[str]) -> bool:
        """Whether a rig with these bones has all that it names of the needed."""
        return all(set(self.slots.get(slot, [])) <= names and self.slots.get(slot) for slot in NEEDED)

    def restricted(self, names: set[str]) -> Mapping:
        """The mapping without bones that a rig lacks."""
        slots = {slot: [n for n in own if n in names] for slot, own in self.slots.items()}
        ik = {slot: name for slot, name in self.ik.items() if name in names}
        switches = [switch for switch in self.switches if switch[0] in names]
        slots = {slot: own for slot, own in slots.items() if own}
        ground = self.ground if self.ground in names else ""
        return Mapping(slots, dict(self.confidence), dict(self.rest), ik, switches, ground)


def save_preset(path: Path, mapping: Mapping, title: str) -> None:
    """Write a mapping as JSON that can be shared.

    Raises:
        OutputUnwritableError, DiskFullError: It could not be written.
    """
    content = {
        "version": PRESET_VERSION,
        "title": title,
        "slots": mapping.slots,
        "rest": mapping.rest,
        "ik": mapping.ik,
        "switches": mapping.switches,
        "ground": mapping.ground,
    }
    with replacing(path) as aside:
        aside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_preset(path: Path) -> tuple[str, Mapping]:
    """Title and mapping of a preset; nothing in it is executed.

    Raises:
        PresetError: It can't be read, or it is none.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["version"] > PRESET_VERSION:
            raise PresetError(f"{path.name} was written by a later version.", "Update the add-on.")
        slots = {str(slot): [str(name) for name in names] for slot, names in content["slots"].items()}
        unknown = set(slots) - set(SLOTS)
        if unknown:
            raise PresetError(f"{path.name} names a slot that there is not: {sorted(unknown)[0]}.")
        rest = {str(name): [float(v) for v in values] for name, values in content.get("rest", {}).items()}
        if any(len(values) != 4 for values in rest.values()):
            raise PresetError(f"{path.name} holds a rotation that is none.")
        ik = {str(slot): str(name) for slot, name in content.get("ik", {}).items()}
        switches = [(str(b), str(p), float(v)) for b, p, v in content.get("switches", [])]
        mapping = Mapping(slots, dict.fromkeys(slots, 1.0), rest, ik, switches, str(content.get("ground", "")))
        return str(content.get("title", path.stem)), mapping
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PresetError(f"{Path(path).name} could not be read as a preset.") from error
