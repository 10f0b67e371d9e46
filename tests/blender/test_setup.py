"""The inference environment made from inside Blender: truly, with pip, though with few packages."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest

import int_blender_addon
from int_blender_addon import environment, jobs
from int_blender_addon.core.errors import InferenceMissingError, MocapError
from int_blender_addon.operators import setup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def base() -> Path:
    try:
        return environment.base_python(os.environ.get("INT_MOCAP_INFERENCE", ""))
    except MocapError:
        pytest.skip("no Python here can make environments")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "few.txt"
    path.write_text("# small ones\nthreadpoolctl>=3.4\n")
    return path


def wait(running: environment.Setup, seconds: float = 120) -> environment.Setup:
    deadline = time.monotonic() + seconds
    while not running.poll():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return running


@pytest.mark.slow
def test_it_is_made_whole_and_left_alone_after(base: Path, few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data d'été" / "inference"
    made = wait(environment.start(folder, base, "cpu", requirements=few))
    assert made.finished and made.error is None, "\n".join(made.log)
    assert environment.python_in(folder).exists() and made.text == str(environment.python_in(folder))
    began = time.monotonic()
    again = wait(environment.start(folder, base, "cpu", requirements=few))
    assert again.finished and "already" in again.text and time.monotonic() - began < 10
    # broken: repaired by the same button
    environment.python_in(folder).unlink()
    assert wait(environment.start(folder, base, "cpu", requirements=few)).finished
    assert environment.python_in(folder).exists()


@pytest.mark.slow
def test_cancel_ends_everything_and_a_second_run_goes_on(base: Path, few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inference"
    running = environment.start(folder, base, "cpu", requirements=few)
    deadline = time.monotonic() + 60
    while running.stage != "packages" and time.monotonic() < deadline:
        running.poll()
        time.sleep(0.02)
    running.cancel()
    group = running.process.pid
    time.sleep(0.5)
    if sys.platform.startswith("linux"):
        alive = [p for p in Path("/proc").glob("[0-9]*/stat") if _group(p) == group]
        assert not alive
    assert wait(environment.start(folder, base, "cpu", requirements=few)).finished


def _group(stat: Path) -> int:
    try:
        fields = stat.read_text().rsplit(")", 1)[1].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[2])


def test_what_cannot_be_installed_is_told(base: Path, tmp_path: Path) -> None:
    wanted, wheels = tmp_path / "r.txt", tmp_path / "wheels"
    wanted.write_text("no-such-package-anywhere>=1\n")
    wheels.mkdir()
    ended = wait(environment.start(tmp_path / "env", base, "cpu", str(wheels), wanted))
    assert not ended.finished and "no-such-package-anywhere" in ended.error.message and ended.error.hint
    assert any("no-such-package" in line for line in ended.log)


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InferenceMissingError, match="no Python"):
        environment.base_python(str(tmp_path / "python"))


def test_the_list_is_that_of_the_project() -> None:
    tomllib = pytest.importorskip("tomllib")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    lines = environment.REQUIREMENTS.read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == groups["inference"]


def test_the_operator_asks_for_the_network_and_cancel_stops(empty_scene, monkeypatch: pytest.MonkeyPatch) -> None:
    int_blender_addon.register()
    try:
        if not bpy.app.online_access:
            with pytest.raises(RuntimeError, match="online"):
                bpy.ops.int_mocap.setup()
            assert jobs.state.last_error is not None and jobs.state.last_error.hint
        assert setup.state.running is None
    finally:
        int_blender_addon.unregister()


def test_the_report_names_nobody() -> None:
    home = str(Path.home())
    assert home not in setup.without_names(f"python ({home}/x)")


def test_a_full_disk_is_told_before_anything_is_made(base: Path, tmp_path: Path) -> None:
    """The script itself, with a disk that says it is nearly full."""
    folder = tmp_path / "env"
    code = (
        "import runpy, shutil, sys, collections; "
        "shutil.disk_usage = lambda path: collections.namedtuple('U', 'total used free')(9, 9, 1_000_000_000); "
        f"sys.argv = ['x', '--folder', {str(folder)!r}, '--requirements', {str(environment.REQUIREMENTS)!r}, "
        f"'--torch', 'cpu']; runpy.run_path({str(environment.SCRIPT)!r}, run_name='__main__')"
    )
    done = subprocess.run([str(base), "-c", code], capture_output=True, text=True, check=False)
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1 and "2.5 GB are needed" in last["error"] and "another folder" in last["hint"]
    assert not folder.exists()
