"""The paper's data sets as tiny files in their layouts, its augmentations, and a phase that trains on them."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from inference_server.body.smpl_layer import SmplLayer
from inference_server.model.crops import CROP, FLIP_49
from inference_server.model.int_model import IntConfig, IntModel
from inference_server.train.losses import rodrigues
from inference_server.train.paper.augment import Augmentation
from inference_server.train.paper.files import read_arrays
from inference_server.train.paper.joints import INSTA, PENN, SPIN, to_spin
from inference_server.train.paper.samples import PhaseSamples
from inference_server.train.paper.sets import DATA_SETS, load_set
from inference_server.train.paper.task import PaperTask, folded, matrix_to_axis_angle, standardize_filters
from inference_server.train.phases import PHASES
from inference_server.train.trainer import TrainConfig, Trainer
from inference_server.weights.store import load_model, save_model
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import DataSetError, ModelFileError
from int_blender_addon.core.rotations import axis_angle_to_matrix

joblib = pytest.importorskip("joblib")
VIDEOS = {"human36m": "h36m", "mpi_inf_3dhp": "mpii3d", "3dpw": "3dpw", "penn_action": "penn", "posetrack": "posetrack"}
FITS = {"coco": "COCO2014-All-ver01.json", "mpii": "MPII_ver01.json", "lspet": "LSPet_ver01.json"}


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    cv2.imwrite(str(path), rng.integers(0, 255, (90, 70, 3)).astype(np.uint8))


def write_video_set(root: Path, name: str, frames: int = 20) -> None:
    stem = VIDEOS.get(name, "insta")
    rng = np.random.default_rng(0)
    names = [f"clip{k // (frames // 2)}/{k % (frames // 2):06d}.jpg" for k in range(frames)]
    for one in names:
        picture(root / DATA_SETS[name].images / one)
    joints = {"penn_action": len(PENN), "instavariety": len(INSTA)}.get(name, 49)
    arrays = {
        "vid_name": np.array([one.split("/")[0] for one in names]),
        "frame_id": np.arange(frames),
        "img_name": np.array(names),
        "bbox": np.tile([35.0, 45.0, 60.0, 60.0], (frames, 1)),
        "joints2D": np.concatenate([rng.uniform(0, 70, (frames, joints, 2)), np.ones((frames, joints, 1))], axis=-1),
    }
    if name in ("human36m", "mpi_inf_3dhp", "3dpw"):
        arrays["joints3D"] = rng.normal(size=(frames, 49, 3)) * 0.3
    if name in ("human36m", "3dpw"):
        arrays |= {"pose": rng.normal(size=(frames, 72)) * 0.2, "shape": rng.normal(size=(frames, 10))}
    if name == "instavariety":
        import h5py

        with h5py.File(root / "insta_train_db.h5", "w") as file:
            for key, value in arrays.items():
                file.create_dataset(key, data=value.astype("S") if value.dtype.kind == "U" else value)
    else:
        joblib.dump(arrays, root / f"{stem}_train_db.pt")


def write_fits(root: Path, name: str, count: int = 5) -> None:
    rng = np.random.default_rng(1)
    data = []
    for k in range(count):
        picture(root / DATA_SETS[name].images / f"{k}.jpg")
        turned = axis_angle_to_matrix(rng.normal(size=(24, 3)) * 0.3)
        data.append(
            {
                "imageName": f"{k}.jpg", "bbox_center": [35.0, 45.0], "bbox_scale": 0.3, "annotId": k,
                "gt_keypoint_2d": np.hstack([rng.uniform(0, 70, (49, 2)), np.ones((49, 1))]).tolist(),
                "parm_pose": turned.tolist(), "parm_shape": rng.normal(size=10).tolist(), "parm_cam": [1, 0, 0],
            }
        )  # fmt: skip
    (root / FITS[name]).write_text(json.dumps({"ver": 0.1, "data": data}))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data sets")
    for name in (*VIDEOS, "instavariety"):
        write_video_set(folder, name)
    for name in FITS:
        write_fits(folder, name)
    return folder


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_data_set_is_read_and_a_missing_one_is_told(root: Path, tmp_path: Path, name: str) -> None:
    found = load_set(name, root)
    assert found.kp_2d.shape[1:] == (49, 3) and all(path.is_file() for path in found.images)
    lengths = {len(frames) for frames in found.sequences()}
    assert lengths == ({1} if name in FITS else {10})
    assert found.has_3d == (name not in ("penn_action", "posetrack", "instavariety"))
    with pytest.raises(DataSetError) as missing:
        load_set(name, tmp_path)
    assert "http" in missing.value.hint and str(tmp_path) in missing.value.message + missing.value.hint


def test_spins_images_are_read_too(tmp_path: Path) -> None:
    picture(tmp_path / "lspet" / "a.png")
    arrays = {
        "imgname": np.array(["a.png"]), "center": np.array([[35.0, 45.0]]), "scale": np.array([0.4]),
        "part": np.ones((1, 24, 3)), "S": np.ones((1, 24, 4)),
    }  # fmt: skip
    np.savez(tmp_path / "hr-lspet_train.npz", **arrays)
    found = load_set("lspet", tmp_path)
    assert found.boxes[0] == pytest.approx([35, 45, 80, 80])
    assert found.kp_2d[0, :25].sum() == 0 and found.kp_3d[0, 25:, 3].all()


def test_keypoints_come_to_spins_places() -> None:
    values = np.arange(13 * 3, dtype=float).reshape(1, 13, 3) + 1
    found = to_spin(values, "penn_action")
    assert (found[0, SPIN.index("rankle")] == values[0, PENN.index("rankle")]).all()
    assert (found[0] != 0).any(axis=-1).sum() == 13
    for number, partner in enumerate(FLIP_49[:44]):
        name, other = SPIN[number].removeprefix("openpose_"), SPIN[partner].removeprefix("openpose_")
        if name[0] in "lr" and name != other:
            assert name[1:] == other[1:], "the mirror pairs left and right of one joint"


def test_files_that_would_run_something_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    joblib.dump({"a": Evil()}, tmp_path / "a.pt")
    joblib.dump({"a": np.array([Evil()], dtype=object)}, tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(pickle.dumps({"a": Evil()}))
    (tmp_path / "d.pt").write_bytes(b"\x80\x04nothing")
    (tmp_path / "e.npz").write_bytes(b"PK")
    for name in ("a.pt", "b.pt", "c.pt", "d.pt", "e.npz"):
        with pytest.raises(DataSetError):
            read_arrays(tmp_path / name)


def test_augmentation_keeps_the_clip_together() -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 255, (CROP, CROP, 3)).astype(np.uint8)
    assert np.array_equal(Augmentation(flip=True)(crop), crop[:, ::-1])
    for _ in range(50):
        drawn = Augmentation.drawn(rng, CROP, True)
        changed = drawn(crop)
        assert changed.shape == crop.shape and np.array_equal(changed, drawn(crop))
        if drawn.erased:
            x, y, width, height = drawn.erased
            assert (changed[y : y + height, x : x + width] == [124, 116, 104]).all()


def test_a_step_holds_what_the_phase_says(root: Path) -> None:
    phase = replace(PHASES["2"], clips_2d=2, clips_3d=1, images=3, frames=4)
    samples = PhaseSamples([load_set(name, root) for name in phase.sets], phase, 0, 10)
    one, again, other = samples[3], samples[3], samples[4]
    assert one["clips_pictures"].shape == (3, 4, 3, CROP, CROP)
    assert one["clips_kp_3d"].shape == (1, 4, 49, 4) and one["images_theta"].shape == (3, 1, 85)
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["clips_pictures"], other["clips_pictures"])
    with pytest.raises(DataSetError):
        PhaseSamples([load_set("coco", root)], phase, 0, 10)


def test_axis_angles_have_gradients_and_come_back() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(400, 3))
    vectors *= (rng.uniform(0, 3.1, 400) / np.linalg.norm(vectors, axis=1))[:, None]
    vectors[0] = 0
    tensor = torch.from_numpy(vectors).requires_grad_()
    back = matrix_to_axis_angle(torch.from_numpy(axis_angle_to_matrix(vectors)))
    assert np.abs(back.numpy() - vectors).max() < 1e-6
    matrix_to_axis_angle(rodrigues(tensor + 0.01)).sum().backward()
    assert torch.isfinite(tensor.grad).all()


@pytest.mark.slow
@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_a_phase_trains_and_its_weights_open(root: Path, tmp_path: Path, number: str) -> None:
    phase = PHASES[number]
    small = replace(
        phase, clips_2d=min(phase.clips_2d, 1), clips_3d=min(phase.clips_3d, 1), images=min(phase.images, 2),
        frames=min(phase.frames, 2),
    )  # fmt: skip
    torch.manual_seed(0)
    config = IntConfig(width=48, depth=1, heads=2, hidden=48, temporal_depth=1, temporal_heads=2, temporal_hidden=48)
    model = IntModel(config)
    torch.nn.init.normal_(model.joint_tokens, std=0.5)
    torch.nn.init.normal_(model.camera_token, std=0.5)
    model.camera_head.bias.data = torch.tensor([0.9, 0.0, 0.0])
    standardize_filters(model)
    body = load_free_body()
    layer = SmplLayer(body, np.full((9, len(body.v_template)), 1.0 / len(body.v_template)))
    samples = PhaseSamples([load_set(name, root) for name in phase.sets], small, 0, 20)
    task = PaperTask(model, layer, [samples[0]] * 20, phase.weights)
    batch = {key: torch.from_numpy(value)[None] for key, value in samples[0].items()}
    before = task.loss(model, batch)[0].item()
    rate = 1e-3 if phase.optimizer == "adam" else 1e-5
    config = TrainConfig(
        steps=6, batch=1, rate=rate, optimizer=phase.optimizer, milestones=(4,), workers=0, ema=0.0, clip=1.0
    )
    Trainer(task, config, tmp_path, torch.device("cpu")).run()
    after = task.loss(model, batch)[0].item()
    assert np.isfinite(after) and after < before
    path = tmp_path / "weights.safetensors"
    save_model(path, folded(model))
    opened = load_model(path)
    with torch.no_grad():
        pictures = batch["clips_pictures" if number != "1" else "images_pictures"][0]
        torch.testing.assert_close(opened(pictures).rot6d, model.eval()(pictures).rot6d, rtol=1e-4, atol=1e-5)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelFileError):
        load_model(path)
