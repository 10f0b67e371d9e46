"""The headless batch, as a stranger would run it: this Blender, or the wheel's Python."""

import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

from int_blender_addon.client import find_python
from int_blender_addon.core.errors import MocapError, SomeFailedError
from int_blender_addon.core.motion import load_motion

ROOT = Path(__file__).resolve().parents[2]
SQUATS = ROOT / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"
SCRIPT = ROOT / "int_blender_addon" / "batch.py"


@pytest.fixture(scope="module")
def inference() -> Path:
    try:
        return find_python("")
    except MocapError:
        pytest.skip("no inference environment here: python3 tasks.py setup")


def batch(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    blender = bpy.app.binary_path
    if blender and not Path(blender).name.startswith("blender"):  # started by way of a loader: ask for the wrapper
        blender = os.environ.get("BLENDER", "")
        if not blender:
            pytest.skip("set BLENDER to what starts this Blender")
    start = [blender, "-b", "--factory-startup", "--python"] if blender else [sys.executable]
    return subprocess.run(
        [*start, str(SCRIPT), "--", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **(env or {})},
    )


def test_a_bad_video_does_not_stop_the_rest(inference: Path, tmp_path: Path) -> None:
    good = tmp_path / "a clip's naïve name.mp4"
    good.write_bytes(SQUATS.read_bytes())
    bad, missing, out = tmp_path / "bad.mp4", tmp_path / "missing.mp4", tmp_path / "out folder"
    bad.write_bytes(b"no video at all")
    done = batch(bad, missing, good, "--out", out, "--formats", "fbx,npz", "--quality", "fast", "--end", "1.0")
    assert done.returncode == SomeFailedError.exit_code, done.stdout + done.stderr
    assert sorted(path.name for path in out.iterdir()) == [f"{good.stem}.fbx", f"{good.stem}.npz"]
    tail = (done.stdout + done.stderr)[-2000:]
    assert str(bad) in tail and str(missing) in tail
    assert len(load_motion(out / f"{good.stem}.npz")) >= 4


def test_takes_are_converted_without_inference(inference: Path, tmp_path: Path, make_motion) -> None:
    from int_blender_addon.core.motion import save_motion

    take = tmp_path / "take.npz"
    save_motion(take, make_motion(12, 30.0))
    done = batch(take, "--out", tmp_path, "--formats", "fbx,bvh,csv", "--inference", "/nowhere/python")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz", ".fbx", ".bvh", ".csv"}


@pytest.mark.slow
def test_an_authors_checkpoint_goes_from_file_to_fbx(inference: Path, tmp_path: Path) -> None:
    checkpoint, data = tmp_path / "int model.pth.tar", tmp_path / "data"
    maker = [str(inference), str(ROOT / "tests" / "golden" / "checkpoint.py"), str(checkpoint)]
    subprocess.run(maker, check=True, timeout=120)
    words = ["--formats", "fbx,npz", "--quality", "fast", "--end", "2.0", "--keyframe", "8", "--model", checkpoint]
    for name in ("first", "second"):  # the second from the converted file
        done = batch(SQUATS, "--out", tmp_path / name, *words, env={"INT_MOCAP_DATA": str(data)})
        assert done.returncode == 0, done.stdout + done.stderr
        kept = list((data / "weights").iterdir())
        assert [path.suffix for path in kept] == [".safetensors"]
    first, second = (load_motion(tmp_path / name / f"{SQUATS.stem}.npz") for name in ("first", "second"))
    assert "int" in first.model.lower() or checkpoint.stem in first.model
    assert abs(first.poses - second.poses).max() < 1e-5
    assert (tmp_path / "first" / f"{SQUATS.stem}.fbx").stat().st_size > 10_000
