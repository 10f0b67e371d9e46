"""`python -m inference_server inspect VIDEO --out DIR`: pictures, numbers, and a page with both and the video."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import ArgumentsError
from int_blender_addon.core.files import replacing
from int_blender_addon.core.rotations import geodesic_angle
from int_blender_addon.core.skeleton import JOINT_INDEX, JOINT_NAMES

from ..people.landmarks import LANDMARK_INDEX
from .attention import periodicity, strongest_links, temporal_attention
from .draw import beside, body_picture, links_picture, looks_picture, matrix_picture
from .subjects import Subject, checkpoint_subject, landmark_subject, prior_rotations, untrained

JOINTS = ("left_hip", "left_knee", "right_knee", "left_shoulder", "left_elbow", "right_elbow", "spine2", "head")
NEAR_SECONDS = 0.25  # neighbours in time look alike anyway
STYLE = "body{font:15px system-ui,sans-serif;background:#2c2c2c;color:#ddd;margin:2em} img{max-width:100%}"
SHOWN = 9  # frames of the row with links
POINTS = {"spine2": "nose", "head": "nose"}  # landmarks that stand for joints without one


def inspect_video(
    video: Path,
    out: Path,
    model: str = "auto",
    quality: str = "best",
    length: int = 64,
    rate: float = 12.0,
    joints: tuple[str, ...] = JOINTS,
) -> Path:
    """Write the pictures and the page; returns the page.

    Args:
        video: The file.
        out: A folder.
        model: `auto` for the landmark model that ships, or an INT checkpoint.
        quality: Of the landmarks.
        length: Frames of the clip.
        rate: Frames a second in it.
        joints: Names of those that are drawn.

    Raises:
        MocapError: As in capture.
    """
    for name in joints:
        if name not in JOINT_INDEX:
            raise ArgumentsError(f"`{name}` is no joint.", f"Use {', '.join(JOINT_NAMES)}.")
    if length < 4 or rate <= 0:
        raise ArgumentsError("A clip has 4 frames or more, and a rate above 0.")
    if model in {"auto", "landmarks"}:
        subject = landmark_subject(video, quality, length, rate)
    else:
        subject = checkpoint_subject(video, quality, length, rate, Path(model))
    out.mkdir(parents=True, exist_ok=True)
    near = max(1, round(NEAR_SECONDS * rate))
    numbers = {"frames": len(subject.rows), "frames a second": rate, "periodicity": {}}
    _write(out / "prior.png", _prior(subject, numbers))
    _write(out / "looks.png", _looks(subject, joints))
    pages = ["prior.png", "looks.png"]
    if subject.model.config.temporal != "none":
        attention = temporal_attention(subject.model, subject.tokens).mean(axis=1)
        _write(out / "temporal.png", _temporal(subject, attention, joints, near, numbers))
        pages.append("temporal.png")
        for name in _liveliest(subject, joints):
            _write(out / f"links_{name}.png", _links(subject, attention[JOINT_INDEX[name]], name, near))
            pages.append(f"links_{name}.png")
    with replacing(out / "numbers.json") as aside:
        aside.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    copy = out / f"video{video.suffix.lower()}"
    if copy.absolute() != video.absolute():
        with replacing(copy) as aside:
            shutil.copyfile(video, aside)
    with replacing(out / "inspect.html") as aside:
        aside.write_text(_page(video, copy.name, pages, numbers), encoding="utf-8")
    return out / "inspect.html"


def _prior(subject: Subject, numbers: dict) -> np.ndarray:
    """Figures 5a and 9: the initial tokens through the heads, before and after training."""
    body = load_free_body().rest(np.zeros(10))
    tiles = []
    fresh = untrained(subject.model, subject.residual)
    for title, model in (("before training", fresh), ("as trained", subject.model)):
        rotations = prior_rotations(model, subject.residual)
        turned = np.degrees([geodesic_angle(r, np.eye(3)) for r in rotations[1:]])
        numbers[f"prior, {title}: mean degrees from rest"] = round(float(np.mean(turned)), 1)
        tiles.append(body_picture(body, rotations, f"{title}: {np.mean(turned):.0f} degrees from rest on average"))
    return beside(tiles, 2)


def _looks(subject: Subject, joints: tuple[str, ...]) -> np.ndarray:
    """Figure 5b: where joint tokens look on a frame; heads averaged."""
    middle = len(subject.looked) // 2
    row = int(subject.looked[middle])
    weights = subject.looks[middle].mean(axis=0)
    tiles = [
        looks_picture(subject.pictures[row], subject.places[row], weights[JOINT_INDEX[name]], name) for name in joints
    ]
    return beside(tiles, 4)


def _temporal(subject: Subject, attention: np.ndarray, joints, near: int, numbers: dict) -> np.ndarray:
    """Figures 6 and 7: frames by frames, a joint each; and how it goes with the joint's own turning."""
    tiles = []
    for name in joints:
        own = attention[JOINT_INDEX[name]]
        alike = periodicity(own, subject.rotations[:, JOINT_INDEX[name]], near)
        numbers["periodicity"][name] = None if np.isnan(alike) else round(alike, 2)
        tiles.append(matrix_picture(own, f"{name}: r = {alike:.2f}"))
    return beside(tiles, 4)


def _links(subject: Subject, attention: np.ndarray, name: str, near: int) -> np.ndarray:
    """The video's frames, and which of them a joint of the middle frame looks at."""
    frame = len(subject.rows) // 2
    links = [(k, float(attention[frame, k])) for k in strongest_links(attention, frame, near)]
    even = np.linspace(0, len(subject.rows) - 1, SHOWN).round().astype(int).tolist()
    shown = sorted({frame, *(k for k, _ in links), *even})
    point = LANDMARK_INDEX[POINTS.get(name, name)]
    return links_picture(subject.pictures, shown, subject.track.image[subject.rows][:, point], frame, links)


def _liveliest(subject: Subject, joints: tuple[str, ...]) -> list[str]:
    """The two joints with a landmark that turn most: theirs are the links worth seeing."""
    known = [name for name in joints if name in LANDMARK_INDEX]

    def turning(name: str) -> float:
        own = subject.rotations[:, JOINT_INDEX[name]]
        return float(sum(geodesic_angle(a, b) for a, b in zip(own[1:], own[:-1], strict=True)))

    return sorted(known, key=turning, reverse=True)[:2]


def _write(path: Path, picture: np.ndarray) -> None:
    encoded = cv2.imencode(".png", picture[..., ::-1])[1]
    with replacing(path) as aside:
        aside.write_bytes(encoded.tobytes())


def _page(video: Path, copy: str, pages: list[str], numbers: dict) -> str:
    titles = {
        "prior.png": "What the initial tokens hold: straight through the rotation head, no evidence",
        "looks.png": "Where joint tokens look: last block, heads averaged, brightest is most",
        "temporal.png": "Which frames a joint's token joins: rows look at columns; r is the correlation, over frames "
        "that are not neighbours, with how alike the joint is turned",
    }
    parts = [
        "<!doctype html><meta charset='utf-8'><title>What the model learned</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{html.escape(video.name)}</h1><video src='{html.escape(copy)}' controls height='300'></video>",
    ]
    for name in pages:
        title = titles.get(name, f"The strongest links of {name[6:-4].replace('_', ' ')} in the middle frame")
        parts.append(f"<h2>{html.escape(title)}</h2><img src='{html.escape(name)}' alt=''>")
    parts.append(f"<pre>{html.escape(json.dumps(numbers, indent=1))}</pre>")
    return "\n".join(parts)
