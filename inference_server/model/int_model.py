"""The INT model (section 3 of the paper): evidence -> tokens -> transformer -> temporal transformer -> linear heads.

Shapes: B clips, T frames, 24 joints, width d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import ATTENTION_FORMS, Block
from .evidence import HybridPatches, ImageEvidence, LandmarkParts, PlainPatches

NUM_JOINTS = 24
READ_OUT = NUM_JOINTS + 2  # joint tokens, shape token, camera token
EVIDENCE = ("hybrid", "plain", "landmarks")
TEMPORAL = ("none", "joint", "pose")


@dataclass(frozen=True)
class IntConfig:
    """The shape of a model; the defaults are the paper's.

    Attributes:
        evidence: `hybrid` (ResNet-50 stem), `plain` (ViT patches) or `landmarks` (a pose landmarker's points).
        temporal: `none` (image-only), `joint` (each joint's tokens over time; the paper's) or `pose`
            (all joints of a frame as one token; Table 2).
        temporal_length: Frames for which the temporal position embedding is stored; 0 for none.
        attention: Attention form of the spatial blocks (`parallel` and its kin are Table 3's).
    """

    evidence: str = "hybrid"
    width: int = 768
    depth: int = 6
    heads: int = 12
    hidden: int = 3072
    temporal: str = "joint"
    temporal_depth: int = 3
    temporal_heads: int = 12
    temporal_hidden: int = 3072
    temporal_length: int = 16
    attention: str = "vanilla"

    def __post_init__(self) -> None:
        for value, known in (
            (self.evidence, EVIDENCE),
            (self.temporal, TEMPORAL),
            (self.attention, ATTENTION_FORMS),
        ):
            if value not in known:
                raise ValueError(f"{value!r} is not one of {', '.join(known)}")
        if self.temporal == "pose" and self.width % NUM_JOINTS:
            raise ValueError(f"whole-pose modelling needs a width that {NUM_JOINTS} divides")


@dataclass
class Tokens:
    """What the image part knows of frames (N, ...): all that the temporal part and the heads need."""

    joints: Tensor  # (N, 24, d)
    shape: Tensor  # (N, d)
    camera: Tensor  # (N, d)

    def select(self, frames: Tensor) -> Tokens:
        """The tokens of some frames."""
        return Tokens(self.joints[frames], self.shape[frames], self.camera[frames])

    def unflatten(self, batch: int, frames: int) -> Tokens:
        """Tokens of N = B * T frames as those of B clips."""
        size = (batch, frames)
        return Tokens(self.joints.unflatten(0, size), self.shape.unflatten(0, size), self.camera.unflatten(0, size))


@dataclass
class Prediction:
    """The heads' outputs."""

    rot6d: Tensor  # (B, T, 24, 6)
    betas: Tensor  # (B, T, 10)
    camera: Tensor  # (B, T, 3) weak perspective: scale, x, y

    @property
    def rotations(self) -> Tensor:
        """(B, T, 24, 3, 3)"""
        return rot6d_to_matrix(self.rot6d)


class IntModel(nn.Module):
    """Independent tokens for the rotations of 24 joints, the shape and the camera."""

    def __init__(self, config: IntConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.evidence = _evidence(config)
        self.joint_tokens = nn.Parameter(torch.zeros(1, NUM_JOINTS, width))
        self.shape_token = nn.Parameter(torch.zeros(1, 1, width))
        self.camera_token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.hidden, config.attention) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        if config.temporal != "none":
            self.temporal = TemporalTransformer(config)
        self.joint_head = nn.Linear(width, 6)
        self.shape_head = nn.Linear(width, 10)
        self.camera_head = nn.Linear(width, 3)

    def forward(self, images: Tensor) -> Prediction:
        """Clips (B, T, 3, 224, 224), normalised RGB, to rotations, shapes and cameras."""
        batch, frames = images.shape[:2]
        return self.decode(self.encode(images.flatten(0, 1), frames).unflatten(batch, frames))

    def encode(self, evidence: Tensor, frames: int = 1, hints: Tensor | None = None) -> Tokens:
        """The part that runs once a frame.

        Args:
            evidence: (N, ...) what the evidence module takes.
            frames: Frames of a clip; they matter to Table 3's forms only.
            hints: (N, 26, d) added to the joint, shape and camera tokens: what is known before.
        """
        seen = self.evidence(evidence)
        own = torch.cat([self.joint_tokens, self.shape_token, self.camera_token], dim=1).expand(len(seen), -1, -1)
        x = torch.cat([own if hints is None else own + hints, seen], dim=1)
        for block in self.blocks[:-1]:
            x = block(x, frames)
        # nothing reads the evidence tokens after the last block
        last = READ_OUT if self.config.attention == "vanilla" else None
        x = self.norm(self.blocks[-1](x, frames, last)[:, :READ_OUT])
        return Tokens(x[:, :NUM_JOINTS], x[:, NUM_JOINTS], x[:, NUM_JOINTS + 1])

    def decode(self, tokens: Tokens) -> Prediction:
        """The temporal part and the heads: tokens of clips (B, T, ...)."""
        joints = tokens.joints if self.config.temporal == "none" else self.temporal(tokens.joints)
        return Prediction(self.joint_head(joints), self.shape_head(tokens.shape), self.camera_head(tokens.camera))


def _evidence(config: IntConfig) -> nn.Module:
    if config.evidence == "landmarks":
        return LandmarkParts(config.width)
    patches = HybridPatches(config.width) if config.evidence == "hybrid" else PlainPatches(config.width)
    return ImageEvidence(config.width, patches)


class TemporalTransformer(nn.Module):
    """Each joint's tokens over time (section 3.3), or the whole pose's (Table 2)."""

    def __init__(self, config: IntConfig) -> None:
        super().__init__()
        self.whole_pose = config.temporal == "pose"
        width = config.width
        self.position: nn.Parameter | None = None
        if config.temporal_length:
            self.position = nn.Parameter(torch.zeros(1, config.temporal_length, width))
        self.blocks = nn.ModuleList(
            Block(width, config.temporal_heads, config.temporal_hidden) for _ in range(config.temporal_depth)
        )
        if self.whole_pose:  # d/24 channels a joint make one token of d
            self.squeeze = nn.Linear(width, width // NUM_JOINTS)
            self.expand = nn.Linear(width // NUM_JOINTS, width)

    def forward(self, joints: Tensor) -> Tensor:
        """Joint tokens (B, T, 24, d) to joint tokens."""
        x = self.sequences(joints)
        for block in self.blocks:
            x = block(x)
        return self._back(x, joints)

    def sequences(self, joints: Tensor) -> Tensor:
        """What the blocks see: (B * 24, T, d), or (B, T, d) for the whole pose, positions added."""
        x = self.squeeze(joints).flatten(2) if self.whole_pose else joints.transpose(1, 2).flatten(0, 1)
        return x if self.position is None else x + self.positions(self.position, joints.shape[1])

    @staticmethod
    def positions(stored: Tensor, frames: int) -> Tensor:
        """(1, T, d) the stored embedding, interpolated; the parameter itself is never changed."""
        if frames == stored.shape[1]:
            return stored
        stretched = F.interpolate(stored.transpose(1, 2), size=frames, mode="linear", align_corners=False)
        return stretched.transpose(1, 2)

    def _back(self, x: Tensor, joints: Tensor) -> Tensor:
        if self.whole_pose:
            return joints + self.expand(x.unflatten(-1, (NUM_JOINTS, -1)))
        return x.unflatten(0, (len(joints), NUM_JOINTS)).transpose(1, 2)


def rot6d_to_matrix(values: Tensor) -> Tensor:
    """(..., 6), read as a 3x2 matrix row by row, to (..., 3, 3) by Gram-Schmidt; the axes are the columns."""
    pairs = values.unflatten(-1, (3, 2))
    first = F.normalize(pairs[..., 0], dim=-1, eps=1e-6)
    second = pairs[..., 1] - (first * pairs[..., 1]).sum(dim=-1, keepdim=True) * first
    second = F.normalize(second, dim=-1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def image_only(config: IntConfig) -> IntConfig:
    """The same model without a temporal part."""
    return replace(config, temporal="none")
