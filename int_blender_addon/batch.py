"""Many videos, or takes, to files, without a window.

    blender -b --python int_blender_addon/batch.py -- a.mp4 b.mp4 --out DIR --formats fbx,npz
    python int_blender_addon/batch.py -- a.mp4 ...          (with the bpy wheel)

One input that fails does not stop the rest: it is named at the end, and the exit code tells. Exit codes are those of
`core/errors.py`; 20 if some of several inputs failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bpy

from int_blender_addon import keyframes, placing, rig
from int_blender_addon.client import Client, find_python
from int_blender_addon.core.body import RestBody, load_free_body
from int_blender_addon.core.errors import (
    ArgumentsError,
    CancelledError,
    InferenceDiedError,
    MocapError,
    SomeFailedError,
    from_message,
    from_os_error,
)
from int_blender_addon.core.files import check_writable, replacing
from int_blender_addon.core.motion import Motion, load_motion
from int_blender_addon.core.retarget import Transfer
from int_blender_addon.core.skeleton import JOINT_NAMES
from int_blender_addon.export.formats import ENGINES, EXPORTERS, ExportSettings, check_formats
from int_blender_addon.export.table import write_csv
from int_blender_addon.retarget import presets
from int_blender_addon.retarget.apply import retarget

POLL_SECONDS = 0.2
PROGRESS_SECONDS = 5.0
TAKE_FORMATS = {"npz", "csv"}  # need no rig of their own
BODY_SECONDS = 120.0


@dataclass
class Outcome:
    """What became of one input."""

    source: Path
    files: list[Path] = field(default_factory=list)
    error: MocapError | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> int:
    """Convert everything; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        formats = [name for name in options.formats.split(",") if name]
        if not formats:
            raise ArgumentsError("No format was named.")
        check_formats(formats)
        check_writable(options.out)
        character = Character.parse(options.retarget) if options.retarget else None
    except MocapError as error:
        _complain(error)
        return error.exit_code
    bpy.ops.wm.read_factory_settings(use_empty=True)
    outcomes: list[Outcome] = []
    names = unique_names(options.inputs)
    with Inference(options) as inference:
        for number, (source, name) in enumerate(zip(options.inputs, names, strict=True), start=1):
            print(f"[{number}/{len(names)}] {source}", flush=True)
            try:
                outcomes.append(_convert(source, name, formats, options, inference, character))
            except KeyboardInterrupt:
                outcomes.append(Outcome(source, error=CancelledError("Stopped.")))
                break
    return _summary(outcomes)


def unique_names(inputs: Sequence[Path]) -> list[str]:
    """A file name stem for each input; equal stems get a number."""
    names: list[str] = []
    taken: set[str] = set()
    for source in inputs:
        name, number = source.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{source.stem}_{number}"
        taken.add(name.lower())
        names.append(name)
    return names


class Inference:
    """The inference process of a batch: started when first needed, started anew after it died."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._client: Client | None = None
        self._job = 0

    def __enter__(self) -> Inference:
        self._folder = Path(tempfile.mkdtemp(prefix="int_mocap_batch_"))
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """A temporary folder of this batch."""
        return self._folder

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def capture(self, video: Path, out: Path, seconds: dict[str, float]) -> list[tuple[Motion, RestBody, Path]]:
        """Capture a video to takes; fills in the seconds that each stage took.

        Raises:
            MocapError: What the process said, or that it died.
        """
        if self._client is None:
            self._client = Client(find_python(self._options.inference or ""), self._folder)
        self._job += 1
        options = self._options
        self._client.send(
            "capture",
            id=self._job,
            video=str(video.absolute()),
            out=str(out.absolute()),
            model=options.model,
            quality=options.quality,
            body=options.body,
            person=options.person,
            start=options.start,
            end=options.end,
            smooth=options.smooth,
            device=options.device,
            lens=options.lens,
            height=options.height,
            keyframe=options.keyframe,
            flip=options.flip,
        )
        try:
            return self._listen(self._client, seconds)
        except (InferenceDiedError, KeyboardInterrupt):
            for line in list(self._client.log)[-20:]:
                print(f"    log: {line}", file=sys.stderr)
            self.stop()
            raise

    def _listen(self, client: Client, seconds: dict[str, float]) -> list[tuple[Motion, RestBody, Path]]:
        takes, error = [], None
        progress = _ProgressLines(seconds)
        while True:
            message = client.receive(POLL_SECONDS)
            if message is None:
                continue
            kind = message["type"]
            if kind == "hello":
                progress.stage("start")
            elif message.get("id") != self._job:
                continue
            elif kind == "progress":
                progress(message)
            elif kind == "log":
                print(f"    {message.get('text', '')}", flush=True)
            elif kind == "result":
                path = Path(message["path"])
                takes.append((load_motion(path), RestBody.load(message["body"]), path))
            elif kind == "error":
                error = from_message(message)
            elif kind == "done":
                progress.stage("")
                if error is not None:
                    raise error
                return takes

    def body_of(self, motion: Motion) -> RestBody:
        """The body that a take was made with.

        Raises:
            BodyFileError: It is not to be had.
        """
        if motion.body == "free":
            return load_free_body().rest(motion.betas)
        return self._ask_for_body(motion)

    def _ask_for_body(self, motion: Motion) -> RestBody:
        import subprocess

        from int_blender_addon.client import clean_environment
        from int_blender_addon.core.errors import BodyFileError
        from int_blender_addon.core.motion import save_motion

        take, body = self._folder / "take.npz", self._folder / "body.npz"
        save_motion(take, motion)
        python = find_python(self._options.inference or "")
        command = [str(python), "-m", "inference_server", "body", str(take), "--out", str(body)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=clean_environment(), timeout=BODY_SECONDS
        )
        if done.returncode != 0:
            sentence = next((line[7:] for line in done.stderr.splitlines() if line.startswith("error: ")), "")
            raise BodyFileError(sentence or f"The body {motion.body} could not be loaded.")
        return RestBody.load(body)


class Character:
    """A person's own rig that takes are retargeted to, appended from its file.

    Args:
        blend: The file.
        name: Of the armature.
        preset: Key or path of a preset, or `auto`.
    """

    def __init__(self, blend: Path, name: str, preset: str = presets.AUTOMATIC) -> None:
        self.blend, self.name, self.preset = blend, name, preset
        self._rig: bpy.types.Object | None = None

    @classmethod
    def parse(cls, words: str) -> Character:
        """From `RIG.blend:ARMATURE[:PRESET]`; a drive's letter may stand before.

        Raises:
            ArgumentsError: It isn't that.
        """
        path, ending, rest = words.partition(".blend")
        parts = rest.removeprefix(":").split(":", 1)
        if not ending or not parts[0]:
            raise ArgumentsError("--retarget needs RIG.blend:ARMATURE.", "For example hero.blend:Armature.")
        blend = Path(path + ending)
        if not blend.is_file():
            raise ArgumentsError(f"There is no file {blend}.", "Check the path of --retarget.")
        return cls(blend, parts[0], parts[1] if len(parts) > 1 else presets.AUTOMATIC)

    def moved_by(self, armature: bpy.types.Object) -> bpy.types.Object:
        """The character with the take of a rig of ours.

        Raises:
            MocapError: The file has no such armature, or its bones are not understood.
        """
        if self._rig is None:
            self._rig = self._append()
        key, mapping = presets.mapping_of(self._rig, self.preset)
        print(f"    retargeting to {self._rig.name}, preset {key}", flush=True)
        for slot in mapping.unsure():
            print(f"    unsure: {slot.replace('_', ' ')} is {', '.join(mapping.slots[slot])}", flush=True)
        retarget(armature, presets.mapping_of(armature)[1], self._rig, mapping, Transfer(), name=armature.name)
        return self._rig

    def _append(self) -> bpy.types.Object:
        with bpy.data.libraries.load(str(self.blend), link=False) as (there, wanted):
            if self.name not in there.objects:
                raise ArgumentsError(f"{self.blend.name} has no object {self.name}.", "Check the name of the armature.")
            wanted.objects = list(there.objects)
        rig = bpy.data.objects[self.name]
        if rig.type != "ARMATURE":
            raise ArgumentsError(f"{self.name} is no armature.", "Check the name of the armature.")
        for item in (rig, *(o for o in bpy.data.objects if o.type == "MESH" and o.find_armature() == rig)):
            if not item.users_collection:
                bpy.context.scene.collection.objects.link(item)
        bpy.context.view_layer.update()
        return rig

    def rest(self) -> None:
        """Take the action off, so that the next take begins afresh."""
        if self._rig is not None and self._rig.animation_data is not None:
            action = self._rig.animation_data.action
            self._rig.animation_data.action = None
            if action is not None:
                bpy.data.actions.remove(action)


class _ProgressLines:
    """Progress as a line every few seconds, and the time each stage took."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._stage, self._began, self._shown = "", time.monotonic(), time.monotonic()

    def stage(self, name: str) -> None:
        now = time.monotonic()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._began
        self._stage, self._began = name, now

    def __call__(self, message: dict) -> None:
        if message.get("stage") != self._stage:
            self.stage(str(message.get("stage")))
        now = time.monotonic()
        if now - self._shown < PROGRESS_SECONDS:
            return
        self._shown = now
        eta = message.get("eta")
        left = f", {eta:.0f} s left" if isinstance(eta, (int, float)) else ""
        print(f"    {self._stage}: {message.get('done')}/{message.get('total')} frames{left}", flush=True)


def _convert(
    source: Path,
    name: str,
    formats: list[str],
    options: argparse.Namespace,
    inference: Inference,
    character: Character | None,
) -> Outcome:
    outcome = Outcome(source)
    try:
        if source.suffix.lower() == ".npz":
            motion = load_motion(source)
            takes = [(motion, inference.body_of(motion), source)]
        else:
            keep = options.out if "npz" in formats else inference.folder
            takes = inference.capture(source, keep / f"{name}.npz", outcome.seconds)
        for motion, body, path in takes:
            stem = name if source.suffix.lower() == ".npz" else path.stem
            _write(motion, body, path, options.out / stem, formats, outcome, character, _export_settings(options))
    except MocapError as error:
        outcome.error = error
        _complain(error)
    except OSError as error:
        outcome.error = from_os_error(error, options.out)
        _complain(outcome.error)
    except Exception as error:
        import traceback

        traceback.print_exc()
        outcome.error = MocapError(f"Something unforeseen happened: {error!r}.")
        _complain(outcome.error)
    return outcome


def _write(
    motion: Motion,
    body: RestBody,
    take: Path,
    target: Path,
    formats: list[str],
    outcome: Outcome,
    character: Character | None,
    settings: ExportSettings,
) -> None:
    """The take in every format asked for, under the target's name."""
    began = time.monotonic()
    armature = None
    if character is not None or not set(formats) <= TAKE_FORMATS:
        placing.set_rate(bpy.context.scene, motion.fps)
        armature = rig.build(body, target.name, bpy.context.scene.collection)
        keyframes.write_take(armature, motion, target.name, keyframes.scene_rate(bpy.context.scene))
        outcome.seconds["rig and keys"] = time.monotonic() - began
    carrier = armature
    try:
        if armature is not None and character is not None:
            began = time.monotonic()
            carrier = character.moved_by(armature)
            outcome.seconds["retarget"] = time.monotonic() - began
        for name in formats:
            path = target.with_name(f"{target.name}.{name}")
            began = time.monotonic()
            if name == "npz":
                if path.absolute() != take.absolute():
                    with replacing(path) as temporary:
                        shutil.copyfile(take, temporary)
            elif name == "csv" and character is None:
                joints = body.pose_joints(motion.rotations, motion.trans)
                write_csv(JOINT_NAMES, motion.frame_index, motion.time, joints, path)
            else:
                assert carrier is not None
                EXPORTERS[name](carrier, path, settings)
            outcome.seconds[name] = time.monotonic() - began
            outcome.files.append(path)
            print(f"    {path}", flush=True)
    finally:
        if armature is not None:
            rig.remove(armature)
        if character is not None:
            character.rest()


def _export_settings(options: argparse.Namespace) -> ExportSettings:
    return ExportSettings(options.engine, not options.no_mesh, options.rate, options.root_motion)


def _summary(outcomes: list[Outcome]) -> int:
    """Print what was done and what failed; returns the exit code."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in outcomes:
        if outcome.error is None:
            stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in outcome.seconds.items())
            print(f"done: {outcome.source} ({stages})", flush=True)
    for outcome in failed:
        assert outcome.error is not None
        print(f"failed: {outcome.source}: {outcome.error.message} [{outcome.error.code}]", file=sys.stderr)
    print(f"{len(outcomes) - len(failed)} done, {len(failed)} failed", flush=True)
    if not failed:
        return 0
    if any(isinstance(outcome.error, CancelledError) for outcome in failed):
        return CancelledError.exit_code
    if len(outcomes) == 1:
        assert failed[0].error is not None
        return failed[0].error.exit_code
    return SomeFailedError.exit_code


def _complain(error: MocapError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="batch.py --", description="Videos or takes to files.")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="VIDEO|TAKE.npz")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--formats", default="fbx", help="with commas: fbx,bvh,glb,usd,blend,npz,csv")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--quality", default="best", choices=("fast", "best"))
    parser.add_argument("--body", default="free", help="free, or an SMPL file")
    parser.add_argument("--person", default="auto", help="auto, a number, or all")
    parser.add_argument("--start", type=float, help="seconds")
    parser.add_argument("--end", type=float, help="seconds")
    parser.add_argument("--smooth", type=float, default=0.5, help="0 to 1")
    parser.add_argument("--lens", type=float, help="35 mm equivalent focal length, if known")
    parser.add_argument("--height", type=float, help="of the people in centimetres, if known")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--keyframe", type=int, default=1, help="an INT checkpoint looks at every so many frames")
    parser.add_argument("--flip", action="store_true", help="an INT checkpoint looks at mirrored frames too")
    parser.add_argument(
        "--retarget",
        metavar="RIG.blend:ARMATURE[:PRESET]",
        help="write the take on this character in place of our body",
    )
    parser.add_argument("--engine", default="blender", choices=tuple(ENGINES), help="whose wishes an FBX meets")
    parser.add_argument("--no-mesh", action="store_true", help="skeletons only")
    parser.add_argument(
        "--rate", type=float, metavar="FPS", help="frames per second of exports; the video's if not given"
    )
    parser.add_argument("--root-motion", action="store_true", help="the way over the ground goes to the root")
    parser.add_argument("--inference", metavar="PYTHON", help="the inference environment's Python")
    return parser


def _leave(code: int) -> None:
    """End this process with a true exit code; Blender's own way out can lose it, or hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    os._exit(code)


if __name__ == "__main__":
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    try:
        result = main(own)
    except SystemExit as stop:  # argparse
        result = int(stop.code or 0)
    _leave(result)
