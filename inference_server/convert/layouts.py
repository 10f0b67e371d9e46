"""The layouts that results come in: each recognised by its keys, each read into tracks.

Named after the systems' own files, as their repositories write them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from int_blender_addon.core.errors import TakeFileError
from int_blender_addon.core.rotations import axis_angle_to_matrix

from ..motion.camera import camera_matrix, default_focal
from .opened import read_content
from .track import SMPL_PELVIS, SMPLX_PELVIS, Camera, Track, rotations_of

Reader = Callable[[Any, Path], list[Track]]
LINK = 0.5  # metres that a person may be away from where they were a frame ago, where a file doesn't say who is who


def read_tracks(path: Path) -> list[Track]:
    """All people of a file, or of ROMP's folder of one file a frame.

    Raises:
        TakeFileError: Missing, damaged, hostile, or in no layout that is known.
    """
    if path.is_dir():
        files = sorted(path.glob("*.npz"))
        if not files:
            raise TakeFileError(f"There are no .npz files in {path.name}.", "Choose a folder of ROMP's results.")
        return _romp({file.stem: _plain(read_content(file)) for file in files}, path)
    content = _plain(read_content(path))
    for _name, fits, read in LAYOUTS:
        try:
            if fits(content):
                return read(content, path)
        except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
            raise TakeFileError(f"{path.name} looks like {_name}'s, but is not complete: {error}") from error
    raise TakeFileError(
        f"{path.name} is in no layout that is known.", f"Known are {', '.join(name for name, *_ in LAYOUTS)}."
    )


def _plain(content: Any) -> Any:
    """ROMP keeps everything under one key; objects inside arrays are taken out."""
    if isinstance(content, np.ndarray) and content.dtype == object and content.ndim == 0:
        return _plain(content.item())
    if isinstance(content, dict) and set(content) == {"results"}:
        return _plain(content["results"])
    return content


def _first(content: Any) -> Any:
    """The first of what a dict holds, to know its kind by."""
    return next(iter(content.values())) if isinstance(content, dict) and content else None


def _has(content: Any, *keys: str) -> bool:
    return isinstance(content, dict) and all(key in content for key in keys)


def _mean_betas(values: Any) -> np.ndarray:
    return np.asarray(values, float).reshape(-1, np.shape(values)[-1])[:, :10].mean(axis=0)


def _amass(content: dict, path: Path) -> list[Track]:
    """AMASS, SMPL-H and SMPL-X: z up; the pose in one array, or body parts in several."""
    trans = np.asarray(content["trans"], float)
    if "poses" in content:
        rotations = rotations_of(content["poses"], len(trans))
    else:
        parts = [content["root_orient"], content["pose_body"]]
        rotations = rotations_of(np.concatenate([np.asarray(p, float) for p in parts], axis=1), len(trans))
    rates = [content[key] for key in ("mocap_framerate", "mocap_frame_rate", "fps") if key in content]
    size = np.shape(content.get("poses", np.zeros((1, 165))))[-1]
    rest = SMPLX_PELVIS if size in {165, 168} or str(content.get("surface_model_type", "")) == "smplx" else SMPL_PELVIS
    betas = np.ravel(content["betas"])[:10] if "betas" in content else None
    fps = float(rates[0]) if rates else None
    return [Track(rotations, trans + rest, "z up", "amass", np.arange(len(trans)), betas=betas, fps=fps)]


def _aist(content: dict, path: Path) -> list[Track]:
    """AIST++: y up, centimetres over `smpl_scaling`, 60 frames a second."""
    trans = np.asarray(content["smpl_trans"], float) / float(np.ravel(content["smpl_scaling"])[0])
    rotations = rotations_of(content["smpl_poses"], len(trans))
    return [Track(rotations, trans + SMPL_PELVIS, "y up", "aist", np.arange(len(trans)), fps=60.0)]


def _gvhmr(content: dict, path: Path) -> list[Track]:
    """GVHMR's `hmr4d_results.pt`: SMPL-X in a world with y up, and in the camera."""
    own, seen = content["smpl_params_global"], content.get("smpl_params_incam")
    trans = np.asarray(own["transl"], float)
    count = len(trans)
    pose = np.concatenate([np.asarray(own["global_orient"]), np.asarray(own["body_pose"])], axis=1)
    camera = None
    if seen is not None:
        root = axis_angle_to_matrix(np.asarray(seen["global_orient"], float))
        camera = Camera(root, np.asarray(seen["transl"], float) + SMPLX_PELVIS)
    K = np.asarray(content["K_fullimg"], float) if "K_fullimg" in content else None
    K = K[0] if K is not None and K.ndim == 3 else K
    size = (round(2 * K[0, 2]), round(2 * K[1, 2])) if K is not None else None
    return [
        Track(
            rotations_of(pose, count),
            trans + SMPLX_PELVIS,
            "y up",
            "gvhmr",
            np.arange(count),
            betas=_mean_betas(own["betas"]),
            K=K,
            image_size=size,
            seen=camera,
        )
    ]


def _prompthmr(content: dict, path: Path) -> list[Track]:
    """PromptHMR's `results.pkl`: people in a world with y up, SMPL-X."""
    found = []
    for key, person in content["people"].items():
        own = person["smplx_world"]
        trans = np.asarray(own["trans"], float)
        rotations = rotations_of(own["pose"], len(trans))
        frames = np.asarray(person.get("frames", np.arange(len(trans))), int)
        betas = _mean_betas(own["shape"])
        found.append(Track(rotations, trans + SMPLX_PELVIS, "y up", "prompthmr", frames, _number(key), betas))
    return found


def _tram(content: dict, path: Path) -> list[Track]:
    """TRAM's `hps_track_N.npy`, with `camera.npy` of the folder above for the camera's way."""
    rotations = np.asarray(content["pred_rotmat"], float)
    count = len(rotations)
    pelvis = np.asarray(content["pred_trans"], float).reshape(count, 3) + SMPL_PELVIS
    frames = np.ravel(content["frame"]).astype(int)
    rotations = rotations_of(rotations, count)
    K, size = None, None
    beside = path.parent.parent / "camera.npy"
    if beside.is_file():
        camera = read_content(beside)
        R, t = np.asarray(camera["pred_cam_R"], float)[frames], np.asarray(camera["pred_cam_T"], float)[frames]
        rotations[:, 0] = R @ rotations[:, 0]
        pelvis = (R @ pelvis[..., None])[..., 0] + t
        centre = np.ravel(camera["img_center"]).astype(float)
        size = (round(2 * centre[0]), round(2 * centre[1]))
        K = camera_matrix(float(np.ravel(camera["img_focal"])[0]), size)
    number = _number(path.stem)
    betas = _mean_betas(content["pred_shape"])
    return [Track(rotations, pelvis, "camera", "tram", frames, number, betas, K=K, image_size=size)]


def _wham(content: dict, path: Path) -> list[Track]:
    """WHAM's `wham_output.pkl`: a world with y up, and the camera's view of it."""
    found = []
    for key, own in content.items():
        trans = np.asarray(own["trans_world"], float)
        count = len(trans)
        seen = None
        if "pose" in own and "trans" in own:
            root = axis_angle_to_matrix(np.asarray(own["pose"], float).reshape(count, -1, 3)[:, 0])
            seen = Camera(root, np.asarray(own["trans"], float).reshape(count, 3) + SMPL_PELVIS)
        frames = np.ravel(own.get("frame_ids", np.arange(count))).astype(int)
        rotations, betas = rotations_of(own["pose_world"], count), _mean_betas(own["betas"])
        found.append(Track(rotations, trans + SMPL_PELVIS, "y up", "wham", frames, _number(key), betas, seen=seen))
    return found


def _vibe(content: dict, path: Path) -> list[Track]:
    """VIBE's, MAED's and INT's `*_output.pkl`: SMPL before a weak camera of the box and of the picture.

    The picture's size follows from both cameras; depth from the size that a metre has in pixels.
    """
    found = []
    for key, own in content.items():
        count = len(own["pose"])
        scale, tx, ty = np.asarray(own["pred_cam"], float).T
        sx, sy, tx, ty = np.asarray(own["orig_cam"], float).T
        height = np.asarray(own["bboxes"], float)[:, 3]
        size = (round(float(np.median(scale * height / sx))), round(float(np.median(scale * height / sy))))
        focal = default_focal(size)
        depth = 2 * focal / (size[0] * sx)
        pelvis = np.stack([tx, ty, depth], axis=-1) + SMPL_PELVIS
        frames = np.ravel(own.get("frame_ids", np.arange(count))).astype(int)
        rotations, betas = rotations_of(own["pose"], count), _mean_betas(own["betas"])
        K = camera_matrix(focal, size)
        found.append(Track(rotations, pelvis, "camera", "vibe", frames, _number(key), betas, K=K, image_size=size))
    return found


def _phalp(content: dict, path: Path) -> list[Track]:
    """4D-Humans' and PHALP's `demo_*.pkl`: a dict of frames, each with its people by track."""
    people: dict[int, list[tuple[int, dict, np.ndarray]]] = {}
    for position, name in enumerate(sorted(content)):
        frame = content[name]
        number = int(frame["time"]) if np.ndim(frame.get("time", [])) == 0 and "time" in frame else position
        for who, smpl, camera in zip(frame["tid"], frame["smpl"], frame["camera"], strict=False):
            people.setdefault(int(who), []).append((number, smpl, np.ravel(camera).astype(float)))
    found = []
    for who, rows in people.items():
        frames = np.array([row[0] for row in rows])
        pose = [np.concatenate([np.ravel(s["global_orient"]), np.ravel(s["body_pose"])]) for _, s, _ in rows]
        pelvis = np.array([camera for *_, camera in rows]) + SMPL_PELVIS
        betas = _mean_betas(np.array([np.ravel(s["betas"]) for _, s, _ in rows]))
        rotations = rotations_of(np.array(pose), len(rows))
        found.append(Track(rotations, pelvis, "camera", "phalp", frames, who, betas))
    return found


def _hybrik(content: dict, path: Path) -> list[Track]:
    """HybrIK's `res.pk`: one person; the pelvis itself is placed before the camera."""
    pose = np.array([np.ravel(row) for row in content["pred_thetas"]], float)
    count = len(pose)
    placed = content["transl"] if "transl" in content else content["transl_camsys"]
    pelvis = np.array([np.ravel(row) for row in placed], float).reshape(count, 3)
    size = None
    if "width" in content and "height" in content:
        size = (int(np.ravel(content["width"])[0]), int(np.ravel(content["height"])[0]))
    betas = _mean_betas(np.array([np.ravel(row) for row in content["pred_betas"]]))
    rotations = rotations_of(pose, count)
    return [Track(rotations, pelvis, "camera", "hybrik", np.arange(count), betas=betas, image_size=size)]


def _romp(content: dict, path: Path) -> list[Track]:
    """ROMP's and BEV's: a dict of frames, or one frame; people told apart by `track_ids`, or by where they are."""
    if "smpl_thetas" in content:
        content = {"0": content}
    people: dict[int, list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]] = {}
    last: dict[int, np.ndarray] = {}
    for number, name in enumerate(sorted(content, key=_natural)):
        frame = _plain(content[name])
        if not _has(frame, "smpl_thetas"):
            continue  # nobody was seen
        places = np.asarray(frame["cam_trans"], float).reshape(-1, 3)
        told = frame.get("track_ids")
        ids = [int(k) for k in np.ravel(told)] if told is not None else _linked(last, places)
        betas = np.asarray(frame["smpl_betas"], float).reshape(len(places), -1)
        for k, pose in enumerate(np.asarray(frame["smpl_thetas"], float).reshape(len(places), -1)):
            people.setdefault(ids[k], []).append((number, pose, places[k], betas[k]))
            last[ids[k]] = places[k]
    found = []
    for who, rows in people.items():
        frames, poses, places, betas = (np.array(column) for column in zip(*rows, strict=True))
        rotations = rotations_of(poses, len(frames))
        found.append(Track(rotations, places + SMPL_PELVIS, "camera", "romp", frames, who, _mean_betas(betas)))
    return found


def _linked(last: dict[int, np.ndarray], places: np.ndarray) -> list[int]:
    """Whose each place is: the nearest of those before that is free, else somebody new."""
    free = dict(last)
    found: list[int] = []
    for place in places:
        near = min(free, key=lambda who: float(np.linalg.norm(free[who] - place)), default=None)
        if near is None or np.linalg.norm(free[near] - place) > LINK:
            near = max([*last, *found, -1]) + 1
        else:
            free.pop(near)
        found.append(near)
    return found


def _number(key: Any) -> int:
    digits = "".join(c for c in str(key) if c.isdigit())
    return int(digits) if digits else 0


def _natural(name: Any) -> tuple[int, str]:
    return _number(Path(str(name)).stem), str(name)


LAYOUTS: tuple[tuple[str, Callable[[Any], bool], Reader], ...] = (
    ("AMASS", lambda c: _has(c, "poses", "trans") or _has(c, "root_orient", "pose_body", "trans"), _amass),
    ("AIST++", lambda c: _has(c, "smpl_poses", "smpl_trans", "smpl_scaling"), _aist),
    ("GVHMR", lambda c: _has(c, "smpl_params_global"), _gvhmr),
    ("PromptHMR", lambda c: _has(c, "people") and _has(_first(c["people"]), "smplx_world"), _prompthmr),
    ("TRAM", lambda c: _has(c, "pred_rotmat", "pred_trans", "frame"), _tram),
    ("WHAM", lambda c: _has(_first(c), "pose_world", "trans_world"), _wham),
    ("VIBE, MAED, INT", lambda c: _has(_first(c), "pose", "orig_cam", "pred_cam", "bboxes"), _vibe),
    ("4D-Humans, PHALP", lambda c: _has(_first(c), "smpl", "camera", "tid"), _phalp),
    ("HybrIK", lambda c: _has(c, "pred_thetas", "pred_betas"), _hybrik),
    ("ROMP, BEV", lambda c: _has(c, "smpl_thetas") or any(_has(_plain(v), "smpl_thetas") for v in _values(c)), _romp),
)


def _values(content: Any) -> list[Any]:
    return list(content.values()) if isinstance(content, dict) else []
