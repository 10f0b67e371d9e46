"""The inference process, seen from Blender: found, started, listened to, and ended. No bpy in here.

A reader thread puts messages into a queue and another keeps the log; neither touches Blender. The child is started
with an argument list in a process group of its own, and ends by itself when its stdin does.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from .core.errors import InferenceDiedError, InferenceMissingError, MocapError
from .core.files import data_folder
from .core.protocol import check_hello, decode, encode

PYTHON_VARIABLE = "INT_MOCAP_INFERENCE"
LOG_LINES = 2000
GRACE_SECONDS = 1.0  # between the cancel message, SIGTERM and SIGKILL
HELLO_SECONDS = 60.0  # a cold disk and a virus scanner can make a first start slow
CODE_FOLDER = Path(__file__).resolve().parent.parent  # holds int_blender_addon and inference_server

# what Blender or its wrapper set for itself would mislead another Python
_FOREIGN = ("PYTHON", "BLENDER", "LIBGL", "__EGL", "GBM", "LD_LIBRARY", "LD_PRELOAD", "DYLD_", "VIRTUAL_ENV", "OCIO")


def find_python(explicit: str = "", preferred: str = "") -> Path:
    """The inference environment's Python: given, by variable, by preference, set up by the add-on, or beside the code.

    Raises:
        InferenceMissingError: There is none, or the one named is not there.
    """
    for source, name in (
        ("", explicit),
        (f"The variable {PYTHON_VARIABLE} names", os.environ.get(PYTHON_VARIABLE, "")),
        ("The preferences name", preferred),
    ):
        if name:
            path = Path(name).expanduser()
            if not path.is_file():
                raise InferenceMissingError(f"{source or 'You named'} the Python {path}, which is not there.")
            return path
    for folder in (data_folder() / "inference", CODE_FOLDER / ".venvs" / "inference"):
        path = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        if path.is_file():
            return path
    raise InferenceMissingError("The inference environment is not set up.")


def clean_environment() -> dict[str, str]:
    """This process's environment without what was meant for Blender alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept["PYTHONPATH"] = str(CODE_FOLDER)
    kept["PYTHONDONTWRITEBYTECODE"] = "1"  # the extension's folder is not ours to write to
    kept["PYTHONUTF8"] = "1"
    return kept


class Client:
    """One running inference process.

    Args:
        python: Its Python.
        folder: Its working folder.
        variables: Further variables of its environment.

    Raises:
        InferenceMissingError: It could not be started.
    """

    def __init__(self, python: Path, folder: Path, variables: dict[str, str] | None = None) -> None:
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._greeted = False
        self._began = time.monotonic()
        if sys.platform == "win32":
            own_group: dict[str, Any] = {
                "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            }
        else:
            own_group = {"start_new_session": True}
        try:
            self._process = subprocess.Popen(
                [str(python), "-m", "inference_server", "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=clean_environment() | (variables or {}),
                **own_group,
            )
        except OSError as error:
            raise InferenceMissingError(f"The inference Python {python} does not start: {error.strerror}.") from error
        self._threads = [
            threading.Thread(target=self._read_messages, name="int_mocap messages", daemon=True),
            threading.Thread(target=self._read_log, name="int_mocap log", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The child's process number, which is its group's too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    def send(self, kind: str, **values: Any) -> None:
        """Write one message.

        Raises:
            InferenceDiedError: Nobody reads any more.
        """
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(encode(kind, **values))
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self.death() from error

    def receive(self, timeout: float = 0.0) -> dict[str, Any] | None:
        """The next message, or None if there is none within `timeout` seconds.

        Raises:
            InferenceDiedError: The child ended, and all it said was heard.
            InferenceMissingError: It never said hello.
            ProtocolError: It is of another version.
        """
        try:
            message = self.messages.get(timeout=timeout) if timeout > 0 else self.messages.get_nowait()
        except queue.Empty:
            if not self.alive and not self._threads[0].is_alive() and self.messages.empty():
                raise self.death() from None
            if not self._greeted and time.monotonic() - self._began > HELLO_SECONDS:
                raise InferenceMissingError("The inference process does not answer.") from None
            return None
        if not self._greeted:
            check_hello(message)
            self._greeted = True
        return message

    def death(self) -> MocapError:
        """The error for a child that is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._threads[1].join(1.0)
        last = next((line for line in reversed(self.log) if line.strip()), "")
        if not self._greeted:
            if "No module named" in last:
                return InferenceMissingError(
                    f"The inference environment is incomplete ({last.split(': ', 1)[-1]}).", "Set it up again."
                )
            return InferenceMissingError(f"The inference process did not start. {last}".strip())
        code = self._process.returncode
        reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return InferenceDiedError(f"The inference process ended unexpectedly ({reason}).")

    def close(self, grace: float = GRACE_SECONDS) -> None:
        """End the child and all that it started: first asked, then told, then killed. Safe to call twice."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # the child ends itself at this
        for how in (None, "terminate", "kill"):
            if how is not None:
                self._signal(how)
            try:
                self._process.wait(grace)
                break
            except subprocess.TimeoutExpired:
                continue
        self._signal("kill")  # grandchildren, if any are left in the group
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None and not any(t.is_alive() for t in self._threads):
                stream.close()

    def _signal(self, how: str) -> None:
        if sys.platform == "win32":
            if self.alive:
                arguments = ["taskkill", "/T", "/PID", str(self.pid)] + (["/F"] if how == "kill" else [])
                subprocess.run(arguments, check=False, capture_output=True)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)

    def _read_messages(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = decode(line)
            if message is not None:
                self.messages.put(message)
            else:
                self.log.append(line.decode("utf-8", "replace").rstrip())

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())
