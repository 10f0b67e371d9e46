"""Mistakes that are easily made: each must turn the comparison with the authors' outputs red."""

import types
from collections.abc import Callable

import parity
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inference_server.model import blocks, int_model
from inference_server.model.evidence import HybridPatches
from inference_server.model.int_model import IntModel, Tokens

pytestmark = pytest.mark.slow
FIELDS = ("theta", "kp_3d", "verts_sel")


def worst(golden: parity.Golden, model: IntModel, images: torch.Tensor) -> float:
    layer, arrays = parity.body_of(golden.seed("body"))
    found = parity.outputs(model.double(), layer, arrays["J_regressor_h36m"], images, golden.model["vsel"])
    return max(abs(found[name] - golden.model[f"main_B1T4/f64/{name}"]).max() for name in FIELDS)


@pytest.fixture
def model(main_checkpoint) -> IntModel:
    return main_checkpoint.model().double()


def norm_eps(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            patch.setattr(module, "eps", 1e-5)


def tanh_gelu(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    exact = F.gelu
    patch.setattr(blocks.F, "gelu", lambda x, **_: exact(x, approximate="tanh"))


def symmetric_padding(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    def padded_evenly(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, conv.weight, conv.bias, conv.stride, (conv.kernel_size[0] - 1) // 2, conv.dilation)

    for module in model.evidence.patches.backbone.modules():
        if type(module).__name__ == "Conv2dSame":
            patch.setattr(module, "forward", types.MethodType(padded_evenly, module))


def no_cls_token(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    whole = model.evidence.forward
    patch.setattr(model.evidence, "forward", lambda images: whole(images)[:, 1:])


def shape_and_camera_swapped(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    encode = model.encode

    def swapped(*args, **options) -> Tokens:
        tokens = encode(*args, **options)
        return Tokens(tokens.joints, tokens.camera, tokens.shape)

    patch.setattr(model, "encode", swapped)


def no_temporal_embedding(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    model.temporal.position = None


def embedding_sliced(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model.temporal, "positions", lambda stored, frames: stored[:, :frames])


def corners_aligned(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    def positions(stored: torch.Tensor, frames: int) -> torch.Tensor:
        stretched = F.interpolate(stored.transpose(1, 2), size=frames, mode="linear", align_corners=True)
        return stretched.transpose(1, 2)

    patch.setattr(model.temporal, "positions", positions)


def joints_not_permuted(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    temporal = model.temporal

    def sequences(joints: torch.Tensor) -> torch.Tensor:
        x = joints.reshape(-1, joints.shape[1], joints.shape[-1])
        return x + temporal.positions(temporal.position, joints.shape[1])

    patch.setattr(temporal, "sequences", sequences)
    patch.setattr(temporal, "_back", lambda x, joints: x.reshape(joints.shape))


def final_norm(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    forward = model.temporal.forward
    patch.setattr(model.temporal, "forward", lambda joints: model.norm(forward(joints)))


def rot6d_in_two_halves(model: IntModel, patch: pytest.MonkeyPatch) -> None:
    right = int_model.rot6d_to_matrix

    def wrong(values: torch.Tensor) -> torch.Tensor:
        return right(values.unflatten(-1, (2, 3)).transpose(-1, -2).flatten(-2))

    patch.setattr(parity, "rot6d_to_matrix", wrong)


MISTAKES: list[Callable[[IntModel, pytest.MonkeyPatch], None]] = [
    norm_eps,
    tanh_gelu,
    symmetric_padding,
    no_cls_token,
    shape_and_camera_swapped,
    no_temporal_embedding,
    embedding_sliced,
    corners_aligned,
    joints_not_permuted,
    final_norm,
    rot6d_in_two_halves,
]


def test_without_a_mistake_nothing_is_wrong(golden, model, images) -> None:
    assert worst(golden, model, images) < parity.EXACT


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda f: f.__name__)
def test_a_mistake_is_seen(golden, model, images, mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake(model, monkeypatch)
    assert worst(golden, model, images) > 1e-5


def test_timms_own_standardisation_is_seen(golden, images, monkeypatch: pytest.MonkeyPatch) -> None:
    def timms(weight: torch.Tensor) -> torch.Tensor:
        mean = weight.mean(dim=(1, 2, 3), keepdim=True)
        variance = weight.var(dim=(1, 2, 3), keepdim=True, unbiased=False)
        return (weight - mean) / (variance + 1e-8).sqrt()

    monkeypatch.setattr(HybridPatches, "standardize", staticmethod(timms))
    assert worst(golden, parity.checkpoint_of(golden, "main").model(), images) > 1e-5
