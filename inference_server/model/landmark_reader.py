"""The landmark model on a track: every frame's rotations, how sure they are, and the contacts of the feet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from int_blender_addon.core.rotations import matrix_to_rot6d, rot6d_to_matrix
from int_blender_addon.core.smoothing import gaussian_smooth

from ..motion.kinematics import Figure
from ..people.landmarks import LandmarkTrack
from .clips import reflected
from .landmark_inputs import CALM_SECONDS, LandmarkInputs, landmark_inputs
from .landmark_model import CLIP_RATE
from .landmark_weights import LANDMARK_WEIGHTS, load_landmark_model

CLIPS_AT_ONCE = 32


@dataclass
class Reading:
    """What the model says of N frames."""

    rotations: np.ndarray  # (N, 24, 3, 3) local, the root to camera axes
    spread: np.ndarray  # (N, 24) radians: the error that the model expects of itself
    contacts: np.ndarray  # (N, 4) probabilities: left heel, left toe, right heel, right toe


class LandmarkReader:
    """The weights that ship, or those of a file.

    Args:
        path: Of the weights.
        rate: Frames per second at which the model's clips are taken.

    Raises:
        ModelFileError: The file is missing or damaged.
    """

    def __init__(self, path: Path = LANDMARK_WEIGHTS, rate: float = CLIP_RATE) -> None:
        self.model = load_landmark_model(path)
        self.rate = rate
        self.length = self.model.int.config.temporal_length

    def read(self, track: LandmarkTrack, center: np.ndarray, focal: float, figure: Figure) -> Reading:
        """Read a track whose swaps are undone and whose bias is taken off.

        Args:
            track: N frames.
            center: (2,) principal point, pixels.
            focal: Pixels.
            figure: The body of mean shape, for the analytic IK.
        """
        inputs = landmark_inputs(track, center, focal, figure, gaussian_smooth(track.world, track.time, CALM_SECONDS))
        rotations, spread, contacts = self._blended(inputs, track.time)
        rotations[:, 0] = inputs.ray_turn @ rotations[:, 0]
        return Reading(rotations, spread, contacts)

    @torch.inference_mode()
    def _blended(self, inputs: LandmarkInputs, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Clips of frames a step apart, of every phase, in windows that overlap by half; averaged in 6D."""
        count = len(time)
        spacing = float(np.median(np.diff(time))) if count > 1 else 1.0
        step = max(round(1.0 / (self.rate * max(spacing, 1e-6))), 1)
        pool = step * self.length
        starts = range(0, max(count - pool, 0) + max(pool // 2, 1), max(pool // 2, 1))
        phases = np.arange(pool).reshape(self.length, step).T
        windows = [min(start, max(count - pool, 0)) for start in starts]
        clips = np.concatenate([reflected(phases + start, count) for start in windows])
        ramp = 1.0 - np.abs((np.arange(pool) + 0.5) / pool * 2 - 1) + 1e-3
        weights = np.tile(ramp[phases], (len(windows), 1))

        ik = torch.from_numpy(inputs.ik.astype(np.float32))
        joints = torch.from_numpy(inputs.joints.astype(np.float32))
        features, place = torch.from_numpy(inputs.features), torch.from_numpy(inputs.place)
        by_frame = self.model.int.config.attention == "vanilla"
        tokens = self.model.encode(features, ik, joints, place) if by_frame else None
        rot6d = np.zeros((count, 24, 6))
        doubt, contacts, total = np.zeros((count, 24)), np.zeros((count, 4)), np.zeros(count)
        for begin in range(0, len(clips), CLIPS_AT_ONCE):
            rows = clips[begin : begin + CLIPS_AT_ONCE]
            index = torch.from_numpy(rows)
            if tokens is not None:
                said = self.model.decode(tokens.select(index), ik[index])
            else:  # Table 3's forms mix the frames of a clip from the first layer on
                said = self.model(features[index], ik[index], joints[index], place[index])
            weight = weights[begin : begin + CLIPS_AT_ONCE]
            np.add.at(total, rows, weight)
            np.add.at(rot6d, rows, matrix_to_rot6d(said.rotations.numpy()) * weight[..., None, None])
            np.add.at(doubt, rows, said.doubt.numpy() * weight[..., None])
            np.add.at(contacts, rows, torch.sigmoid(said.contacts).numpy() * weight[..., None])
        share = 1.0 / total[:, None]
        return rot6d_to_matrix(rot6d * share[..., None]), np.exp(doubt * share), contacts * share
