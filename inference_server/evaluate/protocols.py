"""Both protocols in use, side by side: numbers of the one say nothing about numbers of the other.

`paper` (VIBE, MAED, INT): the reference is the neutral body with the person's betas, PVE is not aligned, acceleration
runs over all sequences joined, in mm per frame squared.
`world` (SPIN, WHAM, TRAM, GVHMR): the reference is the body of the person's gender, PVE is from the hips' middle,
acceleration is of each sequence, without its first and last value, in m/s^2.
Both regress 14 joints from posed vertices and count from the middle of the hips.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from int_blender_addon.core.body import BodyModel, rest_offsets
from int_blender_addon.core.skeleton import forward_kinematics

from .grounded import world_scores
from .paper import HIPS_14, paper_scores, vertex_error
from .procrustes import similarity
from .references import Reference

H36M_TO_14 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
PROTOCOLS = ("paper", "world")


@dataclass(frozen=True)
class Bodies:
    """SMPL's bodies by gender, and the regressor (17, V) of Human3.6M's joints from vertices."""

    models: dict[str, BodyModel]
    regressor: np.ndarray

    def posed(self, gender: str, poses: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (T, V, 3) and 14 joints (T, 14, 3) of poses (T, 24, 3, 3) at no translation.

        Args:
            gender: Of the body; neutral where there is none of it.
            poses: Local rotations.
            betas: (10,) or (T, 10).
        """
        model = self.models.get(gender, self.models["neutral"])
        shapes = np.asarray(betas, float)
        if shapes.ndim == 1 or np.ptp(shapes, axis=0).max() < 1e-9:
            rest = model.rest(shapes if shapes.ndim == 1 else shapes[0])
            vertices = np.stack([rest.skin(pose, np.zeros(3)) for pose in poses])
        else:
            pairs = zip(poses, shapes, strict=True)
            vertices = np.stack([model.rest(shape).skin(pose, np.zeros(3)) for pose, shape in pairs])
        return vertices, (self.regressor @ vertices)[:, H36M_TO_14]


@dataclass
class Predicted:
    """What a system says of a reference.

    Attributes:
        rows: (N,) of the reference's frames.
        poses: (N, 24, 3, 3) local rotations, the root in camera space.
        betas: (10,) or (N, 10).
        world: Root (N, 3, 3) and pelvis (N, 3) in a world, where the system has one.
    """

    rows: np.ndarray
    poses: np.ndarray
    betas: np.ndarray
    world: tuple[np.ndarray, np.ndarray] | None = None


@dataclass
class Scored:
    """Joints and vertices of sequences, collected for the scores of all."""

    predicted: list[np.ndarray] = field(default_factory=list)
    target: list[np.ndarray] = field(default_factory=list)
    vertex: list[tuple[float, int]] = field(default_factory=list)  # mm and frames
    fps: list[float] = field(default_factory=list)

    def paper(self) -> dict[str, float]:
        """MPJPE, PA-MPJPE, PVE in mm, ACCEL in mm per frame squared, as the paper's evaluation has them."""
        joined, goal = np.concatenate(self.predicted), np.concatenate(self.target)
        visible = np.concatenate([goal, np.ones((*goal.shape[:2], 1))], axis=-1)
        scores = paper_scores(joined, visible)
        return {"PA-MPJPE": scores.pa_mpjpe, "MPJPE": scores.mpjpe, "PVE": self._vertex(), "ACCEL": scores.accel_err}

    def world(self) -> dict[str, float]:
        """The same from the hips, ACCEL in m/s^2 of each sequence without its ends."""
        pairs = [(_centred(a), _centred(b)) for a, b in zip(self.predicted, self.target, strict=True)]
        apart = np.concatenate([np.linalg.norm(a - b, axis=-1).mean(axis=1) for a, b in pairs])
        aligned = [
            np.linalg.norm(similarity(x, y)(x) - y, axis=-1).mean() for a, b in pairs for x, y in zip(a, b, strict=True)
        ]
        errors = []
        for (a, b), fps in zip(pairs, self.fps, strict=True):
            error = np.linalg.norm(np.diff(a, n=2, axis=0) - np.diff(b, n=2, axis=0), axis=-1).mean(axis=1)
            errors.append(error[1:-1] * fps**2)
        accel = np.concatenate(errors) if errors else np.zeros(0)
        return {
            "PA-MPJPE": 1000 * float(np.mean(aligned)),
            "MPJPE": 1000 * float(apart.mean()),
            "PVE": self._vertex(),
            "ACCEL": float(accel.mean()) if len(accel) else float("nan"),
        }

    def _vertex(self) -> float:
        frames = sum(count for _, count in self.vertex)
        return sum(mm * count for mm, count in self.vertex) / frames if frames else float("nan")


class Evaluation:
    """Scores of a system on a benchmark under both protocols.

    Args:
        bodies: SMPL's.
    """

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self._scored = {name: Scored() for name in PROTOCOLS}

    def add(self, reference: Reference, predicted: Predicted) -> int:
        """Compare one sequence; returns how many frames counted under the paper's protocol."""
        counted = 0
        for name in PROTOCOLS:
            mask = reference.seen if name == "paper" else reference.valid
            keep = mask[predicted.rows]
            rows = predicted.rows[keep]
            if len(rows) < 3:
                continue
            counted = len(rows) if name == "paper" else counted
            betas = np.asarray(predicted.betas)
            betas = betas[keep] if betas.ndim == 2 else betas
            vertices, joints = self.bodies.posed("neutral", predicted.poses[keep], betas)
            scored = self._scored[name]
            if reference.poses is None:
                assert reference.joints is not None
                goal = reference.joints[rows]
            else:
                gender = "neutral" if name == "paper" else reference.gender
                goal_vertices, goal = self.bodies.posed(gender, reference.poses[rows], reference.betas)
                if name == "world":
                    vertices = vertices - joints[:, HIPS_14].mean(axis=1, keepdims=True)
                    goal_vertices = goal_vertices - goal[:, HIPS_14].mean(axis=1, keepdims=True)
                scored.vertex.append((vertex_error(vertices, goal_vertices), len(rows)))
            scored.predicted.append(joints)
            scored.target.append(goal)
            scored.fps.append(reference.fps)
        return counted

    def add_world(self, reference: Reference, predicted: Predicted) -> dict[str, float] | None:
        """Numbers of a sequence in the world; None where one of both has none."""
        if reference.world is None or predicted.world is None or reference.poses is None or len(predicted.rows) < 4:
            return None
        model = self.bodies.models.get(reference.gender, self.bodies.models["neutral"])
        betas = np.asarray(predicted.betas, float).reshape(-1, 10).mean(axis=0)
        rows = predicted.rows
        goal_root, goal_trans = reference.world[0][rows], reference.world[1][rows]
        rest = model.rest_joints(reference.betas)
        goal = _joints(rest, reference.poses[rows], goal_root, goal_trans + rest[0])
        ours = _joints(self.bodies.models["neutral"].rest_joints(betas), predicted.poses, *predicted.world)
        feet = [10, 11]
        return world_scores(ours, goal, reference.fps, ours[:, feet], goal[:, feet])

    def scores(self) -> dict[str, dict[str, float]]:
        """Numbers by protocol."""
        found = {}
        if self._scored["paper"].predicted:
            found["paper"] = self._scored["paper"].paper()
        if self._scored["world"].predicted:
            found["world"] = self._scored["world"].world()
        return found


def _joints(rest: np.ndarray, poses: np.ndarray, root: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """(N, 24, 3) of a body at rest joints (24, 3)."""
    rotations = poses.copy()
    rotations[:, 0] = root
    offsets = rest_offsets(rest)
    offsets[0] = 0
    return forward_kinematics(rotations, offsets)[1] + pelvis[:, None]


def _centred(joints: np.ndarray) -> np.ndarray:
    return joints - joints[:, HIPS_14].mean(axis=1, keepdims=True)
