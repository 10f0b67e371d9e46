"""The archives as one cache of clips: read, checked, cleaned, without duplicates, split by subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from int_blender_addon.core.body import BodyModel
from int_blender_addon.core.files import save_npz
from int_blender_addon.core.rotations import (
    geodesic_angle,
    matrix_to_quaternion,
    quaternion_multiply,
    quaternion_to_matrix,
)
from int_blender_addon.core.skeleton import JOINT_INDEX, MIRROR, PARENTS, forward_kinematics

from ...motion.kinematics import Figure, LandmarkPoints, pose
from ...motion.world import sole_points
from .asf import read_amc, read_asf
from .bvh import against_frame, read_bvh
from .source import Recording
from .transfer import BONE_OF, MocapClip, transfer

HIGHEST_FPS = 70.0  # faster recordings are thinned: half of 120
GLITCH = 35.0  # rad/s between neighbours that no joint of a person reaches
SHORTEST = 0.4  # seconds left of a clip that are worth keeping
WALKED_THROUGH = 0.01  # share of frames in which a sole may be lower than the floor
HELD_OUT = ("02", "49", "55", "135", "m2m/pushup", "m2m/jumping-jacks")  # subjects never trained on
SALSA_COUPLE = 15  # trials of subject 60, followed by those of 61, in the dance archive


@dataclass
class Clip:
    """A cleaned clip. `subject` decides the split: all trials of a person are on one side of it."""

    name: str
    subject: str
    source: str
    fps: float
    quaternions: np.ndarray  # (T, 24, 4) float32, relative to the parent
    root: np.ndarray  # (T, 3) float32, pelvis; y up, metres, floor at 0
    note: str = ""

    @property
    def held_out(self) -> bool:
        """Kept from training."""
        return self.subject in HELD_OUT

    @property
    def rotations(self) -> np.ndarray:
        """(T, 24, 3, 3)."""
        return quaternion_to_matrix(self.quaternions.astype(float))


def read_archives(folder: Path, body: BodyModel) -> Iterator[MocapClip]:
    """Every recording below a folder of unpacked archives, the cleaner form of a trial first.

    Names are `subject_trial` as in the CMU library, or `m2m/action` for the hand-keyed actions.
    """
    for path in sorted(folder.rglob("*.amc")):
        subject, trial = path.stem.split("_")[:2]
        recording = read_amc(path, read_asf(next(path.parent.glob("*.asf"))), 120.0)
        yield transfer(recording, BONE_OF["cmu"], body, f"{int(subject):02d}_{int(trial):02d}", "amc")
    for kind, first, fps in (("salsa", 60, 60.0), ("indian", 94, 120.0), ("martial", 135, 120.0)):
        for path in sorted(folder.rglob(f"{kind}/*.bvh")):
            recording = read_bvh(path)
            recording.fps = fps  # as the archive's readme says; its headers all say 120
            number = int(path.stem)
            late = kind == "salsa" and number > SALSA_COUPLE
            name = f"{first + late:02d}_{number - SALSA_COUPLE * late:02d}"
            yield transfer(recording, BONE_OF["poser"], body, name, "bvh")
    yield from _iclone(folder, body)
    for path in sorted(folder.rglob("actions.npz")):
        yield from _actions(path, body)


def _iclone(folder: Path, body: BodyModel) -> Iterator[MocapClip]:
    paths = sorted(path for path in folder.rglob("*.bvh") if "iclone" in str(path.relative_to(folder)).lower())
    recordings = {path: read_bvh(path) for path in paths}
    bones = BONE_OF["iclone"]
    if not recordings:
        return
    stands = min(recordings.values(), key=lambda r: _distance_from_t_pose(r, bones))
    for path, recording in recordings.items():
        subject, trial = path.stem.split("_")[:2]
        told = against_frame(recording, stands, 0)
        yield transfer(told, bones, body, f"{int(subject):02d}_{int(trial):02d}", "iclone")


def _distance_from_t_pose(recording: Recording, bones: dict[str, str]) -> float:
    """How far the arms of the first frame are from level, in parts of their length."""
    place = {k: recording.starts[0, recording.bone(b)] for k, b in bones.items()}
    arms = [place[f"{s}_wrist"] - place[f"{s}_shoulder"] for s in ("left", "right")]
    legs = [place[f"{s}_ankle"] - place[f"{s}_hip"] for s in ("left", "right")]
    sideways = sum(np.linalg.norm(arm[1:]) / np.linalg.norm(arm) for arm in arms)
    return float(sideways + sum(np.linalg.norm(leg[[0, 2]]) / np.linalg.norm(leg) for leg in legs))


def _actions(path: Path, body: BodyModel) -> Iterator[MocapClip]:
    with np.load(path, allow_pickle=False) as data:
        for stem in sorted({key.split("/")[0] for key in data.files}):
            fields = {key: data[f"{stem}/{key}"] for key in ("names", "reference", "turns", "starts", "fps")}
            names = tuple(str(n) for n in fields["names"])
            recording = Recording(names, fields["reference"], fields["turns"], fields["starts"], float(fields["fps"]))
            name = "m2m/" + stem.removeprefix("animation-human-")
            yield transfer(recording, BONE_OF["unreal"], body, name, "keyed")


def clean(clip: MocapClip, body: BodyModel) -> list[Clip]:
    """The clip thinned to a video's frame rates, cut at glitches, the forearm's twist shared, on the floor."""
    step = max(round(clip.fps / HIGHEST_FPS + 0.25), 1)
    rotations, root, fps = clip.rotations[::step], clip.root[::step], clip.fps / step
    quaternions = share_twist(matrix_to_quaternion(rotations))
    speed = geodesic_angle(rotations[1:], rotations[:-1]).max(axis=1) * fps
    cuts = [0, *(np.flatnonzero(speed > GLITCH) + 1), len(rotations)]
    pieces: list[Clip] = []
    for begin, end in pairwise(cuts):
        if end - begin < SHORTEST * fps:
            continue
        lowest = soles(quaternion_to_matrix(quaternions[begin:end]), root[begin:end], body).min(axis=(1, 2))
        floor = np.quantile(lowest, WALKED_THROUGH)
        grounded = root[begin:end] - [0.0, floor, 0.0]
        subject = clip.name if clip.source == "keyed" else clip.name.split("_")[0]
        pieces.append(
            Clip(
                clip.name if len(pieces) == 0 else f"{clip.name}+{len(pieces)}",
                subject,
                clip.source,
                fps,
                quaternions[begin:end].astype(np.float32),
                grounded.astype(np.float32),
            )
        )
    return pieces


def share_twist(quaternions: np.ndarray) -> np.ndarray:
    """Local quaternions (T, 24, 4) with half of each wrist's turn about the forearm carried by the elbow.

    Recordings keep all of it at the wrist, where a skinned forearm would wring.
    """
    shared = quaternions.copy()
    for side in ("left", "right"):
        elbow, wrist = JOINT_INDEX[f"{side}_elbow"], JOINT_INDEX[f"{side}_wrist"]
        angle = 2 * np.arctan2(quaternions[:, wrist, 1], quaternions[:, wrist, 0])  # the forearm is the x axis at rest
        angle = np.unwrap(
            np.where(angle > np.pi, angle - 2 * np.pi, np.where(angle < -np.pi, angle + 2 * np.pi, angle))
        )
        half = np.zeros((len(angle), 4))
        half[:, 0], half[:, 1] = np.cos(angle / 4), np.sin(angle / 4)
        back = half * [1.0, -1.0, 1.0, 1.0]
        shared[:, elbow] = quaternion_multiply(quaternions[:, elbow], half)
        shared[:, wrist] = quaternion_multiply(back, quaternions[:, wrist])
    return shared


def soles(rotations: np.ndarray, root: np.ndarray, body: BodyModel) -> np.ndarray:
    """(T, 4, 1) height of left heel, left toe, right heel and right toe; y up."""
    figure = Figure.of(body, LandmarkPoints.load(), np.zeros(10))
    return sole_points(pose(figure, rotations, root).points)[..., 1:2]


def mirrored(clip: Clip) -> Clip:
    """The clip seen in a mirror: left and right exchanged."""
    quaternions = clip.quaternions[:, MIRROR] * np.array([1.0, 1.0, -1.0, -1.0], np.float32)
    return Clip(
        clip.name + "~", clip.subject, clip.source, clip.fps, quaternions, clip.root * np.array([-1, 1, 1], np.float32)
    )


def measured_gravity(clip: Clip, body: BodyModel) -> float | None:
    """Downward acceleration in m/s^2 while both feet are well off the floor; None if the person never flies.

    About 9.8 if the frame rate is true; a quarter of that if the file claims half the true rate.
    """
    height = soles(clip.rotations, clip.root.astype(float), body)[..., 0].min(axis=1)
    joints = forward_kinematics(clip.rotations, _offsets(body, clip.root))[1]
    centre = joints[..., 1].mean(axis=1)  # joints are spread about as the mass is
    flying = height > 0.08
    best: float | None = None
    for run in np.split(np.arange(len(flying)), np.flatnonzero(np.diff(flying)) + 1):
        if flying[run[0]] and len(run) >= max(0.2 * clip.fps, 5):
            found = -2 * np.polyfit(run / clip.fps, centre[run], 2)[0]
            best = found if best is None else max(best, found)
    return best


def _offsets(body: BodyModel, root: np.ndarray) -> np.ndarray:
    rest = body.rest_joints(np.zeros(10))
    offsets = np.zeros((len(root), len(PARENTS), 3))
    offsets[:] = rest - rest[np.maximum(PARENTS, 0)]
    offsets[:, 0] = root
    return offsets


def build(folder: Path, body: BodyModel) -> tuple[list[Clip], list[str]]:
    """All clips without duplicates, and a line for each recording that was left out or cut."""
    clips: list[Clip] = []
    remarks: list[str] = []
    seen: set[str] = set()
    for recording in read_archives(folder, body):
        if recording.name in seen:
            remarks.append(f"{recording.name} ({recording.source}): again")
            continue
        seen.add(recording.name)
        pieces = clean(recording, body)
        kept = sum(len(p.root) / p.fps for p in pieces)
        if kept < len(recording.root) / recording.fps - 1.0:
            remarks.append(f"{recording.name} ({recording.source}): {kept:.1f} s kept in {len(pieces)} pieces")
        clips += pieces
    return clips, remarks


def save_clips(path: Path, clips: list[Clip]) -> None:
    """Write a cache; all clips' frames stand in one array."""
    arrays = {
        "name": np.array([c.name for c in clips]),
        "subject": np.array([c.subject for c in clips]),
        "source": np.array([c.source for c in clips]),
        "fps": np.array([c.fps for c in clips]),
        "frames": np.array([len(c.root) for c in clips]),
        "quaternions": np.concatenate([c.quaternions for c in clips]),
        "root": np.concatenate([c.root for c in clips]),
    }
    save_npz(path, arrays)


def load_clips(path: Path) -> list[Clip]:
    """Read a cache."""
    with np.load(path, allow_pickle=False) as data:
        ends = np.cumsum(data["frames"])
        quaternions, root = data["quaternions"], data["root"]
        return [
            Clip(str(name), str(subject), str(source), float(fps), quaternions[end - n : end], root[end - n : end])
            for name, subject, source, fps, n, end in zip(
                data["name"], data["subject"], data["source"], data["fps"], data["frames"], ends, strict=True
            )
        ]
