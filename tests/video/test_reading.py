import logging
import shutil
import weakref
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from making import gray_frame, quadrants, write_sound, write_video

from inference_server.video import open_video, read_frames
from int_blender_addon.core import errors

VIDEOS = Path(__file__).parents[1] / "data" / "videos"
SQUATS = VIDEOS / "tfjs_pose_squats.mp4"


def corners(image):
    """Colour names of the four quadrants, reading order."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [names.get(tuple(int(v > 128) for v in image[p]), "?") for p in places]


def test_a_real_video():
    info = open_video(SQUATS)
    assert info.size == (720, 1280)
    assert info.fps == 5
    assert info.frames == 65
    assert info.duration == pytest.approx(13.0)
    frames = list(read_frames(SQUATS))
    assert [f.index for f in frames] == list(range(65))
    assert [f.time for f in frames] == pytest.approx(np.arange(65) / 5)
    assert frames[0].image.shape == (1280, 720, 3)
    assert frames[0].image.dtype == np.uint8


def test_a_trim_gives_the_same_frames_as_the_whole():
    whole = list(read_frames(SQUATS))
    part = list(read_frames(SQUATS, 3.0, 5.0))
    assert [f.index for f in part] == list(range(15, 25))
    for frame in part:
        assert frame.time == whole[frame.index].time
        assert np.array_equal(frame.image, whole[frame.index].image)


def test_variable_frame_rate_keeps_its_times(tmp_path):
    milliseconds = [0, 10, 50, 51, 400, 1000, 1001, 3000]
    images = [gray_frame(20 * n) for n in range(len(milliseconds))]
    path = write_video(tmp_path / "vfr.mkv", images, milliseconds)
    frames = list(read_frames(path))
    assert [f.time for f in frames] == pytest.approx([m / 1000 for m in milliseconds])
    assert [round(f.image.mean() / 20) for f in frames] == list(range(8))


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        (0, ["red", "green", "blue", "white"]),
        (-90, ["blue", "red", "white", "green"]),  # as phones store upright video: to be turned clockwise
        (90, ["green", "white", "red", "blue"]),
        (180, ["white", "blue", "green", "red"]),
    ],
)
def test_rotation_is_applied(tmp_path, rotation, expected):
    path = write_video(tmp_path / "turned.mp4", [quadrants()] * 3, rotation=rotation)
    info = open_video(path)
    images = [f.image for f in read_frames(path)]
    assert info.rotation == -rotation % 360
    assert info.size == ((96, 128) if rotation in (90, -90) else (128, 96))
    assert images[0].shape[:2] == info.size[::-1]
    assert corners(images[0]) == expected


def test_a_mirrored_picture_is_put_right(tmp_path):
    one = 65536
    matrix = [-one, 0, 0, 0, one, 0, 0, 0, 1 << 30]
    path = write_video(tmp_path / "mirrored.mp4", [quadrants()] * 3, matrix=matrix)
    assert open_video(path).mirrored
    assert corners(next(read_frames(path)).image) == ["green", "red", "white", "blue"]


def test_pixels_that_are_not_square(tmp_path):
    path = write_video(tmp_path / "anamorphic.mkv", [quadrants()] * 3, aspect=Fraction(2))
    assert open_video(path).size == (256, 96)
    assert next(read_frames(path)).image.shape == (96, 256, 3)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le", "yuv422p10le", "gray", "gray10le", "bgra", "gbrp12le"])
def test_pixel_formats_and_odd_sizes(tmp_path, pixels):
    path = write_video(tmp_path / "odd.mkv", [quadrants(131, 97)] * 2, codec="ffv1", pixels=pixels)
    image = next(read_frames(path)).image
    assert image.shape == (97, 131, 3)
    if pixels.startswith("gray"):
        assert abs(image.astype(int) - image[:, :, :1]).max() <= 2
        assert image[80, 110, 0] > 245
        assert image[80, 20, 0] < 60
    else:
        assert corners(image) == ["red", "green", "blue", "white"]


def test_a_stream_without_timestamps(tmp_path):
    path = write_video(tmp_path / "raw.m4v", [gray_frame(30 * n) for n in range(8)], container="m4v")
    frames = list(read_frames(path))
    assert [f.index for f in frames] == list(range(len(frames)))
    assert len(frames) >= 7
    assert (np.diff([f.time for f in frames]) > 0).all()


def test_any_name(tmp_path):
    path = tmp_path / 'a b\'s "vidéo" 動画 %03d;$(x):y.mp4'
    shutil.copy(SQUATS, path)
    assert open_video(path).frames == 65
    assert next(read_frames(path)).index == 0


def test_frames_are_not_kept():
    alive = []
    for frame in read_frames(SQUATS):
        alive.append(weakref.ref(frame.image))
        del frame
    assert sum(r() is not None for r in alive) <= 2


def test_a_damaged_middle_is_left_out(tmp_path, caplog):
    data = bytearray((VIDEOS / "pose2sim_single_cam01.mp4").read_bytes())
    random = np.random.default_rng(0)
    middle = len(data) // 2
    data[middle : middle + 30000] = random.bytes(30000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        frames = list(read_frames(path))
    assert 50 < len(frames) <= 100
    assert (np.diff([f.time for f in frames]) > 0).all()
    assert "damaged" in caplog.text


def test_a_video_cut_off_behind_its_index_gives_its_first_part(tmp_path):
    whole = write_video(tmp_path / "whole.mkv", [gray_frame(n, 256, 256) for n in range(100)], codec="ffv1")
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 20 < len(list(read_frames(path))) < 80


def test_missing(tmp_path):
    with pytest.raises(errors.VideoMissingError):
        open_video(tmp_path / "nothing.mp4")


def test_a_folder(tmp_path):
    with pytest.raises(errors.VideoUnreadableError):
        open_video(tmp_path)


@pytest.mark.parametrize("name", ["noise.mp4", "noise.mkv", "noise.avi", "noise"])
def test_garbage(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(1).bytes(100_000))
    with pytest.raises(errors.VideoUnreadableError):
        open_video(path)


def test_zero_bytes(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(errors.VideoEmptyError):
        open_video(path)


def test_truncated_before_its_index(tmp_path):
    data = write_video(tmp_path / "whole.mp4", [gray_frame(9 * n) for n in range(25)]).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: data.index(b"moov") - 200])
    with pytest.raises(errors.VideoUnreadableError):
        open_video(path)


def test_no_frames(tmp_path):
    path = tmp_path / "none.avi"
    data = write_video(tmp_path / "some.avi", [gray_frame(9)] * 3).read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises((errors.VideoEmptyError, errors.VideoUnreadableError)):
        open_video(path)


def test_only_sound(tmp_path):
    with pytest.raises(errors.NoVideoStreamError):
        open_video(write_sound(tmp_path / "sound.mp4"))


def test_tiny_pictures(tmp_path):
    path = write_video(tmp_path / "tiny.mkv", [gray_frame(9, 20, 20)] * 5)
    with pytest.raises(errors.VideoTooSmallError) as caught:
        open_video(path)
    assert "20 x 20" in caught.value.message


@pytest.mark.parametrize(("start", "end"), [(20.0, None), (5.0, 5.0), (6.0, 5.0), (5.01, 5.1)])
def test_an_empty_trim(start, end):
    with pytest.raises(errors.VideoEmptyError):
        list(read_frames(SQUATS, start, end))


def test_a_playlist_fetches_nothing(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(errors.MocapError):
        open_video(path)


def test_cancelling_while_skipping():
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(errors.CancelledError):
        list(read_frames(SQUATS, start=10.0, cancelled=cancelled))
    assert len(asked) == 4
