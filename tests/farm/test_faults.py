"""Things that go wrong in a night: every good clip is done once, every bad one is named, nothing is left running."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import SAMPLE, children, until, write_clip

from inference_server.farm import FarmOptions, farm, stretches
from inference_server.farm.ledger import NAME, Ledger
from inference_server.farm.run import Run
from inference_server.farm.worker import Limits
from int_blender_addon.core.errors import CancelledError, DiskFullError, SomeFailedError
from int_blender_addon.core.motion import load_motion

pytestmark = pytest.mark.slow
FAST = {"quality": "fast"}
SOME_FAILED = SomeFailedError.exit_code


def options(clips: Path | list[Path], out: Path, **changes) -> FarmOptions:
    inputs = clips if isinstance(clips, list) else [clips]
    return FarmOptions(inputs=inputs, out=out, settings=FAST, **{"workers": 2, **changes})


def rows(out: Path) -> dict[str, sqlite3.Row]:
    ledger = Ledger(out)
    found = {row["key"]: row for row in ledger.rows()}
    ledger.close()
    return found


def states(out: Path) -> dict[str, str]:
    return {key: row["state"] for key, row in rows(out).items()}


def takes(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.npz"))


def begin(given: FarmOptions) -> tuple[threading.Thread, list]:
    """Run in a thread of its own, so that the test can interfere; the answer is the exit code or the error."""
    answer: list = []

    def run() -> None:
        try:
            answer.append(farm(given))
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answer


def running(out: Path) -> list[str]:
    if not (out / NAME).exists():
        return []
    with sqlite3.connect(out / NAME, timeout=30) as base:
        found = [row[0] for row in base.execute("select key from clip where state = 'running'")]
    base.close()
    return found


def test_good_clips_are_done_and_bad_ones_named(clips, tmp_path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "empty.mp4").write_bytes(b"")
    (bad / "noise.mp4").write_bytes(random.Random(0).randbytes(5000))
    (bad / "cut.mp4").write_bytes(SAMPLE.read_bytes()[:9000])
    out = tmp_path / "out"
    assert farm(options([clips, bad, tmp_path / "missing.mp4"], out)) == SOME_FAILED
    assert takes(out) == ["clip 0.npz", "clip 1.npz", "clip 2.npz", "more/clip 0.npz"]
    found = rows(out)
    assert {k: r["code"] for k, r in found.items() if r["state"] == "failed"} == {
        "empty": "video_empty",
        "noise": "video_unreadable",
        "cut": "video_unreadable",
        "missing": "video_missing",
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("empty.mp4", "noise.mp4", "clip 0", "more/clip 0"))
    assert len(list((out / "report").glob("*.jpg"))) == 4
    assert not (out / ".work").exists() and not children()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert farm(options([clips], out)) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")} == before


def test_a_worker_killed_in_mid_clip(clips, tmp_path) -> None:
    out = tmp_path / "out"
    thread, answer = begin(options(clips, out))
    until(lambda: len(running(out)) == 2)
    until(lambda: len(children()) == 2)
    children()[0].send_signal(signal.SIGKILL)
    thread.join(240)
    assert answer == [0] and len(takes(out)) == 4 and not children()


def test_a_clip_that_kills_its_process_each_time(clips, tmp_path) -> None:
    out = tmp_path / "out"
    thread, answer = begin(options([clips / "clip 0.mp4"], out, workers=1))
    for _ in range(3):
        found = until(children)
        until(lambda: running(out))
        found[0].send_signal(signal.SIGSEGV)
        until(lambda process=found[0]: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    thread.join(240)
    assert answer == [SOME_FAILED] and takes(out) == []
    row = rows(out)["clip 0"]
    assert row["code"] in {"inference_died", "inference_missing"} and "3 times" in row["message"]


def test_a_clip_that_hangs(clips, tmp_path) -> None:
    out = tmp_path / "out"
    given = options([clips / "clip 0.mp4"], out, workers=1, limits=Limits(start=4.0, frame=0.2))
    thread, answer = begin(given)
    until(children)[0].send_signal(signal.SIGSTOP)
    thread.join(60)
    assert answer == [SOME_FAILED] and not children()
    assert rows(out)["clip 0"]["code"] == "limit" and " s " in rows(out)["clip 0"]["message"]


def test_a_clip_that_eats_memory(clips, tmp_path) -> None:
    out = tmp_path / "out"
    assert farm(options([clips / "clip 0.mp4"], out, memory=60e6)) == SOME_FAILED
    assert rows(out)["clip 0"]["code"] == "limit" and "GB" in rows(out)["clip 0"]["message"]
    assert not children()


def test_the_driver_killed_and_restarted(clips, tmp_path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "inference_server", "farm", str(clips), "--out", str(out)]
    words += ["--quality", "fast", "--workers", "2"]
    for _ in range(2):  # interrupted twice
        driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: running(out))
        held = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        until(lambda held=held: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in held), 20)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(takes(out)) == 4 and set(states(out).values()) == {"done"}
    assert not (out / ".work").exists()


def test_stopping_says_so_and_leaves_nothing_running(clips, tmp_path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "inference_server", "farm", str(clips), "--out", str(out), "--quality", "fast"]
    driver = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: running(out))
    held = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGTERM)
    said, _ = driver.communicate(timeout=60)
    assert driver.returncode == CancelledError.exit_code and "waiting" in said
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in held), 20)
    assert "running" not in states(out).values()


def test_the_ledgers_disk_full(clips, tmp_path, monkeypatch) -> None:
    out = tmp_path / "out"
    true = Run.run

    def run(self: Run) -> int:
        pages = self.ledger._base.execute("pragma page_count").fetchone()[0]
        self.ledger._base.execute(f"pragma max_page_count = {pages}")  # SQLite then answers as on a full disk
        monkeypatch.setattr(Ledger, "captured", _full(self.ledger))
        return true(self)

    monkeypatch.setattr(Run, "run", run)
    with pytest.raises(DiskFullError):
        farm(options(clips, out))
    assert not children()
    monkeypatch.undo()
    assert farm(options(clips, out)) == 0
    assert len(takes(out)) == 4


def _full(ledger: Ledger):
    """`Ledger.captured` that writes more than there is room for, by SQLite itself."""

    def captured(self: Ledger, work, takes, measures) -> None:
        with self._change() as base:
            base.execute("update clip set measures = ? where key = ?", ("x" * 10_000_000, work.key))

    return captured


def test_two_runs_on_one_folder(clips, tmp_path) -> None:
    out = tmp_path / "out"
    first, a = begin(options(clips, out, workers=1))
    second, b = begin(options(clips, out, workers=1))
    first.join(240)
    second.join(240)
    assert a == [0] and b == [0] and len(takes(out)) == 4


def test_a_long_video_in_stretches_has_no_seam(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stretches, "SHORTEST", 1.0)
    monkeypatch.setattr(stretches, "OVERLAP", 1.0)
    clip = write_clip(tmp_path / "long.mp4", 50)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert farm(options([clip], whole)) == 0
    assert farm(options([clip], parts, long=2.0)) == 0
    a, b = load_motion(whole / "long.npz"), load_motion(parts / "long.npz")
    np.testing.assert_array_equal(a.frame_index, b.frame_index)
    np.testing.assert_allclose(a.time, b.time)
    np.testing.assert_allclose(a.betas, b.betas, atol=0.3)
    step_a = np.linalg.norm(np.diff(a.joints, axis=0), axis=-1).max(axis=1)
    step_b = np.linalg.norm(np.diff(b.joints, axis=0), axis=-1).max(axis=1)
    assert step_b.max() < 1.3 * step_a.max(), "no leap where stretches meet"
    off = np.linalg.norm(a.joints - b.joints, axis=-1)
    assert np.median(off) < 0.02


def test_formats_through_blender(clips, tmp_path) -> None:
    blender = os.environ.get("INT_MOCAP_BLENDER") or str(Path(sys.executable).parents[2] / "blender/bin/python")
    if not Path(blender).exists():
        pytest.skip("no Python with bpy beside this one")
    out = tmp_path / "out"
    assert farm(options(clips, out, formats=["npz", "fbx", "bvh"], blender=blender)) == 0
    for take in takes(out):
        assert (out / take).with_suffix(".fbx").stat().st_size > 1000
        assert (out / take).with_suffix(".bvh").stat().st_size > 1000
    (out / "clip 1.fbx").unlink()
    assert farm(options(clips, out, formats=["npz", "fbx", "bvh"], blender=blender)) == 0
    assert (out / "clip 1.fbx").exists()
    assert json.loads(rows(out)["clip 1"]["takes"])[0]["frames"] == 8


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_blender_that_crashes_on_one_take(clips, tmp_path) -> None:
    """All others are exported; the one is named after two tries."""
    real = Path(sys.executable).parents[2] / "blender/bin/python"
    if not real.exists():
        pytest.skip("no Python with bpy beside this one")
    crashing = tmp_path / "python_that_crashes"
    crashing.write_text(f'#!/bin/sh\ncase "$*" in *"clip 1.npz"*) kill -SEGV $$;; esac\nexec "{real}" "$@"\n')
    crashing.chmod(0o755)
    out = tmp_path / "out"
    assert farm(options(clips, out, formats=["npz", "bvh"], blender=str(crashing))) == SOME_FAILED
    found = rows(out)
    assert {key: row["state"] for key, row in found.items()} == {
        "clip 0": "done",
        "clip 1": "failed",
        "clip 2": "done",
        "more/clip 0": "done",
    }
    assert found["clip 1"]["code"] == "inference_died" and "Blender" in found["clip 1"]["message"]
    assert len(list(out.rglob("*.bvh"))) == 3 and len(takes(out)) == 4
    assert not list(out.glob(".export_*"))


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_stopping_while_blender_exports(clips, tmp_path) -> None:
    """The takes wait for the next run, which exports them."""
    real = Path(sys.executable).parents[2] / "blender/bin/python"
    if not real.exists():
        pytest.skip("no Python with bpy beside this one")
    slow = tmp_path / "python_that_sleeps"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    out = tmp_path / "out"
    words = [sys.executable, "-m", "inference_server", "farm", str(clips / "clip 0.mp4"), "--out", str(out)]
    words += ["--quality", "fast", "--formats", "npz,bvh", "--blender"]
    driver = subprocess.Popen([*words, str(slow)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until(lambda: (out / NAME).exists() and states(out).get("clip 0") == "exporting")
    driver.send_signal(signal.SIGTERM)
    said, _ = driver.communicate(timeout=30)
    assert driver.returncode == CancelledError.exit_code and "1 captured" in said
    assert states(out) == {"clip 0": "captured"} and not list(out.glob(".export_*"))
    done = subprocess.run([*words, str(real)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert (out / "clip 0.bvh").exists()
