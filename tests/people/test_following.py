"""Tracking and identities on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference_server.people.choose import choose_person
from inference_server.people.identities import landmark_tracks
from inference_server.people.landmarks import LANDMARK_INDEX
from inference_server.people.observe import Observations, collect
from inference_server.people.report import people_report
from inference_server.people.tracker import Tracker
from inference_server.video import read_frames
from int_blender_addon.core import errors

DATA = Path(__file__).parents[1] / "data"
SQUATS = DATA / "videos" / "tfjs_pose_squats.mp4"
BEAM = DATA / "videos" / "pose2sim_single_cam01.mp4"
TWO = DATA / "videos" / "pose2sim_multi_cam03.mp4"
HIPS = [LANDMARK_INDEX["left_hip"], LANDMARK_INDEX["right_hip"]]


def pictures(path, first, count):
    """`count` frames from a number on, all made 480 x 640."""
    frames = []
    for frame in read_frames(path):
        if frame.index >= first:
            frames.append(cv2.resize(frame.image, (480, 640), interpolation=cv2.INTER_AREA))
        if len(frames) == count:
            break
    return frames


def nobody(count):
    return [np.full((640, 480, 3), 120, dtype=np.uint8)] * count


def followed(images, fps=10.0):
    tracker = Tracker("fast", fps)
    times = [n / fps for n in range(len(images))]
    for index, image in enumerate(images):
        tracker.step(index, times[index], image)
    return landmark_tracks(tracker.tracklets, range(len(images)), times)


@pytest.fixture(scope="module")
def two():
    return collect(TWO)


def test_two_people_are_two_and_nobody_jumps(two):
    """The man is partly behind a woman in the second half; his hips are known from other cameras."""
    tracks = two.tracks()
    assert len(tracks) == 2
    man = np.load(DATA / "blazepose" / "multi_cam03_man_hips.npz")
    truth = dict(zip(man["frame_index"], man["pixels"], strict=True))
    errors_of = [
        np.array(
            [
                np.linalg.norm(hips - truth[f])
                for f, hips in zip(t.frame_index, t.image[:, HIPS].mean(1), strict=True)
                if f in truth
            ]
        )
        for t in tracks
    ]
    his, hers = sorted(errors_of, key=np.median)
    assert his.max() < 80  # he is about 700 pixels tall
    assert len(his) >= 75
    assert hers.min() > 80
    assert len(hers) >= 95


def test_one_person_throughout():
    (track,) = collect(SQUATS).tracks()
    assert len(track) == 65
    assert track.time == pytest.approx(track.frame_index / 5)
    assert not track.bridged.any()
    assert track.image.dtype == np.float32
    assert track.world[:, HIPS].mean(axis=1) == pytest.approx(0, abs=0.05)
    shoulders = [LANDMARK_INDEX["left_shoulder"], LANDMARK_INDEX["right_shoulder"]]
    assert (track.world[:, shoulders, 1].mean(axis=1) < -0.3).all()  # y down: shoulders above hips


def test_who_leaves_and_returns_is_the_same_person():
    squats = pictures(SQUATS, 0, 40)
    (track,) = followed(squats[:20] + nobody(30) + squats[20:])
    seen = set(track.frame_index)
    assert {5, 10, 55, 65} <= seen
    assert not seen & set(range(22, 49))
    assert not track.bridged.any()


def test_someone_else_is_a_new_person():
    tracks = followed(
        pictures(SQUATS, 0, 20) + nobody(20) + pictures(BEAM, 0, 20) + nobody(20) + pictures(SQUATS, 20, 20)
    )
    assert [t.person_id for t in tracks] == [1, 2]
    assert {int(t.frame_index[0]) // 20 for t in tracks} == {0, 2}
    assert tracks[0].frame_index[-1] >= 90
    assert tracks[1].frame_index[-1] < 60


def test_another_person_in_the_same_place_is_not_taken_for_the_first():
    tracks = followed(pictures(SQUATS, 0, 20) + pictures(BEAM, 0, 20))
    assert len(tracks) == 2
    assert max(tracks[0].frame_index) < 21
    assert min(tracks[1].frame_index) >= 20


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    squats = pictures(SQUATS, 0, 24)
    (track,) = followed(squats[:8] + nobody(2) + squats[8:16] + nobody(8) + squats[16:])
    assert list(track.frame_index[track.bridged]) == [8, 9]
    assert not set(track.frame_index) & set(range(18, 26))


def test_nobody():
    with pytest.raises(errors.NobodyFoundError):
        choose_person(followed(nobody(12)), Observations(SQUATS).info)


def test_a_person_in_three_frames_only():
    tracks = followed(nobody(6) + pictures(SQUATS, 0, 3) + nobody(6))
    with pytest.raises(errors.TooFewFramesError) as caught:
        choose_person(tracks, Observations(SQUATS).info)
    assert "3 frames" in caught.value.message


def test_a_trim_keeps_numbers_and_times():
    (track,) = collect(SQUATS, start=4.0, end=8.0).tracks()
    assert list(track.frame_index) == list(range(20, 40))
    assert track.time == pytest.approx(np.arange(20, 40) / 5)


def test_progress_and_cancelling():
    told = []
    observations = Observations(
        SQUATS, on_progress=lambda done, total: told.append((done, total)), cancelled=lambda: len(told) >= 6
    )
    with pytest.raises(errors.CancelledError):
        list(observations)
    assert told == [(n, 65) for n in range(1, 7)]
    assert len(observations.tracks()[0]) == 6


def test_tracks_may_be_asked_on_the_way():
    observations = Observations(SQUATS)
    for seen in observations:
        if seen.done == 20:
            assert len(observations.tracks()[0]) == 20
            break


def test_the_report_and_its_pictures(tmp_path):
    (person,) = people_report(SQUATS, start=1.0, end=5.0, thumbnails=tmp_path)
    assert tuple(person[k] for k in ("person_id", "first", "frames", "main")) == (1, 1.0, 20, True)
    assert person["last"] == pytest.approx(4.8)
    left, top, right, bottom = person["box"]
    assert 0 < left < right < 720 and 0 < top < bottom < 1280
    picture = cv2.imread(str(tmp_path / "person_1.png"))
    assert max(picture.shape[:2]) == 192
