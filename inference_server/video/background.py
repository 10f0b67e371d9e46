"""Points of the background from frame to frame: what tells how the camera moved.

Each frame is compared with an earlier one, its reference, directly: while a reference lasts, nothing adds up. A new
reference begins where the old one is leaving the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

LONG_SIDE = 480  # pixels of the picture that is looked at
CORNERS = 300
CORNER_QUALITY, CORNER_SPACING = 0.01, 9.0
RETURN = 0.8  # pixels by which a point may miss itself when followed there and back
RANSAC = 2.0  # pixels
KEPT = 80  # points of a frame that are kept
FEWEST = 12  # that agree, else the frame tells nothing
AGREE = 0.4  # of the points that were followed
WORN = 0.5  # of the reference's points; with more outside of the picture a new one begins
FAR = 0.25  # of the long side, likewise
ROOM = 0.05  # of a person's box around it that is not background
BLIND_FRAMES = 15  # without an answer, after which a new reference begins


@dataclass
class Match:
    """What a frame shares with its reference: the same points of the background, in pixels of the full picture."""

    frame: int  # 0-based numbers in the video
    reference: int
    there: np.ndarray  # (N, 2) in the reference
    here: np.ndarray  # (N, 2) in the frame
    agree: float  # part of the points that were followed: the others went elsewhere and are not here
    moved: float  # pixels, the median of these points


@dataclass
class Background:
    """Follows the background of a video; give it each frame in turn.

    Attributes:
        matches: One for each frame after the first that tells something.
        first: Number of the first frame, None before it.
    """

    matches: list[Match] = field(default_factory=list)
    first: int | None = None

    def __post_init__(self) -> None:
        self._gray: np.ndarray | None = None  # the reference
        self._corners: np.ndarray = np.zeros((0, 2), np.float32)
        self._reference = 0
        self._last = np.eye(3)  # from the reference to the latest frame
        self._blind = 0
        self._before: tuple[int, np.ndarray, np.ndarray] | None = None  # the frame before, if it told something

    def step(self, frame: int, image: np.ndarray, people: list[np.ndarray]) -> None:
        """Take in the next frame.

        Args:
            frame: Its number.
            image: (H, W, 3) RGB.
            people: Boxes (4,), left, top, right, bottom in pixels, in which nothing is background.
        """
        scale = max(image.shape[:2]) / LONG_SIDE
        size = (round(image.shape[1] / scale), round(image.shape[0] / scale))
        gray = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        mask = _mask(gray.shape, [box / scale for box in people])
        if self.first is None:
            self.first = frame
            self._begin(frame, gray, mask)
            return
        there, here = self._followed(gray, mask)
        turned = self._agreed(there, here)
        if turned is None and self._before is not None:  # the reference is too far away: on from the frame before
            self._begin(*self._before)
            there, here = self._followed(gray, mask)
            turned = self._agreed(there, here)
        if turned is None:
            self._before = None
            self._blind += 1
            if self._blind > BLIND_FRAMES or len(self._corners) < FEWEST:
                self._begin(frame, gray, mask)
            return
        self._blind = 0
        self._before = frame, gray, mask
        self._last, agree = turned
        there, here = there[agree], here[agree]
        share = float(agree.mean())
        some = np.linspace(0, len(there) - 1, min(len(there), KEPT)).astype(int)
        # pixel centres are whole numbers in both pictures
        before, now = ((points[some] + 0.5) * scale - 0.5 for points in (there, here))
        moved = float(np.median(np.linalg.norm(here - there, axis=1)))
        points = before.astype(np.float32), now.astype(np.float32)
        self.matches.append(Match(frame, self._reference, *points, share, moved * scale))
        if self._left_behind(moved, gray.shape):
            self._begin(frame, gray, mask)

    def _left_behind(self, moved: float, shape: tuple[int, ...]) -> bool:
        """Whether the reference is leaving the picture; people before it are no reason, they go away again."""
        placed = cv2.perspectiveTransform(self._corners[:, None], self._last)[:, 0]
        outside = np.any((placed < 0) | (placed >= [shape[1], shape[0]]), axis=1)
        return outside.mean() > WORN or moved > FAR * LONG_SIDE

    def _begin(self, frame: int, gray: np.ndarray, mask: np.ndarray) -> None:
        found = cv2.goodFeaturesToTrack(gray, CORNERS, CORNER_QUALITY, CORNER_SPACING, mask=mask)
        self._corners = np.zeros((0, 2), np.float32) if found is None else found[:, 0]
        self._gray, self._reference, self._last, self._blind = gray, frame, np.eye(3), 0

    def _followed(self, gray: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The reference's corners that are found again, there and here."""
        if len(self._corners) < FEWEST:
            return self._corners[:0], self._corners[:0]
        assert self._gray is not None
        guess = cv2.perspectiveTransform(self._corners[:, None], self._last)[:, 0]
        here, found = _flow(self._gray, gray, self._corners, guess)
        back, again = _flow(gray, self._gray, here, self._corners)
        kept = (found[:, 0] == 1) & (again[:, 0] == 1)
        kept &= np.linalg.norm(back - self._corners, axis=1) < RETURN
        whole = np.round(here).astype(int)
        inside = np.all((whole >= 0) & (whole < [gray.shape[1], gray.shape[0]]), axis=1)
        kept &= inside
        kept[kept] = mask[whole[kept, 1], whole[kept, 0]] > 0
        return self._corners[kept], here[kept]

    def _agreed(self, there: np.ndarray, here: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The homography that most points follow, and which do; None if too few do."""
        if len(there) < FEWEST:
            return None
        cv2.setRNGSeed(0)
        found, agree = cv2.findHomography(there, here, cv2.RANSAC, RANSAC)
        if found is None or agree.sum() < max(FEWEST, AGREE * len(there)):
            return None
        return found, agree[:, 0] > 0


def _flow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N, 2) went, and (N, 1) whether they were found; Lucas and Kanade, in pyramids (Bouguet 2000)."""
    window, levels, flags = (17, 17), 3, cv2.OPTFLOW_USE_INITIAL_FLOW
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, guess.copy(), winSize=window, maxLevel=levels, flags=flags
    )
    return there, found


def _mask(shape: tuple[int, ...], people: list[np.ndarray]) -> np.ndarray:
    mask = np.full(shape, 255, np.uint8)
    for left, top, right, bottom in people:
        room = ROOM * max(right - left, bottom - top)
        box = np.clip([left - room, top - room, right + room, bottom + room], 0, None).astype(int)
        mask[box[1] : box[3], box[0] : box[2]] = 0
    return mask


def to_arrays(matches: list[Match]) -> dict[str, np.ndarray]:
    """Matches as arrays of a file."""
    counts = [len(match.there) for match in matches]
    empty = [np.zeros((0, 2), np.float32)]
    return {
        "camera_frame": np.array([match.frame for match in matches], np.int64),
        "camera_reference": np.array([match.reference for match in matches], np.int64),
        "camera_count": np.array(counts, np.int64),
        "camera_agree": np.array([match.agree for match in matches], float),
        "camera_moved": np.array([match.moved for match in matches], float),
        "camera_there": np.concatenate([match.there for match in matches] or empty),
        "camera_here": np.concatenate([match.here for match in matches] or empty),
    }


def from_arrays(arrays) -> list[Match]:
    """What `to_arrays` wrote. KeyError if it isn't there."""
    ends = np.cumsum(arrays["camera_count"])
    there = np.split(arrays["camera_there"], ends[:-1])
    here = np.split(arrays["camera_here"], ends[:-1])
    columns = (arrays[f"camera_{name}"].tolist() for name in ("frame", "reference", "agree", "moved"))
    rows = zip(*columns, there, here, strict=False)  # splitting nothing leaves one empty piece
    return [Match(frame, reference, a, b, agree, moved) for frame, reference, agree, moved, a, b in rows]
