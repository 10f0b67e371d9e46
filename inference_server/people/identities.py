"""Who is who: tracklets joined into persons, and persons as landmark tracks.

Tracklets that follow each other closely in place and time are one person's, if the clothes agree. Over longer absences
only the clothes can tell: they must be as alike as a person is to themselves, and nobody else may fit as well. Where
that leaves a doubt, it is a new person.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

import numpy as np

from .appearance import Appearance, similarity
from .landmarks import LandmarkTrack
from .tracklet import BODY, Tracklet

MIN_FRAMES = 5  # of a stretch; a shorter one says nothing about motion
SURE_PERSON, STILL_PERSON = 0.95, 0.85  # mean scores: above the first surely, below the second never a person
TREMBLE = 0.03  # median second difference of body landmarks, sides of the region a frame, that no person has
CLOSE_SECONDS = 1.5  # absence in which place and speed still tell something
CLOSE_ALIKE = 0.75  # similarity of clothes that is enough then
ALIKE = (0.90, 0.97)  # least similarity over long absences: for restless, and for the most constant appearances
SELF_MARGIN = 0.02  # by which the similarity may be below that of a person to themselves
RIVAL_MARGIN = 0.03  # by which it must be above that to anyone who is seen at the same time
BRIDGE_SECONDS = 0.25  # of missing frames that are filled by interpolation

Chain = list[Tracklet]  # of one person, in order of time


def landmark_tracks(
    tracklets: Sequence[Tracklet], frames: Sequence[int], times: Sequence[float]
) -> list[LandmarkTrack]:
    """The persons in a video, numbered from 1 in the order of their appearance.

    Args:
        tracklets: Everything that was followed.
        frames: The numbers of all frames that were looked at, rising.
        times: Their times, seconds.

    Returns:
        One track a person. If nobody was seen in 5 frames in a row, the tracks are shorter than that.
    """
    chains = join_close([t for t in tracklets if len(t) and not is_phantom(t)])
    chains = [c for c in chains if _length(c) >= MIN_FRAMES] or chains
    persons = sorted(join_alike(chains), key=lambda c: (c[0].frames[0], -_length(c)))
    return [_track(number, chain, np.array(frames), np.array(times)) for number, chain in enumerate(persons, start=1)]


def is_phantom(tracklet: Tracklet) -> bool:
    """Whether a tracklet lies on a thing: the network is unsure of it, and the landmarks tremble."""
    score = float(np.mean(tracklet.scores))
    if score >= SURE_PERSON or len(tracklet) < 3:
        return score < STILL_PERSON
    points = np.array([row[BODY, :2] for row in tracklet.rows])
    tremble = np.median(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1)) / np.mean(tracklet.sides)
    return score < STILL_PERSON or bool(tremble > TREMBLE)


def join_close(tracklets: Sequence[Tracklet]) -> list[Chain]:
    """Chains of tracklets that follow each other at nearly the same place; the nearest pairs first."""
    ordered = sorted(tracklets, key=lambda t: t.times[0])
    starts = [t.times[0] for t in ordered]
    costs = []
    for a in ordered:
        first, last = bisect.bisect(starts, a.times[-1]), bisect.bisect(starts, a.times[-1] + CLOSE_SECONDS)
        costs += [(_continuation(a, b), a.number, b.number) for b in ordered[first:last]]
    pairs = sorted((cost, a, b) for cost, a, b in costs if cost is not None)
    after: dict[int, int] = {}
    before: dict[int, int] = {}
    for _, first, second in pairs:
        if first not in after and second not in before:
            after[first], before[second] = second, first
    by_number = {t.number: t for t in tracklets}
    chains = []
    for tracklet in tracklets:
        if tracklet.number not in before:
            chain = [tracklet]
            while chain[-1].number in after:
                chain.append(by_number[after[chain[-1].number]])
            chains.append(chain)
    return chains


def join_alike(chains: Sequence[Chain]) -> list[Chain]:
    """Chains joined over long absences by their appearance, the most alike first."""
    looks = [_appearance(chain) for chain in chains]
    selves = [_self_likeness(chain) for chain in chains]
    count = len(chains)
    alike = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            alike[i, j] = alike[j, i] = similarity(looks[i], looks[j]) or 0.0
    together = np.array([[i != j and _overlap(chains[i], chains[j]) for j in range(count)] for i in range(count)])
    groups = [[i] for i in range(count)]  # the group of each chain; joined groups share one list
    pairs = sorted(itertools.combinations(range(count), 2), key=lambda pair: -alike[pair])
    for i, j in pairs:
        least = np.clip(min(selves[i], selves[j]) - SELF_MARGIN, *ALIKE)
        if alike[i, j] < least or any(together[a, b] for a in groups[i] for b in groups[j]) or groups[i] is groups[j]:
            continue
        rival = max(
            [alike[i, k] for k in np.flatnonzero(together[j])]
            + [alike[j, k] for k in np.flatnonzero(together[i])]
            + [0]
        )
        if rival > alike[i, j] - RIVAL_MARGIN:
            continue
        groups[i].extend(groups[j])
        for k in groups[j]:
            groups[k] = groups[i]
    joined = {id(group): group for group in groups}.values()
    return [sorted((t for k in group for t in chains[k]), key=lambda t: t.frames[0]) for group in joined]


def _continuation(a: Tracklet, b: Tracklet) -> float | None:
    """How badly `b` goes on from `a`, 0 to 1; None where it can't."""
    gap = b.times[0] - a.times[-1]
    if not 0 < gap <= CLOSE_SECONDS:
        return None
    side = (a.sides[-1] + b.sides[0]) / 2
    distance = float(np.linalg.norm(b.centre(0) - a.predicted(b.times[0]))) / side
    growth = abs(np.log(b.sides[0] / a.sides[-1]))
    misfit = max(distance / (0.15 + 0.8 * gap), growth / (0.3 + 0.5 * gap))
    alike = similarity(a.appearance, b.appearance)
    if misfit > 1 or (alike is not None and alike < CLOSE_ALIKE) or (alike is None and gap > BRIDGE_SECONDS):
        return None
    return float(0.5 * misfit + (1 - alike if alike is not None else 0.3))


def _length(chain: Chain) -> int:
    return sum(len(t) for t in chain)


def _appearance(chain: Chain) -> Appearance:
    look = chain[0].appearance.copy()
    for tracklet in chain[1:]:
        look.blend(tracklet.appearance)
    return look


def _self_likeness(chain: Chain) -> float:
    """How alike a person is to themselves through a chain; 1 where too little was seen of them."""
    values = [v for t in chain for v in t.likeness]
    return float(np.median(values)) if len(values) >= 3 else 1.0


def _overlap(a: Chain, b: Chain) -> bool:
    """Whether two chains are seen at the same time."""
    return any(s.frames[0] <= t.frames[-1] and t.frames[0] <= s.frames[-1] for s in a for t in b)


def _track(number: int, chain: Chain, frames: np.ndarray, times: np.ndarray) -> LandmarkTrack:
    """A person's tracklets as one track, with short gaps bridged."""
    seen = np.concatenate([t.frames for t in chain]).astype(int)
    at = np.searchsorted(frames, seen)  # places in the list of all frames
    wanted = np.concatenate([at, *_gaps(at, times)])
    wanted.sort()
    points = _filled([row for t in chain for row in t.rows], times[at], times[wanted])
    score = np.interp(times[wanted], times[at], np.concatenate([t.scores for t in chain]))
    return LandmarkTrack(
        person_id=number,
        frame_index=frames[wanted],
        time=times[wanted],
        image=points[:, :, 0:2],
        image_z=points[:, :, 2],
        world=points[:, :, 3:6],
        visibility=points[:, :, 6],
        presence=points[:, :, 7],
        score=score.astype(np.float32),
        bridged=~np.isin(wanted, at),
    )


def _gaps(at: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """The places of the frames missing in short gaps."""
    gaps = []
    for before, after in itertools.pairwise(at):
        if after - before > 1 and times[after] - times[before + 1] <= BRIDGE_SECONDS:
            gaps.append(np.arange(before + 1, after))
    return gaps


def _filled(rows: list[np.ndarray], known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows at the known times (N,), as (M, 33, 8) at the wanted times (M,): these and some between them."""
    filled = np.empty((len(wanted), *rows[0].shape), dtype=np.float32)
    after = np.searchsorted(known, wanted)
    for place, (time, n) in enumerate(zip(wanted, after, strict=True)):
        if known[n] == time:
            filled[place] = rows[n]
        else:
            share = (time - known[n - 1]) / (known[n] - known[n - 1])
            filled[place] = rows[n - 1] + share * (rows[n] - rows[n - 1])
    return filled
