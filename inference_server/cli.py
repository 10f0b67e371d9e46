"""The command line: capture, people, body, picture, evaluate, doctor, serve.

Exit codes: 0 done; 2 wrong arguments; others as `int_blender_addon/core/errors.py` numbers them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from int_blender_addon.core.errors import CancelledError, InferenceMissingError, MocapError
from int_blender_addon.core.files import replacing

from . import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except MocapError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        stopped = CancelledError("Stopped.")
        _complain(stopped)
        return stopped.exit_code
    except Exception as error:  # the last net: a sentence for the person, the rest for the report
        traceback.print_exc()
        wrapped = MocapError(f"Something unforeseen happened: {error!r}.")
        _complain(wrapped)
        return wrapped.exit_code


def _complain(error: MocapError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference_server", description="Motion capture from video.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _command(commands, "capture", _capture, "capture the motion of a person in a video")
    command.add_argument("video", type=Path)
    command.add_argument("--out", type=Path, required=True, help="the take to write (.npz)")
    command.add_argument("--model", default="auto", help="auto, landmarks, or an INT checkpoint")
    command.add_argument("--quality", default="best", choices=("fast", "best"))
    command.add_argument("--body", default="free", help="free, or an SMPL file")
    command.add_argument("--person", default="auto", help="auto, a number, or all")
    command.add_argument("--start", type=float, help="seconds")
    command.add_argument("--end", type=float, help="seconds")
    command.add_argument("--smooth", type=float, default=0.5, help="0 to 1")
    command.add_argument("--lens", type=float, help="35 mm equivalent focal length, if known")
    command.add_argument("--height", type=float, help="of the person in centimetres, if known")
    command.add_argument("--camera", type=Path, help="a camera path that Blender wrote (.npz)")
    command.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    command.add_argument("--keyframe", type=int, default=1, help="an INT checkpoint looks at every so many frames")
    command.add_argument("--flip", action="store_true", help="an INT checkpoint looks at mirrored frames too")

    command = _command(commands, "people", _people, "list the people in a video")
    command.add_argument("video", type=Path)
    command.add_argument("--quality", default="fast", choices=("fast", "best"))
    command.add_argument("--json", action="store_true")
    command.add_argument("--thumbnails", type=Path, help="a folder for a picture of each")

    command = _command(commands, "body", _body, "write the rest body of a take, for Blender to build")
    command.add_argument("take", type=Path)
    command.add_argument("--out", type=Path, required=True)

    command = _command(commands, "farm", _farm, "capture libraries of videos, on one machine or on a Ray cluster")
    command.add_argument("inputs", nargs="+", type=Path, metavar="VIDEO", help="videos, and folders of videos")
    command.add_argument("--out", type=Path, required=True, help="a folder; run again on it to do what is missing")
    command.add_argument("--formats", default="npz", help="npz; through Blender fbx, glb, bvh, usd, abc, csv, blend")
    command.add_argument("--address", default="local", help="local, auto, or HOST:PORT of a Ray cluster")
    command.add_argument("--workers", type=int, help="how many clips at a time; by cores and memory if not given")
    command.add_argument("--memory", type=float, metavar="GB", help="that a clip may take")
    command.add_argument("--start-limit", type=float, default=180.0, metavar="SECONDS", help="until frames are counted")
    command.add_argument("--frame-limit", type=float, default=3.0, metavar="SECONDS", help="that a frame may take")
    command.add_argument("--long", type=float, default=600.0, metavar="SECONDS", help="from here on videos are split")
    command.add_argument("--blender", default="", help="path of Blender, or of a Python with bpy, for formats")
    command.add_argument("--model", default="auto", help="auto, landmarks, or an INT checkpoint")
    command.add_argument("--quality", default="best", choices=("fast", "best"))
    command.add_argument("--body", default="free", help="free, or an SMPL file")
    command.add_argument("--person", default="auto", help="auto, a number, or all")
    command.add_argument("--smooth", type=float, default=0.5, help="0 to 1")
    command.add_argument("--lens", type=float, help="35 mm equivalent focal length, if known")
    command.add_argument("--height", type=float, help="of the people in centimetres, if known")
    command.add_argument("--keyframe", type=int, default=1, help="an INT checkpoint looks at every so many frames")

    command = _command(commands, "convert", _convert, "turn another system's result file into takes")
    command.add_argument("file", type=Path, help="of AMASS, GVHMR, WHAM, TRAM, VIBE, 4D-Humans and others")
    command.add_argument("--out", type=Path, required=True, help="a folder")
    command.add_argument("--body", default="free", help="free, or an SMPL file")
    command.add_argument("--fps", type=float, help="frames per second; the file's, the video's, or 30")
    command.add_argument("--video", type=Path, help="the video that was captured: its rate and size")
    command.add_argument("--smooth", type=float, default=0.0, help="0 to 1")

    command = _command(commands, "picture", _picture, "draw moments of a take over its video")
    command.add_argument("video", type=Path)
    command.add_argument("--take", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="the picture to write (.png)")
    command.add_argument("--moments", type=int, default=6)

    command = _command(commands, "compare", _compare, "draw a take before and after its refining")
    command.add_argument("take", type=Path)
    command.add_argument("--out", type=Path, required=True, help="the picture to write (.png)")

    command = _command(commands, "inspect", _inspect, "show what a model learned: its prior, its looks, its links")
    command.add_argument("video", type=Path)
    command.add_argument("--out", type=Path, required=True, help="a folder")
    command.add_argument("--model", default="auto", help="auto, or an INT checkpoint")
    command.add_argument("--quality", default="best", choices=("fast", "best"))
    command.add_argument("--length", type=int, default=64, help="frames of the clip")
    command.add_argument("--rate", type=float, default=12.0, help="frames a second in it")
    command.add_argument("--joints", help="names with commas")

    command = _command(commands, "still", _still, "write frames of a video as small pictures")
    command.add_argument("video", type=Path)
    command.add_argument("--at", type=float, nargs="+", required=True, metavar="SECONDS")
    command.add_argument("--out", type=Path, required=True, help="a folder")

    command = _command(commands, "evaluate", None, "score takes")
    kinds = command.add_subparsers(required=True, metavar="WHAT")
    joints = _command(kinds, "joints", _evaluate_joints, "joints of a take against a reference")
    joints.add_argument("--pred", type=Path, required=True)
    joints.add_argument("--ref", type=Path, required=True)
    joints.add_argument("--joints", default="limb12", help="limb12, lsp14, all, or names with commas")
    joints.add_argument("--stride", type=int, default=1)
    joints.add_argument("--min-conf", type=float, default=0.0)
    joints.add_argument("--json", type=Path, help="also write the numbers here")

    quality = _command(kinds, "quality", _evaluate_quality, "sliding, floor, jitter and keys of takes, raw and refined")
    quality.add_argument("takes", nargs="+", type=Path)
    quality.add_argument("--json", type=Path, help="also write the numbers here")

    for name in ("3dpw", "h36m", "mpi-inf-3dhp", "emdb", "rich"):
        benchmark = _command(
            kinds, name, _evaluate_benchmark, f"a model or results on {name}, as its publisher ships it"
        )
        benchmark.add_argument("--root", type=Path, required=True, help="the publisher's files")
        benchmark.add_argument("--model", type=Path, required=True, help="an INT checkpoint, or a folder of results")
        benchmark.add_argument("--smpl", type=Path, required=True, help="SMPL's bodies and J_regressor_h36m.npy")
        benchmark.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
        benchmark.add_argument("--length", type=int, help="T, frames of a clip")
        benchmark.add_argument("--json", type=Path, help="also write the numbers here")
        benchmark.set_defaults(benchmark=name)

    table = _command(kinds, "table", _evaluate_table, "the paper's Table 1 beside what was measured")
    table.add_argument("measured", nargs="*", type=Path, help="files that --json wrote")

    _command(commands, "doctor", _doctor, "what is installed, found and missing")
    _command(commands, "serve", _serve, "answer Blender on stdin and stdout")
    return parser


def _command(commands, name: str, run: Callable[[argparse.Namespace], int] | None, text: str):
    parser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def _capture(options: argparse.Namespace) -> int:
    from .capture import CaptureOptions, Listener, capture

    names = (
        "video",
        "out",
        "model",
        "quality",
        "body",
        "person",
        "start",
        "end",
        "smooth",
        "device",
        "lens",
        "height",
        "camera",
        "keyframe",
        "flip",
    )
    wanted = CaptureOptions(**{name: getattr(options, name) for name in names})
    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    listener = Listener(
        progress=ProgressLine(), log=lambda text: print(text, file=sys.stderr), cancelled=lambda: bool(stop)
    )
    began = time.monotonic()
    for take in capture(wanted, listener):
        print(f"{take.path}: person {take.person_id}, {take.frames} frames, {time.monotonic() - began:.1f} s")
    return 0


class ProgressLine:
    """Progress on stderr: one line that is written over in a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._interval = 0.1 if self._live else 5.0
        self._stage, self._began, self._shown = "", 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` frames of a stage are through."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._shown = stage, now, 0.0
        if done < total and now - self._shown < self._interval:
            return
        self._shown = now
        spent = now - self._began
        left = f", {spent * (total - done) / done:.0f} s left" if done < total and done and spent > 1 else ""
        text = f"{stage}: {done}/{total} frames{left}"
        end = "\n" if not self._live or done >= total else ""
        print(f"\r{text:<60}" if self._live else text, end=end, file=sys.stderr, flush=True)


def _people(options: argparse.Namespace) -> int:
    from .people.report import people_report

    people = people_report(options.video, options.quality, thumbnails=options.thumbnails)
    if options.json:
        print(json.dumps(people, indent=1))
        return 0
    for person in people:
        print(", ".join(f"{key} {value}" for key, value in person.items()))
    return 0


def _body(options: argparse.Namespace) -> int:
    from int_blender_addon.core.motion import load_motion

    from .body import load_body

    motion = load_motion(options.take)
    load_body(motion.body).rest(motion.betas).save(options.out)
    print(options.out)
    return 0


def _farm(options: argparse.Namespace) -> int:
    from .farm import FarmOptions, farm
    from .farm.worker import Limits

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = ("model", "quality", "body", "person", "smooth", "lens", "height", "keyframe")
    settings = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    wanted = FarmOptions(
        inputs=options.inputs,
        out=options.out,
        formats=[name for name in options.formats.lower().split(",") if name],
        settings=settings,
        address=options.address,
        workers=options.workers,
        memory=None if options.memory is None else options.memory * 1e9,
        limits=Limits(options.start_limit, options.frame_limit),
        blender=options.blender,
        long=options.long,
    )
    return farm(wanted)


def _convert(options: argparse.Namespace) -> int:
    from .convert import convert

    for path in convert(options.file, options.out, options.body, options.fps, options.video, options.smooth):
        print(path)
    return 0


def _evaluate_quality(options: argparse.Namespace) -> int:
    from .evaluate.quality import of_take

    found = {str(path): of_take(path) for path in options.takes}
    names = list(next(iter(found.values()))["raw"])
    print(f"| take | | {' | '.join(names)} |\n|{'---|' * (len(names) + 2)}")
    for path, rows in found.items():
        for kind, row in rows.items():
            print(f"| {Path(path).stem} | {kind} | {' | '.join(f'{row[name]:.2f}' for name in names)} |")
    if options.json is not None:
        with replacing(options.json) as aside:
            aside.write_text(json.dumps(found, indent=1))
    return 0


def _evaluate_joints(options: argparse.Namespace) -> int:
    from int_blender_addon.core.files import replacing

    from .evaluate.joints import evaluate_files

    scores = evaluate_files(options.pred, options.ref, options.joints, options.stride, options.min_conf)
    text = json.dumps(scores, indent=1)
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def _evaluate_benchmark(options: argparse.Namespace) -> int:
    from .evaluate.benchmark import evaluate_benchmark, markdown

    found = evaluate_benchmark(
        options.benchmark,
        options.root,
        options.model,
        options.smpl,
        options.device,
        options.length,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    if options.json:
        with replacing(options.json) as aside:
            aside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown(found))
    return 0


def _evaluate_table(options: argparse.Namespace) -> int:
    from .evaluate.benchmark import load_measured, table_1

    print(table_1([load_measured(path) for path in options.measured]))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import report

    text, fine = report()
    print(text)
    return 0 if fine else InferenceMissingError.exit_code


def _picture(options: argparse.Namespace) -> int:
    from .picture import draw_sheet

    print(draw_sheet(options.video, options.take, options.out, options.moments))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from .picture import draw_before_after

    print(draw_before_after(options.take, options.out))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from .inspection import inspect_video
    from .inspection.report import JOINTS

    joints = tuple(options.joints.split(",")) if options.joints else JOINTS
    wanted = (options.model, options.quality, options.length, options.rate, joints)
    print(inspect_video(options.video, options.out, *wanted))
    return 0


def _still(options: argparse.Namespace) -> int:
    from .picture.still import write_stills

    for path in write_stills(options.video, options.at, options.out):
        print(path)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from .serve import serve

    return serve()
