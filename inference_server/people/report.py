"""Who is in a video: for the command `people VIDEO` and the panel's list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from inference_server.video import Frame, VideoInfo, read_frames
from int_blender_addon.core.errors import NobodyFoundError
from int_blender_addon.core.files import replacing

from .choose import boxes, prominence
from .landmarks import LandmarkTrack
from .observe import collect

THUMBNAIL = 192  # pixels, side


@dataclass(frozen=True)
class Person:
    """One line of the report."""

    person_id: int
    first: float  # seconds
    last: float
    frames: int
    bridged: int  # of these
    score: float  # mean
    box: tuple[float, float, float, float]  # mean left, top, right, bottom, pixels
    main: bool  # whom `auto` takes


def people_report(
    path: str | Path,
    quality: str = "fast",
    start: float | None = None,
    end: float | None = None,
    thumbnails: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[dict[str, object]]:
    """Look at a video and list the people in it, as the fields of `Person`, in the order of their appearance.

    Args:
        path: The video file.
        quality: `fast` or `best`.
        start: Seconds, None for the beginning.
        end: Seconds, None for the end.
        thumbnails: A folder for a picture of each person, `person_N.png`.
        on_progress: Called with frames done and an estimate of all.
        cancelled: Asked before each frame.

    Raises:
        NobodyFoundError: There is nobody.
        MocapError: The video can not be read; a thumbnail can not be written; `CancelledError`.
    """
    seen = collect(path, quality, start=start, end=end, on_progress=on_progress, cancelled=cancelled)
    tracks = seen.tracks()
    if not tracks:
        raise NobodyFoundError(f"Nobody was found in {seen.info.path.name}.")
    if thumbnails is not None:
        write_thumbnails(tracks, seen.info, Path(thumbnails))
    main = max(tracks, key=lambda t: prominence(t, seen.info))
    return [asdict(_person(track, track is main)) for track in tracks]


def write_thumbnails(tracks: Sequence[LandmarkTrack], info: VideoInfo, folder: Path) -> list[Path]:
    """A picture of each person, from the frame in which they are seen best; the paths in the order of the tracks."""
    best = {t.person_id: int(np.argmax(t.visibility.mean(axis=1) * t.score * ~t.bridged)) for t in tracks}
    wanted: dict[int, list[LandmarkTrack]] = {}
    for track in tracks:
        wanted.setdefault(int(track.frame_index[best[track.person_id]]), []).append(track)
    if not wanted:
        return []
    start = min(float(t.time[best[t.person_id]]) for t in tracks)
    for frame in read_frames(info.path, start):
        for track in wanted.pop(frame.index, []):
            _write_thumbnail(frame, boxes(track)[best[track.person_id]], folder / f"person_{track.person_id}.png")
        if not wanted:
            break
    return [folder / f"person_{t.person_id}.png" for t in tracks]


def _write_thumbnail(frame: Frame, box: np.ndarray, path: Path) -> None:
    centre, half = (box[:2] + box[2:]) / 2, 0.6 * (box[2:] - box[:2]).max()
    low, high = np.maximum(centre - half, 0).astype(int), np.ceil(centre + half).astype(int)
    part = frame.image[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        part = frame.image
    scale = THUMBNAIL / max(part.shape[:2])
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _person(track: LandmarkTrack, main: bool) -> Person:
    left, top, right, bottom = (round(float(v), 1) for v in boxes(track).mean(axis=0))
    return Person(
        person_id=track.person_id,
        first=round(float(track.time[0]), 3),
        last=round(float(track.time[-1]), 3),
        frames=len(track),
        bridged=int(track.bridged.sum()),
        score=round(float(track.score.mean()), 3),
        box=(left, top, right, bottom),
        main=main,
    )
