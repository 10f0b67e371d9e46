"""What bad input gets: the right exit code, one sentence and a hint, and nothing left behind."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import BALANCE, SQUATS, cli, frames_of, write_sound, write_video

from int_blender_addon.core.motion import load_motion


def refused(done: subprocess.CompletedProcess, code: int, out: Path) -> str:
    """The sentence; checks that this is how a person should be told."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[0].endswith("."), done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
    if out.parent.is_dir():
        assert not [path for path in out.parent.iterdir() if path.name.startswith((out.name, "."))]
    return lines[0]


def grey(count: int, size: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(90, 110, (size[1], size[0], 3), dtype=np.uint8) for _ in range(count)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "take.npz"


def test_a_missing_video(out: Path) -> None:
    assert "nowhere.mp4" in refused(cli("capture", "nowhere.mp4", "--out", out), 3, out)


@pytest.mark.parametrize(("name", "content"), [("empty", b""), ("text", b"hello" * 999)])
def test_what_is_no_video(tmp_path: Path, out: Path, name: str, content: bytes) -> None:
    path = tmp_path / f"{name}.mp4"
    path.write_bytes(content)
    refused(cli("capture", path, "--out", out), 4 if content else 5, out)


def test_a_folder_and_a_forbidden_file(tmp_path: Path, out: Path) -> None:
    refused(cli("capture", tmp_path, "--out", out), 4, out)


def test_a_truncated_video(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(SQUATS.read_bytes()[:3000])
    refused(cli("capture", path, "--out", out), 4, out)


def test_sound_alone(tmp_path: Path, out: Path) -> None:
    refused(cli("capture", write_sound(tmp_path / "sound.mp4"), "--out", out), 6, out)


def test_a_trim_of_no_length_and_one_past_the_end(out: Path) -> None:
    refused(cli("capture", SQUATS, "--out", out, "--start", "3", "--end", "3"), 2, out)
    refused(cli("capture", SQUATS, "--out", out, "--start", "500"), 5, out)


def test_nobody(tmp_path: Path, out: Path) -> None:
    refused(cli("capture", write_video(tmp_path / "grey.mp4", grey(20)), "--out", out), 8, out)


def test_a_person_in_three_frames(tmp_path: Path, out: Path) -> None:
    people = frames_of(SQUATS, 3)
    empty = [np.full_like(people[0], 100)] * 8
    path = write_video(tmp_path / "short.mp4", empty + people + empty)
    done = cli("capture", path, "--out", out, "--quality", "fast")
    assert done.returncode in (8, 9)
    refused(done, done.returncode, out)


def test_twenty_pixels(tmp_path: Path, out: Path) -> None:
    refused(cli("capture", write_video(tmp_path / "tiny.mp4", grey(10, (20, 20))), "--out", out), 7, out)


def test_a_person_who_is_not_there(out: Path) -> None:
    done = cli("capture", SQUATS, "--out", out, "--quality", "fast", "--end", "2", "--person", "7")
    assert done.returncode == 10, done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--smooth", "2"],
        ["--quality", "fastest"],
        ["--person", "first"],
        ["--start", "-1"],
        ["--lens", "1"],
    ],
)
def test_wrong_arguments(out: Path, words: list[str]) -> None:
    done = cli("capture", SQUATS, "--out", out, *words)
    assert done.returncode == 2 and not out.exists() and done.stderr.strip()


def test_wrong_names_of_the_take(tmp_path: Path) -> None:
    assert cli("capture", SQUATS, "--out", tmp_path / "take.fbx").returncode == 2
    (tmp_path / "file").write_text("")
    assert cli("capture", SQUATS, "--out", tmp_path / "file" / "take.npz").returncode == 11


def test_a_body_that_is_none(tmp_path: Path, out: Path) -> None:
    (tmp_path / "body.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")  # a pickle that would run a command
    refused(cli("capture", SQUATS, "--out", out, "--body", tmp_path / "body.pkl", cwd=tmp_path), 15, out)
    assert not (tmp_path / "pwned").exists()
    refused(cli("capture", SQUATS, "--out", out, "--body", tmp_path / "none.npz"), 15, out)


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # the superuser may write anywhere but here
        folder = Path("/proc/self")
    out = folder / "take.npz"
    done = cli("capture", SQUATS, "--out", out)
    assert done.returncode == 11 and "hint: " in done.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """On a file system of its own that holds a few kilobytes."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("mounting needs rights that this user lacks")
    try:
        done = cli("capture", SQUATS, "--out", small / "take.npz", "--quality", "fast", "--end", "3")
        assert done.returncode == 12, done.stderr
        assert "hint: " in done.stderr and not (small / "take.npz").exists()
        left = [path.name for path in small.rglob("*") if path.is_file()]
        assert not [name for name in left if not name.startswith("landmarks")], left
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_odd_paths(tmp_path: Path) -> None:
    folder = tmp_path / "mes vidéos \"été\" & 'hiver'"
    folder.mkdir()
    video = Path(shutil.copy(SQUATS, folder / "приседания 100%.mp4"))
    out = folder / "взять 1.npz"
    done = cli("capture", video, "--out", out, "--quality", "fast", "--end", "3")
    assert done.returncode == 0, done.stderr
    assert len(load_motion(out)) == 15
    assert sorted(path.name for path in folder.iterdir()) == sorted([video.name, out.name])


def test_a_varying_frame_rate(tmp_path: Path) -> None:
    frames = frames_of(BALANCE, 24, 10)
    times = list(np.cumsum([0.0] + [0.02, 0.05, 0.033] * 8)[:24])
    path = write_video(tmp_path / "vfr.mp4", [frame[::2, ::2] for frame in frames], times=times)
    out = tmp_path / "take.npz"
    assert cli("capture", path, "--out", out, "--quality", "fast").returncode == 0
    assert np.allclose(load_motion(out).time, np.round(np.array(times) - times[0], 3), atol=2e-3)


def test_stdout_of_a_capture_is_one_line_and_stderr_has_no_noise(tmp_path: Path) -> None:
    out = tmp_path / "take.npz"
    done = cli("capture", SQUATS, "--out", out, "--quality", "fast", "--end", "2")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1 and str(out) in done.stdout
    assert "XNNPACK" not in done.stderr and "Warning" not in done.stderr


def test_people_are_listed(tmp_path: Path) -> None:
    done = cli("people", SQUATS)
    assert done.returncode == 0 and "person_id 1" in done.stdout
