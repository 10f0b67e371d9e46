"""What is drawn is what the model computes; and the pictures come about on a real video."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from inference_server.cli import main
from inference_server.inspection.attention import evidence_attention, periodicity, strongest_links, temporal_attention
from inference_server.model.int_model import IntConfig, IntModel
from inference_server.weights.store import save_model
from int_blender_addon.core.errors import ArgumentsError
from int_blender_addon.core.rotations import axis_angle_to_matrix

SAMPLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "videos" / "tfjs_pose_squats.mp4"
SMALL = {"width": 48, "depth": 2, "heads": 4, "hidden": 96, "temporal_depth": 2, "temporal_heads": 4}


def small(**changes) -> IntModel:
    torch.manual_seed(0)
    model = IntModel(IntConfig(evidence="landmarks", temporal_hidden=96, temporal_length=8, **SMALL, **changes))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@torch.inference_mode()
def test_temporal_attention_is_the_last_layers_own() -> None:
    model = small()
    joints = torch.randn(8, 24, 48)
    found = temporal_attention(model, joints)
    x = model.temporal.sequences(joints[None])
    for block in model.temporal.blocks[:-1]:
        x = block(x)
    last = model.temporal.blocks[-1]
    query, key, _ = last.attn.qkv(last.norm1(x)).unflatten(-1, (3, 4, 12)).permute(2, 0, 3, 1, 4)
    expected = (query @ key.transpose(-2, -1) / 12**0.5).softmax(dim=-1)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    assert found.shape == (24, 4, 8, 8)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


def test_looks_are_shares_over_the_evidence_alone() -> None:
    model = small()
    features = torch.randn(3, 33, 8)
    found = evidence_attention(model, lambda: model.encode(features))
    assert found.shape[:3] == (3, 4, 24)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    assert not model.blocks[-1].attn._forward_pre_hooks, "nothing is left on the model"


def test_periodicity_tells_a_periodic_link() -> None:
    phase = 2 * np.pi * np.arange(32) / 8
    rotations = axis_angle_to_matrix(np.stack([np.sin(phase), 0 * phase, 0 * phase], axis=-1))
    same = np.cos(np.subtract.outer(phase, phase)) + 1
    assert periodicity(same, rotations, 2) > 0.6
    noise = np.random.default_rng(0).uniform(size=(32, 32))
    assert abs(periodicity(noise, rotations, 2)) < 0.2
    assert strongest_links(same, 16, 3)[0] in {0, 8, 24}
    assert np.isnan(periodicity(same, np.tile(np.eye(3), (32, 1, 1)), 2))


@pytest.mark.slow
def test_a_video_becomes_a_page(tmp_path) -> None:
    out = tmp_path / "the page"
    words = ["inspect", str(SAMPLE), "--out", str(out), "--quality", "fast", "--length", "16", "--rate", "5"]
    assert main(words) == 0
    page = (out / "inspect.html").read_text(encoding="utf-8")
    for name in ("prior.png", "looks.png", "temporal.png", "video.mp4"):
        assert name in page and (out / name).stat().st_size > 1000
    picture = cv2.imread(str(out / "temporal.png"))
    assert picture.std() > 20
    numbers = json.loads((out / "numbers.json").read_text())
    assert numbers["frames"] == 16 and set(numbers["periodicity"]) >= {"left_knee", "right_elbow"}


@pytest.mark.slow
def test_an_int_checkpoint_is_looked_at_over_its_patches(tmp_path) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(SAMPLE)) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream("mpeg4", rate=10)
        shape = source.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number < 10:
                image = frame.to_ndarray(format="rgb24")
                target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode())
    torch.manual_seed(0)
    save_model(tmp_path / "int.safetensors", IntModel(IntConfig(temporal_length=4)))
    out = tmp_path / "out"
    words = ["inspect", str(clip), "--out", str(out), "--quality", "fast", "--length", "4", "--rate", "5"]
    assert main([*words, "--model", str(tmp_path / "int.safetensors")]) == 0
    assert (out / "looks.png").stat().st_size > 1000


def test_a_joint_that_is_none_is_said(tmp_path) -> None:
    assert main(["inspect", str(SAMPLE), "--out", str(tmp_path), "--joints", "tail"]) == ArgumentsError.exit_code
    assert list(tmp_path.iterdir()) == []
