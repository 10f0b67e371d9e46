"""A system on a benchmark: both protocols, each sequence, and the paper's table with what was measured beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import BodyFileError, DataSetError

from ..body.smpl_file import load_smpl_file
from .predictions import FromCheckpoint, FromFiles
from .protocols import Bodies, Evaluation
from .references import BENCHMARKS

NAMES = {
    "neutral": ("SMPL_NEUTRAL", "basicModel_neutral_lbs_10_207_0_v1.0.0", "basicmodel_neutral_lbs_10_207_0_v1.1.0"),
    "male": ("SMPL_MALE", "basicModel_m_lbs_10_207_0_v1.0.0", "basicmodel_m_lbs_10_207_0_v1.1.0"),
    "female": ("SMPL_FEMALE", "basicModel_f_lbs_10_207_0_v1.0.0", "basicmodel_f_lbs_10_207_0_v1.1.0"),
}
REGRESSOR = "J_regressor_h36m.npy"
METRICS = ("PA-MPJPE", "MPJPE", "PVE", "ACCEL")


def load_bodies(folder: Path) -> Bodies:
    """SMPL's bodies (.pkl or .npz) and Human3.6M's regressor in a folder.

    Raises:
        BodyFileError: The neutral body or the regressor is missing, or a file is damaged.
    """
    models = {}
    for gender, stems in NAMES.items():
        paths = [folder / f"{stem}{ending}" for stem in stems for ending in (".npz", ".pkl")]
        path = next((p for p in paths if p.is_file()), None)
        if path is not None:
            models[gender] = load_smpl_file(path)
    if "neutral" not in models:
        raise BodyFileError(
            f"SMPL_NEUTRAL is not in {folder}.",
            "Get SMPL from https://smpl.is.tue.mpg.de (non-commercial research, on registration).",
        )
    regressor = folder / REGRESSOR
    if not regressor.is_file():
        raise BodyFileError(
            f"{REGRESSOR} is not in {folder}.", "It comes with the data of SPIN and VIBE (non-commercial research)."
        )
    values = np.load(regressor, allow_pickle=False)
    if values.shape != (17, len(models["neutral"].v_template)):
        raise BodyFileError(f"{REGRESSOR} is {values.shape}: it does not fit the body.")
    return Bodies(models, values.astype(float))


def evaluate_benchmark(
    name: str,
    root: Path,
    model: Path,
    smpl: Path,
    device: str = "auto",
    length: int | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Scores of a checkpoint, or of a folder of results, on a benchmark.

    Args:
        name: A key of `BENCHMARKS`.
        root: Where its publisher's files lie.
        model: An INT checkpoint, or a folder with a result file a sequence.
        smpl: Folder of SMPL's bodies and the regressor.
        device: For a checkpoint.
        length: T of a checkpoint's clips.
        say: Told of each sequence.

    Raises:
        DataSetError, BodyFileError, ModelFileError, TakeFileError: As their names say.
    """
    bodies = load_bodies(smpl)
    predict = FromFiles(model) if model.is_dir() else FromCheckpoint(model, device, length)
    whole, sequences, grounded, missing = Evaluation(bodies), {}, {}, []
    for reference in BENCHMARKS[name].read(root):
        predicted = predict(reference)
        if predicted is None:
            missing.append(reference.name)
            continue
        own = Evaluation(bodies)
        frames = own.add(reference, predicted)
        whole.add(reference, predicted)
        sequences[reference.name] = own.scores() | {"frames": frames}
        world = own.add_world(reference, predicted)
        if world is not None:
            grounded[reference.name] = world
        say(f"{reference.name}: {frames} frames")
    if not sequences:
        raise DataSetError("None of the benchmark's sequences has a result.", f"Missing are {', '.join(missing[:5])}.")
    found: dict[str, Any] = {"benchmark": name, "model": model.name, "protocols": whole.scores()}
    found |= {"sequences": sequences, "missing": missing}
    if grounded:
        keys = next(iter(grounded.values()))
        found["world"] = {key: float(np.nanmean([row[key] for row in grounded.values()])) for key in keys}
    return found


def markdown(found: dict[str, Any]) -> str:
    """A result as a table."""
    units = {"paper": "mm/frame²", "world": "m/s²"}
    lines = [f"| {BENCHMARKS[found['benchmark']].title}, {found['model']} | {' | '.join(METRICS)} |"]
    lines.append("|---|" + "---|" * len(METRICS))
    for name, scores in found["protocols"].items():
        cells = " | ".join(_cell(scores.get(metric)) for metric in METRICS)
        lines.append(f"| protocol `{name}`, ACCEL in {units[name]} | {cells} |")
    if "world" in found:
        lines.append("\n| in the world | " + " | ".join(found["world"]) + " |\n|---|" + "---|" * len(found["world"]))
        lines.append("| mean of sequences | " + " | ".join(_cell(v) for v in found["world"].values()) + " |")
    if found["missing"]:
        lines.append(f"\nWithout a result: {', '.join(found['missing'])}.")
    return "\n".join(lines)


@dataclass(frozen=True)
class Published:
    """A line of the paper's Table 1 as it was published: 3DPW, the paper's protocol."""

    system: str
    trained_on_3dpw: bool
    numbers: tuple[float | None, float | None, float | None, float | None]
    source: str


INT_PAPER = "the paper, Table 1"
PUBLISHED = (
    Published("HMR", False, (81.3, 130.0, None, 37.4), "MAED's README"),
    Published("SPIN", False, (59.2, 96.9, 116.4, 29.8), "MAED's README"),
    Published("VIBE", False, (56.5, 93.5, 113.4, 27.1), "MAED's README"),
    Published("VIBE", True, (51.9, 82.9, 99.1, 23.4), "MAED's README"),
    Published("MEVA", True, (54.7, 86.9, None, 11.6), "MAED's README"),
    Published("MPS-Net", True, (52.1, 84.3, 99.7, 7.4), "its README"),
    Published("MAED", False, (50.7, 88.8, 104.5, 18.0), "MAED's README"),
    Published("MAED", True, (45.7, 79.1, 92.6, 17.6), "MAED's README"),
    Published("INT-1", False, (49.7, 90.0, 105.1, 23.5), INT_PAPER),
    Published("INT-2", True, (42.0, 75.6, 87.9, 16.5), INT_PAPER),
)


def table_1(measured: Sequence[dict[str, Any]]) -> str:
    """The paper's Table 1 in Markdown: published numbers with their sources, and what was measured here."""
    lines = [f"| system | trained on 3DPW | {' | '.join(METRICS)} | where from |", "|---|---|" + "---|" * 5]
    for line in PUBLISHED:
        cells = " | ".join(_cell(value) for value in line.numbers)
        lines.append(
            f"| {line.system} | {'yes' if line.trained_on_3dpw else 'no'} | {cells} | published: {line.source} |"
        )
    for found in measured:
        if found["benchmark"] != "3dpw" or "paper" not in found["protocols"]:
            continue
        cells = " | ".join(_cell(found["protocols"]["paper"].get(metric)) for metric in METRICS)
        lines.append(f"| **{found['model']}** |  | {cells} | **measured here** |")
    return "\n".join(lines)


def load_measured(path: Path) -> dict[str, Any]:
    """What `evaluate BENCHMARK --json` wrote.

    Raises:
        DataSetError: It isn't that.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not {"benchmark", "protocols", "model"} <= set(found):
            raise ValueError("keys are missing")
    except (OSError, ValueError, TypeError) as error:
        raise DataSetError(f"{path.name} is no result of an evaluation: {error}.") from error
    return found


def _cell(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.1f}"
