"""Undoing left-right swaps before anything else looks at the landmarks.

The landmarker calls left right for stretches: the legs in profile, the arms, or the whole body in frontal views.
Inside such a stretch each frame looks plausible; only its two ends jump. For each group a two-state Viterbi path
(as labelled, swapped) is found: a change of state costs what the landmarks would jump under it, staying swapped
costs a little per second, so that the longer part of a take is believed.
"""

from __future__ import annotations

import numpy as np

from ..people.landmarks import LANDMARK_INDEX, NUM_LANDMARKS, LandmarkTrack

SWAPPED_COST_PER_SECOND = 0.05  # metres; lets swaps of several seconds be undone
SWITCH_COST = 0.04  # metres; a switch must explain at least this much of a jump
SWITCH_COST_PER_SECOND = 0.6  # between frames far apart in time a jump says less
DEPTH_WEIGHT = 0.3  # depth jumps by itself: trust it less than the picture


def _pairs(*names: str) -> np.ndarray:
    return np.array([(LANDMARK_INDEX["left_" + name], LANDMARK_INDEX["right_" + name]) for name in names])


GROUPS: dict[str, np.ndarray] = {
    "torso": _pairs("shoulder", "hip", "ear", "eye", "eye_inner", "eye_outer"),
    "arms": _pairs("elbow", "wrist", "pinky", "index", "thumb"),
    "legs": _pairs("knee", "ankle", "heel", "foot_index"),
}


def find_swaps(track: LandmarkTrack) -> np.ndarray:
    """Which landmarks are called by the other side's name: (N, 33) bool."""
    swapped = np.zeros(track.visibility.shape, bool)
    if len(track) < 3:
        return swapped
    features = _features(track)
    steps = np.diff(track.time)
    for pairs in GROUPS.values():
        state = _viterbi(*_jumps(features, pairs, track.visibility), steps)
        swapped[:, pairs.ravel()] |= state[:, None]
    return swapped


def undo_swaps(track: LandmarkTrack, swapped: np.ndarray) -> LandmarkTrack:
    """The track with the names of swapped landmarks (N, 33) exchanged."""
    other = np.arange(NUM_LANDMARKS)
    for pairs in GROUPS.values():
        other[pairs[:, 0]], other[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    order = np.where(swapped, other, np.arange(NUM_LANDMARKS))
    repaired = track.select(slice(None))
    for name in ("image", "image_z", "world", "visibility", "presence"):
        values = getattr(track, name)
        index = order if values.ndim == 2 else order[..., None]
        setattr(repaired, name, np.take_along_axis(values, index, axis=1))
    return repaired


def _features(track: LandmarkTrack) -> np.ndarray:
    """(N, 33, 3): place in the picture in metres, and depth."""
    scale = metres_per_pixel(track)
    return np.concatenate([track.image * scale[:, None, None], DEPTH_WEIGHT * track.world[..., 2:]], axis=-1)


def metres_per_pixel(track: LandmarkTrack) -> np.ndarray:
    """(N,) the size of a pixel at the person, from the spread of the landmarks in the picture and in metres."""
    pixels = np.sqrt(np.var(track.image, axis=1).sum(axis=-1))
    metres = np.sqrt(np.var(track.world[..., :2], axis=1).sum(axis=-1))
    scale = metres / np.maximum(pixels, 1e-6)
    width = min(len(scale) // 2 * 2 - 1, 31)
    if width < 3:
        return np.full_like(scale, np.median(scale))
    padded = np.pad(scale, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=-1)


def _jumps(features: np.ndarray, pairs: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N-1,) mean jump in metres if the names are kept, and if they are exchanged, between neighbours in time."""
    left, right = features[:, pairs[:, 0]], features[:, pairs[:, 1]]
    seen = 0.1 + np.minimum(visibility[:, pairs[:, 0]], visibility[:, pairs[:, 1]])
    apart = np.linalg.norm(left - right, axis=-1).mean(axis=0)  # pairs that are close together tell little
    weight = np.minimum(seen[1:], seen[:-1]) * apart

    def mean(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        distance = np.linalg.norm(a[0] - a[1], axis=-1) + np.linalg.norm(b[0] - b[1], axis=-1)
        return (distance * weight).sum(axis=1) / (2 * weight.sum(axis=1))

    kept = mean((left[1:], left[:-1]), (right[1:], right[:-1]))
    exchanged = mean((left[1:], right[:-1]), (right[1:], left[:-1]))
    return kept, exchanged


def _viterbi(kept: np.ndarray, exchanged: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The cheapest path (N,) bool through the two states."""
    switch = exchanged + SWITCH_COST + SWITCH_COST_PER_SECOND * np.minimum(steps, 0.5)
    rent = SWAPPED_COST_PER_SECOND * np.minimum(steps, 0.5)
    count = len(kept) + 1
    came_switched = np.zeros((count, 2), bool)
    plain, swapped = 0.0, 0.0
    for t in range(1, count):
        stay, change, cost = kept[t - 1], switch[t - 1], rent[t - 1]
        came_switched[t] = swapped + change < plain + stay, plain + change < swapped + stay
        plain, swapped = min(plain + stay, swapped + change), min(swapped + stay, plain + change) + cost
    state = np.zeros(count, bool)
    state[-1] = swapped < plain
    for t in range(count - 1, 0, -1):
        state[t - 1] = state[t] ^ came_switched[t, int(state[t])]
    return state
