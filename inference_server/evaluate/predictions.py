"""What is scored on a benchmark: an INT checkpoint on the pictures, or result files of any system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from int_blender_addon.core.errors import DataSetError, ModelFileError, TakeFileError
from int_blender_addon.core.motion import load_motion
from int_blender_addon.core.refine import raw_of

from ..body import load_body
from ..convert.layouts import read_tracks
from ..convert.track import Track
from .protocols import Predicted
from .references import Reference

ENDINGS = (".npz", ".pkl", ".pk", ".pt", ".npy")
BATCH = 16


class FromFiles:
    """Results in a folder: a file a sequence, named after it (`NAME.npz`, `NAME.pkl`, ...), in any layout that
    `convert` knows. Of several people in a file, the one that is the reference's is `NAME_N`'s N-th by number."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataSetError(f"There is no folder {folder} with results.", "Name a folder with a file a sequence.")
        self._files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in ENDINGS}

    def __call__(self, reference: Reference) -> Predicted | None:
        """Its poses in camera space; None if there is no file of it."""
        path = self._files.get(reference.name)
        person = 0
        if path is None:
            stem, _, number = reference.name.rpartition("_")
            path = self._files.get(stem)
            person = int(number) if path is not None and number.isdigit() else 0
        if path is None:
            return None
        track, world = _in_camera(path, person)
        rows = np.asarray(track.frames, int)
        keep = (rows >= 0) & (rows < len(reference))
        betas = track.betas if track.betas is not None else np.zeros(10)
        there = None if world is None else (world[0][keep], world[1][keep])
        return Predicted(rows[keep], track.rotations[keep], np.asarray(betas, float), there)


def _in_camera(path: Path, person: int) -> tuple[Track, tuple[np.ndarray, np.ndarray] | None]:
    """The person of a file with the root turned into the camera's axes; and root and pelvis in the world."""
    try:
        motion = load_motion(path) if path.suffix == ".npz" else None
    except TakeFileError:
        motion = None
    if motion is not None and "model" in _keys(path):  # a take of ours
        raw = raw_of(motion)
        views = np.broadcast_to(raw.world_to_camera, (len(raw), 4, 4))[:, :3, :3]
        rotations = raw.rotations
        rest = load_body(raw.body).rest_joints(raw.betas)[0]
        world = (rotations[:, 0].copy(), motion.trans + rest)  # the refined way is the one that is offered
        rotations[:, 0] = views @ rotations[:, 0]
        return Track(rotations, raw.trans, "camera", raw.model, raw.frame_index, betas=raw.betas), world
    tracks = sorted(read_tracks(path), key=lambda track: track.person_id)
    track = tracks[min(person, len(tracks) - 1)]
    if track.space == "camera":
        return track, None
    if track.seen is None:
        raise DataSetError(f"{path.name} has no camera: it can't be scored in camera space.")
    world = (track.rotations[:, 0].copy(), track.pelvis)
    track.rotations[:, 0] = track.seen.root
    return track, world


def _keys(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as data:
        return data.files


class FromCheckpoint:
    """An INT model on the benchmark's pictures and boxes, as the authors evaluate: pools of 128 frames cut into
    interleaved clips, nothing blended, repeated frames left out (`evaluate` of the released code).

    Args:
        path: The checkpoint.
        device: `auto`, `cpu` or `cuda`.
        length: T, frames of a clip; the model's own if None.
        on_progress: Told frames done and all of a sequence.
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        length: int | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        from ..model.video import choose_device
        from ..weights.store import load_model

        if not path.is_file():
            raise ModelFileError(f"There is no model {path}.", "Give a checkpoint, or a folder of results.")
        self._device = choose_device(device)
        self._model = load_model(path).to(self._device).eval()
        self._length = length or self._model.config.temporal_length or 16
        self._on_progress = on_progress

    def __call__(self, reference: Reference) -> Predicted | None:
        """Its poses; None where there are no pictures or boxes."""
        import torch

        from ..model import crops
        from ..model.clips import POOL, chunks, first_time, interleaved
        from ..model.int_model import rot6d_to_matrix

        if reference.keypoints is None or not reference.images:
            return None
        points = [row if ok else None for row, ok in zip(reference.keypoints, reference.seen, strict=True)]
        raw, first, last = crops.boxes_through_time(points)
        boxes = crops.boxes_of(crops.smooth_boxes(raw))
        rows = np.arange(first, last)
        with torch.inference_mode():
            kept = [tokens for tokens in self._tokens(reference, rows, boxes)]
            joints = torch.cat([tokens.joints for tokens in kept])
            betas = torch.cat([self._model.shape_head(tokens.shape) for tokens in kept]).float().cpu().numpy()
            rot6d = np.zeros((len(rows), 24, 6), np.float32)
            done = np.zeros(len(rows), bool)
            places = interleaved(self._length, POOL)
            for pool in chunks(len(rows), POOL, POOL):
                fresh = first_time(pool)
                for clip in places:
                    own = torch.from_numpy(pool[clip])[None]
                    read = joints[own]
                    if self._model.config.temporal != "none":
                        read = self._model.temporal(read)
                    said = self._model.joint_head(read).float().cpu().numpy()[0]
                    new = fresh[clip] & ~done[pool[clip]]
                    rot6d[pool[clip][new]] = said[new]
                    done[pool[clip][new]] = True
            matrices = rot6d_to_matrix(torch.from_numpy(rot6d)).numpy().astype(float)
        return Predicted(rows, matrices, betas.astype(float))

    def _tokens(self, reference: Reference, rows: np.ndarray, boxes: np.ndarray):
        import torch

        from ..model import crops

        for start in range(0, len(rows), BATCH):
            batch: list[Any] = []
            for row in rows[start : start + BATCH]:
                path = reference.images[row]
                image = cv2.imread(str(path))
                if image is None:
                    raise DataSetError(f"{path} is missing or no picture.", "Unpack the benchmark's pictures again.")
                own = crops.crop_affine(boxes[row - rows[0]])
                batch.append(crops.crop(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), own))
            images = torch.from_numpy(np.ascontiguousarray(crops.network_input(np.stack(batch))))
            yield self._model.encode(images.to(self._device))
            self._on_progress(min(start + BATCH, len(rows)), len(rows))
