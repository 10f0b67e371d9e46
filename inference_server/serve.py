"""The inference process as Blender runs it: JSON lines on stdin and stdout, takes as files.

Libraries print to stdout, so the real one is kept for the protocol and file descriptor 1 is pointed at stderr before
anything heavy is imported. The process ends when stdin does: it cannot outlive Blender.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from int_blender_addon.core.errors import ArgumentsError, MocapError
from int_blender_addon.core.protocol import PROTOCOL, decode, encode

from . import __version__

JOBS = {"capture": "_capture", "probe": "_probe", "observe": "_observe", "picture": "_picture"}
PROGRESS_INTERVAL = 0.1  # seconds between progress messages of a stage


def serve() -> int:
    """Answer messages until stdin ends or `quit` comes; returns the exit code."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    code = Server(sys.stdin.buffer, out).run()
    sys.stderr.flush()
    os._exit(code)  # the reader still waits on stdin, and Python would abort over that on its way out


class Server:
    """One process's worth of captures, one after another.

    Args:
        source: Where messages come from.
        out: Where messages go.
    """

    def __init__(self, source: BinaryIO, out: BinaryIO) -> None:
        self._source, self._out = source, out
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[Any] = set()
        self._writing = threading.Lock()

    def run(self) -> int:
        """Serve until there is nobody to serve."""
        self.send("hello", protocol=PROTOCOL, version=__version__, device="cpu")
        threading.Thread(target=self._read, name="messages", daemon=True).start()
        with tempfile.TemporaryDirectory(prefix="int_mocap_") as folder:
            self._folder = Path(folder)
            while (message := self._jobs.get()) is not None:
                self._run_job(message)
        return 0

    def send(self, kind: str, **values: Any) -> None:
        """Write one message; a reader that has gone is noticed by stdin's end."""
        with self._writing, contextlib.suppress(BrokenPipeError):
            self._out.write(encode(kind, **values))

    def _read(self) -> None:
        for line in self._source:
            message = decode(line)
            if message is None:
                continue
            if message["type"] in JOBS:
                self._jobs.put(message)
            elif message["type"] == "cancel":
                self._cancelled.add(message.get("id"))
            elif message["type"] == "quit":
                self._jobs.put(None)
        # Blender is gone: whatever runs is for nobody
        self._remove_folder()
        os._exit(0)

    def _remove_folder(self) -> None:
        import shutil

        folder = getattr(self, "_folder", None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _run_job(self, message: dict[str, Any]) -> None:
        job = message.get("id")
        try:
            getattr(self, JOBS[message["type"]])(job, message)
        except MocapError as error:
            self.send("error", id=job, **error.as_dict())
        except MemoryError:
            self.send("error", id=job, code="internal", message="Memory ran out.", hint="Trim the video.")
        except Exception as error:  # the last net: a person must see a sentence, and the log the rest
            traceback.print_exc()
            self.send("error", id=job, **MocapError(f"Something unforeseen happened: {error!r}.").as_dict())
        finally:
            self.send("done", id=job)

    def _capture(self, job: Any, message: dict[str, Any]) -> None:
        from .body import load_body
        from .capture import Listener, capture

        options = options_from(message)
        progress = _Throttled(lambda **values: self.send("progress", id=job, **values))
        listener = Listener(
            progress=progress,
            stretch=lambda path, first, last, person: self.send(
                "stretch", id=job, path=str(path), first=first, last=last, person_id=person
            ),
            log=lambda text: self.send("log", id=job, level="info", text=text),
            cancelled=lambda: job in self._cancelled,
        )
        for take in capture(options, listener):
            from int_blender_addon.core.motion import load_motion

            body = self._folder / f"body_{job}_{take.person_id}.npz"
            load_body(options.body).rest(load_motion(take.path).betas).save(body)
            self.send("result", id=job, path=str(take.path), body=str(body), person_id=take.person_id)

    def _probe(self, job: Any, message: dict[str, Any]) -> None:
        from .video import open_video

        info = open_video(Path(message["video"]))
        self.send("info", id=job, frames=info.frames, fps=info.fps, duration=info.duration)

    def _observe(self, job: Any, message: dict[str, Any]) -> None:
        """The landmarks of a stretch of a video alone."""
        from .capture import observe_stretch

        progress = _Throttled(lambda **values: self.send("progress", id=job, **values))
        out = Path(message["out"])
        observe_stretch(
            Path(message["video"]), message["quality"], message.get("start"), message.get("end"), out, progress
        )
        self.send("result", id=job, path=str(out))

    def _picture(self, job: Any, message: dict[str, Any]) -> None:
        from .picture import draw_sheet

        out = Path(message["out"])
        draw_sheet(Path(message["video"]), Path(message["take"]), out, moments=4, height=150, columns=4)
        self.send("result", id=job, path=str(out))


def options_from(message: dict[str, Any]):
    """The options in a `capture` message.

    Raises:
        ArgumentsError: Something is missing or of the wrong kind.
    """
    from dataclasses import fields

    from .capture import CaptureOptions

    known = {f.name for f in fields(CaptureOptions)}
    values = {name: value for name, value in message.items() if name in known}
    try:
        values["video"], values["out"] = Path(values["video"]), Path(values["out"])
        if values.get("camera") is not None:
            values["camera"] = Path(values["camera"])
        for name in ("start", "end", "smooth", "lens", "height"):
            if values.get(name) is not None:
                values[name] = float(values[name])
        if "person" in values:
            values["person"] = str(values["person"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentsError(f"The capture message is wrong: {error}.") from error
    return CaptureOptions(**values)


class _Throttled:
    """Progress with an estimate of the time left, at most every tenth of a second within a stage."""

    def __init__(self, send) -> None:
        self._send = send
        self._stage = ""
        self._began = self._sent = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._sent = stage, now, 0.0
        elif done < total and now - self._sent < PROGRESS_INTERVAL:
            return
        self._sent = now
        spent = now - self._began
        eta = spent * (total - done) / done if done and spent > 0.5 else None
        self._send(stage=stage, done=done, total=total, eta=eta)
