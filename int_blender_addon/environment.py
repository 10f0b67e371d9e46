"""The inference environment, made in the background from inside Blender. No bpy in here.

It lies outside the extension's folder, so it survives updates; nothing goes into Blender's own Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from .client import CODE_FOLDER, LOG_LINES, clean_environment
from .core.errors import InferenceMissingError, MocapError
from .core.files import data_folder

NAMES = ("python3.13", "python3.12", "python3.11", "python3", "python")
SCRIPT = CODE_FOLDER / "inference_server" / "setup_environment.py"
REQUIREMENTS = CODE_FOLDER / "inference_server" / "requirements.txt"


def default_folder() -> Path:
    """Where the environment goes if nobody says otherwise."""
    return data_folder() / "inference"


def python_in(folder: Path) -> Path:
    """The Python of an environment's folder."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def base_python(chosen: str = "") -> Path:
    """A Python from 3.11 on that can make an environment: the chosen one, one of the system's, or Blender's.

    Raises:
        InferenceMissingError: There is none.
    """
    if chosen:
        if not _can_make(Path(chosen)):
            raise InferenceMissingError(
                f"{chosen} is no Python from 3.11 on that can make environments.",
                "Choose another one, or leave it empty.",
            )
        return Path(chosen)
    for name in NAMES:
        found = shutil.which(name)
        if found and _can_make(Path(found)):
            return Path(found)
    for own in (Path(sys.executable), *Path(sys.prefix).glob("bin/python3*")):
        if own.is_file() and _can_make(own):
            return own
    raise InferenceMissingError(
        "No Python from 3.11 on was found.", "Install one from python.org, or choose one in the add-on's preferences."
    )


def _can_make(python: Path) -> bool:
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [str(python), "-c", code], check=False, capture_output=True, timeout=20, env=clean_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@dataclass
class Setup:
    """One making of the environment, while it runs and after."""

    folder: Path
    process: subprocess.Popen[bytes]
    stage: str = "python"
    text: str = ""
    done: int = 0
    total: int = 0
    error: MocapError | None = None
    finished: bool = False
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    lines: queue.Queue[dict] = field(default_factory=queue.Queue)

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        if self.finished:
            return 1.0
        return self.done / self.total if self.stage == "packages" and self.total else 0.0

    def poll(self) -> bool:
        """Take in what was told; whether it is over."""
        while True:
            try:
                line = self.lines.get_nowait()
            except queue.Empty:
                break
            if "error" in line:
                self.error = InferenceMissingError(str(line["error"]), str(line.get("hint", "")))
            else:
                self.stage, self.done = str(line["stage"]), int(line["done"])
                self.total, self.text = int(line["total"]), str(line["text"])
        if self.process.poll() is None or not self.lines.empty():
            return False
        self.finished = self.error is None and self.process.returncode == 0
        if not self.finished and self.error is None:
            self.error = InferenceMissingError("The set-up ended before it was done.", "Press it again: it goes on.")
        return True

    def cancel(self) -> None:
        """End it, and all that it started, at once; what was made stays, and a second run goes on there."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                subprocess.run(
                    ["taskkill", "/F", "/T", "/PID", str(self.process.pid)], check=False, capture_output=True
                )
            else:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


def start(
    folder: Path, python: Path, torch: str = "auto", wheels: str = "", requirements: Path = REQUIREMENTS
) -> Setup:
    """Begin to make the environment in a folder, with some Python.

    Raises:
        InferenceMissingError: The process does not start.
    """
    command = [str(python), str(SCRIPT), "--folder", str(folder), "--requirements", str(requirements)]
    command += ["--torch", torch, "--end-with-stdin", *(["--wheels", wheels] if wheels else [])]
    own_group = {"creationflags": 0x00000200 | 0x08000000} if sys.platform == "win32" else {"start_new_session": True}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            **own_group,  # type: ignore[call-overload]
        )
    except OSError as error:
        raise InferenceMissingError(f"{python} does not start: {error.strerror}.") from error
    setup = Setup(folder, process)
    threading.Thread(target=_read_lines, args=(setup,), name="int_mocap setup", daemon=True).start()
    threading.Thread(target=_read_log, args=(setup,), name="int_mocap setup log", daemon=True).start()
    return setup


def _read_lines(setup: Setup) -> None:
    for line in setup.process.stdout or ():
        with contextlib.suppress(ValueError):
            setup.lines.put(json.loads(line))


def _read_log(setup: Setup) -> None:
    for line in setup.process.stderr or ():
        setup.log.append(line.decode("utf-8", "replace").rstrip())
