"""The path of a capture: video -> people -> motion -> take file.

While the video is still being read, the person who leads so far is fitted in another thread, and finished stretches
are written to the work folder beside the result, so that they can be keyed, and survive a crash. A second run of the
same capture finds the landmarks there and goes on with the fit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.errors import (
    ArgumentsError,
    CancelledError,
    DiskFullError,
    MocapError,
    OutputUnwritableError,
)
from int_blender_addon.core.files import check_writable, save_npz
from int_blender_addon.core.motion import save_motion

from . import __version__
from .body import load_body
from .motion.bias import LandmarkBias
from .motion.camera import from_camera, root_from_camera
from .motion.estimate import finish
from .motion.fit import Pose
from .motion.moving_camera import TRAVELLING, CameraPath, load_camera, turning
from .motion.windows import QUALITIES, Fitted, WindowedFit
from .people.choose import choose_person
from .people.landmarks import LandmarkTrack
from .people.observe import Observations
from .video import VideoInfo, background, open_video
from .video.background import Match

if TYPE_CHECKING:  # torch is not imported where no network of ours runs
    from .model.int_model import IntModel
    from .model.landmark_reader import LandmarkReader, Reading
    from .motion.kinematics import Figure

LOOK_SECONDS = 4.0  # of video between looks at who leads
OWN_MODELS = ("auto", "landmarks")
FULL_FRAME_MM = 36.0  # width of the picture that a lens's 35 mm equivalent speaks of


@dataclass(frozen=True)
class CaptureOptions:
    """What to capture, and how."""

    video: Path
    out: Path
    model: str = "auto"
    quality: str = "best"
    body: str = "free"
    person: str = "auto"
    start: float | None = None
    end: float | None = None
    smooth: float = 0.5
    device: str = "auto"
    keyframe: int = 1  # the INT model's image part runs on every so many frames
    flip: bool = False  # the INT model is asked about the mirrored picture too
    lens: float | None = None  # 35 mm equivalent focal length; estimated if None
    height: float | None = None  # of the person in centimetres; estimated if None
    camera: Path | None = (
        None  # that Blender's scene knows, see `moving_camera.load_camera`; found in the video if None
    )

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise ArgumentsError(f"`{self.quality}` is not a quality: use {' or '.join(QUALITIES)}.")
        if not 1 <= self.keyframe <= 64:
            raise ArgumentsError(f"--keyframe is from 1 to 64, not {self.keyframe}.")
        if not 0.0 <= self.smooth <= 1.0:
            raise ArgumentsError(f"Smoothing must be from 0 to 1, not {self.smooth}.")
        if self.lens is not None and not 5.0 <= self.lens <= 2000.0:
            raise ArgumentsError(f"A lens of {self.lens} mm is not one; give its 35 mm equivalent.")
        if self.height is not None and not 50.0 <= self.height <= 260.0:
            raise ArgumentsError(f"A height of {self.height} is not a person's; give centimetres.")
        if self.out.suffix.lower() != ".npz":
            raise ArgumentsError(f"The take is an .npz file; {self.out.name} is not.")
        for name in ("start", "end"):
            value = getattr(self, name)
            if value is not None and (not np.isfinite(value) or value < 0):
                raise ArgumentsError(f"The trim's {name} must be seconds from 0 on, not {value}.")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ArgumentsError("The trim ends before it starts.")


@dataclass(frozen=True)
class Take:
    """A finished take's file."""

    path: Path
    person_id: int
    frames: int


@dataclass
class Listener:
    """Who is told how a capture goes; everything may be left out."""

    progress: Callable[[str, int, int], None] = lambda stage, done, total: None
    stretch: Callable[[Path, int, int, int], None] = lambda path, first, last, person_id: None
    log: Callable[[str], None] = lambda text: None
    cancelled: Callable[[], bool] = lambda: False
    seconds: dict[str, float] = field(default_factory=dict)  # spent in each stage, filled in

    def check(self) -> None:
        """Stop here if the person said so.

        Raises:
            CancelledError: They did.
        """
        if self.cancelled():
            raise CancelledError("The capture was cancelled.")


def capture(options: CaptureOptions, listener: Listener | None = None) -> list[Take]:
    """Capture one video.

    Args:
        options: What to capture.
        listener: Who is told.

    Returns:
        One take, or one a person if all were asked for.

    Raises:
        MocapError: One of its kinds; nothing is then left under the take's name.
    """
    listener = listener or Listener()
    info = open_video(options.video)
    body = load_body(options.body)
    check_writable(options.out.parent)
    if options.device == "cuda":  # told before the work, not after it
        from .model.video import choose_device

        choose_device(options.device)
    work = options.out.with_name(options.out.name + ".partial")
    try:
        takes = _capture(options, info, body, work, listener)
    except (DiskFullError, OutputUnwritableError):
        if not _landmarks_path(work).exists():  # what was found costs most, and serves a second run
            shutil.rmtree(work, ignore_errors=True)
        raise
    except MocapError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    return takes


def _capture(options: CaptureOptions, info: VideoInfo, body: BodyModel, work: Path, listener: Listener) -> list[Take]:
    leading = LeadingFit(options, info, body, work, listener)
    checkpoint = None
    if options.model not in OWN_MODELS:
        from .weights.store import load_model

        checkpoint = load_model(Path(options.model))
    with ThreadPoolExecutor(1) as fitter:
        restored = _restored(options, work)
        if restored is None:
            tracks, matches = _observe(options, leading, fitter, listener)
            _store(options, work, tracks, matches)
        else:
            tracks, matches = restored
            listener.log("The landmarks of an earlier run are there: going on from them.")
        wanted = choose_person(tracks, info, options.person)
        takes = []
        for number, track in enumerate(wanted):
            path = options.out
            if options.person == "all":
                path = path.with_name(f"{path.stem}_person{track.person_id}.npz")
            fitted = fitter.submit(leading.complete, track, matches, (number, len(wanted))).result()
            if checkpoint is not None:
                fitted.pose = _by_checkpoint(options, checkpoint, track, fitted, info, body, listener)
            if fitted.camera_kind == TRAVELLING:
                listener.log("The camera travels: poses are good, the path over the floor is not to be trusted.")
            motion = finish(fitted, track, info.size, info.fps, body, options.smooth)
            motion.model = "landmarks" if checkpoint is None else Path(options.model).name
            save_motion(path, motion)
            takes.append(Take(path, track.person_id, len(motion)))
    return takes


def _by_checkpoint(
    options: CaptureOptions,
    checkpoint: IntModel,
    track: LandmarkTrack,
    fitted: Fitted,
    info: VideoInfo,
    body: BodyModel,
    listener: Listener,
) -> Pose:
    """The INT model's pose of a track; shape and lens are the fit's where the body is not SMPL's."""
    from .model.video import IntCapture

    network = IntCapture(
        checkpoint,
        options.device,
        options.keyframe,
        options.flip,
        on_progress=lambda done, total: listener.progress("INT", done, total),
        cancelled=listener.cancelled,
    )
    said = network.poses(options.video, track)
    betas = said.betas
    if body.name == "free":
        listener.log("Without an SMPL file the shape is estimated from the landmarks, not from the model's betas.")
        betas = fitted.pose.figure.betas
    pose = said.pose(body, betas, fitted.pose.focal, info.size)
    return replace(
        pose,
        rotations=root_from_camera(pose.rotations, fitted.to_camera),
        root=from_camera(pose.root, fitted.to_camera),
    )


def _observe(
    options: CaptureOptions, leading: LeadingFit, fitter: ThreadPoolExecutor, listener: Listener
) -> tuple[list[LandmarkTrack], list[Match]]:
    observations = Observations(
        options.video, options.quality, options.start, options.end, cancelled=listener.cancelled
    )
    looked, running = 0.0, None
    for seen in observations:
        listener.progress("people", seen.done, seen.total)
        if options.person != "all" and seen.time - looked > LOOK_SECONDS and _idle(running):
            looked = seen.time
            running = fitter.submit(leading.follow, observations.tracks(), list(observations.background.matches))
    listener.seconds["decode wait"] = observations.wait_seconds
    listener.seconds["people"] = observations.work_seconds
    if running is not None:
        running.result()
    return observations.tracks(), observations.background.matches


def _idle(running: Future | None) -> bool:
    if running is None:
        return True
    if running.done():
        running.result()  # raises what the fit raised
        return True
    return False


class _Reader:
    """The landmark model, loaded when it is first asked: torch takes its time."""

    def __init__(self) -> None:
        self._reader: LandmarkReader | None = None

    def read(self, track: LandmarkTrack, center: np.ndarray, focal: float, figure: Figure) -> Reading:
        """What the model says of a track."""
        if self._reader is None:
            from .model.landmark_reader import LandmarkReader

            self._reader = LandmarkReader()
        return self._reader.read(track, center, focal, figure)


class LeadingFit:
    """The fit of the person who leads so far; it starts anew when another person, or another past, turns up."""

    def __init__(
        self, options: CaptureOptions, info: VideoInfo, body: BodyModel, work: Path, listener: Listener
    ) -> None:
        self.options, self.info, self.body, self.work, self.listener = options, info, body, work, listener
        self._scene = None if options.camera is None else load_camera(options.camera)
        self._bias, self._reader = LandmarkBias.load(options.quality), _Reader()
        self._fit = self._new()
        self._used = np.zeros(0, np.int64)  # frame numbers that the fit has settled
        self._written = 0

    def follow(self, tracks: list[LandmarkTrack], matches: list[Match]) -> None:
        """Settle what can be settled of the person who leads."""
        try:
            track = choose_person(tracks, self.info, self.options.person)[0]
        except MocapError:
            return  # nobody yet
        self._extend(track, matches, final=False, share=(0, 1))

    def complete(self, track: LandmarkTrack, matches: list[Match], share: tuple[int, int]) -> Fitted:
        """Every frame of a track, fitted; `share`: its number and how many there are, for progress."""
        self._extend(track, matches, final=True, share=share)
        fitted = self._fit.fitted(track)
        self._fit, self._used, self._written = self._new(), np.zeros(0, np.int64), 0
        return fitted

    def _new(self) -> WindowedFit:
        lens, longer = self.options.lens, max(self.info.size)
        focal = None if lens is None else lens / FULL_FRAME_MM * longer
        if self._scene is not None:
            focal = self._scene.focal * longer
        quality, height = QUALITIES[self.options.quality], self.options.height
        metres = None if height is None else height / 100
        return WindowedFit(
            self.info.size, self.body, quality, focal, bias=self._bias, reader=self._reader, height=metres
        )

    def _camera(self, track: LandmarkTrack, matches: list[Match], lens: float | None) -> CameraPath | None:
        if self._scene is not None:
            return self._scene.path(track.frame_index, track.time)
        return turning(matches, self.info.size, lens)

    def _extend(self, track: LandmarkTrack, matches: list[Match], final: bool, share: tuple[int, int]) -> None:
        if not np.array_equal(track.frame_index[: len(self._used)], self._used):
            self._fit, self._used, self._written = self._new(), np.zeros(0, np.int64), 0

        def on_window(done: int) -> None:
            self.listener.check()
            self._used = track.frame_index[:done].copy()
            if final:
                self.listener.progress("motion", share[0] * len(track) + done, share[1] * len(track))
            if not final or done < len(track):
                self._write_stretch(track, done)

        self._fit.extend(track, final, on_window, lambda lens: self._camera(track, matches, lens))

    def _write_stretch(self, track: LandmarkTrack, done: int) -> None:
        """A provisional take of the frames settled since the last one."""
        frames = slice(self._written, done)
        settled = track.select(slice(done))  # all of them: the ground is the same for every stretch
        motion = finish(
            self._fit.fitted(settled), settled, self.info.size, self.info.fps, self.body, self.options.smooth
        )
        motion.extra = {}  # of the whole take, not of a part
        part = motion.select(frames)
        path = self.work / f"stretch_{self._written:06d}.npz"
        save_motion(path, part)
        self._written = done
        self.listener.stretch(path, int(part.frame_index[0]), int(part.frame_index[-1]), track.person_id)


# ---- the work folder ---------------------------------------------------------------------------------------------


def _landmarks_path(work: Path) -> Path:
    return work / "landmarks.npz"


def _fingerprint(options: CaptureOptions) -> str:
    """What the landmarks depend on."""
    stat = options.video.stat()
    facts = [__version__, str(options.video.absolute()), stat.st_size, stat.st_mtime_ns]
    facts += [options.quality, options.start, options.end]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


_TRACK_ARRAYS = [f.name for f in fields(LandmarkTrack) if f.name != "person_id"]


def _store(options: CaptureOptions, work: Path, tracks: list[LandmarkTrack], matches: list[Match]) -> None:
    save_tracks(_landmarks_path(work), tracks, matches, _fingerprint(options))


def save_tracks(path: Path, tracks: list[LandmarkTrack], matches: list[Match], fingerprint: str = "") -> None:
    """Write landmark tracks, and the background's points.

    Raises:
        DiskFullError, OutputUnwritableError: The file could not be written.
    """
    arrays = {"fingerprint": np.array(fingerprint), "people": np.array([t.person_id for t in tracks])}
    for number, track in enumerate(tracks):
        arrays.update({f"{name}_{number}": getattr(track, name) for name in _TRACK_ARRAYS})
    arrays.update(background.to_arrays(matches))
    save_npz(path, arrays)


def load_tracks(path: Path) -> tuple[list[LandmarkTrack], list[Match], str]:
    """The tracks in a file, the background's points, and its fingerprint.

    OSError, ValueError, KeyError or EOFError if there are none.
    """
    with np.load(path, allow_pickle=False) as data:
        tracks = [
            LandmarkTrack(int(person), **{name: data[f"{name}_{number}"] for name in _TRACK_ARRAYS})
            for number, person in enumerate(data["people"])
        ]
        return tracks, background.from_arrays(data), str(data["fingerprint"])


def observe_stretch(
    video: Path,
    quality: str,
    start: float | None,
    end: float | None,
    out: Path,
    progress: Callable[[str, int, int], None],
) -> None:
    """Write the landmarks of a stretch of a video.

    Raises:
        MocapError: The video can't be read, or the file not written.
    """
    observations = Observations(video, quality, start, end)
    for seen in observations:
        progress("people", seen.done, seen.total)
    save_tracks(out, observations.tracks(), observations.background.matches)


def hand_over(options: CaptureOptions, tracks: list[LandmarkTrack], matches: list[Match]) -> None:
    """Leave landmarks where a capture with these options will go on from them.

    Raises:
        DiskFullError, OutputUnwritableError: They could not be written.
    """
    _store(options, options.out.with_name(options.out.name + ".partial"), tracks, matches)


def _restored(options: CaptureOptions, work: Path) -> tuple[list[LandmarkTrack], list[Match]] | None:
    """The tracks and the background's points that an earlier run of the same capture left, if any."""
    try:
        tracks, matches, fingerprint = load_tracks(_landmarks_path(work))
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return (tracks, matches) if fingerprint == _fingerprint(options) else None
