"""Short scenes drawn as videos of the clothed free body, with what the real landmarker sees in them: windows to train
on beside those of the noise model.

    python -m inference_server.train.rendered CACHE.npz --out RENDERED.npz --count 1000

Goes on where the file stands; clips of training subjects only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.files import save_npz

from ..model.landmark_model import CLIP_RATE, LANDMARK_CONFIG
from ..motion.bias import LandmarkBias
from ..motion.kinematics import Figure, LandmarkPoints
from ..people.landmarks import NUM_LANDMARKS, LandmarkTrack
from ..people.observe import Observations
from .landmark_data import LandmarkWindows, window
from .mocap.catalog import Clip, load_clips
from .renders import QUALITIES, clothes, render
from .scenes import Scene, make_scene

SAVED_EVERY = 25
SCENE_ARRAYS = ("rotations", "root", "betas", "points", "joints", "contacts", "time")
TRACK_ARRAYS = ("image", "image_z", "world", "visibility", "presence", "score")


@dataclass
class Rendered:
    """A scene, and what the landmarker of some quality made of it; every frame has an answer."""

    scene: Scene
    track: LandmarkTrack
    quality: str


def watch(
    scene: Scene, body: BodyModel, quality: str, fps: float, rng: np.random.Generator, share: float
) -> LandmarkTrack | None:
    """Draw a scene as a video and run the product's people stage on it; None if it follows nobody for long."""
    colors, look = clothes(body, rng), int(rng.integers(2**31))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "render.mp4"
        # the same background and light in every frame
        frames = (render(scene, n, body, colors, np.random.default_rng(look)) for n in range(len(scene.time)))
        size = write_video(path, frames, fps)
        observations = Observations(path, quality, device_threads=1)
        for _ in observations:
            pass
        tracks = observations.tracks()
    longest = max(tracks, key=len, default=None)
    if longest is None or len(longest) < share * len(scene.time):
        return None
    longest.image = longest.image * (max(scene.image_size) / max(size))
    return longest


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> tuple[int, int]:
    """Encode RGB frames (H, W, 3); sides are cut to even numbers. Returns width and height."""
    import av

    size = (0, 0)
    with av.open(str(path), "w") as container:
        stream = None
        for image in frames:
            size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
            if stream is None:
                stream = container.add_stream("mpeg4", rate=round(fps))
                stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", 8_000_000
            picture = np.ascontiguousarray(image[: size[1], : size[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    return size


def one(clips: list[Clip], number: int, seed: int, body: BodyModel, windows: LandmarkWindows) -> Rendered | None:
    """Window `number`, made by chance seeded with (seed, number)."""
    rng = np.random.default_rng((seed, number, 77))
    scene = make_scene(*windows.stretch(rng, CLIP_RATE), CLIP_RATE, body, windows.points, rng)
    quality = QUALITIES[number % len(QUALITIES)]
    track = watch(scene, body, quality, CLIP_RATE, rng, share=1.0)
    return None if track is None else Rendered(scene, track, quality)


def save(path: Path, found: list[Rendered], tried: int) -> None:
    """Write what was found, and how many windows were tried."""
    arrays = {name: np.array([getattr(r.scene, name) for r in found], np.float32) for name in SCENE_ARRAYS}
    arrays |= {f"seen_{name}": np.array([getattr(r.track, name) for r in found], np.float32) for name in TRACK_ARRAYS}
    arrays["focal"] = np.array([r.scene.focal for r in found])
    arrays["image_size"] = np.array([r.scene.image_size for r in found])
    arrays["quality"] = np.array([r.quality for r in found])
    arrays["tried"] = np.array(tried)
    save_npz(path, arrays)


def load(path: Path) -> tuple[list[Rendered], int]:
    """What `save` wrote."""
    with np.load(path, allow_pickle=False) as data:
        arrays = dict(data)
    found = []
    for k, quality in enumerate(arrays["quality"]):
        scene = Scene(
            **{name: arrays[name][k].astype(float) for name in SCENE_ARRAYS},
            focal=float(arrays["focal"][k]),
            image_size=(int(arrays["image_size"][k][0]), int(arrays["image_size"][k][1])),
        )
        frames = np.arange(len(scene.time))
        seen = {name: arrays[f"seen_{name}"][k].astype(float) for name in TRACK_ARRAYS}
        assert seen["world"].shape == (len(frames), NUM_LANDMARKS, 3)
        track = LandmarkTrack(
            person_id=0, frame_index=frames, time=scene.time, bridged=np.zeros(len(frames), bool), **seen
        )
        found.append(Rendered(scene, track, str(quality)))
    return found, int(arrays["tried"])


class RenderedWindows(Dataset):
    """Windows of the noise model, some of them replaced by rendered ones; number k is the same for everyone."""

    def __init__(self, windows: LandmarkWindows, found: list[Rendered], share: float) -> None:
        self.windows, self.found, self.share = windows, found, share
        self.bias = {quality: LandmarkBias.load(quality) for quality in QUALITIES}
        self.mean_figure = Figure.of(windows.body, LandmarkPoints.load(), np.zeros(10))

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Inputs and targets of a window; float32."""
        rng = np.random.default_rng((self.windows.seed, index, 5))
        if rng.random() >= self.share:
            return self.windows[index]
        chosen = self.found[rng.integers(len(self.found))]
        return window(chosen.scene, chosen.track, self.mean_figure, self.windows.body, self.bias[chosen.quality])


def main() -> None:
    """Draw, look, and write what was seen beside the truth."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.rendered", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clips = [clip for clip in load_clips(options.cache) if not clip.held_out]
    body = load_free_body()
    windows = LandmarkWindows(clips, body, options.seed, options.count, LANDMARK_CONFIG.temporal_length)
    found, tried = load(options.out) if options.out.exists() else ([], 0)
    for number in range(tried, options.count):
        made = one(clips, number, options.seed, body, windows)
        if made is not None:
            found.append(made)
        if (number + 1) % SAVED_EVERY == 0 or number + 1 == options.count:
            save(options.out, found, number + 1)
            print(f"{number + 1}/{options.count}: {len(found)} followed throughout", flush=True)


if __name__ == "__main__":
    main()
