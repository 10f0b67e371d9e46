"""Following several people from frame to frame.

Each person is looked for where they were; the whole picture is searched regularly, and at once when a person is in
doubt. What is found is made distinct, so that no two tracklets lie on one person, and given to the tracklets by
position, size, motion and clothes. A tracklet ends rather than jumps: who it was is decided later (`identities`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .appearance import Appearance, look, similarity
from .detector import Detection, Detector
from .landmarker import Landmarker, Pose
from .region import overlap
from .search import search
from .tracklet import BODY, TORSO, Tracklet, same_person, shared

MIN_SCORE = 0.5  # of a pose that goes on with a tracklet
SURE_SCORE = 0.7  # of a pose that begins one, or takes it up after a miss
SEARCH_SECONDS = 0.3  # between searches of the whole picture
DOUBT_SECONDS = 0.1  # between them while somebody is in doubt or missing
SEEK_SECONDS = 1.0  # for so long someone who was lost is missing
FINE_SECONDS = 1.0  # between fine searches while nobody is seen
LOST_SECONDS = 0.15  # a tracklet ends when it has not been found for so long
LONG_FRAME = 0.5  # seconds; in a slow video it may still miss one frame that is shorter than this
LOOK_FRAMES = 5  # between looks at the clothes, where nobody else is near
NEAR = 0.15  # overlap of two people's regions from which they may be taken for each other
MIXED = 0.3  # part of one's pixels that are also another's, from which the network mixes the two
MAX_MISFIT = 1.25  # of a pose that may go on with a tracklet, see `_misfit`
MIN_INSIDE = 0.35  # part of the body's landmarks that must lie in the picture
ALIKE = 0.7  # similarity of clothes below which it is hardly the same person
PATIENCE = 3  # looks in a row at strange clothes after which a tracklet is on someone else


@dataclass
class Candidate:
    """A pose found in the present frame, and whose tracklet led to it."""

    pose: Pose
    source: Tracklet | None
    appearance: Appearance | None = None


class Tracker:
    """Tracklets of everybody in a video, frame by frame.

    Args:
        quality: `fast` or `best`, see `Landmarker`.
        fps: Nominal frames per second of the video.
        threads: Threads of the networks.
    """

    def __init__(self, quality: str, fps: float, threads: int = 2) -> None:
        self._landmarker = Landmarker(quality, threads)
        self._detector = Detector(threads)
        self._interval = min(max(round(SEARCH_SECONDS * fps), 1), 30)  # frames
        self._pause = max(round(DOUBT_SECONDS * fps), 1)
        self._since_search = self._interval
        self._last_fine = -math.inf
        self._last_time = -math.inf
        self._lost_time = -math.inf
        self._active: list[Tracklet] = []
        self.tracklets: list[Tracklet] = []  # all, also the active ones

    @property
    def active(self) -> list[Tracklet]:
        """The tracklets that are being followed."""
        return list(self._active)

    def step(self, index: int, time: float, image: np.ndarray) -> None:
        """Take in the next frame, an RGB picture (H, W, 3)."""
        candidates = [Candidate(self._follow(image, t), t) for t in self._active]
        self._since_search += 1
        in_doubt = self._since_search >= self._pause and (self._missing(time) or self._doubtful(candidates, time))
        if self._since_search >= self._interval or in_doubt:
            candidates += self._searched(image, candidates, time)
        self._look(candidates)
        self._part(image, candidates)
        candidates = distinct([c for c in candidates if c.pose.score >= MIN_SCORE and _inside(c.pose, image)])
        pairs = self._assign(candidates, time)
        for tracklet, candidate in pairs:
            self._extend(tracklet, candidate, index, time)
        taken = {id(candidate) for _, candidate in pairs}
        for candidate in candidates:
            if id(candidate) not in taken and candidate.source is None and candidate.pose.score >= SURE_SCORE:
                self._begin(candidate, index, time)
        self._end_lost(time)
        self._last_time = time

    def _follow(self, image: np.ndarray, tracklet: Tracklet) -> Pose:
        """The pose where a tracklet's person should be, looked at twice where they moved much in the region."""
        assert tracklet.region is not None
        pose = self._landmarker(image, tracklet.region)
        before, after = pose.region, pose.next_region
        moved = math.hypot(before.x - after.x, before.y - after.y) > 0.15 * before.side
        resized = abs(math.log(after.side / before.side)) > 0.3
        turned = abs(math.remainder(after.angle - before.angle, 2 * math.pi)) > 0.5
        if pose.score >= MIN_SCORE and (moved or resized or turned):
            again = self._landmarker(image, after)
            return again if again.score >= pose.score - 0.1 else pose
        return pose

    def _missing(self, time: float) -> bool:
        """Whether nobody is followed, or somebody was lost a short while ago."""
        return not self._active or time < self._lost_time + SEEK_SECONDS

    def _doubtful(self, candidates: list[Candidate], time: float) -> bool:
        """Whether any followed person may be lost, has jumped, or lies on another."""
        for n, candidate in enumerate(candidates):
            assert candidate.source is not None
            pose = candidate.pose
            if pose.score < MIN_SCORE or _misfit(candidate.source, pose, time) > 1:
                return True
            if any(same_person(pose, other.pose) for other in candidates[:n]):
                return True
        return False

    def _searched(self, image: np.ndarray, followed: list[Candidate], time: float) -> list[Candidate]:
        """The people that a search of the picture adds to those followed."""
        self._since_search = 0
        fine = not self._active and time - self._last_fine >= FINE_SECONDS
        if fine:
            self._last_fine = time
        sure = [
            c.pose for c in followed if c.source and c.pose.score >= MIN_SCORE and _misfit(c.source, c.pose, time) <= 1
        ]
        found = [d for d in search(self._detector, image, fine) if not any(_explains(pose, d) for pose in sure)]
        poses = [self._landmarker(image, d.region) for d in found]
        return [Candidate(self._centred(image, pose), None) for pose in poses if pose.score >= MIN_SCORE]

    def _centred(self, image: np.ndarray, pose: Pose) -> Pose:
        """The pose looked at again in the region that it tells itself, which is truer than the detector's."""
        again = self._landmarker(image, pose.next_region)
        return again if again.score >= pose.score - 0.1 else pose

    def _look(self, candidates: list[Candidate]) -> None:
        """Take the appearance of those for whom it is due or who are near somebody."""
        for candidate in candidates:
            source = candidate.source
            due = source is None or len(source) < 2 * LOOK_FRAMES or source.looked >= LOOK_FRAMES or source.strange
            if due or len(candidates) != len(self._active) or _near_another(candidate, candidates):
                candidate.appearance = look(candidate.pose)

    def _part(self, image: np.ndarray, candidates: list[Candidate]) -> None:
        """Where the network mixes two people who overlap, look at the less sure again with the other painted over."""
        for a, b in itertools.combinations(list(candidates), 2):
            unsure, sure = sorted((a, b), key=self._trust)
            if overlap(a.pose.region, b.pose.region) < NEAR or sure.pose.score < MIN_SCORE:
                continue
            if shared(a.pose, b.pose) < MIXED and unsure.pose.score >= MIN_SCORE:
                continue
            pose = self._landmarker(image, unsure.pose.region, hidden=sure.pose)
            if pose.score >= MIN_SCORE and shared(pose, sure.pose) < max(shared(unsure.pose, sure.pose), MIXED):
                unsure.pose, unsure.appearance = pose, look(pose)

    def _trust(self, candidate: Candidate) -> float:
        """How surely a candidate is the one person that its tracklet follows."""
        source = candidate.source
        if source is None or candidate.appearance is None:
            return 0.0
        return (similarity(source.appearance, candidate.appearance) or 0.0) * candidate.pose.score

    def _assign(self, candidates: list[Candidate], time: float) -> list[tuple[Tracklet, Candidate]]:
        """Who is who: the pairs of tracklet and candidate of least total cost, none beyond 1."""
        if not candidates or not self._active:
            return []
        costs = np.array([[self._cost(t, c, candidates, time) for c in candidates] for t in self._active])
        rows, columns = linear_sum_assignment(np.minimum(costs, 10.0))
        return [(self._active[r], candidates[c]) for r, c in zip(rows, columns, strict=True) if costs[r, c] < 1]

    def _cost(self, tracklet: Tracklet, candidate: Candidate, candidates: list[Candidate], time: float) -> float:
        """0 where a candidate is just what the tracklet expects, 1 and more where it can't be the person."""
        misfit = _misfit(tracklet, candidate.pose, time)
        if self._missed(tracklet) and candidate.pose.score < SURE_SCORE:
            return 10.0
        if misfit > MAX_MISFIT:
            return 10.0
        cost = 0.4 * misfit
        if candidate.appearance is None or tracklet.appearance.count.max() < PATIENCE:
            return cost
        alike = similarity(tracklet.appearance, candidate.appearance)
        if alike is None:
            return cost
        cost += 1.0 - alike
        near = [t for t in self._active if t is not tracklet and _near(t, candidate)]
        for other in near:  # the clothes of someone near fit better: this is them
            theirs = similarity(other.appearance, candidate.appearance)
            if theirs is not None and theirs > alike + 0.1:
                return 10.0
        return cost

    def _missed(self, tracklet: Tracklet) -> bool:
        """Whether a tracklet was not found in the frame before."""
        return tracklet.times[-1] < self._last_time

    def _extend(self, tracklet: Tracklet, candidate: Candidate, index: int, time: float) -> None:
        tracklet.add(index, time, candidate.pose)
        tracklet.looked += 1
        if candidate.appearance is None:
            return
        tracklet.looked = 0
        alike = similarity(tracklet.appearance, candidate.appearance)
        if alike is not None and tracklet.appearance.count.max() >= PATIENCE:
            if alike < ALIKE:
                tracklet.strange += 1
                return
            tracklet.likeness.append(alike)
        tracklet.strange, tracklet.sure = 0, len(tracklet)
        tracklet.appearance.blend(candidate.appearance)

    def _begin(self, candidate: Candidate, index: int, time: float) -> None:
        tracklet = Tracklet(number=len(self.tracklets))
        self.tracklets.append(tracklet)
        self._active.append(tracklet)
        self._extend(tracklet, candidate, index, time)

    def _end_lost(self, time: float) -> None:
        """Stop following those who were not found for a while, or who have become someone else."""
        kept = []
        for tracklet in self._active:
            missed = time - tracklet.times[-1]
            if tracklet.strange >= PATIENCE:
                tracklet.drop_last(len(tracklet) - tracklet.sure)
            elif missed <= LOST_SECONDS or (tracklet.times[-1] >= self._last_time and missed < LONG_FRAME):
                kept.append(tracklet)
        if len(kept) < len(self._active):
            self._lost_time = time
        self._active = kept


def distinct(candidates: list[Candidate]) -> list[Candidate]:
    """One candidate a person: the one with the higher score, those of tracklets first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.source is None, -c.pose.score)):
        if not any(same_person(candidate.pose, k.pose) for k in kept):
            kept.append(candidate)
    return kept


def _misfit(tracklet: Tracklet, pose: Pose, time: float) -> float:
    """How far a pose is from where and how large its person should be; 1 is as far as a person can get."""
    dt = time - tracklet.times[-1]
    side = tracklet.sides[-1]
    distance = float(np.linalg.norm(pose.image[TORSO].mean(axis=0) - tracklet.predicted(time))) / side
    growth = abs(math.log(pose.next_region.side / side))
    return max(distance / (0.06 + 1.2 * dt), growth / (0.2 + 0.8 * dt))


def _inside(pose: Pose, image: np.ndarray) -> bool:
    """Whether enough of the body is in the picture; the network imagines the rest."""
    points = pose.image[BODY]
    return float(((points >= 0) & (points < image.shape[1::-1])).all(axis=1).mean()) >= MIN_INSIDE


def _explains(pose: Pose, detection: Detection) -> bool:
    """Whether a detection is of the person of a pose: the pose's head is in the detected face's box."""
    head = pose.image[:11].mean(axis=0)
    size = (detection.box[2:] - detection.box[:2]).max()
    centre = (detection.box[:2] + detection.box[2:]) / 2
    return float(np.abs(head - centre).max()) < 0.6 * size


def _near(tracklet: Tracklet, candidate: Candidate) -> bool:
    return tracklet.region is not None and overlap(tracklet.region, candidate.pose.next_region) > NEAR


def _near_another(candidate: Candidate, candidates: list[Candidate]) -> bool:
    region = candidate.pose.next_region
    return any(c is not candidate and overlap(c.pose.next_region, region) > NEAR for c in candidates)
