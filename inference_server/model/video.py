"""The INT model on a video: one person's boxes, crops, tokens and clips to the pose of every frame.

The image part runs once a frame, in batches. Its tokens are kept for one window of time; all clips of the window, of
every phase, run the temporal part, and what overlapping windows say is averaged in 6D with weights that fall to the
windows' ends. Memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.errors import CancelledError, DeviceError
from int_blender_addon.core.rotations import matrix_to_quaternion, quaternion_to_matrix, resample_quaternions

from ..motion.fit import Pose
from ..motion.kinematics import Figure, LandmarkPoints
from ..people.landmarks import LANDMARK_INDEX, LandmarkTrack
from ..video import read_frames
from . import crops
from .clips import POOL_SECONDS, reflected
from .int_model import IntModel, Tokens, rot6d_to_matrix
from .weak_camera import metric_translation

BATCH = 8  # frames of one pass of the image part
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
LIMBS = tuple(f"{s}_{p}" for s in ("left", "right") for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
BODY_POINTS = [LANDMARK_INDEX[name] for name in FACE + LIMBS]  # the training boxes were drawn about these
TRAINED_RATE = 30.0  # frames per second to which the smoothing of boxes is told


@dataclass
class IntCapture:
    """Runs a model over the frames in which a person is seen.

    Attributes:
        model: The model.
        device: `auto`, `cpu` or `cuda`.
        keyframe: The image part runs on every so many frames alone; the rest is interpolated on SO(3).
        flip: Whether the mirrored picture is asked too, and the two answers averaged.
    """

    model: IntModel
    device: str = "auto"
    keyframe: int = 1
    flip: bool = False
    on_progress: Callable[[int, int], None] = lambda done, total: None
    cancelled: Callable[[], bool] = lambda: False
    _device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self._device = choose_device(self.device)
        self.model = self.model.to(self._device, torch.float32).eval()

    def poses(self, video: Path, track: LandmarkTrack) -> FramePoses:
        """What the model says of every frame of a track.

        Raises:
            CancelledError: `cancelled` said so.
        """
        chosen = np.arange(0, len(track), self.keyframe)
        boxes = person_boxes(track)
        found = _Blend(self.model, track.time[chosen], self.on_progress)
        mirrored = _Blend(self.model, track.time[chosen], lambda done, total: None) if self.flip else None
        pending: list[np.ndarray] = []

        def flush() -> None:
            if not pending:
                return
            batch = crops.network_input(np.stack(pending))
            pending.clear()
            found.add(self._encode(batch))
            if mirrored is not None:
                mirrored.add(self._encode(np.ascontiguousarray(batch[..., ::-1])))

        for row, image in self._frames(video, track, chosen):
            pending.append(crops.crop(image, crops.crop_affine(boxes[row])))
            if len(pending) == BATCH:
                flush()
        flush()
        rot6d, betas, camera = found.finish()
        if mirrored is not None:
            rot6d, betas, camera = _with_mirror((rot6d, betas, camera), mirrored.finish())
        rotations = rot6d_to_matrix(torch.from_numpy(rot6d)).numpy().astype(float)
        return _every_frame(rotations, betas, camera, boxes, track.time, chosen)

    def _frames(self, video: Path, track: LandmarkTrack, chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Rows of the track with their pictures; a frame that can't be read again is told by the one before."""
        row_of = {int(track.frame_index[row]): int(row) for row in chosen}
        expected = iter(chosen)
        last_image = None
        start, end = float(track.time[0]) - 1e-3, float(track.time[-1]) + 1e-3
        for frame in read_frames(video, max(start, 0.0), end):
            if self.cancelled():
                raise CancelledError("The capture was cancelled.")
            row = row_of.get(frame.index)
            if row is None:
                continue
            for wanted in expected:
                yield int(wanted), frame.image if wanted == row or last_image is None else last_image
                if wanted == row:
                    break
            last_image = frame.image
        for wanted in expected:
            if last_image is not None:
                yield int(wanted), last_image

    @torch.inference_mode()
    def _encode(self, batch: np.ndarray) -> Tokens:
        images = torch.from_numpy(np.ascontiguousarray(batch))
        if self._device.type == "cuda":
            with torch.autocast("cuda", dtype=torch.float16):
                tokens = self.model.encode(images.pin_memory().to(self._device, non_blocking=True))
            return Tokens(tokens.joints.float(), tokens.shape.float(), tokens.camera.float())
        return self.model.encode(images)


@dataclass
class FramePoses:
    """The model's answer for N frames of a track."""

    rotations: np.ndarray  # (N, 24, 3, 3) local, the root to camera axes
    betas: np.ndarray  # (10,) SMPL's, a robust mean over the take
    camera: np.ndarray  # (N, 3) weak perspective in the crop
    boxes: np.ndarray  # (N, 4)

    def pose(self, body: BodyModel, betas: np.ndarray, focal: float, image_size: tuple[int, int]) -> Pose:
        """As a pose of a body of some shape, before a lens in the full picture."""
        figure = Figure.of(body, LandmarkPoints.load(), betas)
        shift = metric_translation(self.camera, self.boxes, focal, image_size, crops.CROP_MARGIN)
        return Pose(self.rotations, shift + body.rest_joints(betas)[0], figure, focal)


class _Blend:
    """Tokens in, in the order of time; averages of what the clips say, out."""

    def __init__(self, model: IntModel, time: np.ndarray, on_progress: Callable[[int, int], None]) -> None:
        self.model, self.on_progress = model, on_progress
        self.count = len(time)
        length = model.config.temporal_length or 16
        spacing = float(np.median(np.diff(time))) if self.count > 1 else 1.0
        self.step = max(round(POOL_SECONDS / length / max(spacing, 1e-6)), 1)
        self.length = length
        self.pool = self.step * length
        self.first = 0  # frame of the oldest token kept
        self.kept: list[Tokens] = []
        self.have = 0
        self.next_window = 0
        self.rot6d = np.zeros((self.count, 24, 6))
        self.weight = np.zeros(self.count)
        self.betas = np.zeros((self.count, 10))
        self.camera = np.zeros((self.count, 3))

    def add(self, tokens: Tokens) -> None:
        """The tokens of the next frames."""
        self.kept.append(tokens)
        rows = slice(self.have, self.have + len(tokens.shape))
        with torch.inference_mode():
            self.betas[rows] = self.model.shape_head(tokens.shape).cpu().numpy()
            self.camera[rows] = self.model.camera_head(tokens.camera).cpu().numpy()
        self.have = rows.stop
        self.on_progress(self.have, self.count)
        while self.next_window + self.pool <= self.have:
            self._window(self.next_window, self.pool)
            self.next_window += self.pool // 2
            self._forget(self.next_window)

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """rot6d (N, 24, 6), betas (N, 10) and cameras (N, 3)."""
        if self.next_window == 0 or self.next_window + self.pool // 2 < self.have:
            start = max(min(self.next_window, self.have - self.pool), self.first) if self.have > self.pool else 0
            self._window(start, self.have - start)
        return (self.rot6d / self.weight[:, None, None]).astype(np.float32), self.betas, self.camera

    def _forget(self, before: int) -> None:
        """Drop tokens that no later window needs; the last window may begin a pool before the end."""
        keep_from = before - self.pool // 2
        while self.kept and self.first + len(self.kept[0].shape) <= keep_from:
            self.first += len(self.kept.pop(0).shape)

    @torch.inference_mode()
    def _window(self, start: int, frames: int) -> None:
        """Run all clips of a window; one shorter than a pool is filled by reflection."""
        joints = torch.cat([tokens.joints for tokens in self.kept])
        numbers = reflected(np.arange(self.pool), frames) if frames < self.pool else np.arange(frames)
        numbers = numbers[: self.pool]
        clips = numbers.reshape(self.length, self.step).T  # (clips, length): frames a step apart
        window = joints[torch.from_numpy(clips + start - self.first)]
        read = window if self.model.config.temporal == "none" else self.model.temporal(window)
        said = self.model.joint_head(read).float().cpu().numpy()
        ramp = 1.0 - np.abs((np.arange(self.pool) + 0.5) / self.pool * 2 - 1)
        weight = ramp.reshape(self.length, self.step).T + 1e-3
        np.add.at(self.rot6d, clips + start, said * weight[..., None, None])
        np.add.at(self.weight, clips + start, weight)


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` is CUDA where there is one.

    Raises:
        DeviceError: CUDA was asked for, and is not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("This machine's torch sees no CUDA device.", "Use --device auto, or install torch for CUDA.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def person_boxes(track: LandmarkTrack) -> np.ndarray:
    """(N, 4) square boxes of a track's frames, smoothed as the training boxes were, at any frame rate."""
    points = np.concatenate([track.image, track.visibility[..., None]], axis=-1)[:, BODY_POINTS]
    points[..., 2] = np.maximum(points[..., 2], crops.VISIBLE + 1e-3)  # guessed points belong to the extent too
    raw, _, _ = crops.boxes_through_time(list(points))
    spacing = float(np.median(np.diff(track.time))) if len(track) > 1 else 1.0
    return crops.boxes_of(crops.smooth_boxes(raw, crops.SMOOTH_FRAMES / TRAINED_RATE / max(spacing, 1e-3)))


def _with_mirror(found: tuple[np.ndarray, ...], mirrored: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    from int_blender_addon.core.skeleton import MIRROR

    # a mirrored rotation is S R S with S = diag(-1, 1, 1): of the first two columns, these entries change sign
    signs = np.array([1.0, -1.0, -1.0, 1.0, -1.0, 1.0], np.float32)
    rot6d, betas, camera = mirrored
    turned = rot6d[:, MIRROR] * signs
    return (found[0] + turned) / 2, (found[1] + betas) / 2, (found[2] + camera * [1.0, -1.0, 1.0]) / 2


def _every_frame(
    rotations: np.ndarray,
    betas: np.ndarray,
    camera: np.ndarray,
    boxes: np.ndarray,
    time: np.ndarray,
    chosen: np.ndarray,
) -> FramePoses:
    if len(chosen) < len(time):
        quaternions = resample_quaternions(matrix_to_quaternion(rotations), time[chosen], time)
        rotations = quaternion_to_matrix(quaternions)
        camera = np.stack([np.interp(time, time[chosen], camera[:, k]) for k in range(3)], axis=-1)
    return FramePoses(rotations, np.median(betas, axis=0), camera, boxes)
