"""Makes the inference environment. Standard library only: any Python from 3.11 on can run it.

    python setup_environment.py --folder DIR --requirements FILE [--torch auto|cpu|cuda] [--wheels DIR]

Tells progress as JSON lines on stdout, pip's words on stderr. An environment that was begun is gone on with; one that
is whole and right is left as it is. Ends at once, and with what it started, when its stdin ends.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from pathlib import Path

OLDEST = (3, 11)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# what the environment takes on the disk, and what pip holds beside it while it works; measured on Linux
NEEDED_BYTES = {"cpu": 2_500_000_000, "cuda": 9_500_000_000}
STAMP = "int_mocap.json"
TORCH = ("torch", "torchvision")
CHECK = "import numpy, scipy, av, cv2, threadpoolctl, safetensors, torch; import ai_edge_litert"


class SetupError(Exception):
    """The environment could not be made; a sentence and a hint for the person."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def tell(stage: str, done: int, total: int, text: str = "") -> None:
    """One line of progress."""
    print(json.dumps({"stage": stage, "done": done, "total": total, "text": text}), flush=True)


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def torch_kind(wanted: str) -> str:
    """`cuda` where there is an NVIDIA card and torch has wheels for it; else `cpu` (on a Mac that includes Metal)."""
    if wanted != "auto":
        return wanted
    has_card = platform.system() in ("Windows", "Linux") and shutil.which("nvidia-smi") is not None
    return "cuda" if has_card else "cpu"


def make(folder: Path, requirements: list[str], kind: str, wheels: Path | None) -> None:
    """Make it, or go on with it.

    Raises:
        SetupError: Python is too old, the disk too full, or pip failed.
    """
    if sys.version_info[:2] < OLDEST:
        raise SetupError(f"Python {platform.python_version()} is too old.", "Choose a Python from 3.11 on.")
    mark = hashlib.sha256(json.dumps([platform.python_version(), kind, requirements]).encode()).hexdigest()
    python, stamp = python_of(folder), folder / STAMP
    if _stamped(stamp) == mark and _works(python, requirements):
        tell("done", 1, 1, "It is there already.")
        return
    stamp.unlink(missing_ok=True)
    _check_disk(folder, kind, requirements)
    tell("python", 0, 1, f"Python {platform.python_version()}")
    if not python.exists() or subprocess.run([str(python), "-c", ""], check=False).returncode:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], "The environment could not be made.")
    own = [name for name in requirements if name.split(">")[0].split("=")[0] in TORCH]
    rest = [name for name in requirements if name not in own]
    source = ["--no-index", f"--find-links={wheels}"] if wheels else []
    torch_source = source
    if not wheels and kind == "cpu" and platform.system() == "Linux":
        torch_source = ["--extra-index-url", CPU_INDEX]  # PyPI's own wheels for Linux bring CUDA's libraries
    batches = [([name], source) for name in rest] + ([(own, torch_source)] if own else [])
    for number, (names, options) in enumerate(batches):
        tell("packages", number, len(batches), names[0].split(">")[0])
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off", *options]
        _run([*command, *names], f"{names[0]} could not be installed.")
    tell("check", 0, 1, "Trying it")
    if not _works(python, requirements):
        raise SetupError("The environment was made but does not work.", "Copy the log into a bug report.")
    stamp.write_text(json.dumps({"mark": mark, "torch": kind}))
    tell("done", 1, 1, str(python))


def _stamped(stamp: Path) -> str:
    try:
        return json.loads(stamp.read_text())["mark"]
    except (OSError, ValueError, KeyError):
        return ""


def _works(python: Path, requirements: list[str]) -> bool:
    if not python.exists():
        return False
    check = CHECK if any(name.startswith("torch") for name in requirements) else "import pip"
    done = subprocess.run([str(python), "-c", check], check=False, stdout=sys.stderr, stderr=sys.stderr)
    return done.returncode == 0


def _check_disk(folder: Path, kind: str, requirements: list[str]) -> None:
    needed = NEEDED_BYTES[kind] if any(name.startswith("torch") for name in requirements) else 100_000_000
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    tell("disk", 0, 1, f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if free < needed:
        raise SetupError(
            f"{needed / 1e9:.1f} GB are needed in {there}, and {free / 1e9:.1f} GB are free.",
            "Free some space, or choose another folder in the preferences.",
        )


def _run(command: list[str], failure: str) -> None:
    """Run a command, its words on stderr."""
    environment = {**os.environ, "PIP_NO_INPUT": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, check=False, stdout=sys.stderr, stderr=sys.stderr, env=environment)
    if done.returncode:
        hint = "Look at the log. Without a network, give a folder of wheels in the preferences."
        raise SetupError(failure, hint)


def _end_with_parent() -> None:
    """End this process and all that it started when nobody listens any more."""
    while os.read(0, 4096):  # not sys.stdin: its lock must not be held when this process ends by itself
        pass
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(os.getpid())], check=False, capture_output=True)
    else:
        import signal

        os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> int:
    """Make the environment that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--requirements", type=Path, required=True, help="a file with a requirement a line")
    parser.add_argument("--torch", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--wheels", type=Path, help="a folder of wheels: no network is used")
    parser.add_argument("--end-with-stdin", action="store_true")
    options = parser.parse_args()
    if options.end_with_stdin:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        lines = options.requirements.read_text(encoding="utf-8").splitlines()
        wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        make(options.folder, wanted, torch_kind(options.torch), options.wheels)
    except SetupError as error:
        print(json.dumps({"error": str(error), "hint": error.hint}), flush=True)
        return 1
    except OSError as error:
        hint = "Choose another folder in the preferences."
        print(json.dumps({"error": f"{error.strerror}: {error.filename}", "hint": hint}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
