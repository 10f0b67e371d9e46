"""A farm run: clips entered into the ledger, places that work them off, exports, progress, and the summary."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from int_blender_addon.core.errors import (
    CancelledError,
    DiskFullError,
    LedgerError,
    MocapError,
    SomeFailedError,
    from_message,
)
from int_blender_addon.core.files import check_writable

from .clips import Clip, collect
from .exports import Exporter, blender_words
from .ledger import TRIES, Ledger, Work
from .report import measures_of, summary, write_report
from .stretches import cut, join, join_matches
from .worker import Limits, Outcome, Worker

LONG = 600.0  # seconds: longer videos are observed in stretches
BEAT_SECONDS = 10.0
SHOW_SECONDS = 5.0
IDLE_SECONDS = 0.3
PATIENCE_SECONDS = 300.0  # without any place
MEMORY_EACH = {"landmarks": 1.0e9, "checkpoint": 3.5e9}  # bytes that a place is counted with
WORK = ".work"  # folder of what is not finished, below the output folder


@dataclass(frozen=True)
class FarmOptions:
    """What to do, and how.

    Attributes:
        inputs: Videos and folders of videos.
        out: Where takes, formats, ledger and report go.
        formats: `npz`, and others through Blender.
        settings: Of each capture, as in the protocol's message.
        address: `local`, or Ray's: `auto` or HOST:PORT.
        workers: Places; by cores and memory if None.
        memory: Bytes that a clip may take; by the machine's memory if None.
        limits: Seconds to start, and a frame.
        blender: Its path, or a Python with bpy.
        long: Seconds from which on videos are observed in stretches.
    """

    inputs: list[Path]
    out: Path
    formats: list[str] = field(default_factory=lambda: ["npz"])
    settings: dict[str, Any] = field(default_factory=dict)
    address: str = "local"
    workers: int | None = None
    memory: float | None = None
    limits: Limits | None = None
    blender: str = ""
    long: float = LONG


class Place(Protocol):
    """Where requests are answered one after another: a process here, or an actor of Ray's."""

    node: str
    gpu: bool
    lost: bool

    def run(self, kind: str, values: dict[str, Any], stopped) -> Outcome:
        """Have one request answered."""

    def close(self) -> None:
        """End it."""

    @property
    def frames(self) -> int:
        """Frames done of the request that runs."""


class LocalPlace(Worker):
    """A process of this machine."""

    def __init__(self, limits: Limits, variables: dict[str, str], gpu: bool = False) -> None:
        super().__init__(Path(sys.executable), limits, variables)
        self.node, self.gpu, self.lost = platform.node(), gpu, False


def farm(options: FarmOptions) -> int:
    """Run; returns the exit code: 0, 20 if clips failed, 18 if it was stopped.

    Raises:
        MocapError: Nothing could be begun, or the ledger can't be written.
    """
    clips = collect(options.inputs)
    check_writable(options.out)
    others = [name for name in options.formats if name != "npz"]
    blender = blender_words(options.blender) if others else []
    ledger = Ledger(options.out)
    try:
        run = Run(options, clips, ledger, others, blender)
        return run.run()
    finally:
        ledger.close()


class Run:
    """One run of the farm."""

    def __init__(
        self, options: FarmOptions, clips: list[Clip], ledger: Ledger, others: list[str], blender: list[str]
    ) -> None:
        self.options, self.ledger, self.out = options, ledger, options.out
        self.keys = {clip.key for clip in clips}
        self.begun = time.time()
        self.work = options.out / WORK
        self._stop = threading.Event()
        self._trouble: MocapError | None = None
        self._places: list[Place] = []
        self._busy: dict[int, str] = {}
        self._pool: Any = None
        self._gpus = 0
        new = ledger.add(clips, options.settings, options.formats)
        print(f"{len(clips)} clips, {new} to do.", flush=True)
        self._exporter = Exporter(ledger, self.out, self.keys, others, blender, self._stop.is_set) if others else None

    def run(self) -> int:
        """Work everything off."""
        self._places = self._make_places()
        self._gpus = sum(place.gpu for place in self._places)
        print(f"{len(self._places)} places on {len({p.node for p in self._places})} nodes.", flush=True)
        threads = [threading.Thread(target=self._guarded, args=(self._serve, place)) for place in self._places]
        if self._exporter is not None:
            threads.append(threading.Thread(target=self._guarded, args=(self._export,)))
        for thread in threads:
            thread.start()
        stopped = False
        try:
            self._watch(threads)
        except MocapError as error:
            self._trouble = error
        except KeyboardInterrupt:
            stopped = True
            print("Stopping…", file=sys.stderr, flush=True)
        self._stop.set()
        for thread in threads:
            thread.join()
        for place in self._places:
            place.close()
        if self._pool is not None:
            self._pool.close()
        if self._trouble is not None:
            raise self._trouble
        self.ledger.release()
        shutil.rmtree(self.work, ignore_errors=True) if not self._open() else None
        return self._finish(stopped)

    def _finish(self, stopped: bool) -> int:
        rows = self.ledger.rows(list(self.keys))
        print(summary(rows, time.time() - self.begun), flush=True)
        print(write_report(rows, self.out), flush=True)
        if stopped:
            return CancelledError.exit_code
        return SomeFailedError.exit_code if any(row["state"] == "failed" for row in rows) else 0

    # ---- places --------------------------------------------------------------------------------------------------

    def _make_places(self) -> list[Place]:
        checkpoint = self.options.settings.get("model", "auto") not in {"auto", "landmarks"}
        if self.options.address != "local":
            from .on_ray import Pool

            self._pool = Pool(self.options.address, self._limits(1), checkpoint)
            return self._pool.places(self.options.workers)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        gpus = _gpus() if checkpoint else 0
        free = psutil.virtual_memory().available
        each = MEMORY_EACH["checkpoint" if checkpoint else "landmarks"]
        count = self.options.workers or max(1, min(cores, int(free // each)))
        threads = {"OMP_NUM_THREADS": str(max(1, cores // count))}
        limits = self._limits(count)
        places: list[Place] = [
            LocalPlace(limits, threads | {"CUDA_VISIBLE_DEVICES": str(number)}, gpu=True) for number in range(gpus)
        ]
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if gpus else {}
        places += [LocalPlace(limits, threads | hidden) for _ in range(count)]
        return places

    def _limits(self, count: int) -> Limits:
        given = self.options.limits or Limits()
        memory = self.options.memory or 0.9 * psutil.virtual_memory().total / max(count, 1)
        return Limits(given.start, given.frame, memory)

    # ---- threads -------------------------------------------------------------------------------------------------

    def _guarded(self, step, *values) -> None:
        """A thread's last net: what stops the ledger stops the run, and is told."""
        try:
            step(*values)
        except MocapError as error:
            self._trouble = self._trouble or error
            self._stop.set()
        except Exception as error:
            import traceback

            traceback.print_exc()
            self._trouble = self._trouble or MocapError(f"Something unforeseen happened: {error!r}.")
            self._stop.set()

    def _watch(self, threads: list[threading.Thread]) -> None:
        beaten = shown = served = time.monotonic()
        while not self._stop.is_set():
            alive = any(thread.is_alive() for thread in threads)
            if not alive and not (self._pool is not None and self._open()):
                return
            time.sleep(IDLE_SECONDS)
            now = time.monotonic()
            served = now if alive else served
            if now - served > PATIENCE_SECONDS:
                raise LedgerError("The cluster has no node left.", "Start nodes, and run again.")
            if now - beaten > BEAT_SECONDS:
                beaten = now
                self.ledger.beat()
            if now - shown > SHOW_SECONDS:
                shown = now
                print(self._progress(), flush=True)
            for place in self._pool.newcomers() if self._pool is not None else []:
                self._places.append(place)
                threads.append(threading.Thread(target=self._guarded, args=(self._serve, place)))
                threads[-1].start()

    def _progress(self) -> str:
        rows = self.ledger.rows(list(self.keys))
        over = [r for r in rows if r["state"] not in {"waiting", "running"}]
        mine = [r for r in over if (r["began"] or 0) >= self.begun]
        frames = sum(r["frames"] or 0 for r in mine) + sum(place.frames for place in self._places)
        spent = time.time() - self.begun
        size = sum(r["size"] or 0 for r in mine)
        left = sum(r["size"] or 0 for r in rows if r["state"] in {"waiting", "running"})
        counts = self.ledger.counts(self.keys)
        words = f"{counts.get('done', 0)}/{len(rows)} clips done, {counts.get('failed', 0)} failed"
        if self._exporter is not None:
            words += f", {counts.get('captured', 0) + counts.get('exporting', 0)} to export"
        words += f", {frames / max(spent, 1e-6):.1f} frames a second"
        return f"{words}, {_clock(left / size * spent)} left" if size else words

    def _open(self) -> bool:
        """Whether anything of this run is not over."""
        counts = self.ledger.counts(self.keys)
        return bool(set(counts) - {"done", "failed"})

    def _to_capture(self) -> bool:
        return bool(set(self.ledger.counts(self.keys)) & {"waiting", "running"})

    def _export(self) -> None:
        assert self._exporter is not None
        while not self._stop.is_set():
            if self._exporter.step():
                continue
            if not self._open():
                return
            time.sleep(IDLE_SECONDS)

    def _serve(self, place: Place) -> None:
        """Work off parts and clips at one place until there are none."""
        number = id(place)
        while not self._stop.is_set() and not place.lost:
            part = None if place.gpu else self.ledger.claim_part(self.keys, place.node)
            work = part
            if work is None and (place.gpu or not self._gpus):
                work = self.ledger.claim_clip(self.keys, place.node)
            elif work is None:
                work = self._clip_to_observe(place)
            if work is None:
                if not self._to_capture():
                    return
                time.sleep(IDLE_SECONDS)
                continue
            self._busy[number] = work.key
            if work.part is not None:
                self._observe(place, work)
            elif not self._cut(place, work):
                self._capture(place, work)
            self._busy.pop(number, None)

    def _clip_to_observe(self, place: Place) -> Work | None:
        """With GPUs the processors find landmarks, and leave what follows to them."""
        fresh = {row["key"] for row in self.ledger.rows(list(self.keys)) if row["state"] == "waiting"}
        fresh = {key for key in fresh if not self.ledger.parts(key)}
        return self.ledger.claim_clip(fresh, place.node) if fresh else None

    # ---- work ----------------------------------------------------------------------------------------------------

    def _cut(self, place: Place, work: Work) -> bool:
        """Give a long clip back in parts; with GPUs every clip, as one. False if it is to be captured now."""
        if self.ledger.parts(work.key):
            return False  # observed already
        trimmed = work.settings.get("start") is not None or work.settings.get("end") is not None
        small = work.video.is_file() and work.video.stat().st_size < 20_000 * self.options.long / 60
        if (trimmed or small) and not (self._gpus and not place.gpu):
            return False
        outcome = place.run("probe", {"video": str(work.video)}, self._stop.is_set)
        info = outcome.found("info")
        if outcome.error is not None or not info:
            self._settle(work, outcome)
            return True
        stretches = cut(float(info[0]["duration"]), len(self._places), self.options.long)
        if len(stretches) == 1 and not (self._gpus and not place.gpu):
            return False
        self.ledger.split(work, stretches)
        return True

    def _part_path(self, key: str, number: int) -> Path:
        return self.work / f"{key}.part{number}.npz"

    def _observe(self, place: Place, work: Work) -> None:
        assert work.part is not None
        out = self._part_path(work.key, work.part)
        out.parent.mkdir(parents=True, exist_ok=True)
        values = {"video": str(work.video), "quality": work.settings.get("quality", "best"), "out": str(out.absolute())}
        last = max(row["number"] for row in self.ledger.parts(work.key))
        values |= {"start": work.start or None, "end": work.end if work.part < last else None}
        outcome = place.run("observe", values, self._stop.is_set)
        if outcome.error is None:
            self.ledger.part_done(work)
        elif self._stop.is_set() or (outcome.died and work.attempt < TRIES):
            self.ledger.again(work.key, work.part)
        else:
            self.ledger.failed(work.key, from_message(outcome.error))

    def _capture(self, place: Place, work: Work) -> None:
        folder = self.work / work.key
        out = folder / f"{Path(work.key).name}.npz"
        folder.mkdir(parents=True, exist_ok=True)
        values = work.settings | {"video": str(work.video), "out": str(out.absolute())}
        parts = self.ledger.parts(work.key)
        if parts:
            try:
                self._hand_over(work, out, [row["number"] for row in parts])
            except MocapError as error:
                self.ledger.failed(work.key, error)
                return
        outcome = place.run("capture", values, self._stop.is_set)
        if outcome.error is not None:
            self._settle(work, outcome)
            return
        takes = [self._finished(message, work, place) for message in outcome.found("result")]
        measures = measures_of([self.out / take["path"] for take in takes])
        shutil.rmtree(folder, ignore_errors=True)
        for row in parts:
            self._part_path(work.key, row["number"]).unlink(missing_ok=True)
        self.ledger.captured(work, takes, measures)

    def _hand_over(self, work: Work, out: Path, numbers: list[int]) -> None:
        """Join what the parts found, where the capture will go on from it."""
        from ..capture import hand_over, load_tracks
        from ..serve import options_from

        try:
            parts = [load_tracks(self._part_path(work.key, number)) for number in numbers]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise LedgerError(f"What was found in {work.key} is gone.", "Run again.") from error
        message = work.settings | {"video": str(work.video), "out": str(out.absolute())}
        matches = join_matches([matches for _, matches, _ in parts])
        hand_over(options_from(message), join([tracks for tracks, _, _ in parts]), matches)

    def _finished(self, message: dict[str, Any], work: Work, place: Place) -> dict[str, Any]:
        """Give a take its place, whole, and a picture for the report."""
        from int_blender_addon.core.motion import load_motion

        made = Path(message["path"])
        final = self.out / Path(work.key).parent / made.name
        final.parent.mkdir(parents=True, exist_ok=True)
        frames = len(load_motion(made))
        os.replace(made, final)
        name = final.relative_to(self.out).as_posix()
        picture = self.out / "report" / f"{name.removesuffix('.npz').replace('/', '__')}.jpg"
        values = {"video": str(work.video), "take": str(final.absolute()), "out": str(picture.absolute())}
        shown = place.run("picture", values, self._stop.is_set)
        return {
            "path": name,
            "person": message["person_id"],
            "frames": frames,
            "picture": picture.name if shown.error is None else "",
        }

    def _settle(self, work: Work, outcome: Outcome) -> None:
        """A clip that did not work: once more if its process died, else failed."""
        assert outcome.error is not None
        if self._stop.is_set():
            self.ledger.again(work.key)
            return
        error = from_message(outcome.error)
        if isinstance(error, DiskFullError):
            self.ledger.again(work.key)
            raise error  # every other clip would meet it too
        if outcome.died and work.attempt < TRIES:
            self.ledger.again(work.key)
            return
        if outcome.died:
            error = type(error)(f"{error.message} It was tried {work.attempt} times.", error.hint)
        self.ledger.failed(work.key, error)
        shutil.rmtree(self.work / work.key, ignore_errors=True)


def _gpus() -> int:
    """CUDA devices, asked without loading torch here: a driver must stay small."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([part for part in named.split(",") if part.strip()])
    with contextlib.suppress(OSError):
        import subprocess

        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        return len([line for line in done.stdout.splitlines() if line.startswith("GPU ")])
    return 0


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
