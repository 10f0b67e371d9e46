"""What the farm costs and brings, measured: `python3 tasks.py bench --farm`.

One machine: 20 clips of several lengths at one place after another, and at as many as there are. Short clips by the
ten, hundred and thousand: what a clip costs besides its frames. With Ray: one node of one processor against two.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import av
import psutil

from .run import FarmOptions, farm
from .worker import memory_of

LENGTHS = (12, 20, 32, 48, 64)  # frames
SHORT = 8
SETTINGS = {"quality": "fast"}


@dataclass
class Measured:
    """One run: seconds, mean processors busy, bytes at most."""

    seconds: float
    busy: float
    memory: float
    failed: int


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="a folder of videos to cut clips from")
    parser.add_argument("--counts", type=int, nargs="*", default=[10, 100, 1000], help="how many short clips")
    parser.add_argument("--no-ray", action="store_true")
    options = parser.parse_args()
    sources = sorted(options.videos.glob("*.mp4"))
    with tempfile.TemporaryDirectory(prefix="int_mocap_bench_") as folder:
        base = Path(folder)
        mixed = base / "mixed"
        total = cut_clips(sources, mixed, [LENGTHS[n % len(LENGTHS)] for n in range(20)])
        one_machine(base, mixed, total)
        if not options.no_ray:
            nodes(base, mixed, total)
        short_clips(base, sources, options.counts)


def one_machine(base: Path, clips: Path, total: int) -> None:
    """20 mixed clips, one after another and side by side."""
    print(f"20 clips, {total} frames, {os.cpu_count()} processors\n")
    print("| places | seconds | frames a second | processors busy | peak memory, GB | times one place |")
    print("|---|---|---|---|---|---|")
    first = 0.0
    for places in (1, None):
        found = measured(FarmOptions([clips], base / f"out{places}", settings=SETTINGS, workers=places))
        first = first or found.seconds
        title = "one" if places == 1 else "as many as fit"
        numbers = f"{found.seconds:.0f} | {total / found.seconds:.1f} | {found.busy:.2f} | {found.memory / 1e9:.2f}"
        print(f"| {title} | {numbers} | {first / found.seconds:.2f} |", flush=True)


def nodes(base: Path, clips: Path, total: int) -> None:
    """The same on one Ray node of one processor, and on two."""
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        print("\nRay is not installed: nodes are not measured.")
        return
    print("\n| Ray nodes of one processor | seconds | frames a second | times one node |\n|---|---|---|---|")
    first = 0.0
    for count in (1, 2):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        for _ in range(count - 1):
            cluster.add_node(num_cpus=1)
        out = base / f"ray{count}"
        found = measured(FarmOptions([clips], out, settings=SETTINGS, address=cluster.address))
        ray.shutdown()
        cluster.shutdown()
        first = first or found.seconds
        rate = total / found.seconds
        print(f"| {count} | {found.seconds:.0f} | {rate:.1f} | {first / found.seconds:.2f} |", flush=True)


def short_clips(base: Path, sources: list[Path], counts: list[int]) -> None:
    """What a clip costs besides its frames, and whether many cost more than few."""
    print(f"\n| clips of {SHORT} frames | seconds | seconds a clip | ledger, kB | failed |\n|---|---|---|---|---|")
    for count in counts:
        folder, out = base / f"short{count}", base / f"short_out{count}"
        cut_clips(sources, folder, [SHORT] * count)
        found = measured(FarmOptions([folder], out, settings=SETTINGS))
        size = (out / "farm.sqlite").stat().st_size / 1000
        print(
            f"| {count} | {found.seconds:.0f} | {found.seconds / count:.2f} | {size:.0f} | {found.failed} |", flush=True
        )
        shutil.rmtree(folder)
        shutil.rmtree(out)


def measured(options: FarmOptions) -> Measured:
    """Run quietly, and look at the processors and the memory meanwhile."""
    over = threading.Event()
    busy: list[float] = []
    peak = [0.0]

    def look() -> None:
        psutil.cpu_percent()
        while not over.wait(0.5):
            busy.append(psutil.cpu_percent() / 100 * (os.cpu_count() or 1))
            peak[0] = max(peak[0], memory_of(os.getpid()))

    watcher = threading.Thread(target=look)
    watcher.start()
    began = time.monotonic()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            farm(options)
    finally:
        over.set()
        watcher.join()
    failed = said.getvalue().count("\nfailed: ")
    return Measured(time.monotonic() - began, sum(busy) / max(len(busy), 1), peak[0], failed)


def cut_clips(sources: list[Path], folder: Path, lengths: list[int]) -> int:
    """Clips of some lengths, from one source after another; returns the frames of all."""
    folder.mkdir(parents=True)
    total = 0
    made: dict[tuple[Path, int], Path] = {}
    for number, length in enumerate(lengths):
        source = sources[number % len(sources)]
        path = folder / f"clip_{number:04d}.mp4"
        known = made.get((source, length))
        if known is not None:
            shutil.copyfile(known, path)
        else:
            made[source, length] = path
            _cut(source, path, length)
        total += length
    return total


def _cut(source: Path, path: Path, length: int) -> None:
    with av.open(str(source)) as reading, av.open(str(path), "w") as writing:
        shape = reading.streams.video[0]
        stream = writing.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = shape.width // 2 * 2, shape.height // 2 * 2, "yuv420p"
        stream.bit_rate = 4_000_000
        for number, frame in enumerate(reading.decode(video=0)):
            if number >= length:
                break
            image = frame.to_ndarray(format="rgb24")[: stream.height, : stream.width]
            writing.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        writing.mux(stream.encode())


if __name__ == "__main__":
    main()
