"""The ledger: what is done stays done, what changed is done anew, and nobody does another's work."""

import json
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from inference_server.farm.clips import Clip, collect
from inference_server.farm.ledger import NAME, STALE_SECONDS, TRIES, Ledger
from int_blender_addon.core.errors import ArgumentsError, DiskFullError, LedgerError, VideoEmptyError

SETTINGS = {"quality": "fast"}


@pytest.fixture
def videos(tmp_path) -> list[Clip]:
    for number in range(3):
        (tmp_path / f"v{number}.mp4").write_bytes(bytes([number]) * (100 - number))
    return collect([tmp_path / f"v{number}.mp4" for number in range(3)])


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def finish(ledger: Ledger, out: Path, formats: tuple[str, ...] = ()) -> str:
    work = ledger.claim_clip({"v0", "v1", "v2"}, "here")
    for name in ("npz", *formats):
        (out / f"{work.key}.{name}").write_bytes(b"x")
    ledger.captured(work, [{"path": f"{work.key}.npz", "person": 1, "frames": 7}], {"doubt": 0.1})
    return work.key


def states(ledger: Ledger) -> dict[str, str]:
    return {row["key"]: row["state"] for row in ledger.rows()}


def test_what_is_done_stays_done(videos, out) -> None:
    ledger = Ledger(out)
    assert ledger.add(videos, SETTINGS, ["npz"]) == 3
    key = finish(ledger, out)
    ledger.close()
    ledger = Ledger(out)
    assert ledger.add(videos, SETTINGS, ["npz"]) == 2
    assert states(ledger)[key] == "done"
    assert ledger.row(key)["frames"] == 7


def test_changed_settings_videos_and_lost_results_are_done_anew(videos, out) -> None:
    ledger = Ledger(out)
    ledger.add(videos, SETTINGS, ["npz"])
    keys = [finish(ledger, out) for _ in range(3)]
    assert ledger.add(videos, SETTINGS, ["npz"]) == 0
    videos[1].video.write_bytes(b"another")
    assert ledger.add(videos, SETTINGS, ["npz"]) == 1 and states(ledger)["v1"] == "waiting"
    finish(ledger, out)
    os.utime(videos[2].video, (1, 1))  # touched, the same within
    assert ledger.add(videos, SETTINGS, ["npz"]) == 0
    (out / f"{keys[0]}.npz").unlink()
    assert ledger.add(videos, SETTINGS, ["npz"]) == 1
    finish(ledger, out)
    assert ledger.add(videos, {"quality": "best"}, ["npz"]) == 3


def test_another_format_needs_no_new_capture(videos, out) -> None:
    ledger = Ledger(out)
    ledger.add(videos[:1], SETTINGS, ["npz"])
    finish(ledger, out)
    assert ledger.add(videos[:1], SETTINGS, ["npz", "fbx"]) == 1
    assert states(ledger) == {"v0": "captured"}
    (row,) = ledger.claim_exports({"v0"}, 20)
    assert json.loads(row["takes"])[0]["path"] == "v0.npz"
    (out / "v0.fbx").write_bytes(b"x")
    ledger.exported("v0")
    assert ledger.add(videos[:1], SETTINGS, ["npz", "fbx"]) == 0


def test_a_failed_clip_is_tried_again_by_the_next_run(videos, out) -> None:
    ledger = Ledger(out)
    ledger.add(videos[:1], SETTINGS, ["npz"])
    work = ledger.claim_clip({"v0"}, "here")
    ledger.failed(work.key, VideoEmptyError("It is empty."))
    row = ledger.row("v0")
    assert (row["state"], row["code"], row["message"]) == ("failed", "video_empty", "It is empty.")
    assert ledger.add(videos[:1], SETTINGS, ["npz"]) == 1


def test_two_runs_never_have_the_same_clip(videos, out) -> None:
    many = [Clip(f"c{n}", videos[0].video) for n in range(200)]
    keys = {clip.key for clip in many}
    first, second = Ledger(out), Ledger(out)
    first.add(many, SETTINGS, ["npz"])
    second.add(many, SETTINGS, ["npz"])
    taken: list[str] = []

    def work_off(ledger: Ledger) -> None:
        while (work := ledger.claim_clip(keys, "here")) is not None:
            taken.append(work.key)

    threads = [threading.Thread(target=work_off, args=(ledger,)) for ledger in (first, second) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(keys)


def test_the_dead_hold_nothing(videos, out) -> None:
    gone, here = Ledger(out), Ledger(out)
    gone.add(videos, SETTINGS, ["npz"])
    gone.claim_clip({"v0"}, "there")
    here.beat()
    assert states(here)["v0"] == "running"
    with sqlite3.connect(out / NAME) as base:
        base.execute("update owner set beat = ? where name = ?", (time.time() - STALE_SECONDS - 1, gone.owner))
    here.beat()
    assert states(here)["v0"] == "waiting"
    base.close()


def test_a_dead_process_of_this_machine_is_seen_at_once(videos, out) -> None:
    gone, here = Ledger(out), Ledger(out)
    gone.add(videos, SETTINGS, ["npz"])
    gone.claim_clip({"v0"}, "there")
    with sqlite3.connect(out / NAME) as base:
        base.execute("update owner set pid = 999999999 where name = ?", (gone.owner,))
    here.beat()
    assert states(here)["v0"] == "waiting"
    base.close()


def test_parts_come_before_their_clip(videos, out) -> None:
    ledger = Ledger(out)
    ledger.add(videos[:1], SETTINGS, ["npz"])
    work = ledger.claim_clip({"v0"}, "here")
    ledger.split(work, [(0.0, 10.0), (7.0, 20.0)])
    assert ledger.claim_clip({"v0"}, "here") is None
    parts = [ledger.claim_part({"v0"}, "here") for _ in range(3)]
    assert [(p.part, p.start, p.end) for p in parts[:2]] == [(0, 0.0, 10.0), (1, 7.0, 20.0)] and parts[2] is None
    ledger.part_done(parts[0])
    ledger.again("v0", 1)
    again = ledger.claim_part({"v0"}, "here")
    assert again.part == 1 and again.attempt == 2 <= TRIES
    ledger.part_done(again)
    assert ledger.claim_clip({"v0"}, "here") is not None


def test_a_full_disk_is_said_and_the_ledger_stays_whole(videos, out) -> None:
    ledger = Ledger(out)
    ledger.add(videos, SETTINGS, ["npz"])
    pages = ledger._base.execute("pragma page_count").fetchone()[0]
    ledger._base.execute(f"pragma max_page_count = {pages}")  # SQLite then answers as on a full disk
    with pytest.raises(DiskFullError):
        ledger.add([Clip(f"c{n}", videos[0].video) for n in range(2000)], SETTINGS, ["npz"])
    ledger._base.execute("pragma max_page_count = 100000")
    assert ledger._base.execute("pragma integrity_check").fetchone()[0] == "ok"
    assert ledger.claim_clip({"v0"}, "here") is not None


def test_a_damaged_ledger_is_refused(out) -> None:
    (out / NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError):
        Ledger(out)


def test_inputs_get_names_of_their_own(tmp_path) -> None:
    for name in ("a/x.mp4", "a/deep/x.MOV", "b/x.mp4", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = collect([tmp_path / "a", tmp_path / "b", tmp_path / "a" / "x.mp4", tmp_path / "missing.mp4"])
    assert [clip.key for clip in found] == ["deep/x", "x", "x_2", "missing"]
    (tmp_path / "none").mkdir()
    with pytest.raises(ArgumentsError):
        collect([tmp_path / "none"])
