"""Files in the layouts of other systems, made here from one known motion: each must give that motion back."""

import gzip
import io
import os
import pickle
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from inference_server.cli import main
from inference_server.convert import convert
from inference_server.convert.track import SMPL_PELVIS, SMPLX_PELVIS
from inference_server.motion.camera import camera_matrix, default_focal, project
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import TakeFileError, TooFewFramesError
from int_blender_addon.core.motion import load_motion
from int_blender_addon.core.refine import raw_of
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion
from int_blender_addon.core.skeleton import JOINT_INDEX

COUNT, FPS = 60, 30.0
SIZE = (1280, 720)
BETAS = np.linspace(-1, 1, 10)
TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # from a world with z up
TO_CAMERA = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # a level camera that looks along y
EYE = np.array([0.3, -4.0, 1.2])


class Walk:
    """A person who stands, then glides away with swinging legs, in a world with z up and the floor at 0."""

    def __init__(self) -> None:
        time = np.maximum(0, np.arange(COUNT) - 25) / FPS
        poses = np.zeros((COUNT, 24, 3))
        swing = 0.5 * np.sin(2 * np.pi * time)
        for side, sign in (("left", 1), ("right", -1)):
            poses[:, JOINT_INDEX[f"{side}_hip"], 0] = sign * swing
            poses[:, JOINT_INDEX[f"{side}_knee"], 0] = np.maximum(0, -sign * swing)
            poses[:, JOINT_INDEX[f"{side}_elbow"], 1] = -sign * (0.4 + 0.2 * swing)
            poses[:, JOINT_INDEX[f"{side}_shoulder"], 2] = -sign * 1.1
        facing = axis_angle_to_matrix(np.array([0, 0, 0.4])) @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        self.local = axis_angle_to_matrix(poses)
        self.root = np.broadcast_to(facing, (COUNT, 3, 3))
        rest = load_free_body().rest(np.zeros(10))
        height = -rest.vertices[:, 1].min() + rest.joints[0, 1]
        self.pelvis = np.stack([0.8 * time, 0.2 * time, np.full(COUNT, height)], axis=-1)

    def seen_from(self, turn: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Root (T, 3, 3) and pelvis (T, 3) in another space."""
        return turn @ self.root, (self.pelvis - origin) @ turn.T

    def axis_angles(self, root: np.ndarray) -> np.ndarray:
        """(T, 72) with this root."""
        local = self.local.copy()
        local[:, 0] = root
        return matrix_to_axis_angle(local).reshape(COUNT, 72).astype(np.float32)

    def matrices(self, root: np.ndarray) -> np.ndarray:
        local = self.local.copy()
        local[:, 0] = root
        return local.astype(np.float32)


@pytest.fixture
def walk() -> Walk:
    return Walk()


def in_y_up(walk: Walk) -> tuple[np.ndarray, np.ndarray]:
    return walk.seen_from(TO_Y_UP, np.array([0, 0, 0.7]))  # the floor is somewhere


def in_camera(walk: Walk) -> tuple[np.ndarray, np.ndarray]:
    return walk.seen_from(TO_CAMERA, EYE)


def amass(walk: Walk, folder: Path) -> Path:
    poses = np.concatenate([walk.axis_angles(walk.root)[:, :66], np.zeros((COUNT, 90))], axis=1)
    trans = walk.pelvis - SMPL_PELVIS
    np.savez(folder / "a.npz", poses=poses, trans=trans, betas=np.tile(BETAS, 2)[:16], mocap_framerate=FPS)
    return folder / "a.npz"


def amass_in_parts(walk: Walk, folder: Path) -> Path:
    poses = walk.axis_angles(walk.root)
    np.savez(
        folder / "a.npz",
        root_orient=poses[:, :3],
        pose_body=poses[:, 3:66],
        trans=walk.pelvis - SMPLX_PELVIS,
        betas=BETAS,
        mocap_frame_rate=FPS,
        surface_model_type="smplx",
    )
    return folder / "a.npz"


def gvhmr(walk: Walk, folder: Path) -> Path:
    def params(root, pelvis):
        poses = torch.from_numpy(walk.axis_angles(root))
        betas = torch.from_numpy(np.tile(BETAS, (COUNT, 1))).float()
        transl = torch.from_numpy(pelvis - SMPLX_PELVIS).float()
        return {"global_orient": poses[:, :3], "body_pose": poses[:, 3:66], "betas": betas, "transl": transl}

    K = torch.from_numpy(camera_matrix(1000.0, SIZE)).float().repeat(COUNT, 1, 1)
    content = {
        "smpl_params_global": params(*in_y_up(walk)),
        "smpl_params_incam": params(*in_camera(walk)),
        "K_fullimg": K,
        "net_outputs": {"static_conf_logits": torch.zeros(1, COUNT, 6)},
    }
    torch.save(content, folder / "hmr4d_results.pt")
    return folder / "hmr4d_results.pt"


def wham(walk: Walk, folder: Path) -> Path:
    from collections import defaultdict

    root, pelvis = in_y_up(walk)
    seen_root, seen = in_camera(walk)
    results = defaultdict(dict)
    results[0] = {
        "pose": walk.axis_angles(seen_root),
        "trans": seen - SMPL_PELVIS,
        "pose_world": walk.axis_angles(root),
        "trans_world": pelvis - SMPL_PELVIS,
        "betas": np.tile(BETAS, (COUNT, 1)),
        "frame_ids": np.arange(COUNT) + 5,
    }
    joblib.dump(results, folder / "wham_output.pkl")
    return folder / "wham_output.pkl"


def tram(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    (folder / "hps").mkdir()
    content = {
        "pred_rotmat": torch.from_numpy(walk.matrices(root)),
        "pred_shape": torch.from_numpy(np.tile(BETAS, (COUNT, 1))),
        "pred_trans": torch.from_numpy(pelvis - SMPL_PELVIS)[:, None],
        "frame": torch.arange(COUNT),
    }
    np.save(folder / "hps" / "hps_track_0.npy", content)
    camera = {
        "pred_cam_R": np.tile(np.eye(3), (COUNT, 1, 1)),
        "pred_cam_T": np.zeros((COUNT, 3)),
        "img_focal": np.float64(1000.0),
        "img_center": np.array(SIZE) / 2,
    }
    np.save(folder / "camera.npy", camera)
    return folder / "hps" / "hps_track_0.npy"


def prompthmr(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_y_up(walk)
    pose = np.concatenate([walk.axis_angles(root)[:, :66], np.zeros((COUNT, 99))], axis=1)
    world = {"pose": pose, "shape": np.tile(BETAS, (COUNT, 1)), "trans": pelvis - SMPLX_PELVIS}
    person = {"frames": np.arange(COUNT), "track_id": 1, "smplx_world": world}
    content = {"people": {1: person}, "camera": {"img_focal": 1000.0}, "timings": {}, "has_slam": True}
    joblib.dump(content, folder / "results.pkl")
    return folder / "results.pkl"


def vibe(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    trans = pelvis - SMPL_PELVIS
    focal, height = default_focal(SIZE), 300.0
    sx, sy = 2 * focal / (SIZE[0] * trans[:, 2]), 2 * focal / (SIZE[1] * trans[:, 2])
    orig = np.stack([sx, sy, trans[:, 0], trans[:, 1]], axis=-1)
    pred = np.stack([sx * SIZE[0] / height, np.zeros(COUNT), np.zeros(COUNT)], axis=-1)
    person = {
        "pred_cam": pred,
        "orig_cam": orig,
        "pose": walk.axis_angles(root),
        "betas": np.tile(BETAS, (COUNT, 1)),
        "bboxes": np.tile([640.0, 360.0, height, height], (COUNT, 1)),
        "frame_ids": np.arange(COUNT),
    }
    joblib.dump({1: person}, folder / "vibe_output.pkl")
    return folder / "vibe_output.pkl"


def phalp(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    pose = walk.matrices(root)
    content = {}
    for t in range(COUNT):
        smpl = {"global_orient": pose[t, :1], "body_pose": pose[t, 1:], "betas": BETAS.astype(np.float32)}
        content[f"_TMP/{t:06d}.jpg"] = {
            "time": t,
            "tid": [3],
            "smpl": [smpl],
            "camera": [pelvis[t] - SMPL_PELVIS],
            "bbox": [np.array([1.0, 2, 3, 4])],
            "2d_joints": [np.zeros(90)],
        }
    joblib.dump(content, folder / "demo_walk.pkl", compress=3)
    return folder / "demo_walk.pkl"


def hybrik(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    content = {
        "pred_thetas": list(walk.matrices(root).reshape(COUNT, -1)),
        "pred_betas": list(np.tile(BETAS, (COUNT, 1))),
        "transl": list(pelvis),
        "height": [SIZE[1]] * COUNT,
        "width": [SIZE[0]] * COUNT,
        "img_path": ["a.jpg"] * COUNT,
    }
    (folder / "res.pk").write_bytes(pickle.dumps(content, protocol=2))
    return folder / "res.pk"


def hybrik_quaternions(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    quaternions = matrix_to_quaternion(walk.matrices(root).astype(float))
    content = {"pred_thetas": quaternions.reshape(COUNT, 96), "pred_betas": BETAS[None], "transl": pelvis}
    (folder / "res.pk").write_bytes(gzip.compress(pickle.dumps(content)))
    return folder / "res.pk"


def romp(walk: Walk, folder: Path) -> Path:
    root, pelvis = in_camera(walk)
    poses = walk.axis_angles(root)
    frames = {
        f"{t:06d}.jpg": {
            "smpl_thetas": poses[t : t + 1],
            "smpl_betas": BETAS[None].astype(np.float32),
            "cam_trans": (pelvis[t] - SMPL_PELVIS)[None],
            "cam": np.ones((1, 3)),
        }
        for t in range(COUNT)
    }
    np.savez(folder / "video_results.npz", results=frames)
    return folder / "video_results.npz"


def romp_folder(walk: Walk, folder: Path) -> Path:
    with np.load(romp(walk, folder), allow_pickle=True) as data:
        frames = data["results"].item()
    (folder / "out").mkdir()
    for name, frame in frames.items():
        np.savez(folder / "out" / f"{Path(name).stem}.npz", results=frame)
    return folder / "out"


ALL = [amass, amass_in_parts, gvhmr, wham, tram, prompthmr, vibe, phalp, hybrik, hybrik_quaternions, romp, romp_folder]


@pytest.mark.parametrize("layout", ALL, ids=lambda f: f.__name__)
def test_the_motion_comes_back(walk, tmp_path, layout) -> None:
    (written,) = convert(layout(walk, tmp_path), tmp_path / "takes", fps=FPS)
    take = raw_of(load_motion(written))
    assert len(take) == COUNT and take.fps == FPS
    np.testing.assert_allclose(take.rotations[:, 1:22], walk.local[:, 1:22], atol=2e-5)
    rest = load_free_body().rest(np.zeros(10))
    pelvis = take.trans + rest.joints[0]
    # a camera may be held some degrees from level, which tilts the way over the floor
    np.testing.assert_allclose(pelvis - pelvis[0], walk.pelvis - walk.pelvis[0], atol=0.06)
    np.testing.assert_allclose(take.rotations[:, 0], walk.root, atol=0.06)  # up is told from how people stand
    assert pelvis[0, 2] == pytest.approx(walk.pelvis[0, 2], abs=0.03)  # soles on the floor
    assert (take.contacts[5:15] > 0.5).all()  # while the person stands
    np.testing.assert_allclose(take.betas, 0)  # SMPL's shape means nothing to the free body
    np.testing.assert_allclose(load_motion(written).extra["smpl_betas"], BETAS, atol=1e-5)


@pytest.mark.parametrize("layout", [gvhmr, wham, tram, vibe, phalp, hybrik, romp], ids=lambda f: f.__name__)
def test_the_camera_sees_the_person_where_they_were_seen(walk, tmp_path, layout) -> None:
    (written,) = convert(layout(walk, tmp_path), tmp_path / "takes", fps=FPS)
    take = raw_of(load_motion(written))
    views = np.broadcast_to(take.world_to_camera, (COUNT, 4, 4))
    pelvis = take.trans + load_free_body().rest(np.zeros(10)).joints[0]
    seen = (views[:, :3, :3] @ pelvis[..., None])[..., 0] + views[:, :3, 3]
    np.testing.assert_allclose(seen, in_camera(walk)[1], atol=2e-3)


def test_depth_of_a_weak_camera_is_that_of_the_picture(walk, tmp_path) -> None:
    (written,) = convert(vibe(walk, tmp_path), tmp_path / "takes", fps=FPS)
    take = load_motion(written)
    assert tuple(take.image_size) == SIZE
    K = camera_matrix(default_focal(SIZE), SIZE)
    np.testing.assert_allclose(take.K, K)
    pixels = project(take.joints[:, 0], K)
    np.testing.assert_allclose(pixels, project(in_camera(walk)[1], K), atol=2.0)


def test_frames_that_are_missing_stay_missing(walk, tmp_path) -> None:
    path = wham(walk, tmp_path)
    content = joblib.load(path)
    own = {k: np.delete(v, np.arange(20, 30), axis=0) for k, v in content[0].items()}
    joblib.dump({0: own, 4: {k: v[:1] for k, v in own.items()}}, path)
    (written,) = convert(path, tmp_path / "takes", fps=FPS)  # the second person is there for one frame
    take = load_motion(written)
    assert take.frame_index[0] == 5 and 30 not in take.frame_index
    np.testing.assert_allclose(take.time, take.frame_index / FPS)


def test_two_people_are_two_takes(walk, tmp_path) -> None:
    path = romp(walk, tmp_path)
    with np.load(path, allow_pickle=True) as data:
        frames = data["results"].item()
    for number, frame in enumerate(frames.values()):
        away = frame["cam_trans"] + [[2.0, 0, 0]]
        both = [(frame["smpl_thetas"], frame["cam_trans"]), (frame["smpl_thetas"], away)]
        both = both[::-1] if number % 2 else both  # the file's order means nothing
        frame["smpl_thetas"] = np.concatenate([a for a, _ in both])
        frame["cam_trans"] = np.concatenate([b for _, b in both])
        frame["smpl_betas"] = np.repeat(frame["smpl_betas"], 2, axis=0)
    np.savez(path, results=frames)
    takes = [load_motion(p) for p in convert(path, tmp_path / "takes", fps=FPS)]
    assert [len(t) for t in takes] == [COUNT, COUNT]
    assert all(np.abs(np.diff(t.trans, axis=0)).max() < 0.1 for t in takes)


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch hacked",))


def hostile_files(folder: Path) -> list[Path]:
    bad = {"people": {1: Hostile()}}
    plain = pickle.dumps(bad)
    (folder / "plain.pkl").write_bytes(plain)
    (folder / "zlib.pkl").write_bytes(zlib.compress(plain))
    (folder / "gzip.pkl").write_bytes(gzip.compress(plain))
    joblib.dump(bad, folder / "joblib.pkl")
    joblib.dump({"a": np.array([Hostile(), 1], dtype=object)}, folder / "objects.pkl")
    np.save(folder / "a.npy", bad)
    np.savez(folder / "a.npz", results=bad)
    torch.save(bad, folder / "torch.pt")
    torch.save(bad, folder / "old.pt", _use_new_zipfile_serialization=False)
    inner = io.BytesIO()
    torch.save(Hostile(), inner)

    class Nested:
        def __reduce__(self):
            from torch.storage import _load_from_bytes

            return (_load_from_bytes, (inner.getvalue(),))

    (folder / "nested.pkl").write_bytes(pickle.dumps({"a": Nested()}))
    return sorted(p for p in folder.iterdir() if p.is_file())


def test_a_hostile_file_is_refused_and_nothing_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = hostile_files(tmp_path)
    assert len(files) == 10
    for path in files:
        with pytest.raises(TakeFileError):
            convert(path, tmp_path / "takes")
    assert not (tmp_path / "hacked").exists() and not (tmp_path / "takes").exists()


def test_what_is_no_take_is_refused_with_a_sentence(walk, tmp_path, capsys) -> None:
    (tmp_path / "noise.pkl").write_bytes(os.urandom(1000))
    (tmp_path / "empty.pkl").write_bytes(b"")
    joblib.dump({"something": "else"}, tmp_path / "other.pkl")
    cut = tmp_path / "cut.pkl"
    cut.write_bytes(wham(walk, tmp_path).read_bytes()[:2000])
    np.savez(tmp_path / "half.npz", smpl_poses=np.zeros((5, 7)), smpl_trans=np.zeros((5, 3)), smpl_scaling=[1.0])
    (tmp_path / "folder").mkdir()
    for name in ("noise.pkl", "empty.pkl", "other.pkl", "cut.pkl", "half.npz", "folder", "missing.pkl"):
        assert main(["convert", str(tmp_path / name), "--out", str(tmp_path / "takes")]) == TakeFileError.exit_code
        said = capsys.readouterr().err
        assert said.startswith("error: ") and "Traceback" not in said
    one = {k: v[:1] for k, v in joblib.load(tmp_path / "wham_output.pkl")[0].items()}
    joblib.dump({0: one}, tmp_path / "one.pkl")
    with pytest.raises(TooFewFramesError):
        convert(tmp_path / "one.pkl", tmp_path / "takes")
