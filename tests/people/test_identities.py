"""Choosing, joining and bridging, on tracks made by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_server.people.appearance import COLOUR_BINS, LIGHT_BINS, PARTS, Appearance, similarity
from inference_server.people.choose import choose_person
from inference_server.people.identities import is_phantom, landmark_tracks
from inference_server.people.landmarks import NUM_LANDMARKS, LandmarkTrack
from inference_server.people.tracklet import Tracklet
from inference_server.video import VideoInfo
from int_blender_addon.core import errors

INFO = VideoInfo(Path("a.mp4"), 1000, 1000, 10.0, 100, 10.0, 0, False, "h264")
FPS = 10.0


def clothes(seed, noise=0.0, count=20.0):
    """An appearance; the same seed gives the same clothes."""
    random = np.random.default_rng(seed)
    light = random.dirichlet(np.full(LIGHT_BINS, 0.1), PARTS)
    colour = random.dirichlet(np.full(COLOUR_BINS**2, 0.01), PARTS).reshape(PARTS, COLOUR_BINS, COLOUR_BINS)
    light, colour = light * (1 - noise) + noise / LIGHT_BINS, colour * (1 - noise) + noise / COLOUR_BINS**2
    return Appearance(light.astype(np.float32), colour.astype(np.float32), np.full(PARTS, count))


def tracklet(number, frames, x=500.0, seed=0, noise=0.0, score=0.99, step=0.0):
    rows = []
    for n in range(len(frames)):
        row = np.zeros((NUM_LANDMARKS, 8), dtype=np.float32)
        row[:, 0] = x + step * n
        row[:, 1] = np.linspace(300, 700, NUM_LANDMARKS)
        row[:, 6:] = 1
        rows.append(row)
    return Tracklet(
        number=number,
        frames=list(frames),
        times=[f / FPS for f in frames],
        rows=rows,
        scores=[score] * len(frames),
        sides=[500.0] * len(frames),
        appearance=clothes(seed, noise),
    )


def tracks_of(*tracklets, frames=100):
    return landmark_tracks(tracklets, range(frames), [n / FPS for n in range(frames)])


def ids(tracks):
    return [(t.person_id, int(t.frame_index[0]), int(t.frame_index[-1])) for t in tracks]


def test_same_clothes_after_a_long_absence():
    assert ids(tracks_of(tracklet(0, range(10)), tracklet(1, range(60, 70), x=900))) == [(1, 0, 69)]


def test_other_clothes_are_another_person():
    assert len(tracks_of(tracklet(0, range(10)), tracklet(1, range(60, 70), seed=1))) == 2


def test_people_seen_together_are_two_even_in_the_same_clothes():
    assert len(tracks_of(tracklet(0, range(40)), tracklet(1, range(20, 60), x=900))) == 2


def test_in_doubt_a_new_person():
    """Two in uniform leave, one in uniform comes: nobody can tell which."""
    tracks = tracks_of(tracklet(0, range(20)), tracklet(1, range(20), x=900), tracklet(2, range(60, 80), x=700))
    assert len(tracks) == 3


def test_uniforms_are_told_apart_by_place_over_short_gaps():
    a, b = tracklet(0, range(20), x=200), tracklet(1, range(20), x=800)
    a2, b2 = tracklet(2, range(24, 40), x=790), tracklet(3, range(24, 40), x=210)
    tracks = tracks_of(a, b, a2, b2)
    assert len(tracks) == 2
    for track in tracks:
        assert np.ptp(track.image[:, 0, 0]) < 50


def test_a_crossing_is_followed_by_its_motion():
    a = tracklet(0, range(20), x=200, step=10)
    a.velocity = np.array([100.0, 0])
    b = tracklet(1, range(22, 40), x=420, step=10)
    assert len(tracks_of(a, b)) == 1


def test_gaps():
    tracks = tracks_of(tracklet(0, range(10), step=10), tracklet(1, range(12, 20), x=620, step=10))
    (track,) = tracks
    assert list(track.frame_index) == list(range(20))
    assert list(np.flatnonzero(track.bridged)) == [10, 11]
    assert track.image[9:13, 0, 0] == pytest.approx([590, 600, 610, 620])
    (track,) = tracks_of(tracklet(0, range(10)), tracklet(1, range(14, 20)))
    assert list(track.frame_index) == [*range(10), *range(14, 20)]
    assert not track.bridged.any()


def test_short_stretches_are_dropped_unless_there_is_nothing_else():
    assert ids(tracks_of(tracklet(0, range(3)), tracklet(1, range(50, 60), seed=1))) == [(1, 50, 59)]
    assert ids(tracks_of(tracklet(0, range(3)))) == [(1, 0, 2)]


def test_things_are_not_people():
    thing = tracklet(0, range(50), score=0.87)
    assert not is_phantom(thing)  # steady
    random = np.random.default_rng(0)
    for row in thing.rows:
        row[:, :2] += random.normal(scale=20, size=(NUM_LANDMARKS, 2))
    assert is_phantom(thing)
    assert tracks_of(thing) == []


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 20), st.integers(0, 2)), min_size=1, max_size=8))
def test_tracks_are_well_formed(stretches):
    tracklets = [
        tracklet(n, range(first, first + length), x=100.0 * n, seed=seed)
        for n, (first, length, seed) in enumerate(stretches)
    ]
    tracks = tracks_of(*tracklets)
    assert [t.person_id for t in tracks] == list(range(1, len(tracks) + 1))
    assert sum((~t.bridged).sum() for t in tracks) <= sum(len(t) for t in tracklets)
    for track in tracks:
        assert (np.diff(track.frame_index) > 0).all()
        assert track.time == pytest.approx(track.frame_index / FPS)
        assert track.image.shape == (len(track), NUM_LANDMARKS, 2)
        assert np.isfinite(track.image).all()


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1))
def test_similarity(a, b, noise):
    one, other = clothes(a), clothes(b, noise)
    assert similarity(one, one) == pytest.approx(1, abs=2e-3)
    assert similarity(one, other) == pytest.approx(similarity(other, one))
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, Appearance.unknown()) is None


def test_blending_is_the_mean_over_the_pictures():
    a, b = clothes(0, count=3), clothes(1, count=1)
    mixed = a.copy()
    mixed.blend(b)
    assert mixed.light == pytest.approx(0.75 * a.light + 0.25 * b.light, abs=1e-6)
    assert (mixed.count == 4).all()


def track(person_id, frames, x=500.0, height=600.0):
    n = len(frames)
    image = np.zeros((n, NUM_LANDMARKS, 2), dtype=np.float32)
    image[..., 0], image[..., 1] = x, np.linspace(500 - height / 2, 500 + height / 2, NUM_LANDMARKS)
    ones = np.ones((n, NUM_LANDMARKS), dtype=np.float32)
    return LandmarkTrack(
        person_id, np.array(frames), np.array(frames) / FPS, image, ones, np.zeros((n, NUM_LANDMARKS, 3)), ones, ones,
        np.ones(n), np.zeros(n, dtype=bool),
    )  # fmt: skip


def test_auto_takes_the_most_complete_central_and_large():
    whole, short = track(1, range(100)), track(2, range(30))
    assert choose_person([short, whole], INFO) == [whole]
    middle, edge = track(1, range(90), x=500), track(2, range(90), x=950)
    assert choose_person([edge, middle], INFO) == [middle]
    large, small = track(1, range(90), height=800), track(2, range(90), height=200)
    assert choose_person([small, large], INFO) == [large]


def test_a_person_by_number_and_all():
    tracks = [track(1, range(50)), track(2, range(50)), track(3, range(3))]
    assert choose_person(tracks, INFO, 2) == [tracks[1]]
    assert choose_person(tracks, INFO, "2") == [tracks[1]]
    assert choose_person(tracks, INFO, "all") == tracks[:2]


def test_persons_that_can_not_be_had():
    tracks = [track(1, range(50)), track(2, range(3))]
    with pytest.raises(errors.PersonMissingError) as caught:
        choose_person(tracks, INFO, 7)
    assert "1, 2" in caught.value.message
    with pytest.raises(errors.TooFewFramesError):
        choose_person(tracks, INFO, 2)
    with pytest.raises(errors.TooFewFramesError):
        choose_person(tracks[1:], INFO)
    with pytest.raises(errors.NobodyFoundError):
        choose_person([], INFO)
    with pytest.raises(errors.ArgumentsError):
        choose_person(tracks, INFO, "him")
