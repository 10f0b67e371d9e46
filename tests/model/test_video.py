"""The model on a video: boxes, clips of every phase, windows without seams, bounded memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inference_server.model import crops
from inference_server.model.clips import chunks, interleaved, reflected
from inference_server.model.int_model import IntConfig, IntModel, Tokens, rot6d_to_matrix
from inference_server.model.video import IntCapture, _Blend, _with_mirror, choose_device, person_boxes
from inference_server.model.weak_camera import metric_translation, project_to_crop
from inference_server.people.landmarks import LandmarkTrack
from inference_server.video import read_frames
from int_blender_addon.core.errors import DeviceError

VIDEO = Path(__file__).resolve().parents[1] / "data" / "videos" / "tfjs_pose_squats.mp4"
SMALL = IntConfig(evidence="plain", width=48, depth=1, heads=2, hidden=48, temporal_depth=1, temporal_heads=2)


def small_model(**changes: object) -> IntModel:
    from dataclasses import replace

    torch.manual_seed(0)
    model = IntModel(replace(SMALL, temporal_hidden=48, **changes))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def track_of(frames: int, fps: float = 5.0) -> LandmarkTrack:
    rng = np.random.default_rng(0)
    middle = np.stack([np.linspace(300, 400, frames), np.full(frames, 600.0)], axis=-1)
    image = middle[:, None] + rng.uniform(-1, 1, (33, 2)) * [120, 400]
    ones = np.ones((frames, 33))
    return LandmarkTrack(
        0, np.arange(frames), np.arange(frames) / fps, image, ones * 0, np.zeros((frames, 33, 3)), ones, ones,
        np.ones(frames), np.zeros(frames, bool),
    )  # fmt: skip


def test_without_a_temporal_part_every_frame_is_what_its_picture_says() -> None:
    model, track = small_model(temporal="none", temporal_depth=0), track_of(20)
    said = IntCapture(model, "cpu").poses(VIDEO, track)
    boxes = person_boxes(track)
    for frame in read_frames(VIDEO):
        if frame.index not in (0, 7, 19):
            continue
        crop = crops.crop(frame.image, crops.crop_affine(boxes[frame.index]))
        with torch.inference_mode():
            direct = model(torch.from_numpy(crops.network_input(crop[None]))[None])
        assert np.allclose(said.rotations[frame.index], direct.rotations[0, 0].numpy(), atol=1e-4)
        assert np.allclose(said.camera[frame.index], direct.camera[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("fps", [5.0, 30.0, 60.0])
@pytest.mark.parametrize("frames", [1, 7, 64, 300, 700])
def test_every_frame_is_answered_and_a_still_picture_gives_a_still_pose(fps: float, frames: int) -> None:
    """With the same token at every frame all clips say nearly the same: no seams between windows, no comb."""
    model = small_model(temporal_length=0)
    token = torch.randn(1, 26, 48)
    blend = _Blend(model, np.arange(frames) / fps, lambda done, total: None)
    for start in range(0, frames, 8):
        n = min(8, frames - start)
        blend.add(Tokens(token[:, :24].expand(n, -1, -1), token[:, 24].expand(n, -1), token[:, 25].expand(n, -1)))
        assert sum(len(kept.shape) for kept in blend.kept) <= 2 * blend.pool + 8, "memory stays bounded"
    rot6d, betas, camera = blend.finish()
    assert np.isfinite(rot6d).all() and (blend.weight > 0).all()
    assert np.abs(rot6d - rot6d[:1]).max() < 1e-5
    assert betas.shape == (frames, 10) and camera.shape == (frames, 3)


def test_keyframes_are_interpolated() -> None:
    model, track = small_model(temporal="none", temporal_depth=0), track_of(21)
    all_frames = IntCapture(model, "cpu").poses(VIDEO, track)
    some = IntCapture(model, "cpu", keyframe=4).poses(VIDEO, track)
    assert some.rotations.shape == all_frames.rotations.shape
    assert np.allclose(some.rotations[::4], all_frames.rotations[::4], atol=1e-5)


def test_the_mirrored_answer_is_turned_back() -> None:
    from int_blender_addon.core.rotations import axis_angle_to_matrix
    from int_blender_addon.core.skeleton import MIRROR

    turns = axis_angle_to_matrix(np.random.default_rng(0).normal(size=(3, 24, 3)))
    flip = np.diag([-1.0, 1.0, 1.0])
    seen = (flip @ turns @ flip)[:, MIRROR]  # what a perfect model says of the mirrored picture
    as_6d = [matrices[..., :2].reshape(3, 24, 6).astype(np.float32) for matrices in (turns, seen)]
    zeros = np.zeros((3, 10)), np.zeros((3, 3))
    mean = _with_mirror((as_6d[0], *zeros), (as_6d[1], *zeros))[0]
    assert np.allclose(rot6d_to_matrix(torch.from_numpy(mean)).numpy(), turns, atol=1e-5)


def test_the_metric_camera_projects_as_the_crop_camera() -> None:
    """A body far from a long lens: the full picture and the crop must agree on where it is."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(49, 3)) * [0.3, 0.8, 0.02]
    camera, box = np.array([[0.9, 0.05, -0.1]]), np.array([[700.0, 500.0, 300.0, 300.0]])
    in_crop = (project_to_crop(torch.from_numpy(points), torch.from_numpy(camera[0])).numpy() + 1) * 112
    affine = crops.crop_affine(box[0])
    focal, size = 60000.0, (1281, 721)
    placed = points + metric_translation(camera, box, focal, size, crops.CROP_MARGIN)
    pixels = placed[:, :2] / placed[:, 2:] * focal + (np.array(size) - 1) / 2
    seen = pixels @ affine[:, :2].T + affine[:, 2]
    assert np.abs(seen - in_crop).max() < 1.0


def test_chunks_and_clips_cover_all_frames_once() -> None:
    assert sorted(interleaved(16, 128).ravel()) == list(range(128))
    assert (np.diff(interleaved(16, 128), axis=1) == 8).all()
    assert set(chunks(300, 128, 128).ravel()) == set(range(300))
    assert reflected(np.arange(7), 3).tolist() == [0, 1, 2, 1, 0, 1, 2]
    assert reflected(np.arange(4), 1).tolist() == [0, 0, 0, 0]


def test_a_missing_device_is_told() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError):
        choose_device("cuda")
