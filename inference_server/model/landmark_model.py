"""INT on landmark evidence: the same tokens, temporal transformer and heads, small enough for a CPU.

The analytic IK's rotations are told to the joint tokens, and the rotation head predicts what is left to turn.
Beside the paper's heads there is one for contacts of heels and toes, and one for the doubt about each joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from int_blender_addon.core.skeleton import JOINT_INDEX

from .int_model import NUM_JOINTS, READ_OUT, IntConfig, IntModel, rot6d_to_matrix

LANDMARK_CONFIG = IntConfig(
    evidence="landmarks",
    width=192,
    depth=3,
    heads=6,
    hidden=768,
    temporal="joint",
    temporal_depth=2,
    temporal_heads=6,
    temporal_hidden=768,
    temporal_length=16,
)
CLIP_RATE = 12.0  # frames per second that a clip's frames stand apart
FEET = (JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"])
IDENTITY_6D = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
PLACE_SIZE = 4


@dataclass
class LandmarkPrediction:
    """For clips (B, T)."""

    rotations: Tensor  # (B, T, 24, 3, 3) local, the root in the ray frame
    betas: Tensor  # (B, T, 10)
    place: Tensor  # (B, T, 3) pelvis in the ray frame, over the distance: x, y, and log of the depth's correction
    contacts: Tensor  # (B, T, 4) logits: left heel, left toe, right heel, right toe
    doubt: Tensor  # (B, T, 24) log of the expected error, radians


class LandmarkModel(nn.Module):
    """INT on landmark evidence.

    Args:
        config: Its shape.
        with_ik: Whether the analytic IK enters and the head predicts the rest; without it the head predicts all,
            as in the paper.
    """

    def __init__(self, config: IntConfig = LANDMARK_CONFIG, with_ik: bool = True) -> None:
        super().__init__()
        self.with_ik = with_ik
        self.int = IntModel(config)
        self.joint_hint = nn.Linear(6 + 6 + 3, config.width)
        self.place_hint = nn.Linear(PLACE_SIZE, 2 * config.width)
        self.contact_head = nn.Linear(config.width, 2)
        self.doubt_head = nn.Linear(config.width, 1)
        self._initialize()

    def _initialize(self) -> None:
        for parameter in (self.int.joint_tokens, self.int.shape_token, self.int.camera_token):
            nn.init.normal_(parameter, std=0.02)
        if self.int.config.temporal != "none" and self.int.temporal.position is not None:
            nn.init.normal_(self.int.temporal.position, std=0.02)
        for head in (self.int.joint_head, self.int.shape_head, self.int.camera_head):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)

    def encode(self, features: Tensor, ik: Tensor, joints: Tensor, place: Tensor, frames: int = 1):
        """The part that runs once a frame: inputs of frames (N, ...) as in `LandmarkInputs`, to `Tokens`.

        `frames` of a clip matter to Table 3's attention forms only.
        """
        hints = features.new_zeros(len(features), READ_OUT, self.int.config.width)
        if self.with_ik:
            turns = _global_rotations(ik)
            told = torch.cat([ik[..., :2].flatten(2), turns[..., :2].flatten(2), joints], dim=-1)
            hints[:, :NUM_JOINTS] = self.joint_hint(told)
        hints[:, NUM_JOINTS:] = self.place_hint(place).unflatten(-1, (2, -1))
        return self.int.encode(features, frames, hints)

    def decode(self, tokens, ik: Tensor) -> LandmarkPrediction:
        """The temporal part and the heads: tokens of clips (B, T, ...), `ik` (B, T, 24, 3, 3)."""
        joints = tokens.joints if self.int.config.temporal == "none" else self.int.temporal(tokens.joints)
        rest = rot6d_to_matrix(self.int.joint_head(joints).float() + joints.new_tensor(IDENTITY_6D).float())
        return LandmarkPrediction(
            rotations=ik @ rest if self.with_ik else rest,
            betas=self.int.shape_head(tokens.shape).float(),
            place=self.int.camera_head(tokens.camera).float(),
            contacts=self.contact_head(joints[:, :, FEET]).float().flatten(2),
            doubt=self.doubt_head(joints)[..., 0].float(),
        )

    def forward(self, features: Tensor, ik: Tensor, joints: Tensor, place: Tensor) -> LandmarkPrediction:
        """Inputs of clips (B, T, ...)."""
        batch, frames = features.shape[:2]
        inputs = [value.flatten(0, 1) for value in (features, ik, joints, place)]
        tokens = self.encode(inputs[0], inputs[1], inputs[2], inputs[3], frames)
        return self.decode(tokens.unflatten(batch, frames), ik)


def _global_rotations(local: Tensor) -> Tensor:
    from int_blender_addon.core.skeleton import PARENTS

    turns = [local[:, 0]]
    for joint in range(1, NUM_JOINTS):
        turns.append(turns[PARENTS[joint]] @ local[:, joint])
    return torch.stack(turns, dim=1)
