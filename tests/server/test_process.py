"""The serving process over real pipes: messages, cancel, and every way to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import BALANCE, ROOT, SQUATS, Served, cli, frames_of, write_video

from int_blender_addon.core.motion import load_motion
from int_blender_addon.core.protocol import PROTOCOL


def ask(served: Served, out: Path, number: int = 1, video: Path = SQUATS, **options: object) -> None:
    values = {"quality": "fast", "end": 3.0, **options}
    served.send(type="capture", id=number, video=str(video), out=str(out), **values)


def test_a_capture_from_hello_to_done(served: Served, tmp_path: Path) -> None:
    hello = served.until("hello")[-1]
    assert hello["protocol"] == PROTOCOL and hello["version"] and hello["device"]
    served.raw(b"this is no message\n")
    served.send(type="from the future", id=9)
    ask(served, tmp_path / "take.npz")
    messages = served.until("done", id=1)
    kinds = [m["type"] for m in messages]
    assert kinds[-2:] == ["result", "done"] and "error" not in kinds
    stages = [m["stage"] for m in messages if m["type"] == "progress"]
    assert stages.index("people") < stages.index("motion")
    result = messages[-2]
    assert len(load_motion(result["path"])) == 15 and Path(result["body"]).exists()
    ask(served, tmp_path / "missing.npz", 2, tmp_path / "no.mp4")
    error = served.until("done", id=2)[-2]
    assert error["type"] == "error" and error["code"] == "video_missing" and error["message"] and error["hint"]
    ask(served, tmp_path / "again.npz", 3)
    assert "result" in [m["type"] for m in served.until("done", id=3)]
    served.send(type="quit")
    assert served.process.wait(5) == 0


def test_stretches_come_before_the_end_of_a_long_take(served: Served, tmp_path: Path) -> None:
    frames = [image[::3, ::3] for image in frames_of(SQUATS, 65)]
    video = write_video(tmp_path / "long.mp4", (frames + frames[::-1]) * 5)
    ask(served, tmp_path / "take.npz", video=video, end=None)
    messages = served.until("done", 120, id=1)
    stretches = [m for m in messages if m["type"] == "stretch"]
    assert stretches, "650 frames are more than one stretch"
    assert messages.index(stretches[0]) < len(messages) - 2
    assert stretches[0]["first"] == 0


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_cancel_is_answered_at_once_and_leaves_nothing(served: Served, tmp_path: Path, share: float) -> None:
    out = tmp_path / "take.npz"
    ask(served, out, video=BALANCE, end=None, quality="best")
    served.until("hello")
    while (message := served.until("progress")[-1])["done"] < share * message["total"]:
        pass
    began = time.monotonic()
    served.send(type="cancel", id=1)
    messages = served.until("done", 10, id=1)
    assert time.monotonic() - began < 2.0
    assert [m["code"] for m in messages if m["type"] == "error"] == ["cancelled"]
    assert list(tmp_path.iterdir()) == []


def test_it_does_not_outlive_its_pipe(served: Served, tmp_path: Path) -> None:
    ask(served, tmp_path / "take.npz", video=BALANCE, end=None)
    served.until("progress")
    served.process.stdin.close()
    served.process.wait(2)
    assert not (tmp_path / "take.npz").exists()


def test_killed_it_leaves_no_final_file_and_a_second_run_completes(tmp_path: Path) -> None:
    out = tmp_path / "take.npz"
    served = Served(tmp_path)
    ask(served, out, video=BALANCE, end=None)
    while (message := served.until("progress")[-1])["done"] < 0.6 * message["total"]:
        pass
    os.kill(served.process.pid, signal.SIGKILL)
    served.close()
    assert not out.exists()
    assert cli("capture", BALANCE, "--out", out, "--quality", "fast").returncode == 0
    assert len(load_motion(out)) == 100
    assert [path.name for path in tmp_path.iterdir()] == ["take.npz"]


def test_no_socket_is_opened(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no sockets in this test')\n"
        "socket.socket.__init__ = refuse\n"
    )
    out = tmp_path / "take.npz"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = cli("capture", SQUATS, "--out", out, "--quality", "fast", "--end", "2", env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    check = "import socket; socket.socket()"
    refused = subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert refused.returncode != 0, "the refusal itself works"
