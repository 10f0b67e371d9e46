"""The INT model's speed against what the authors' released forward costs, in one run, as ratios.

Weights are random: the arithmetic is the same as with trained ones, and so is its cost; how far reduced precision moves
joints is told for these weights alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from int_blender_addon.core.body import load_free_body, rest_offsets
from int_blender_addon.core.skeleton import forward_kinematics

from ..body.smpl_layer import SmplLayer
from .evidence import HybridPatches
from .int_model import IntConfig, IntModel, Prediction, Tokens, rot6d_to_matrix

FRAMES = 16
SMPL_VERTICES = 6890
KEYFRAME = 8
REPEATS = 3


@dataclass(frozen=True)
class Row:
    """One way of running the model."""

    name: str
    milliseconds: float  # a frame, the best of a few runs
    ratio: float  # of the authors' time to this
    moved: float | None  # mean distance of joints from float32's, millimetres


class AuthorsForward:
    """The work of the released forward: filters standardised twice a call, the last block whole, vertices made."""

    def __init__(self, model: IntModel) -> None:
        self.model = model
        body = load_free_body()
        self.layer = SmplLayer(body)
        for name in ("v_template", "shapedirs", "weights", "posedirs"):
            setattr(self.layer, name, getattr(self.layer, name)[:SMPL_VERTICES])
        self.layer.J_regressor = self.layer.J_regressor[:, :SMPL_VERTICES]
        stem = model.evidence.get_submodule("patches.backbone")
        self.filters = [module for module in stem.modules() if isinstance(module, nn.Conv2d)]
        self.raw = [conv.weight.clone() for conv in self.filters]

    def __call__(self, images: Tensor) -> Prediction:
        """Clips (1, T, 3, 224, 224)."""
        for conv, raw in zip(self.filters, self.raw, strict=True):
            for _ in range(2):
                conv.weight.data.copy_(HybridPatches.standardize(raw))
        model, frames = self.model, images.shape[1]
        seen = model.evidence(images.flatten(0, 1))
        own = torch.cat([model.joint_tokens, model.shape_token, model.camera_token], dim=1).expand(frames, -1, -1)
        x = torch.cat([own, seen], dim=1)
        for block in model.blocks:
            x = block(x)
        x = model.norm(x)
        joints = model.temporal(x[:, :24][None])
        said = Prediction(model.joint_head(joints), model.shape_head(x[:, 24])[None], model.camera_head(x[:, 25])[None])
        self.layer(rot6d_to_matrix(said.rot6d[0]), said.betas[0])
        return said


def random_model() -> IntModel:
    """The paper's model with random weights that give rotations about the rest pose."""
    torch.manual_seed(0)
    model = IntModel(IntConfig())
    for token in (model.joint_tokens, model.shape_token, model.camera_token):
        nn.init.normal_(token, std=0.02)
    nn.init.normal_(model.joint_head.weight, std=0.01)
    model.joint_head.bias.data = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    return model.eval()


@torch.inference_mode()
def run() -> list[Row]:
    """Time each way; the first row is the authors'."""
    model = random_model()
    images = torch.randn(1, FRAMES, 3, 224, 224)
    theirs = AuthorsForward(model)
    first = _best(lambda: theirs(images)) / FRAMES  # leaves the filters standardised
    reference = model(images)
    rows = [Row("authors' forward", first, 1.0, None)]

    def add(name: str, work: Callable[[], Prediction], frames: int = FRAMES, told: bool = True) -> None:
        said = work()
        cost = _best(work) / frames
        rows.append(Row(name, cost, first / cost, _moved(said, reference) if told else 0.0))

    add("float32", lambda: model(images))
    add("bfloat16 image part", lambda: _half(model, images))
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    try:
        add("int8 linear layers", lambda: _plain(quantized, images))
    except (RuntimeError, AttributeError, TypeError) as error:
        print(f"int8 can't be run here: {error}")
    # every 8th frame: the image part runs on an eighth of 128 frames
    add(f"float32, --keyframe {KEYFRAME}", lambda: model(images), FRAMES * KEYFRAME, told=False)
    return rows


def _half(model: IntModel, images: Tensor) -> Prediction:
    """The image part in bfloat16; the temporal part and the heads, which cost little and matter most, in float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = model.encode(images.flatten(0, 1))
    tokens = Tokens(tokens.joints.float(), tokens.shape.float(), tokens.camera.float())
    return model.decode(tokens.unflatten(1, images.shape[1]))


def _plain(model: IntModel, images: Tensor) -> Prediction:
    """Without the read-out shortcut, which reads weights that quantized layers pack."""
    seen = model.evidence(images.flatten(0, 1))
    own = torch.cat([model.joint_tokens, model.shape_token, model.camera_token], dim=1).expand(len(seen), -1, -1)
    x = torch.cat([own, seen], dim=1)
    for block in model.blocks:
        x = block(x)
    x = model.norm(x)
    joints = model.temporal(x[:, :24][None])
    return Prediction(model.joint_head(joints), model.shape_head(x[:, 24])[None], model.camera_head(x[:, 25])[None])


def _best(work: Callable[[], object]) -> float:
    """Milliseconds of the best of a few runs."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken)


def _moved(said: Prediction, reference: Prediction) -> float:
    """Mean distance of the free body's joints, millimetres."""
    offsets = rest_offsets(load_free_body().rest_joints(np.zeros(10)))
    joints = [forward_kinematics(rot6d_to_matrix(p.rot6d.float()).numpy()[0], offsets)[1] for p in (said, reference)]
    return 1000 * float(np.linalg.norm(joints[0] - joints[1], axis=-1).mean())


def table() -> list[dict[str, object]]:
    """Print the rows and return them."""
    rows = run()
    print(f"{'INT, T=16':28} {'ms/frame':>9} {'times faster':>13} {'joints moved, mm':>17}")
    for row in rows:
        moved = "" if row.moved is None else f"{row.moved:.3f}"
        print(f"{row.name:28} {row.milliseconds:9.1f} {row.ratio:13.1f} {moved:>17}")
    return [vars(row) for row in rows]
