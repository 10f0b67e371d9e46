"""Long videos: stretches that overlap, observed apart, joined into one set of people.

Only the landmarks are found in stretches. Who is who, the body's shape, the ground and the smoothing are then solved
once, over the whole: there is no seam to be seen, because nothing was cut.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..people.landmarks import LandmarkTrack
from ..video.background import Match

OVERLAP = 3.0  # seconds; the later stretch needs some of them to find everybody
SAME = 0.2  # of a person's height in the picture, that two sightings of one person may be apart
SHORTEST = 60.0  # seconds of a stretch


def cut(duration: float, workers: int, longest: float) -> list[tuple[float, float]]:
    """Stretches (start, end) in seconds, each beginning `OVERLAP` before the last one ends; one if it isn't long."""
    if duration <= longest or workers < 2:
        return [(0.0, duration)]
    count = max(2, min(int(duration // SHORTEST), max(workers, int(np.ceil(duration / longest)))))
    edges = np.linspace(0.0, duration, count + 1)
    return [(max(0.0, float(a) - OVERLAP), float(b)) for a, b in pairwise(edges)]


def join(stretches: list[list[LandmarkTrack]]) -> list[LandmarkTrack]:
    """The people of a whole video from those of its stretches, in the order of time."""
    joined = list(stretches[0])
    for later in stretches[1:]:
        joined = _join_two(joined, later)
    ordered = sorted(joined, key=lambda track: (int(track.frame_index[0]), track.person_id))
    return [_numbered(track, number) for number, track in enumerate(ordered, start=1)]


def join_matches(stretches: list[list[Match]]) -> list[Match]:
    """The background of a whole video from that of its stretches.

    A later stretch's first reference is a frame that the earlier one has seen too, so its frames go on from there.
    """
    joined: list[Match] = []
    for later in stretches:
        last = joined[-1].frame if joined else -1
        joined += [match for match in later if match.frame > last]
    return joined


def _join_two(before: list[LandmarkTrack], after: list[LandmarkTrack]) -> list[LandmarkTrack]:
    """Who is seen in both at the same place is one person; the earlier sighting counts up to the middle of both."""
    pairs = []
    for i, a in enumerate(before):
        for j, b in enumerate(after):
            apart = _apart(a, b)
            if apart is not None and apart < SAME:
                pairs.append((apart, i, j))
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    found = [_chained(a, after[partner[i]]) if i in partner else a for i, a in enumerate(before)]
    return found + [b for j, b in enumerate(after) if j not in taken]


def _apart(a: LandmarkTrack, b: LandmarkTrack) -> float | None:
    """How far two tracks are on the frames that both have, as a share of the person's height; None without any."""
    _, in_a, in_b = np.intersect1d(a.frame_index, b.frame_index, return_indices=True)
    if not len(in_a):
        return None
    off = np.linalg.norm(a.image[in_a] - b.image[in_b], axis=-1).mean(axis=1)
    height = np.maximum(np.ptp(a.image[in_a, :, 1], axis=1), 1.0)
    return float(np.median(off / height))


def _chained(a: LandmarkTrack, b: LandmarkTrack) -> LandmarkTrack:
    shared = np.intersect1d(a.frame_index, b.frame_index)
    middle = shared[len(shared) // 2]
    first, second = a.frame_index < middle, b.frame_index >= middle
    values: dict[str, Any] = {}
    for name in vars(a):
        if name == "person_id":
            values[name] = a.person_id
        else:
            values[name] = np.concatenate([getattr(a, name)[first], getattr(b, name)[second]])
    return LandmarkTrack(**values)


def _numbered(track: LandmarkTrack, number: int) -> LandmarkTrack:
    values: dict[str, Any] = dict(vars(track))
    values["person_id"] = number
    return LandmarkTrack(**values)
