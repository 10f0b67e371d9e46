"""What the paper's model is taught: clips and images together, weighed by their frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.utils.data import Dataset

from ...body.smpl_layer import SmplLayer
from ...model.evidence import HybridPatches
from ...model.int_model import IntModel, Prediction
from ...model.weak_camera import project_to_crop
from ..losses import LossWeights, Targets, total_loss, video_share


@dataclass
class PaperTask:
    """INT on the paper's data.

    Attributes:
        model: What is trained.
        layer: The person's SMPL body, with SPIN's regressor of extra joints.
        data: `PhaseSamples`.
        weights: Of the phase's losses.
    """

    model: IntModel
    layer: SmplLayer
    data: Dataset
    weights: LossWeights

    def samples(self) -> Dataset:
        """A step's clips and images each."""
        return self.data

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The phase's loss; the clips' and the images' by their numbers of frames."""
        totals: dict[str, Tensor] = {}
        parts: dict[str, Tensor] = {}
        for kind in ("clips", "images"):
            if f"{kind}_pictures" not in batch:
                continue
            own = {
                key.removeprefix(f"{kind}_"): value.flatten(0, 1)
                for key, value in batch.items()
                if key.startswith(kind)
            }
            predicted = self.predict(model(own["pictures"]))
            targets = _targets(own)
            totals[kind], terms = total_loss(predicted, targets, self.weights)
            parts |= {f"{kind}_{name}": value.detach() for name, value in terms.items()}
        if len(totals) == 1:
            return next(iter(totals.values())), parts
        share = video_share(batch["clips_kp_2d"].flatten(0, 1), batch["images_kp_2d"].flatten(0, 1))
        return share * totals["clips"] + (1 - share) * totals["images"], parts

    def predict(self, said: Prediction) -> dict[str, Tensor]:
        """Joints in the crop and in space, and theta, of what the model said."""
        shape = said.rot6d.shape[:2]
        rotations = said.rotations.flatten(0, 1).float()
        vertices, joints = self.layer(rotations, said.betas.flatten(0, 1).float())
        kp_3d = self.layer.joints_49(vertices, joints).unflatten(0, shape)
        pose = matrix_to_axis_angle(rotations).flatten(1).unflatten(0, shape)
        return {
            "kp_2d": project_to_crop(kp_3d, said.camera.float()),
            "kp_3d": kp_3d,
            "theta": torch.cat([said.camera.float(), pose, said.betas.float()], dim=-1),
        }


class _Standardized(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return HybridPatches.standardize(weight)


def standardize_filters(model: IntModel) -> None:
    """Let the stem's filters be standardised at every step, as the authors train them."""
    for conv in _filters(model):
        parametrize.register_parametrization(conv, "weight", _Standardized(), unsafe=True)


def folded(model: IntModel) -> IntModel:
    """A new model with plain filters, for use."""
    mark = ".parametrizations.weight.original"
    state = {
        key.replace(mark, ".weight"): HybridPatches.standardize(value) if key.endswith(mark) else value
        for key, value in model.state_dict().items()
    }
    result = IntModel(model.config)
    result.load_state_dict(state)
    return result.eval()


def _filters(model: IntModel) -> list[nn.Conv2d]:
    stem = model.evidence.get_submodule("patches.backbone") if model.config.evidence == "hybrid" else nn.Identity()
    return [module for module in stem.modules() if isinstance(module, nn.Conv2d)]


def _targets(own: dict[str, Tensor]) -> Targets:
    kp_2d = own["kp_2d"]
    empty = kp_2d.new_zeros
    frames = kp_2d.shape[1]
    return Targets(
        kp_2d,
        own.get("kp_3d", empty(0, frames, 49, 4)),
        own.get("theta", empty(0, frames, 85)),
        own.get("w_smpl", empty(0, frames)),
    )


def matrix_to_axis_angle(rotations: Tensor) -> Tensor:
    """(..., 3) of rotations (..., 3, 3), with gradients everywhere but at half turns; quaternions in between."""
    m = rotations
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = torch.stack(
        [1 + trace, *(1 + 2 * m[..., k, k] - trace for k in range(3))], dim=-1
    )  # four times the squares of w, x, y, z
    w, x, y, z = squares.unbind(-1)
    yz, zx, xy = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy_, yz_, zx_ = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 1] + m[..., 1, 2], m[..., 0, 2] + m[..., 2, 0]
    rows = torch.stack(
        [
            torch.stack([w, yz, zx, xy], dim=-1),
            torch.stack([yz, x, xy_, zx_], dim=-1),
            torch.stack([zx, xy_, y, yz_], dim=-1),
            torch.stack([xy, zx_, yz_, z], dim=-1),
        ],
        dim=-2,
    )  # each row the quaternion, times four of its components: the largest is the surest
    chosen = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    q = F.normalize(rows.gather(-2, chosen)[..., 0, :], dim=-1)
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = q[..., 1:].square().sum(dim=-1, keepdim=True).clamp_min(1e-14).sqrt()
    return q[..., 1:] / sine * 2 * torch.atan2(sine, q[..., :1])
