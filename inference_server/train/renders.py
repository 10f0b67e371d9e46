"""The real landmarker on pictures of the free body: what it gets wrong, with the truth beside.

    python -m inference_server.train.renders CACHE.npz --out RENDERS.npz --count 3000

Bodies, clothes as colours, lights, backgrounds and cameras are by chance; poses are from motion capture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from int_blender_addon.core.body import BodyModel, load_free_body
from int_blender_addon.core.files import save_npz
from int_blender_addon.core.rotations import normalize
from int_blender_addon.core.skeleton import JOINT_INDEX

from ..motion.camera import camera_matrix
from ..motion.kinematics import LandmarkPoints
from ..people.detector import Detector
from ..people.landmarker import Landmarker
from ..people.search import search
from ..picture.paint import paint_body
from .mocap.catalog import Clip, load_clips, mirrored
from .scenes import Scene, make_scene

SKINS = ((224, 172, 140), (141, 85, 60), (240, 200, 170), (190, 130, 95), (90, 56, 37))
PIXELS = 720  # of the picture's longer side: the networks see 256
TOP = ("spine1", "spine2", "spine3", "left_collar", "right_collar", "left_shoulder", "right_shoulder")
SLEEVES = ("left_elbow", "right_elbow")
BOTTOM = ("pelvis", "left_hip", "right_hip")
LEGS = ("left_knee", "right_knee")
SHOES = ("left_ankle", "right_ankle", "left_foot", "right_foot")
QUALITIES = ("fast", "best")


def clothes(body: BodyModel, rng: np.random.Generator) -> np.ndarray:
    """(F, 3) colours of the faces: skin, top, trousers or shorts, shoes, hair."""
    part = body.weights.argmax(axis=1)
    colors = np.tile(np.array(SKINS[rng.integers(len(SKINS))], float), (len(part), 1))
    worn = [(TOP, True), (SLEEVES, rng.random() < 0.4), (BOTTOM, True), (LEGS, rng.random() < 0.6), (SHOES, True)]
    tone = {TOP: rng.integers(15, 240, 3), BOTTOM: rng.integers(15, 240, 3), SHOES: rng.integers(15, 240, 3)}
    tone[SLEEVES], tone[LEGS] = tone[TOP], tone[BOTTOM]
    for names, wears in worn:
        if wears:
            colors[np.isin(part, [JOINT_INDEX[name] for name in names])] = tone[names]
    crown = body.v_template[:, 1].max()
    behind = (body.v_template[:, 2] < 0.02) & (body.v_template[:, 1] > crown - 0.2)
    hair = (part == JOINT_INDEX["head"]) & ((body.v_template[:, 1] > crown - 0.09) | behind)
    colors[hair] = rng.integers(10, 150, 3)
    return colors[body.faces].mean(axis=1)


def render(scene: Scene, frame: int, body: BodyModel, colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture (H, W, 3) RGB of a frame of a scene, before a blurred background of chance."""
    scale = PIXELS / max(scene.image_size)
    width, height = (round(side * scale) for side in scene.image_size)
    patches = rng.integers(30, 225, (rng.integers(3, 12), rng.integers(3, 12), 3)).astype(np.uint8)
    image = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC).astype(float)
    image = np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)
    rest = body.rest(scene.betas)
    vertices = rest.skin(scene.rotations[frame], scene.root[frame] - rest.joints[0])
    light = normalize(np.array([rng.normal() * 0.6, -0.7, -0.8]))
    painted = paint_body(
        image, vertices, rest.faces, camera_matrix(scene.focal * scale, (width, height)), colors, light
    )
    return cv2.GaussianBlur(painted, (3, 3), 0)


def main() -> None:
    """Render, look, and write what was seen beside the truth."""
    parser = argparse.ArgumentParser(prog="python -m inference_server.train.renders", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clips = load_clips(options.cache)
    body, points = load_free_body(), LandmarkPoints.load()
    detector, landmarkers = Detector(1), {quality: Landmarker(quality, 1) for quality in QUALITIES}
    rng = np.random.default_rng(options.seed)
    rows: dict[str, list] = {}
    for number in range(options.count):
        clip = _pick(clips, rng)
        scene = make_scene(clip, rng.uniform(0.0, len(clip.root) / clip.fps), 1 / 30, 30.0, body, points, rng)
        image = render(scene, 0, body, clothes(body, rng), rng)
        found = search(detector, image)
        if not found:
            continue
        region = max(found, key=lambda detection: detection.score).region
        row = {
            "held_out": clip.held_out,
            "true": scene.points[0],
            "focal": scene.focal,
            "image_size": scene.image_size,
            "rotations": scene.rotations[0],
            "betas": scene.betas,
            "root": scene.root[0],
            "up": scene.up,
        }
        for quality, landmarker in landmarkers.items():
            seen = landmarker(image, region)
            row[f"{quality}_world"], row[f"{quality}_visibility"] = seen.world, seen.visibility
            row[f"{quality}_image"] = seen.image * max(scene.image_size) / PIXELS
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
        if number % 200 == 0:
            print(f"{number}/{options.count}", flush=True)
    save_npz(options.out, {key: np.array(values) for key, values in rows.items()})
    print(f"{len(rows['true'])} of {options.count} pictures with a person found")


def _pick(clips: list[Clip], rng: np.random.Generator) -> Clip:
    """A clip of a subject by chance, long takes a little more often; mirrored half of the time."""
    share = np.array([np.sqrt(len(clip.root) / clip.fps) for clip in clips])
    clip = clips[rng.choice(len(clips), p=share / share.sum())]
    return mirrored(clip) if rng.random() < 0.5 else clip


if __name__ == "__main__":
    main()
