"""A result file to takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from int_blender_addon.core.errors import TooFewFramesError
from int_blender_addon.core.motion import save_motion
from int_blender_addon.core.refine import RefineSettings, Rest, raw_extra, refine

from ..body import load_body
from ..video.probe import open_video
from .layouts import read_tracks
from .track import to_motion

ASSUMED_FPS = 30.0


def convert(
    path: Path,
    out: Path,
    body: str = "free",
    fps: float | None = None,
    video: Path | None = None,
    smooth: float = 0.0,
) -> list[Path]:
    """Write a take for each person of a result file: `NAME.npz`, or `NAME_person_N.npz` of several.

    Args:
        path: The file, or a folder of ROMP's.
        out: The folder to write to.
        body: `free`, or an SMPL file.
        fps: Frames per second; the file's or the video's if None, else 30.
        video: What was captured: its rate and size are the take's.
        smooth: 0 to 1, as in capture.

    Raises:
        TakeFileError: The file can't be read, is hostile, or in no known layout.
        TooFewFramesError: Nobody is there for two frames.
        BodyFileError, OutputUnwritableError, DiskFullError: As their names say.
    """
    model = load_body(body)
    info = open_video(video) if video is not None else None
    tracks = [track for track in read_tracks(path) if len(track.frames) >= 2]
    if not tracks:
        raise TooFewFramesError(f"{path.name} holds nobody for two frames or more.")
    written = []
    for track in sorted(tracks, key=lambda t: -len(t.frames)):
        rate = fps or track.fps or (info.fps if info is not None else ASSUMED_FPS)
        size = (info.width, info.height) if info is not None else (0, 0)
        raw = to_motion(track, model, np.asarray(track.frames) / rate, rate, size)
        take = refine(raw, Rest.of(model.rest(raw.betas)), RefineSettings(smooth))
        take.extra = raw_extra(raw) | raw.extra
        name = path.stem if len(tracks) == 1 else f"{path.stem}_person_{track.person_id}"
        target = out / f"{name}.npz"
        save_motion(target, take)
        written.append(target)
    return written
