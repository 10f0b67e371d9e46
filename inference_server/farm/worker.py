"""One inference process under limits: it may die, hang or eat memory, and its driver goes on."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from int_blender_addon.client import Client
from int_blender_addon.core.errors import (
    CancelledError,
    InferenceDiedError,
    InferenceMissingError,
    LimitError,
    MocapError,
    from_message,
)

POLL_SECONDS = 0.2
LOOK_SECONDS = 0.5  # between looks at the memory


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        start: Seconds until its length is known.
        frame: Seconds a frame, once it is.
        memory: Bytes of the process and its children.
    """

    start: float = 180.0
    frame: float = 3.0
    memory: float = 8e9


@dataclass
class Outcome:
    """What came of a request."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    died: bool = False  # the process ended under it: it may be worth another try

    def found(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a kind."""
        return [message for message in self.messages if message["type"] == kind]

    def raise_error(self) -> None:
        """Raises the MocapError that it ended with, if any."""
        if self.error is not None:
            raise from_message(self.error)


class Worker:
    """A place at which requests are answered one after another, by a process that is started anew when it is gone.

    Args:
        python: The inference environment's.
        limits: Of each request.
        variables: Of the process's environment.
    """

    def __init__(self, python: Path, limits: Limits, variables: dict[str, str] | None = None) -> None:
        self._python, self._limits, self._variables = python, limits, variables or {}
        self._client: Client | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="int_mocap_farm_"))
        self._number = 0
        self.frames = 0  # done of the request that runs
        self.peak = 0  # bytes

    def run(self, kind: str, values: dict[str, Any], stopped: Callable[[], bool] = lambda: False) -> Outcome:
        """Have one request answered; never raises for what the request does."""
        outcome = Outcome()
        try:
            self._ask(kind, values, outcome, stopped)
        except (InferenceDiedError, InferenceMissingError) as error:  # it may be killed before it says hello
            outcome.error, outcome.died = error.as_dict(), True
            self._stop()
        except MocapError as error:  # cancelled, over a limit, or it did not start
            outcome.error = error.as_dict()
            self._stop()
        return outcome

    def close(self) -> None:
        """End the process, and forget its files."""
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop(self) -> None:
        if self._client is not None:
            self._client.close(grace=0.2)
            self._client = None

    def _ask(self, kind: str, values: dict[str, Any], outcome: Outcome, stopped: Callable[[], bool]) -> None:
        if self._client is None or not self._client.alive:
            self._stop()
            self._client = Client(self._python, self._folder, self._variables)
        self._number += 1
        self.frames = 0
        client = self._client
        client.send(kind, id=self._number, **values)
        began = looked = time.monotonic()
        allowed = self._limits.start
        while True:
            message = client.receive(POLL_SECONDS)
            now = time.monotonic()
            if stopped():
                raise CancelledError("The capture was cancelled.")
            if now - looked > LOOK_SECONDS:
                looked = now
                self._check_memory(client.pid)
            if now - began > allowed:
                raise LimitError(f"It was not done within {allowed:.0f} s and was ended.")
            if message is None or message.get("id") != self._number:
                continue
            if message["type"] == "progress":
                self.frames = int(message["done"])
                allowed = max(allowed, self._limits.start + self._limits.frame * int(message["total"]))
            elif message["type"] == "error":
                outcome.error = {key: str(message.get(key, "")) for key in ("code", "message", "hint")}
            elif message["type"] == "done":
                return
            else:
                outcome.messages.append(message)

    def _check_memory(self, pid: int) -> None:
        used = memory_of(pid)
        self.peak = max(self.peak, used)
        if used > self._limits.memory:
            raise LimitError(f"It took {used / 1e9:.1f} GB of memory, more than {self._limits.memory / 1e9:.1f}.")


def memory_of(pid: int) -> int:
    """Bytes that a process and its children hold."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for item in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += item.memory_info().rss
    return total
