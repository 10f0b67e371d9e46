"""The paper's losses (section 3.4), in the form that the authors' code gives them.

Poses are axis-angle and joints SPIN's 49; means are taken over all elements, confident or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

HIPS = (27, 28)  # of the 49 joints
POSE = slice(3, 75)
SHAPE = slice(75, 85)


@dataclass(frozen=True)
class LossWeights:
    """Phases 1 and 2; `PHASE_3` differs in the norm, and has the temporal term."""

    kp_2d: float = 300.0
    kp_3d: float = 600.0
    temporal: float = 0.0
    pose: float = 60.0
    shape: float = 0.06
    norm: float = 1.0
    acceleration: float = 0.0


PHASE_1_2 = LossWeights()
PHASE_3 = LossWeights(temporal=600.0, norm=0.01)


@dataclass
class Targets:
    """What is known of clips (B, T): 2D-only clips first, then those with 3D.

    Attributes:
        kp_2d: (B, T, 49, 3) with confidence.
        kp_3d: (B3, T, 49, 4) with confidence, of the last B3 clips.
        theta: (B3, T, 85) of the same.
        w_smpl: (B3, T) 1 where theta is known.
    """

    kp_2d: Tensor
    kp_3d: Tensor
    theta: Tensor
    w_smpl: Tensor


def keypoints_2d(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean of confidence times squared difference; (..., 49, 2) and (..., 49, 3)."""
    return (target[..., 2:] * (predicted - target[..., :2]) ** 2).mean()


def keypoints_3d(predicted: Tensor, target: Tensor) -> Tensor:
    """The same in 3D, both from the middle of the hips; (..., 49, 3) and (..., 49, 4)."""
    return (target[..., 3:] * (_from_hips(predicted) - _from_hips(target[..., :3])) ** 2).mean()


def velocity_3d(predicted: Tensor, target: Tensor) -> Tensor:
    """The same of steps between frames (..., T, 49, 3); both frames must be sure."""
    confidence = target[..., 1:, :, 3:] * target[..., :-1, :, 3:]
    steps = _steps(_from_hips(predicted)) - _steps(_from_hips(target[..., :3]))
    return (confidence * steps**2).mean()


def acceleration_3d(predicted: Tensor, target: Tensor) -> Tensor:
    """The same of changes of steps, from no origin; of no weight in any phase.

    In the authors' code the last frame's confidence multiplies itself: it counts to the eighth power.
    """
    change = _steps(_steps(predicted)) - _steps(_steps(target[..., :3]))
    return (target[..., 2:, :, 3:] ** 8 * change**2).mean()


def pose_and_shape(predicted: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared differences of rotation matrices and of betas, frames (N, 85) that are known alone; else 0."""
    known = known.bool()
    if not known.any():
        zero = predicted.sum() * 0.0
        return zero, zero
    ours, theirs = predicted[known], target[known]
    pose = F.mse_loss(rodrigues(ours[:, POSE].reshape(-1, 3)), rodrigues(theirs[:, POSE].reshape(-1, 3)))
    return pose, F.mse_loss(ours[:, SHAPE], theirs[:, SHAPE])


def norm(theta: Tensor) -> Tensor:
    """Frobenius norm of all poses and shapes (N, 85) together, over N; of clips with 3D alone."""
    return torch.linalg.norm(theta[:, 3:85]) / len(theta)


def rodrigues(vectors: Tensor) -> Tensor:
    """(N, 3, 3) of axis-angle (N, 3), by way of quaternions; the angle is that of the vector plus 1e-8 (SPIN)."""
    angle = torch.linalg.norm(vectors + 1e-8, dim=1, keepdim=True)
    half = angle * 0.5
    quaternion = F.normalize(torch.cat([half.cos(), half.sin() * vectors / angle], dim=1), dim=1)
    w, x, y, z = quaternion.unbind(dim=1)
    rows = [
        w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (w * y + x * z),
        2 * (w * z + x * y), w * w - x * x + y * y - z * z, 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (w * x + y * z), w * w - x * x - y * y + z * z,
    ]  # fmt: skip
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def total_loss(
    predicted: dict[str, Tensor], targets: Targets, weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and its weighted terms under the authors' names.

    Args:
        predicted: `kp_2d` (B, T, 49, 2), `kp_3d` (B, T, 49, 3), `theta` (B, T, 85).
        targets: What is known.
        weights: Of the phase.
    """
    with_3d = slice(len(predicted["theta"]) - len(targets.kp_3d), None)
    kp_3d = predicted["kp_3d"][with_3d]
    theta = predicted["theta"][with_3d].flatten(0, 1)
    pose, shape = pose_and_shape(theta, targets.theta.flatten(0, 1), targets.w_smpl.flatten())
    terms = {
        "loss_kp_2d": weights.kp_2d * keypoints_2d(predicted["kp_2d"], targets.kp_2d),
        "loss_kp_3d": weights.kp_3d * keypoints_3d(kp_3d, targets.kp_3d),
        "loss_shape": weights.shape * shape,
        "loss_pose": weights.pose * pose,
        "loss_norm": weights.norm * norm(theta),
    }
    if weights.temporal and kp_3d.shape[1] > 1:
        terms["loss_temp_kp_3d"] = weights.temporal * velocity_3d(kp_3d, targets.kp_3d)
    if weights.acceleration and kp_3d.shape[1] > 2:
        terms["loss_accl"] = weights.acceleration * acceleration_3d(kp_3d, targets.kp_3d)
    return torch.stack(list(terms.values())).sum(), terms


def video_share(video: Tensor, images: Tensor) -> float:
    """The weight of the clips' loss beside the images', by their frames: keypoints (B, T, 49, 3) of both."""
    clips, single = (batch.shape[0] * batch.shape[1] for batch in (video, images))
    return clips / (clips + single)


def _from_hips(joints: Tensor) -> Tensor:
    return joints - joints[..., HIPS, :].mean(dim=-2, keepdim=True)


def _steps(joints: Tensor) -> Tensor:
    return joints[..., 1:, :, :] - joints[..., :-1, :, :]
