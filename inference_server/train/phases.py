"""The paper's three phases (section 4.2) as configurations."""

from __future__ import annotations

from dataclasses import dataclass

from .losses import PHASE_1_2, PHASE_3, LossWeights


@dataclass(frozen=True)
class Phase:
    """What a phase trains on, and how; batches are those of one process.

    Attributes:
        clips_2d: Clips a batch with 2D annotations alone.
        clips_3d: Clips a batch with 3D annotations.
        images: Single images a batch.
        frames: Of a clip; one of every `POOL / frames` video frames.
        milestones: Epochs at which the rate falls to a tenth.
        weight_decay: L2; the authors' code passes none to SGD.
        augmented: Whether colours jitter and patches are erased.
    """

    clips_2d: int
    clips_3d: int
    images: int
    frames: int
    epochs: int
    milestones: tuple[int, ...]
    optimizer: str
    rate: float
    weight_decay: float
    weights: LossWeights
    sets: tuple[str, ...]
    augmented: bool = False

    def rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return self.rate * 0.1 ** sum(epoch >= milestone for milestone in self.milestones)


PHASES: dict[str, Phase] = {
    "1": Phase(
        clips_2d=0, clips_3d=0, images=120, frames=1,
        epochs=100, milestones=(60, 90), optimizer="adam", rate=1e-4, weight_decay=1e-5, weights=PHASE_1_2,
        sets=("human36m", "mpi_inf_3dhp", "coco", "mpii", "lspet"),
    ),
    "2": Phase(
        clips_2d=4, clips_3d=3, images=7, frames=16,
        epochs=100, milestones=(60, 90), optimizer="adam", rate=1e-4, weight_decay=1e-5, weights=PHASE_1_2,
        sets=("human36m", "mpi_inf_3dhp", "penn_action", "posetrack", "instavariety", "coco", "mpii", "lspet"),
        augmented=True,
    ),
    "3": Phase(
        clips_2d=0, clips_3d=7, images=0, frames=16,
        epochs=50, milestones=(30, 40), optimizer="sgd", rate=1e-4, weight_decay=0.0, weights=PHASE_3,
        sets=("3dpw", "human36m"),
        augmented=True,
    ),
}  # fmt: skip
