"""Speed and memory of the whole path, stage by stage.

    python3 tasks.py bench
    python -m inference_server.bench --out build/bench.json [--seconds 10]

The clip is the 1080p sample, played to and fro to the length asked for. Each row runs in a process of its own, so
that its peak memory is its own. Timing is told, never tested.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from int_blender_addon.core.files import replacing

SAMPLE = Path(__file__).resolve().parents[1] / "tests" / "data" / "videos" / "pose2sim_single_cam01.mp4"


def make_clip(source: Path, target: Path, seconds: float) -> int:
    """Re-encode a video, to and fro, to a length; returns the number of frames."""
    with av.open(str(source)) as container:
        rate = round(float(container.streams.video[0].average_rate or 30))
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    order = list(range(len(frames))) + list(range(len(frames) - 2, 0, -1))
    count = max(int(seconds * rate), 1)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "20"})
        stream.height, stream.width = frames[0].shape[0] * 2 // 3, frames[0].shape[1]
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            image = av.VideoFrame.from_ndarray(frames[order[number % len(order)]], format="yuv420p")
            container.mux(stream.encode(image))
        container.mux(stream.encode())
    return count


def decode(video: Path, folder: Path, quality: str) -> None:
    """Reading alone."""
    from .video import read_frames

    for _ in read_frames(video):
        pass


def people(video: Path, folder: Path, quality: str) -> None:
    """Reading and landmarks; leaves the track for `motion`."""
    from .people.observe import collect

    track = collect(video, quality).tracks()[0]
    np.savez(folder / f"{quality}_track.npz", **vars(track))


def motion(video: Path, folder: Path, quality: str) -> None:
    """The motion stage alone, on the track that `people` left."""
    from int_blender_addon.core.body import load_free_body

    from .motion.estimate import estimate_motion
    from .people.landmarks import LandmarkTrack
    from .video import open_video

    with np.load(folder / f"{quality}_track.npz", allow_pickle=False) as data:
        track = LandmarkTrack(**{key: data[key] for key in data.files})
    info = open_video(video)
    estimate_motion(track, info.size, info.fps, load_free_body(), quality)


def whole(video: Path, folder: Path, quality: str) -> None:
    """The capture as the button runs it."""
    from .capture import CaptureOptions, capture

    capture(CaptureOptions(video, folder / "take.npz", quality=quality))


STAGES: dict[str, Callable[[Path, Path, str], None]] = {
    "decode": decode,
    "decode + people": people,
    "motion": motion,
    "whole path": whole,
}


def measure(stage: str, video: Path, folder: Path, quality: str) -> dict[str, float]:
    """Seconds and peak memory in MB of a stage, in a process of its own; without what starting Python costs."""
    code = "from inference_server.bench import run_stage; import sys; run_stage(*sys.argv[1:])"
    command = [sys.executable, "-c", code, stage, str(video), str(folder), quality]
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def run_stage(stage: str, video: str, folder: str, quality: str) -> None:
    """Run a stage and print what it took."""
    began = time.perf_counter()
    STAGES[stage](Path(video), Path(folder), quality)
    print(json.dumps({"seconds": time.perf_counter() - began, "memory": _peak_memory()}))


def _peak_memory() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Print the table and write the numbers."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.bench", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        count = make_clip(SAMPLE, clip, options.seconds)
        print(f"{count} frames of 1080x1920; {os.cpu_count()} processors, {platform.machine()}")
        print(f"{'quality':8} {'stage':16} {'frames/s':>9} {'ms/frame':>9} {'peak MB':>8}")
        for quality in ("fast", "best"):
            for stage in STAGES:
                taken = measure(stage, clip, Path(folder), quality)
                row = {"quality": quality, "stage": stage, "fps": count / taken["seconds"], **taken}
                rows.append(row)
                milliseconds = 1000 * taken["seconds"] / count
                print(
                    f"{quality:8} {stage:16} {row['fps']:9.1f} {milliseconds:9.1f} {taken['memory']:8.0f}", flush=True
                )
    from .model.bench import table

    print()
    report = {"frames": count, "processors": os.cpu_count(), "rows": rows, "int": table()}
    with replacing(options.out) as aside:
        aside.write_text(json.dumps(report, indent=1))
    assert all(np.isfinite(row["seconds"]) for row in rows)


if __name__ == "__main__":
    main()
