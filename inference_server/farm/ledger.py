"""The ledger: every clip with its state, in one SQLite file that several runs may share.

A clip is `waiting`, then `running` for an owner, then `captured`, and `done` when its formats are exported; or
`failed`. An owner beats every few seconds; what an owner that stopped beating held goes back to waiting.
A clip that is observed in stretches has parts, which wait, run and are done in the same way before the clip itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from int_blender_addon.core.errors import DiskFullError, LedgerError, MocapError

from .clips import Clip, checksum, stamp

NAME = "farm.sqlite"
VERSION = 1
STALE_SECONDS = 60.0  # without a beat an owner counts as gone
BUSY_SECONDS = 60.0
TRIES = 3  # of a clip whose process died under it
SCHEMA = """
create table if not exists clip (
    key text primary key, video text, size integer, changed integer, checksum text, settings text, formats text,
    state text, attempt integer, owner text, node text, began real, seconds real, frames integer,
    takes text, code text, message text, hint text, measures text);
create table if not exists part (
    key text, number integer, first real, last real, state text, attempt integer, owner text, node text,
    primary key (key, number));
create table if not exists owner (name text primary key, host text, pid integer, beat real);
"""


@dataclass(frozen=True)
class Work:
    """Something claimed: a clip, or a part of it."""

    key: str
    video: Path
    settings: dict[str, Any]
    attempt: int
    part: int | None = None
    start: float | None = None
    end: float | None = None


class Ledger:
    """The ledger of one output folder, as one run sees it.

    Args:
        folder: Where the results go.

    Raises:
        LedgerError: The file is damaged, of a later version, or can't be opened.
        DiskFullError: There is no room for it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.owner = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lock = threading.RLock()
        with self._errors():
            self._base = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            version = self._base.execute("pragma user_version").fetchone()[0]
            if version > VERSION:
                raise LedgerError(f"{self.path.name} was written by a later version.", "Update, or use another folder.")
            self._base.executescript(SCHEMA)
            self._base.execute(f"pragma user_version = {VERSION}")
        self.beat()

    def close(self) -> None:
        """Give back what is held, and close."""
        with self._lock, contextlib.suppress(MocapError, sqlite3.Error):
            self.release()
            self._base.execute("delete from owner where name = ?", (self.owner,))
        self._base.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "full" in str(error):
                raise DiskFullError(f"The disk is full: {self.path.name} could not be written.") from error
            raise LedgerError(f"The ledger {self.path} can't be used: {error}.") from error

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all, alone among all runs."""
        with self._lock, self._errors():
            self._base.execute("begin immediate")
            try:
                yield self._base
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("rollback")
                raise
            self._base.execute("commit")

    def beat(self) -> None:
        """Say that this run lives, and take from the dead what they held."""
        host, pid = platform.node(), os.getpid()
        with self._change() as base:
            base.execute("insert or replace into owner values (?, ?, ?, ?)", (self.owner, host, pid, time.time()))
            gone = [row["name"] for row in base.execute("select * from owner") if _is_gone(row)]
            for name in gone:
                base.execute("delete from owner where name = ?", (name,))
            for table in ("clip", "part"):
                base.execute(
                    f"update {table} set state = 'waiting', owner = null "
                    "where state = 'running' and coalesce(owner, '') not in (select name from owner)"
                )
            base.execute(
                "update clip set state = 'captured', owner = null "
                "where state = 'exporting' and coalesce(owner, '') not in (select name from owner)"
            )

    def add(self, clips: list[Clip], settings: dict[str, Any], formats: list[str]) -> int:
        """Enter clips; what is done with these settings and there stays done. Returns how many are to be worked on."""
        told, wanted = json.dumps(settings, sort_keys=True), json.dumps(sorted(formats))
        count = 0
        for clip in clips:
            before = self.row(clip.key)
            facts = _facts(clip, before)
            same = before is not None and before["checksum"] == facts[2]
            state = _state_for(before, same, told, wanted, self.path.parent)
            if state not in {"done", "running", "exporting"}:
                count += 1
                self._enter(clip, facts, told, wanted, state)
        return count

    def _enter(self, clip: Clip, facts: tuple[int, int, str], settings: str, formats: str, state: str) -> None:
        with self._change() as base:
            alive = base.execute(
                "select 1 from clip where key = ? and state in ('running', 'exporting')", (clip.key,)
            ).fetchone()
            if alive:
                return  # another run is at it
            if state == "captured":
                base.execute(
                    "update clip set state = ?, formats = ?, attempt = 0 where key = ?", (state, formats, clip.key)
                )
                return
            base.execute("delete from part where key = ?", (clip.key,))
            base.execute(
                "insert or replace into clip (key, video, size, changed, checksum, settings, formats, state, attempt) "
                "values (?, ?, ?, ?, ?, ?, ?, 'waiting', 0)",
                (clip.key, str(clip.video), *facts, settings, formats),
            )

    def row(self, key: str) -> sqlite3.Row | None:
        """A clip's line."""
        with self._lock, self._errors():
            return self._base.execute("select * from clip where key = ?", (key,)).fetchone()

    def rows(self, keys: list[str] | None = None) -> list[sqlite3.Row]:
        """The lines of some clips, or of all."""
        with self._lock, self._errors():
            found = self._base.execute("select * from clip order by key").fetchall()
        wanted = None if keys is None else set(keys)
        return [row for row in found if wanted is None or row["key"] in wanted]

    def counts(self, keys: set[str]) -> dict[str, int]:
        """How many of some clips are in each state."""
        found: dict[str, int] = {}
        for row in self.rows(list(keys)):
            found[row["state"]] = found.get(row["state"], 0) + 1
        return found

    def claim_clip(self, keys: set[str], node: str) -> Work | None:
        """Take a clip to capture, the largest first: what takes longest must not come last."""
        with self._change() as base:
            rows = base.execute(
                "select * from clip where state = 'waiting' and key not in "
                "(select key from part where state != 'done') order by size desc, key"
            ).fetchall()
            row = next((r for r in rows if r["key"] in keys), None)
            if row is None:
                return None
            attempt = row["attempt"] + 1
            base.execute(
                "update clip set state = 'running', owner = ?, node = ?, began = ?, attempt = ? where key = ?",
                (self.owner, node, time.time(), attempt, row["key"]),
            )
        return Work(row["key"], Path(row["video"]), json.loads(row["settings"]), attempt)

    def claim_part(self, keys: set[str], node: str) -> Work | None:
        """Take a stretch to observe."""
        with self._change() as base:
            rows = base.execute(
                "select part.*, clip.video, clip.settings from part join clip using (key) "
                "where part.state = 'waiting' order by key, number"
            ).fetchall()
            row = next((r for r in rows if r["key"] in keys), None)
            if row is None:
                return None
            base.execute(
                "update part set state = 'running', owner = ?, node = ?, attempt = attempt + 1 "
                "where key = ? and number = ?",
                (self.owner, node, row["key"], row["number"]),
            )
        return Work(
            row["key"], Path(row["video"]), json.loads(row["settings"]), row["attempt"] + 1,
            row["number"], row["first"], row["last"],
        )  # fmt: skip

    def claim_exports(self, keys: set[str], most: int) -> list[sqlite3.Row]:
        """Take captured clips to export."""
        with self._change() as base:
            rows = base.execute("select * from clip where state = 'captured' order by attempt, key").fetchall()
            rows = [r for r in rows if r["key"] in keys]
            if rows and rows[0]["attempt"] != rows[-1]["attempt"]:
                rows = [r for r in rows if r["attempt"] == rows[0]["attempt"]]
            if rows and rows[0]["attempt"] > 0:
                rows = rows[:1]  # a crash is traced to its clip by having it alone
            rows = rows[:most]
            base.executemany(
                "update clip set state = 'exporting', owner = ? where key = ?", [(self.owner, r["key"]) for r in rows]
            )
        return rows

    def split(self, work: Work, stretches: list[tuple[float, float]]) -> None:
        """Give a claimed clip back as parts to be observed first."""
        with self._change() as base:
            base.executemany(
                "insert or replace into part values (?, ?, ?, ?, 'waiting', 0, null, null)",
                [(work.key, number, first, last) for number, (first, last) in enumerate(stretches)],
            )
            base.execute("update clip set state = 'waiting', owner = null, attempt = 0 where key = ?", (work.key,))

    def parts(self, key: str) -> list[sqlite3.Row]:
        """The parts of a clip."""
        with self._lock, self._errors():
            return self._base.execute("select * from part where key = ? order by number", (key,)).fetchall()

    def part_done(self, work: Work) -> None:
        """A part is observed."""
        with self._change() as base:
            base.execute(
                "update part set state = 'done', owner = null where key = ? and number = ? and owner = ?",
                (work.key, work.part, self.owner),
            )

    def captured(self, work: Work, takes: list[dict[str, Any]], measures: dict[str, float]) -> None:
        """A clip's takes are there."""
        with self._change() as base:
            row = base.execute("select began, formats from clip where key = ?", (work.key,)).fetchone()
            exported = set(json.loads(row["formats"])) <= {"npz"}
            base.execute(
                "update clip set state = ?, owner = null, attempt = 0, seconds = ?, frames = ?, takes = ?, "
                "measures = ?, code = null, message = null, hint = null where key = ? and owner = ?",
                (
                    "done" if exported else "captured",
                    time.time() - row["began"],
                    sum(take["frames"] for take in takes),
                    json.dumps(takes),
                    json.dumps(measures),
                    work.key,
                    self.owner,
                ),
            )

    def exported(self, key: str) -> None:
        """All formats of a clip are there."""
        with self._change() as base:
            base.execute("update clip set state = 'done', owner = null where key = ? and owner = ?", (key, self.owner))

    def again(self, key: str, part: int | None = None, state: str = "waiting") -> None:
        """Give something back that was not its fault, or not surely."""
        with self._change() as base:
            if part is None:
                count = "attempt + 1" if state == "captured" else "attempt"
                base.execute(
                    f"update clip set state = ?, owner = null, attempt = {count} where key = ? and owner = ?",
                    (state, key, self.owner),
                )
            else:
                base.execute(
                    "update part set state = 'waiting', owner = null where key = ? and number = ? and owner = ?",
                    (key, part, self.owner),
                )

    def failed(self, key: str, error: MocapError) -> None:
        """A clip can't be done."""
        with self._change() as base:
            began = base.execute("select began from clip where key = ?", (key,)).fetchone()["began"]
            base.execute(
                "update clip set state = 'failed', owner = null, seconds = ?, code = ?, message = ?, hint = ? "
                "where key = ?",
                (time.time() - (began or time.time()), error.code, error.message, error.hint, key),
            )
            base.execute("delete from part where key = ?", (key,))

    def release(self) -> None:
        """Give back all that this run holds."""
        with self._change() as base:
            for table in ("clip", "part"):
                base.execute(
                    f"update {table} set state = 'waiting', owner = null where state = 'running' and owner = ?",
                    (self.owner,),
                )
            base.execute(
                "update clip set state = 'captured', owner = null where state = 'exporting' and owner = ?",
                (self.owner,),
            )


def _facts(clip: Clip, before: sqlite3.Row | None) -> tuple[int, int, str]:
    """Size, time of change and checksum of a video; what did not change is not read again."""
    size, changed = stamp(clip.video)
    if (
        before is not None
        and (before["size"], before["changed"]) == (size, changed)
        and before["video"] == str(clip.video)
    ):
        return size, changed, before["checksum"]
    try:
        return size, changed, checksum(clip.video)
    except OSError:
        return size, changed, ""


def _state_for(before: sqlite3.Row | None, same_video: bool, settings: str, formats: str, folder: Path) -> str:
    """What a clip that is asked for goes to: as it is, `captured` where only formats lack, else `waiting`."""
    if before is None or not same_video or before["settings"] != settings or before["state"] == "failed":
        return "waiting"
    if before["state"] not in {"done", "captured"}:
        return before["state"]
    takes = json.loads(before["takes"] or "[]")
    if not takes or not all((folder / take["path"]).is_file() for take in takes):
        return "waiting"
    wanted = set(json.loads(formats)) - {"npz"}
    there = all((folder / take["path"]).with_suffix(f".{name}").is_file() for take in takes for name in wanted)
    return "done" if there and before["state"] == "done" else "captured" if wanted else "done"


def _is_gone(row: sqlite3.Row) -> bool:
    if time.time() - row["beat"] > STALE_SECONDS:
        return True
    if row["host"] != platform.node() or row["pid"] == os.getpid():
        return False
    import psutil

    return not psutil.pid_exists(row["pid"])
