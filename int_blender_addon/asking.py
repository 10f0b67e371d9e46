"""A question to the inference environment that is answered in the background. No bpy in here."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from .client import clean_environment
from .core.errors import InferenceDiedError, InferenceMissingError, MocapError


class Question:
    """`python -m inference_server WORDS…`, running.

    Args:
        python: The inference environment's.
        words: A command and its arguments.

    Raises:
        InferenceMissingError: It does not start.
    """

    def __init__(self, python: Path, words: Sequence[str]) -> None:
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            self._process = subprocess.Popen(
                [str(python), "-m", "inference_server", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=clean_environment(),
                creationflags=hidden,
            )
        except OSError as error:
            raise InferenceMissingError(f"The inference Python {python} does not start: {error.strerror}.") from error
        self._said: list[str] = []
        threading.Thread(target=self._listen, name="int_mocap question", daemon=True).start()

    def _listen(self) -> None:
        self._said.extend(self._process.communicate())

    @property
    def over(self) -> bool:
        """Whether it is answered."""
        return len(self._said) == 2 and self._process.poll() is not None

    @property
    def code(self) -> int | None:
        """The exit code, once it is over."""
        return self._process.returncode

    @property
    def answer(self) -> str:
        """What it printed, once it is over.

        Raises:
            MocapError: What it complained of.
        """
        out, log = self._said
        if self.code != 0:
            told = [line.partition(": ")[2] for line in log.splitlines() if line.startswith(("error: ", "hint: "))]
            if told:
                raise MocapError(*told[:2])
            if "No module named" in log:
                raise InferenceMissingError("The inference environment is incomplete.", "Set it up again.")
            raise InferenceDiedError("The inference process ended without a result.")
        return out

    @property
    def printed(self) -> str:
        """All that it printed, whether or not it went well."""
        return "\n".join(self._said)

    def stop(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
