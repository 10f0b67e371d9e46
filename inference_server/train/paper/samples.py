"""One step's clips and images as one numbered sample, so that the trainer's batch is that of a phase (section 4.2)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from int_blender_addon.core.errors import DataSetError

from ...model import crops
from ...model.clips import POOL, reflected
from ..phases import Phase
from .annotations import Annotations
from .augment import Augmentation

TURNED = 30.0  # degrees, by which single images are turned
FIELDS_3D = ("kp_3d", "theta", "w_smpl")


class PhaseSamples(Dataset):
    """Sample k: `clips_2d` clips without 3D, then `clips_3d` with it, and `images`, made by chance seeded with k.

    Args:
        sets: Annotations of the phase's data sets.
        phase: How many of what.
        seed: Of everything.
        steps: How many samples there are.
    """

    def __init__(self, sets: list[Annotations], phase: Phase, seed: int, steps: int) -> None:
        self.phase, self.seed, self.steps = phase, seed, steps
        runs = [(one, frames) for one in sets for frames in one.sequences()]
        self._videos_2d = [(one, frames) for one, frames in runs if len(frames) > 1 and not one.has_3d]
        self._videos_3d = [(one, frames) for one, frames in runs if len(frames) > 1 and one.has_3d]
        self._images = sets if phase.frames == 1 else [one for one in sets if len(one.sequences()) == len(one.images)]
        for wanted, have, what in (
            (phase.clips_2d, self._videos_2d, "videos with 2D keypoints"),
            (phase.clips_3d, self._videos_3d, "videos with 3D"),
            (phase.images, self._images, "images"),
        ):
            if wanted and not have:
                raise DataSetError(f"The phase needs {what}, and no data set that is here has them.")

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """`clips_*` and `images_*` of `pictures`, `kp_2d`, `kp_3d`, `theta`, `w_smpl`."""
        rng = np.random.default_rng((self.seed, index))
        phase = self.phase
        clips = [self._clip(rng, self._videos_2d) for _ in range(phase.clips_2d)]
        clips += [self._clip(rng, self._videos_3d) for _ in range(phase.clips_3d)]
        images = [self._image(rng) for _ in range(phase.images)]
        sample: dict[str, np.ndarray] = {}
        for name, parts in (("clips", clips), ("images", images)):
            for key in parts[0] if parts else ():
                rows = parts[phase.clips_2d :] if name == "clips" and key in FIELDS_3D else parts
                if rows:
                    sample[f"{name}_{key}"] = np.stack([part[key] for part in rows])
        return sample

    def _clip(self, rng: np.random.Generator, videos: list[tuple[Annotations, np.ndarray]]) -> dict[str, np.ndarray]:
        one, frames = videos[rng.integers(len(videos))]
        step = POOL // self.phase.frames
        start = rng.integers(max(len(frames) - step * (self.phase.frames - 1), 1))
        numbers = frames[reflected(start + step * np.arange(self.phase.frames), len(frames))]
        return self._cropped(one, numbers, Augmentation.drawn(rng, crops.CROP, self.phase.augmented), 0.0)

    def _image(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        one = self._images[rng.integers(len(self._images))]
        number = rng.integers(len(one.images))
        degrees = float(np.clip(rng.normal() * TURNED / 2, -TURNED, TURNED)) if rng.random() < 0.4 else 0.0
        augmentation = Augmentation.drawn(rng, crops.CROP, self.phase.augmented)
        return self._cropped(one, np.array([number]), augmentation, degrees)

    def _cropped(
        self, one: Annotations, numbers: np.ndarray, augmentation: Augmentation, degrees: float
    ) -> dict[str, np.ndarray]:
        pictures, kp_2d = [], []
        for number in numbers:
            affine = crops.crop_affine(one.boxes[number], crops.CROP_MARGIN, degrees)
            pictures.append(augmentation(crops.crop(_read(one.images[number]), affine)))
            kp_2d.append(crops.keypoints_in_crop(one.kp_2d[number], affine))
        keypoints, joints = np.stack(kp_2d), one.kp_3d[numbers]
        pose = one.pose[numbers]
        if degrees:
            joints, pose = _turned(joints, pose, degrees)
        if augmentation.flip:
            keypoints, joints = crops.flip_keypoints_2d(keypoints), crops.flip_keypoints_3d(joints)
            pose = crops.flip_pose(pose)
        camera = np.zeros((len(numbers), 3))
        values = {
            "pictures": crops.network_input(np.stack(pictures)),
            "kp_2d": crops.normalized_keypoints(keypoints),
            "kp_3d": joints,
            "theta": np.concatenate([camera, pose, one.betas[numbers]], axis=-1),
            "w_smpl": one.with_smpl[numbers],
        }
        return {key: np.asarray(value, np.float32) for key, value in values.items()}


def _turned(joints: np.ndarray, pose: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """3D joints and poses of a picture turned so far: as the crop is, about the optical axis."""
    from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle

    turn = axis_angle_to_matrix(np.array([0.0, 0.0, -np.radians(degrees)]))
    joints, pose = joints.copy(), pose.copy()
    joints[..., :3] = joints[..., :3] @ turn.T
    pose[:, :3] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(pose[:, :3]))
    return joints, pose


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataSetError(f"The picture {path} is missing or damaged.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
