"""The command line and the serving process, run as a stranger would."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
VIDEOS = ROOT / "tests" / "data" / "videos"
SQUATS = VIDEOS / "tfjs_pose_squats.mp4"
BALANCE = VIDEOS / "pose2sim_single_cam01.mp4"


def cli(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run `python -m inference_server` with some words."""
    return subprocess.run(
        [sys.executable, "-m", "inference_server", *(str(word) for word in words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def frames_of(path: Path, count: int, skip: int = 0) -> list[np.ndarray]:
    """Some frames of a video, RGB."""
    found = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= skip:
                found.append(frame.to_ndarray(format="rgb24"))
            if len(found) == count:
                break
    return found


def write_video(
    path: Path, frames: list[np.ndarray], fps: int = 30, times: list[float] | None = None, rotation: int = 0
) -> Path:
    """Encode frames; with `times` in seconds if they are not even."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 6_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            seconds = times[number] if times else number / fps
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for number in range(20):
            samples = (np.sin(np.arange(1024) * 0.05) * 8000).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Served:
    """A serving process at the other end of real pipes."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inference_server", "serve"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)

    def send(self, **message: object) -> None:
        """One message."""
        self.raw(json.dumps(message).encode() + b"\n")

    def raw(self, line: bytes) -> None:
        """Any bytes."""
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def until(self, kind: str, seconds: float = 60, **values: object) -> list[dict]:
        """All messages up to the first of a kind (and of some values)."""
        found = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            message = json.loads(line)  # nothing but messages may come this way
            found.append(message)
            if message["type"] == kind and all(message.get(k) == v for k, v in values.items()):
                return found
        raise AssertionError(f"no {kind} within {seconds} s: {found[-3:]}")

    def close(self) -> None:
        """Kill it if it is still there."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def served(tmp_path: Path):
    """A serving process."""
    process = Served(tmp_path)
    yield process
    process.close()
