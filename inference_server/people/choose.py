"""Whose motion is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference_server.video import VideoInfo
from int_blender_addon.core.errors import ArgumentsError, NobodyFoundError, PersonMissingError, TooFewFramesError

from .identities import MIN_FRAMES
from .landmarks import LandmarkTrack
from .tracklet import BODY, TORSO


def choose_person(tracks: Sequence[LandmarkTrack], info: VideoInfo, person: str | int = "auto") -> list[LandmarkTrack]:
    """The tracks of the person or persons that were asked for.

    Args:
        tracks: Everybody in the video.
        info: The video, for the size of its picture.
        person: `auto` for the one most completely, centrally and largely seen; `all`; or a person's number.

    Raises:
        ArgumentsError: `person` is none of these.
        NobodyFoundError: There is nobody.
        TooFewFramesError: The one wanted is seen in fewer than 5 frames.
        PersonMissingError: There is no person of this number.
    """
    if person not in ("auto", "all") and not str(person).isdecimal():
        raise ArgumentsError(f"`{person}` is not a person: use auto, all or a number.")
    if not tracks:
        raise NobodyFoundError(f"Nobody was found in {info.path.name}.")
    enough = [t for t in tracks if len(t) >= MIN_FRAMES]
    if person in ("auto", "all"):
        if not enough:
            longest = max(len(t) for t in tracks)
            raise TooFewFramesError(f"A person was found in {info.path.name}, but in {longest} frames only.")
        return enough if person == "all" else [max(enough, key=lambda t: prominence(t, info))]
    wanted = [t for t in tracks if t.person_id == int(person)]
    if not wanted:
        ids = ", ".join(str(t.person_id) for t in tracks)
        raise PersonMissingError(f"There is no person {person} in {info.path.name}; found: {ids}.")
    if wanted[0] not in enough:
        raise TooFewFramesError(f"Person {person} is seen in {len(wanted[0])} frames only.")
    return wanted


def prominence(track: LandmarkTrack, info: VideoInfo) -> float:
    """How much a person is the subject of a video: frames, weighted by size, place and how surely they are seen."""
    box = boxes(track)
    height = np.clip((box[:, 3] - box[:, 1]) / info.height, 0.05, 1.0)
    centre = track.image[:, TORSO].mean(axis=1) / np.array(info.size) - 0.5
    central = 1.0 - np.linalg.norm(centre, axis=1).clip(0, 0.7)
    seen = track.visibility[:, BODY].mean(axis=1) * track.score
    return float((np.sqrt(height) * central * seen).sum())


def boxes(track: LandmarkTrack) -> np.ndarray:
    """(N, 4) left, top, right, bottom of the landmarks, pixels."""
    return np.concatenate([track.image.min(axis=1), track.image.max(axis=1)], axis=1)
