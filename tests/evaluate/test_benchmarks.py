"""Benchmarks in their publishers' layouts, as tiny files made here: identity scores zero, known errors their size."""

import json
import pickle
from pathlib import Path

import cv2
import h5py
import joblib
import numpy as np
import pytest
import torch

from inference_server.cli import main
from inference_server.evaluate.benchmark import evaluate_benchmark, load_bodies, table_1
from inference_server.evaluate.grounded import root_error, world_scores
from inference_server.evaluate.protocols import Bodies, Evaluation, Predicted, Scored
from inference_server.evaluate.references import BENCHMARKS, Reference, read_3dpw, read_emdb
from inference_server.model.int_model import IntConfig, IntModel
from inference_server.weights.store import save_model
from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import DataSetError
from int_blender_addon.core.rotations import axis_angle_to_matrix, matrix_to_axis_angle

COUNT = 24


@pytest.fixture(scope="session")
def smpl(tmp_path_factory) -> Path:
    """Three bodies in SMPL's layout (the free one, others longer or shorter), and a regressor that fits them."""
    folder = tmp_path_factory.mktemp("smpl")
    free = load_free_body()
    for gender, scale in (("NEUTRAL", 1.0), ("MALE", 1.1), ("FEMALE", 0.9)):
        np.savez(
            folder / f"SMPL_{gender}.npz",
            v_template=free.v_template * scale,
            shapedirs=free.shapedirs,
            J_regressor=free.J_regressor,
            weights=free.weights,
            f=free.faces,
            kintree_table=np.array([[-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21],
                                    list(range(24))]),
        )  # fmt: skip
    rows = [0, 2, 5, 8, 1, 4, 7, 6, 12, 15, 15, 16, 18, 20, 17, 19, 21]
    np.save(folder / "J_regressor_h36m.npy", free.J_regressor[rows])
    return folder


@pytest.fixture(scope="session")
def bodies(smpl) -> Bodies:
    return load_bodies(smpl)


def motion(seed: int = 0) -> np.ndarray:
    """(T, 24, 3) smooth axis-angles."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, 3, COUNT)[:, None, None]
    return 0.4 * rng.normal(size=(24, 3)) * np.sin(phase + rng.uniform(0, 6, size=(24, 3)))


def write_3dpw(root: Path, people: int = 2) -> Path:
    folder = root / "sequenceFiles" / "test"
    folder.mkdir(parents=True)
    camera = np.tile(np.eye(4), (COUNT, 1, 1))
    camera[:, :3, :3] = axis_angle_to_matrix(np.array([0.1, 0.5, 0.0]))
    keypoints = np.ones((COUNT, 3, 18))
    keypoints[:, :2] = np.random.default_rng(0).uniform(40, 120, size=(COUNT, 2, 18))
    keypoints[-2:, 2] = 0  # the person left
    content = {
        "poses": [motion(n).reshape(COUNT, 72) for n in range(people)],
        "betas": [np.linspace(-1, 1, 10) for _ in range(people)],
        "trans": [np.cumsum(np.full((COUNT, 3), 0.01), axis=0) for _ in range(people)],
        "cam_poses": camera,
        "genders": ["m", "f"][:people],
        "campose_valid": [np.arange(COUNT) > 1 for _ in range(people)],
        "poses2d": [keypoints for _ in range(people)],
        "sequence": "walk_00",
        "img_frame_ids": np.arange(COUNT),
    }
    with open(folder / "walk_00.pkl", "wb") as stream:
        pickle.dump(content, stream, protocol=2)
    return root


def results(root: Path, folder: Path, change=lambda poses: poses) -> Path:
    """The references' own poses as results in WHAM's layout, the neutral body's betas."""
    folder.mkdir()
    for reference in read_3dpw(root):
        poses = change(matrix_to_axis_angle(reference.poses).reshape(COUNT, 72))
        trans = np.zeros((COUNT, 3))
        content = {0: {"pose": poses, "trans": trans, "pose_world": poses, "trans_world": reference.world[1],
                       "betas": np.tile(reference.betas, (COUNT, 1)), "frame_ids": np.arange(COUNT)}}  # fmt: skip
        joblib.dump(content, folder / f"{reference.name}.pkl")
    return folder


def test_3dpw_of_itself_is_zero_in_the_papers_protocol_alone(smpl, tmp_path) -> None:
    root = write_3dpw(tmp_path / "3dpw")
    found = evaluate_benchmark("3dpw", root, results(root, tmp_path / "results"), smpl, say=lambda _: None)
    assert found["protocols"]["paper"] == pytest.approx({"PA-MPJPE": 0, "MPJPE": 0, "PVE": 0, "ACCEL": 0}, abs=0.01)
    world = found["protocols"]["world"]  # bodies of another gender are another size
    assert world["MPJPE"] > 5 and world["PA-MPJPE"] < world["MPJPE"]
    assert set(found["sequences"]) == {"walk_00_0", "walk_00_1"}
    assert found["sequences"]["walk_00_0"]["frames"] == COUNT - 2  # frames with enough keypoints
    assert found["world"]["WA-MPJPE"] < found["world"]["W-MPJPE"] * 1.01


def test_errors_have_their_size(bodies) -> None:
    poses = axis_angle_to_matrix(motion())
    reference = Reference("a", "neutral", 30.0, np.ones(COUNT, bool), np.ones(COUNT, bool), poses)
    turned = poses.copy()
    turned[:, 0] = axis_angle_to_matrix(np.array([0, 0.2, 0])) @ poses[:, 0]
    evaluation = Evaluation(bodies)
    evaluation.add(reference, Predicted(np.arange(COUNT), turned, np.zeros(10)))
    for scores in evaluation.scores().values():
        assert scores["PA-MPJPE"] == pytest.approx(0, abs=0.01) and scores["MPJPE"] > 10


def test_acceleration_runs_over_seams_in_the_paper_and_not_in_the_other() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(14, 3))
    still = np.tile(base, (10, 1, 1))
    other = np.tile(rng.normal(size=(14, 3)), (10, 1, 1))
    scored = Scored([still, still], [still, other], [(0.0, 10), (0.0, 10)], [30.0, 30.0])
    assert scored.world()["ACCEL"] == pytest.approx(0, abs=1e-9)
    assert scored.paper()["ACCEL"] > 1


def test_units_of_acceleration() -> None:
    time = np.arange(30) / 30.0
    moved = np.zeros((30, 14, 3))
    moved[:, 5, 0] = 0.5 * 2.0 * time**2  # 2 m/s^2 of one joint in 14
    scored = Scored([moved], [np.zeros((30, 14, 3))], [], [30.0])
    assert scored.world()["ACCEL"] == pytest.approx(2 / 14, rel=1e-6)
    assert scored.paper()["ACCEL"] == pytest.approx(1000 * 2 / 14 / 900, rel=1e-6)


def test_world_metrics() -> None:
    rng = np.random.default_rng(0)
    body = rng.normal(size=(24, 3))
    way = np.stack([np.linspace(0, 5, 250), np.sin(np.linspace(0, 6, 250)), np.zeros(250)], axis=-1)
    target = body + way[:, None]
    turn = axis_angle_to_matrix(np.array([0, 0, 1.0]))
    same = target @ turn.T + [1, 2, 3]
    found = world_scores(same, target, 30.0, same[:, 10:12], target[:, 10:12])
    assert found["W-MPJPE"] == pytest.approx(0, abs=1e-3) and found["RTE"] == pytest.approx(0, abs=1e-6)
    drifting = target + np.linspace(0, 1, 250)[:, None, None] * [0, 1.0, 0]
    found = world_scores(drifting, target, 30.0)
    assert found["W-MPJPE"] > found["WA-MPJPE"] > 1
    assert 0 < root_error(drifting[:, 0], target[:, 0]) < 20
    shaking = target + 0.01 * np.array([0, 1.0, 0]) * (-1.0) ** np.arange(250)[:, None, None]
    assert world_scores(shaking, target, 30.0)["jitter"] == pytest.approx(0.01 * 8 * 30**3 / 10, rel=0.02)


def test_emdb(smpl, tmp_path) -> None:
    folder = tmp_path / "emdb" / "P1" / "14_outdoor"
    folder.mkdir(parents=True)
    poses = motion()
    view = np.tile(np.eye(4), (COUNT, 1, 1))
    view[:, :3, :3] = axis_angle_to_matrix(np.array([1.2, 0.1, 0.0]))
    content = {
        "name": "P1_14_outdoor",
        "gender": "female",
        "smpl": {"poses_root": poses[:, 0], "poses_body": poses[:, 1:].reshape(COUNT, 69),
                 "trans": np.zeros((COUNT, 3)), "betas": np.zeros(10)},
        "camera": {"extrinsics": view, "intrinsics": np.eye(3), "width": 1920, "height": 1440},
        "good_frames_mask": np.arange(COUNT) != 3,
        "bboxes": {"bboxes": np.tile([10.0, 10, 200, 400], (COUNT, 1))},
    }  # fmt: skip
    (folder / "P1_14_outdoor_data.pkl").write_bytes(pickle.dumps(content))
    (reference,) = read_emdb(tmp_path / "emdb")
    assert reference.valid.sum() == COUNT - 1 and reference.gender == "female"
    np.testing.assert_allclose(reference.poses[:, 0], view[:, :3, :3] @ axis_angle_to_matrix(poses[:, 0]))
    np.testing.assert_allclose(reference.keypoints[0, :, :2], [[10, 10], [200, 400]])


def test_rich_and_3dhp(smpl, tmp_path) -> None:
    rich = tmp_path / "rich"
    for t in range(5):
        folder = rich / "test_body" / "Gym_010" / f"{t:05d}"
        folder.mkdir(parents=True)
        content = {"global_orient": np.zeros((1, 3)), "body_pose": np.zeros((1, 63)), "transl": np.ones((1, 3)),
                   "betas": np.zeros((1, 10))}  # fmt: skip
        (folder / "001.pkl").write_bytes(pickle.dumps(content))
    calibration = rich / "scan_calibration" / "Gym" / "calibration"
    calibration.mkdir(parents=True)
    camera = np.concatenate([axis_angle_to_matrix(np.array([0.0, 0.3, 0.0])), np.ones((3, 1))], axis=1)
    written = cv2.FileStorage(str(calibration / "000.xml"), cv2.FILE_STORAGE_WRITE)
    written.write("CameraMatrix", camera)
    written.release()
    (reference,) = BENCHMARKS["rich"].read(rich)
    np.testing.assert_allclose(reference.poses[0, 0], camera[:, :3])
    assert reference.name == "Gym_010_001" and len(reference) == 5
    dhp = tmp_path / "3dhp" / "TS1"
    dhp.mkdir(parents=True)
    joints = np.random.default_rng(0).normal(size=(6, 1, 17, 3)) * 500
    with h5py.File(dhp / "annot_data.mat", "w") as file:
        file["annot3"] = joints
        file["valid_frame"] = np.array([[1, 1, 0, 1, 1, 1]])
    (reference,) = BENCHMARKS["mpi-inf-3dhp"].read(tmp_path / "3dhp")
    assert reference.valid.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(reference.joints[0, 0], joints[0, 0, 10] / 1000)  # the right ankle


def test_h36m(tmp_path) -> None:
    cdflib = pytest.importorskip("cdflib")
    folder = tmp_path / "S9" / "MyPoseFeatures" / "D3_Positions_mono"
    folder.mkdir(parents=True)
    joints = np.random.default_rng(0).normal(size=(60, 32, 3)) * 500
    written = cdflib.cdfwrite.CDF(str(folder / "Walking.54138969.cdf"))
    shape = {"Variable": "Pose", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [60, 96]}
    written.write_var(shape, var_data=joints.reshape(1, 60, 96))
    written.close()
    (reference,) = BENCHMARKS["h36m"].read(tmp_path)
    assert reference.name == "S9_Walking.54138969" and reference.valid.sum() == 3
    np.testing.assert_allclose(reference.joints[7, 0], joints[7, 3] / 1000)  # the right ankle


def test_a_checkpoint_runs_on_pictures_and_boxes(smpl, tmp_path) -> None:
    root = write_3dpw(tmp_path / "3dpw", people=1)
    pictures = root / "imageFiles" / "walk_00"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for n in range(COUNT):
        cv2.imwrite(str(pictures / f"image_{n:05d}.jpg"), rng.integers(0, 255, (160, 160, 3), np.uint8))
    torch.manual_seed(0)
    save_model(tmp_path / "int.safetensors", IntModel(IntConfig(temporal_length=16)))
    found = evaluate_benchmark("3dpw", root, tmp_path / "int.safetensors", smpl, "cpu", say=lambda _: None)
    assert found["sequences"]["walk_00"]["frames"] == COUNT - 2
    assert found["protocols"]["paper"]["PA-MPJPE"] > 20  # an untrained model


def test_missing_data_is_told_with_where_it_is_had(smpl, tmp_path, capsys) -> None:
    (tmp_path / "results").mkdir()
    for name in ("3dpw", "mpi-inf-3dhp", "emdb", "rich"):
        words = ["evaluate", name, "--root", str(tmp_path), "--model", str(tmp_path / "results"), "--smpl", str(smpl)]
        assert main(words) == DataSetError.exit_code
        said = capsys.readouterr().err
        assert "https://" in said and "research" in said
    words = ["evaluate", "3dpw", "--root", str(tmp_path), "--model", str(tmp_path / "results"), "--smpl", str(tmp_path)]
    assert main(words) != 0 and "smpl.is.tue.mpg.de" in capsys.readouterr().err


def test_the_papers_table(smpl, tmp_path, capsys) -> None:
    root = write_3dpw(tmp_path / "3dpw")
    own = results(root, tmp_path / "ours")
    words = ["evaluate", "3dpw", "--root", str(root), "--model", str(own), "--smpl", str(smpl)]
    assert main([*words, "--json", str(tmp_path / "ours.json")]) == 0
    assert "protocol `paper`" in capsys.readouterr().out
    assert main(["evaluate", "table", str(tmp_path / "ours.json")]) == 0
    said = capsys.readouterr().out
    assert "| INT-2 | yes | 42.0 | 75.6 | 87.9 | 16.5 | published: the paper, Table 1 |" in said
    assert "| **ours** |" in said and "**measured here**" in said
    assert json.loads((tmp_path / "ours.json").read_text())["benchmark"] == "3dpw"
    assert table_1([]).count("published") == 10
