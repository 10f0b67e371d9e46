"""SMPL's function in torch, with the 49 joints that this family of papers is trained on (SPIN's)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.skeleton import NUM_JOINTS, PARENTS

# Vertices that smplx adds as joints: nose, eyes, ears, then toes and heels, then finger tips (left, right).
EXTRA_VERTICES = (
    332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787,
    2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133,
)  # fmt: skip
# SPIN's 49 joints, of 24 SMPL joints, 21 vertices and 9 regressed ones.
JOINTS_49 = (
    24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
    8, 5, 45, 46, 4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27,
)  # fmt: skip
H36M_FOR_3DPW = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)


class SmplLayer(nn.Module):
    """Linear blend skinning with shape and pose correctives.

    Args:
        body: An SMPL body.
        extra_regressor: (9, V) the joints that SPIN adds; without it the layer has no 49 joints.
    """

    v_template: Tensor
    shapedirs: Tensor
    J_regressor: Tensor
    weights: Tensor
    posedirs: Tensor
    extra_regressor: Tensor

    def __init__(self, body: BodyModel, extra_regressor: np.ndarray | None = None) -> None:
        super().__init__()

        def keep(name: str, values: np.ndarray) -> None:
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)).float(), persistent=False)

        keep("v_template", body.v_template)
        keep("shapedirs", body.shapedirs)
        keep("J_regressor", body.J_regressor)
        keep("weights", body.weights)
        vertices = len(body.v_template)
        posedirs = body.posedirs if body.posedirs is not None else np.zeros((vertices, 3, 9 * (NUM_JOINTS - 1)))
        keep("posedirs", posedirs)
        if extra_regressor is not None:
            keep("extra_regressor", extra_regressor)

    def forward(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (N, V, 3) and the 24 joints (N, 24, 3) for rotations (N, 24, 3, 3) and betas (N, 10)."""
        shaped = self.v_template + torch.einsum("vcb,nb->nvc", self.shapedirs, betas)
        rest = torch.einsum("jv,nvc->njc", self.J_regressor, shaped)
        feature = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(1)
        posed = shaped + torch.einsum("vcp,np->nvc", self.posedirs, feature)
        turns, places = [rotations[:, 0]], [rest[:, 0]]
        for joint in range(1, NUM_JOINTS):
            parent = PARENTS[joint]
            turns.append(turns[parent] @ rotations[:, joint])
            step = (turns[parent] @ (rest[:, joint] - rest[:, parent])[..., None])[..., 0]
            places.append(places[parent] + step)
        turn, joints = torch.stack(turns, dim=1), torch.stack(places, dim=1)
        shift = joints - (turn @ rest[..., None])[..., 0]
        blended_turn = torch.einsum("vj,njab->nvab", self.weights, turn)
        blended_shift = torch.einsum("vj,nja->nva", self.weights, shift)
        return (blended_turn @ posed[..., None])[..., 0] + blended_shift, joints

    def joints_49(self, vertices: Tensor, joints: Tensor) -> Tensor:
        """SPIN's 49 joints (N, 49, 3)."""
        extra = torch.einsum("jv,nvc->njc", self.extra_regressor, vertices)
        return torch.cat([joints, vertices[:, EXTRA_VERTICES], extra], dim=1)[:, JOINTS_49]
