"""What the landmark model is taught."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from int_blender_addon.core.skeleton import PARENTS

from ..model.landmark_model import LandmarkModel, LandmarkPrediction

ACROSS = 2.0  # x and y of joints count so much more than depth: the picture tells them
JOINT_WEIGHT = torch.tensor([1.0] * 22 + [0.1] * 2)  # no recording has fingers


@dataclass
class LandmarkTask:
    """The landmark model on synthetic windows."""

    model: LandmarkModel
    windows: Dataset

    def samples(self) -> Dataset:
        """The windows."""
        return self.windows

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of `landmark_losses`."""
        predicted = model(batch["features"], batch["ik"], batch["joints"], batch["place"])
        parts = landmark_losses(predicted, batch)
        total = torch.stack([WEIGHTS[key] * value for key, value in parts.items()]).sum()
        return total, {key: value.detach() for key, value in parts.items()}


WEIGHTS = {
    "local": 1.0,
    "global": 1.0,
    "joints": 6.0,
    "velocity": 6.0,
    "betas": 0.02,
    "place": 1.0,
    "contacts": 0.1,
    "doubt": 0.05,
}


def landmark_losses(predicted: LandmarkPrediction, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts: rotations relative to parents and global, 3D joints and their steps, shape, place, contacts, doubt."""
    true = batch["true_rotations"]
    turns, joints = _placed(predicted.rotations, batch["offsets"])
    true_turns, true_joints = _placed(true, batch["offsets"])
    error = joints - true_joints
    steps = error[:, 1:] - error[:, :-1]
    size = error.new_tensor([ACROSS, ACROSS, 1.0]) / (2 * ACROSS + 1) * 3
    local = (predicted.rotations - true).square().sum(dim=(-1, -2)).add(1e-6).sqrt()  # 2 sqrt(2) sin(angle / 2)
    weight = JOINT_WEIGHT.to(local)
    angle = local.detach() / 1.414
    doubt = predicted.doubt.clamp(-4.0, 2.0)
    return {
        "local": (local * weight).mean(),
        "global": ((turns - true_turns).square().sum(dim=(-1, -2)).add(1e-6).sqrt() * weight).mean(),
        "joints": (error.abs() * size).mean(),
        "velocity": (steps.abs() * size).mean(),
        "betas": F.mse_loss(predicted.betas.mean(dim=1), batch["true_betas"]),
        "place": F.l1_loss(predicted.place, batch["true_place"]),
        "contacts": F.binary_cross_entropy_with_logits(predicted.contacts, batch["true_contacts"]),
        "doubt": (angle * torch.exp(-doubt) + doubt).mean(),  # least where exp(doubt) is the mean error
    }


def _placed(rotations: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Global rotations (B, T, 24, 3, 3) and joints from the pelvis (B, T, 24, 3), for offsets (B, 24, 3)."""
    turns, places = [rotations[:, :, 0]], [torch.zeros_like(rotations[:, :, 0, :, 0])]
    for joint in range(1, len(PARENTS)):
        parent = PARENTS[joint]
        turns.append(turns[parent] @ rotations[:, :, joint])
        places.append(places[parent] + (turns[parent] @ offsets[:, None, joint, :, None])[..., 0])
    return torch.stack(turns, dim=2), torch.stack(places, dim=2)
