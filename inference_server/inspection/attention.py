"""Attention, watched while a model runs: the same weights that it uses, of chosen layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from int_blender_addon.core.rotations import geodesic_angle

from ..model.blocks import Attention
from ..model.int_model import NUM_JOINTS, IntModel


@contextlib.contextmanager
def watched(layer: Attention) -> Iterator[list[Tensor]]:
    """A list that fills with the attention (B, heads, N, N) of each pass through a layer."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, values: seen.append(module.weights(values[0]).detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _attention(block: nn.Module) -> Attention:
    layer = block.attn
    assert isinstance(layer, Attention)
    return layer


@torch.inference_mode()
def temporal_attention(model: IntModel, joints: Tensor) -> np.ndarray:
    """(24, heads, T, T) attention of the last temporal layer for a clip's joint tokens (T, 24, d): rows look at
    columns (figures 6 and 7). A whole-pose model has one for all joints."""
    with watched(_attention(model.temporal.blocks[-1])) as seen:
        model.temporal(joints[None])
    found = seen[-1].float().cpu().numpy()
    return np.repeat(found, NUM_JOINTS, axis=0) if len(found) == 1 else found


@torch.inference_mode()
def evidence_attention(model: IntModel, encode) -> np.ndarray:
    """(B, heads, 24, E) how the joint tokens of frames attend to the evidence tokens in the last block that all
    tokens go through (figure 5b); `encode()` runs the frames through the model."""
    with watched(_attention(model.blocks[-1])) as seen:
        encode()
    weights = torch.cat(seen).float()
    evidence = weights[:, :, :NUM_JOINTS, NUM_JOINTS + 2 :]
    return (evidence / evidence.sum(dim=-1, keepdim=True)).cpu().numpy()


def periodicity(attention: np.ndarray, rotations: np.ndarray, near: int) -> float:
    """How far a joint looks at frames in which it is turned alike: the correlation, over pairs of frames more than
    `near` apart, of attention (T, T) with likeness (minus the angle between rotations (T, 3, 3))."""
    count = len(rotations)
    alike = -np.array([[geodesic_angle(a, b) for b in rotations] for a in rotations])
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) > near
    if apart.sum() < 3 or np.ptp(alike[apart]) < 1e-6 or np.ptp(attention[apart]) < 1e-12:
        return float("nan")
    return float(np.corrcoef(attention[apart], alike[apart])[0, 1])


def strongest_links(attention: np.ndarray, frame: int, near: int, count: int = 3) -> list[int]:
    """The frames that a frame looks at most, besides its neighbours."""
    row = attention[frame].copy()
    row[max(0, frame - near) : frame + near + 1] = -1
    order = np.argsort(-row)
    return [int(k) for k in order[:count] if row[k] >= 0]
