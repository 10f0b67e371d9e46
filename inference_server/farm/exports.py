"""Formats through Blender: headless, some takes a process, so that neither its memory nor its crash costs a night."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from int_blender_addon.client import CODE_FOLDER, clean_environment
from int_blender_addon.core.errors import ArgumentsError, ExportError, InferenceDiedError, MocapError

from .ledger import Ledger

AT_ONCE = 20  # takes a Blender process
SECONDS = 120.0  # a take
TRIES = 2  # of a clip that a process died under
BATCH = CODE_FOLDER / "int_blender_addon" / "batch.py"


def blender_words(named: str) -> list[str]:
    """What runs a script in Blender: an executable of Blender, or a Python with the bpy wheel.

    Raises:
        ArgumentsError: It isn't there.
    """
    import shutil

    found = shutil.which(named or "blender")
    if found is None:
        raise ArgumentsError("Formats besides npz need Blender.", "Give --blender its path, or a Python with bpy.")
    if "python" in Path(found).name.lower():
        return [found]
    return [found, "-b", "--factory-startup", "--python-exit-code", "1", "--python"]


class Exporter:
    """Exports what is captured, a handful at a time.

    Args:
        ledger: Of the folder.
        folder: Where takes are and formats go.
        keys: Clips of this run.
        formats: Wanted besides npz.
        blender: Words that run a script in Blender.
        stopped: Whether to leave off.
    """

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        keys: set[str],
        formats: list[str],
        blender: list[str],
        stopped: Callable[[], bool],
    ) -> None:
        self._ledger, self._folder, self._keys, self._formats = ledger, folder, keys, formats
        self._blender, self._stopped = blender, stopped

    def step(self) -> bool:
        """Export some; False if nothing was there to export."""
        rows = self._ledger.claim_exports(self._keys, AT_ONCE)
        if not rows:
            return False
        takes = [self._folder / take["path"] for row in rows for take in json.loads(row["takes"])]
        with tempfile.TemporaryDirectory(prefix=".export_", dir=self._folder) as out:
            code, said = self._run(takes, Path(out))
            if self._stopped():
                return False  # the ledger gives back what this run holds
            names = dict(zip(takes, _names(takes), strict=True))
            for row in rows:
                self._settle(row, names, Path(out), code, said)
        return True

    def _run(self, takes: list[Path], out: Path) -> tuple[int, str]:
        command = [*self._blender, str(BATCH), "--", *map(str, takes), "--out", str(out)]
        command += ["--formats", ",".join(self._formats)]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment() | {"INT_MOCAP_INFERENCE": os.environ.get("INT_MOCAP_INFERENCE", "")},
            )
            waited = 0.0
            while process.poll() is None and waited < 60 + SECONDS * len(takes) and not self._stopped():
                try:
                    process.wait(0.5)
                except subprocess.TimeoutExpired:
                    waited += 0.5
            if process.poll() is None:
                process.kill()
                process.wait()
            log.seek(0)
            return process.returncode, log.read()

    def _settle(self, row: Any, names: dict[Path, str], out: Path, code: int, said: str) -> None:
        """Put a clip's files in their places, or say why they are not there."""
        takes = [self._folder / take["path"] for take in json.loads(row["takes"])]
        files = [(out / f"{names[t]}.{f}", t.with_suffix(f".{f}")) for t in takes for f in self._formats]
        if all(made.is_file() for made, _ in files):
            for made, final in files:
                os.replace(made, final)
            self._ledger.exported(row["key"])
            return
        told = [line for line in said.splitlines() if line.startswith("error: ")]
        about = [
            line for line in said.splitlines() if line.startswith("failed: ") and any(str(t) in line for t in takes)
        ]
        if about or (told and code > 0):
            sentence = (about or told)[-1].partition(": ")[2]
            self._ledger.failed(row["key"], ExportError(sentence))
        elif row["attempt"] + 1 >= TRIES:
            error: MocapError = InferenceDiedError(f"Blender ended unexpectedly ({code}) while it exported this take.")
            self._ledger.failed(row["key"], error)
        else:
            self._ledger.again(row["key"], state="captured")


def _names(takes: list[Path]) -> list[str]:
    """The names that the batch gives its files: stems, numbered where equal."""
    names: list[str] = []
    taken: set[str] = set()
    for take in takes:
        name, number = take.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{take.stem}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names
