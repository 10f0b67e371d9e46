"""Held-out motion filmed in a room by a camera that is known: where takes stand in the world, stage by stage.

python -m inference_server.train.filmed CACHE.npz [--count 12] [--quality fast] [--looks FOLDER]

Each clip is filmed twice: from a tripod, and by a camera that pans after the person by hand. The video is watched by
the product's people stage; what its motion stage makes of it is compared with the truth.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.motion import Motion
from int_blender_addon.core.refine import RefineSettings, Rest, raw_of, refine
from int_blender_addon.core.rotations import axis_angle_to_matrix, normalize
from int_blender_addon.core.smoothing import gaussian_smooth

from ..evaluate.quality import quality
from ..model.landmark_reader import LandmarkReader
from ..motion.bias import LandmarkBias
from ..motion.camera import camera_matrix, in_camera
from ..motion.estimate import estimate_motion
from ..motion.height import height_of
from ..motion.kinematics import Figure, LandmarkPoints, pose
from ..motion.moving_camera import turning
from ..people.choose import choose_person
from ..people.observe import Observations
from ..picture.paint import paint_body
from ..video import open_video
from .heldout import aligned
from .mocap.catalog import Clip, load_clips
from .rendered import write_video
from .renders import clothes
from .room import Room
from .scenes import contacts_of, sampled

FPS = 25.0
SECONDS = 4.0
SIZE = (854, 480)
FIELD = np.radians(60.0)  # along the picture's width
FILLS = 0.55  # of the picture's height that a person takes up, where the camera may turn after them
HEIGHTS = (1.0, 2.2)  # metres of the camera
LAG, SHAKE, SHAKE_CALM = 0.35, 0.4, 0.12  # seconds, degrees and seconds of a hand-held camera
OFF = {
    "without smoothing": RefineSettings(smooth=0.0),
    "without a levelled floor": RefineSettings(level=False),
    "without jumps by gravity": RefineSettings(ballistic=False),
    "without standing feet": RefineSettings(lock_left=0.0, lock_right=0.0),
}


@dataclass
class Film:
    """A clip before a camera; the clip's world is y up with its floor at 0, in metres."""

    name: str
    video: Path
    betas: np.ndarray  # (10,)
    joints: np.ndarray  # (T, 24, 3) world
    contacts: np.ndarray  # (T, 4)
    to_camera: np.ndarray  # (T, 4, 4) world to camera
    focal: float


@dataclass
class Place:
    """How a take stands in the world; millimetres, degrees, percent."""

    root: float  # percent of the way that the pelvis went, that it is elsewhere on average
    way: float  # percent by which the way is too long or too short
    gravity: float  # degrees
    f1: float  # contacts
    mpjpe: float
    pa_mpjpe: float
    sliding: float  # mm a frame of the feet that truly stand
    floor: float  # mm root mean square that they are off the floor
    accel: float  # mm per frame squared at 30 fps


def film(clip: Clip, turns: bool, path: Path, body: BodyModel, rng: np.random.Generator) -> Film:
    """Film a stretch of a clip into a video, from a tripod, or panned by hand after the person."""
    seconds = min(SECONDS, len(clip.root) / clip.fps)
    start = rng.uniform(0.0, len(clip.root) / clip.fps - seconds)
    time = np.arange(int(seconds * FPS)) / FPS
    rotations, root = sampled(clip, start + time)
    betas = rng.normal(size=10) * 0.8
    posed = pose(Figure.of(body, LandmarkPoints.load(), betas), rotations, root)
    focal = SIZE[0] / 2 / np.tan(FIELD / 2)
    to_camera = _camera(posed.points, time, focal, turns, rng)
    room, colors = Room(rng), clothes(body, rng)
    rest = body.rest(betas)

    def frames() -> Iterator[np.ndarray]:
        K = camera_matrix(focal, SIZE)
        light = normalize(np.array([rng.normal() * 0.6, -0.7, -0.8]))
        for turned, shift, local, at in zip(to_camera[:, :3, :3], to_camera[:, :3, 3], rotations, root, strict=True):
            seen = rest.skin(local, at - rest.joints[0]) @ turned.T + shift
            painted = paint_body(room.view(turned, focal, SIZE), seen, rest.faces, K, colors, light)
            yield np.clip(painted + rng.normal(0, 3, painted.shape), 0, 255).astype(np.uint8)

    write_video(path, frames(), FPS)
    return Film(clip.name, path, betas, posed.joints, contacts_of(posed, time), to_camera, focal)


def _camera(points: np.ndarray, time: np.ndarray, focal: float, turns: bool, rng: np.random.Generator) -> np.ndarray:
    """(T, 4, 4) a camera that has everything in its picture, or turns after the person."""
    middle, height = points.mean(axis=1), rng.uniform(*HEIGHTS)
    around = rng.uniform(0, 2 * np.pi)
    towards = np.array([np.sin(around), 0.0, np.cos(around)])
    centre = middle.mean(axis=0)
    spread = points.reshape(-1, 3) - centre
    if turns:
        away = focal * float(np.ptp(points[..., 1], axis=1).max()) / (FILLS * SIZE[1])
        away = max(away, float(np.abs((middle - centre) @ towards).max()) + 2.0)
        target = gaussian_smooth(middle, time, LAG)
    else:
        across = np.cross([0.0, 1.0, 0.0], towards)
        wide = np.abs(spread @ across).max() / (0.42 * SIZE[0]) * focal
        tall = np.abs(spread[:, 1]).max() / (0.42 * SIZE[1]) * focal
        away = max(wide, tall) + float((spread @ towards).max())
        target = np.tile(centre, (len(time), 1))
    eye = centre + away * towards
    eye[1] = height
    ahead = normalize(target - eye)
    right = normalize(np.cross(ahead, [0.0, 1.0, 0.0]))
    turned = np.stack([right, np.cross(ahead, right), ahead], axis=1)
    if turns:
        shake = gaussian_smooth(rng.normal(size=(len(time), 3)), time, SHAKE_CALM)
        turned = axis_angle_to_matrix(np.radians(SHAKE) * shake / shake.std()) @ turned
    to_camera = np.tile(np.eye(4), (len(time), 1, 1))
    to_camera[:, :3, :3], to_camera[:, :3, 3] = turned, -turned @ eye
    return to_camera


def measure(take: Motion, rest: Rest, filmed: Film) -> Place:
    """A take against the truth, both as seen from the camera of the first frame."""
    frames = take.frame_index
    offsets = rest.joints[0]
    to_take = np.linalg.inv(np.asarray(take.world_to_camera, float).reshape(-1, 4, 4)[0]) @ filmed.to_camera[frames[0]]
    true = filmed.joints[frames] @ to_take[:3, :3].T + to_take[:3, 3]
    apart = take.trans + offsets - true[:, 0]
    apart -= apart[0]
    way, found_way = _way(true[:, 0], take.time), _way(take.trans, take.time)
    gravity = np.degrees(np.arccos(np.clip(to_take[:3, 1] @ [0.0, 0.0, 1.0], -1, 1)))
    seen = in_camera(filmed.joints[frames], filmed.to_camera[frames])
    told, stood = np.asarray(take.contacts) > 0.5, filmed.contacts[frames] > 0.5
    found = take.joints - take.joints[:, :1]
    good = quality(take, rest, stood)
    f1 = 2 * (told & stood).sum() / max(told.sum() + stood.sum(), 1)
    return Place(
        root=100 * float(np.linalg.norm(apart, axis=1).mean()) / max(way, 0.5),
        way=100 * abs(found_way - way) / max(way, 0.5),
        gravity=float(gravity),
        f1=float(f1),
        mpjpe=1000 * float(np.linalg.norm(found - (seen - seen[:, :1]), axis=-1).mean()),
        pa_mpjpe=1000 * float(np.linalg.norm(aligned(found, seen) - seen, axis=-1).mean()),
        sliding=good.sliding,
        floor=good.floor_apart,
        accel=good.accel,
    )


def _way(path: np.ndarray, time: np.ndarray) -> float:
    """Metres along a path, its trembling taken off."""
    return float(np.linalg.norm(np.diff(gaussian_smooth(path, time, 0.2), axis=0), axis=1).sum())


def takes_of(
    filmed: Film, body: BodyModel, quality_name: str, reader: LandmarkReader
) -> dict[str, tuple[Motion, Rest]]:
    """The take of a film as the product makes it, and with stages off."""
    info = open_video(filmed.video)
    watched = Observations(filmed.video, quality_name)
    for _ in watched:
        pass
    track = choose_person(watched.tracks(), info)[0]
    bias = LandmarkBias.load(quality_name)

    def take(camera: bool = True, height: float | None = None, focal: float | None = None) -> Motion:
        says = (lambda lens: turning(watched.background.matches, info.size, lens)) if camera else None
        return estimate_motion(
            track, info.size, info.fps, body, quality_name, focal, bias=bias, reader=reader, camera=says, height=height
        )

    usual = take()
    found = {"as it is": usual, "raw": raw_of(usual)}
    rest = Rest.of(body.rest(usual.betas))
    found |= {name: refine(raw_of(usual), rest, off) for name, off in OFF.items()}
    if usual.camera != "still":
        found["taken for a camera at rest"] = take(camera=False)
    told = take(height=height_of(body, filmed.betas), focal=filmed.focal)
    found["height and lens told"] = told
    return {name: (motion, Rest.of(body.rest(motion.betas))) for name, motion in found.items()}


def main() -> None:
    """Print how takes stand in the world."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.filmed", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", default="fast", choices=("fast", "best"))
    parser.add_argument("--films", type=Path, help="a folder to keep the films in")
    options = parser.parse_args()
    body, reader = load_free_body(), LandmarkReader()
    clips = [clip for clip in load_clips(options.cache) if clip.held_out and len(clip.root) / clip.fps > 1.5]
    subjects = sorted({clip.subject for clip in clips})
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.films or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for turns in (False, True):
            rows: dict[str, list[Place]] = {}
            for k in range(options.count):
                rng = np.random.default_rng((options.seed, k))
                of_subject = [clip for clip in clips if clip.subject == subjects[k % len(subjects)]]
                path = folder / f"{k}{'_turns' if turns else ''}.mp4"
                filmed = film(of_subject[rng.integers(len(of_subject))], turns, path, body, rng)
                for name, (take, rest) in takes_of(filmed, body, options.quality, reader).items():
                    rows.setdefault(name, []).append(measure(take, rest, filmed))
            _say("A camera that turns after the person, by hand" if turns else "A camera on a tripod", rows)


def _say(title: str, rows: dict[str, list[Place]]) -> None:
    heads = ["", "root %", "way %", "gravity °", "contact F1", "MPJPE", "PA-MPJPE", "sliding", "off the floor", "ACCEL"]
    print(f"\n{title} ({len(rows['as it is'])} clips, medians)\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, places in rows.items():
        medians = np.nanmedian([list(vars(place).values()) for place in places], axis=0)
        digits = (1, 1, 1, 2, 1, 1, 2, 1, 1)
        print(f"| {name} | {' | '.join(f'{n:.{d}f}' for n, d in zip(medians, digits, strict=True))} |", flush=True)


if __name__ == "__main__":
    main()
