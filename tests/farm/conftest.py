"""Short clips, cut from the sample video."""

import time
from collections.abc import Callable
from pathlib import Path

import av
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"


def write_clip(path: Path, frames: int, skip: int = 0) -> Path:
    """Some frames of the sample, as a video of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=10)
        shape = source.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number < skip:
                continue
            if number >= skip + frames:
                break
            image = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
            target.mux(stream.encode(image))
        target.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A folder with four good clips of 8 frames, in two folders."""
    folder = tmp_path_factory.mktemp("clips with spaces")
    for number in range(3):
        write_clip(folder / f"clip {number}.mp4", 8, skip=5 * number)
    write_clip(folder / "more" / "clip 0.mp4", 8, skip=20)
    return folder


def children() -> list[psutil.Process]:
    """Inference processes that this test started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "serve" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(condition: Callable[[], object], seconds: float = 90.0):
    """Wait until something is so, and give it back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
