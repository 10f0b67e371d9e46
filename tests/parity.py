"""Our model and functions against outputs of the authors' code.

    .venvs/inference/bin/python tests/parity.py --golden tests/golden [--only CASE]

DIR holds a set in the goldens' form: `*_layout.json`, `*_model.npz`, `*_functions.npz`, made with the fill rule beside
this file. Seeds, shapes and cases are read from the files. Prints the largest difference of every field; the exit code
is 1 if one is past its tolerance.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from golden import fill_rule  # noqa: E402

from inference_server.body.smpl_layer import EXTRA_VERTICES, JOINTS_49, SmplLayer  # noqa: E402
from inference_server.evaluate.paper import paper_scores, vertex_error  # noqa: E402
from inference_server.evaluate.procrustes import similarity  # noqa: E402
from inference_server.model import crops  # noqa: E402
from inference_server.model.clips import chunks, first_time, interleaved  # noqa: E402
from inference_server.model.int_model import IntModel, rot6d_to_matrix  # noqa: E402
from inference_server.model.weak_camera import camera_translation, full_picture_camera, project_to_crop  # noqa: E402
from inference_server.motion.camera import solve_translation  # noqa: E402
from inference_server.train import losses  # noqa: E402
from inference_server.train.phases import PHASES  # noqa: E402
from inference_server.weights.authors import AuthorsCheckpoint, from_state_dict  # noqa: E402
from int_blender_addon.core.body import model_from_arrays  # noqa: E402
from int_blender_addon.core.rotations import (  # noqa: E402
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_multiply,
)

EXACT = 1e-9
ACCELERATED = losses.LossWeights(temporal=600.0, norm=0.01, acceleration=10.0)
SINGLE = {"rot6d": 3e-4, "theta": 3e-3, "kp": 3e-4, "verts": 3e-4}
DEGENERATE = {"noembed": 5e-3}  # one joint's 6D pair is nearly parallel there
CASE = re.compile(r"(?P<case>(?P<variant>\w+?)_B(?P<batch>\d+)T(?P<frames>\d+))/(?P<precision>f32|f64)/(?P<field>.+)")


@dataclass
class Report:
    """Differences, as they are found."""

    failed: list[str] = field(default_factory=list)
    quiet: bool = False

    def add(self, name: str, found: np.ndarray, golden: np.ndarray, tolerance: float) -> None:
        """Compare one field."""
        found, golden = np.asarray(found), np.asarray(golden)
        if found.shape != golden.shape:
            difference = float("inf")
        elif golden.size == 0:
            difference = 0.0
        else:
            difference = float(np.abs(found.astype(float) - golden.astype(float)).max())
        fine = difference <= tolerance
        if not fine:
            self.failed.append(name)
        if not self.quiet or not fine:
            print(f"{'ok  ' if fine else 'FAIL'} {name:58} {difference:9.2e}  of {tolerance:.0e}", flush=True)


@dataclass
class Golden:
    """A set of goldens."""

    layout: dict
    model: dict[str, np.ndarray]
    functions: dict[str, np.ndarray]

    @classmethod
    def load(cls, folder: Path) -> Golden:
        """Read the three files of a folder."""

        def one(pattern: str) -> Path:
            found = sorted(folder.glob(pattern))
            if len(found) != 1:
                raise SystemExit(f"{folder} holds {len(found)} files {pattern}, not one")
            return found[0]

        arrays = []
        for pattern in ("*_model.npz", "*_functions.npz"):
            with np.load(one(pattern), allow_pickle=False) as data:
                arrays.append(dict(data))
        return cls(json.loads(one("*_layout.json").read_text()), *arrays)

    def seed(self, what: str) -> int:
        """`weight`, `body` or `frame`."""
        return int(self.model.get(f"{what}_seed", self.layout[f"{what}_seed"]))


def body_of(seed: int) -> tuple[SmplLayer, dict[str, np.ndarray]]:
    """The synthetic body as a layer in double precision, and its arrays."""
    arrays = fill_rule.body_model(seed)
    body = model_from_arrays({**arrays, "weights": arrays["weights"]}, "synthetic")
    return SmplLayer(body, arrays["J_regressor_extra"]).double(), arrays


def checkpoint_of(golden: Golden, variant: str) -> AuthorsCheckpoint:
    """The synthetic checkpoint of a variant, through the product's own loader."""
    length = {"emb64": 64, "imageonly": 0, "noembed": 0}.get(variant, 16)
    entries = list(golden.layout["vanilla"])
    if variant == "parallel":
        entries += golden.layout["parallel_extra"]
    left_out = set(golden.layout["image_only_missing"]) if variant == "imageonly" else set()
    state = {}
    for key, shape, _ in entries:
        if key.startswith("smpl.") or key in left_out or (key == "temporal_pos_embedding" and not length):
            continue
        size = [1, length, shape[-1]] if key == "temporal_pos_embedding" else shape
        state[key] = torch.from_numpy(fill_rule.tensor_for(key, size, golden.seed("weight"))).double()
    return from_state_dict(state)


def model_of(checkpoint: AuthorsCheckpoint, variant: str) -> IntModel:
    """The model of a variant; the forms of attention without weights of their own are told by name."""
    if variant in ("series", "coupling", "temporal"):
        from dataclasses import replace

        checkpoint = AuthorsCheckpoint(checkpoint.state, replace(checkpoint.config, attention=variant), [])
    return checkpoint.model()


def cases(golden: Golden) -> dict[str, tuple[str, int, int]]:
    """Case names, with variant, clips and frames."""
    found = {}
    for name in golden.model:
        if match := CASE.fullmatch(name):
            found[match["case"]] = (match["variant"], int(match["batch"]), int(match["frames"]))
    return found


def outputs(
    model: IntModel, layer: SmplLayer, h36m: np.ndarray, images: torch.Tensor, vsel: np.ndarray
) -> dict[str, np.ndarray]:
    """Everything that the goldens tell of a forward pass."""
    with torch.no_grad():
        prediction = model(images)
        batch, frames = images.shape[:2]
        rotations = rot6d_to_matrix(prediction.rot6d)
        vertices, joints = layer(rotations.flatten(0, 1), prediction.betas.flatten(0, 1))
        kp_3d = layer.joints_49(vertices, joints).unflatten(0, (batch, frames))
        of_h36m = torch.einsum("jv,nvc->njc", torch.from_numpy(h36m).to(vertices), vertices).unflatten(
            0, (batch, frames)
        )
        angles = matrix_to_axis_angle(rotations.double().numpy()).reshape(batch, frames, 72)
        theta = np.concatenate([prediction.camera.numpy(), angles, prediction.betas.numpy()], axis=-1)
        return {
            "rot6d": prediction.rot6d.numpy(),
            "rotmat": rotations.numpy(),
            "theta": theta,
            "kp_3d": kp_3d.numpy(),
            "kp_2d": project_to_crop(kp_3d, prediction.camera).numpy(),
            "verts_sel": vertices.unflatten(0, (batch, frames))[:, :, vsel].numpy(),
            "kp_3d_h36m": of_h36m.numpy(),
            "kp_2d_h36m": project_to_crop(of_h36m, prediction.camera).numpy(),
        }


def inner(model: IntModel, images: torch.Tensor, stride: int, joint: int) -> dict[str, np.ndarray]:
    """Tokens, and the attention of the last temporal block for one joint."""
    batch, frames = images.shape[:2]
    with torch.no_grad():
        tokens = model.encode(images.flatten(0, 1), frames).unflatten(batch, frames)
        found = {
            "tokens_before": tokens.joints[..., ::stride].numpy(),
            "shape_cam_tokens": torch.stack([tokens.shape, tokens.camera], dim=2)[..., ::stride].numpy(),
        }
        if model.config.temporal == "joint":
            x = model.temporal.sequences(tokens.joints)
            for block in model.temporal.blocks[:-1]:
                x = block(x)
            last = model.temporal.blocks[-1]
            attention = last.attn.weights(last.norm1(x)).unflatten(0, (batch, -1))
            found["temporal_attn_last_joint18"] = attention[:, joint].numpy()
            found["tokens_after"] = model.temporal(tokens.joints)[..., ::stride].numpy()
        else:
            found["tokens_after"] = found["tokens_before"]
    return found


def compare_models(golden: Golden, report: Report, only: str | None = None) -> None:
    """All cases of the model file, in both precisions."""
    layer, arrays = body_of(golden.seed("body"))
    vsel, stride = golden.model["vsel"], int(golden.model["channel_stride"])
    models: dict[str, IntModel] = {}
    for case, (variant, batch, frames) in cases(golden).items():
        if only and only not in case:
            continue
        if variant not in models:
            models = {variant: model_of(checkpoint_of(golden, variant), variant)}
        images = torch.from_numpy(fill_rule.normalise64(fill_rule.frames(batch, frames, golden.seed("frame"))))
        for precision, dtype in (("f64", torch.float64), ("f32", torch.float32)):
            prefix = f"{case}/{precision}/"
            wanted = {name[len(prefix) :]: value for name, value in golden.model.items() if name.startswith(prefix)}
            if not wanted:
                continue
            # copies: what was single once is never double again
            model, body = models[variant], layer
            if dtype == torch.float32:
                model, body = copy.deepcopy(model).float(), copy.deepcopy(layer).float()
            with torch.backends.mkldnn.flags(enabled=dtype == torch.float64):  # its Winograd form doubles the noise
                found = outputs(model, body, arrays["J_regressor_h36m"], images.to(dtype), vsel)
            if precision == "f64":
                found |= inner(model, images, stride, int(golden.model["attn_joint"]))
            for name, value in wanted.items():
                if name.startswith("probe/"):
                    continue  # inner probes: what they lead to is compared
                ours = nearest_theta(found[name], value) if name == "theta" else found[name]
                report.add(prefix + name, ours, value, tolerance(variant, precision, name))


def compare_functions(golden: Golden, report: Report) -> None:
    """Everything in the functions file."""
    g = golden.functions

    def check(name: str, found: np.ndarray | float, limit: float = EXACT, entry: str | None = None) -> None:
        report.add(name, np.asarray(found), g[entry or name], limit)

    _compare_rotations(g, check)
    _compare_cameras(g, check)
    _compare_crops(g, check)
    _compare_scores(g, check, *body_of(golden.seed("body")))
    _compare_losses(g, check)
    for name in ("T16_seq16_interp1", "T16_seq8_interp1", "T16_seq4_interp1"):
        length = int(re.search(r"seq(\d+)", name)[1])
        pool = g[f"clips/{name}/calls"].shape[0] * length
        calls = interleaved(length, pool)[:, None] + pool * np.arange(g[f"clips/{name}/calls"].shape[1])[:, None]
        check(f"clips/{name}/calls", calls)
        merged = np.empty(calls.size)
        merged[calls.ravel()] = calls.ravel()
        check(f"clips/{name}/merged", merged[: g[f"clips/{name}/merged"].shape[0]])
    starts = np.cumsum([0, *g["chunks/len"][:-1]])
    padded = [chunks(int(n), 16, 16) for n in g["chunks/len"]]
    check("chunks/pad16_stride16", np.concatenate([c + s for c, s in zip(padded, starts, strict=True)]))
    unpadded = [chunks(int(n), 16, 8, pad=False) + s for n, s in zip(g["chunks/len"], starts, strict=True)]
    check("chunks/nopad16_stride8", np.concatenate(unpadded))
    check("chunks/valid", np.stack([first_time(row) for rows in padded for row in rows]))
    for name, config in (("lr/phase12_epoch_0_100", PHASES["1"]), ("lr/phase3_epoch_0_50", PHASES["3"])):
        check(name, [config.rate_at(epoch) / config.rate for epoch in range(len(g[name]))])


def _compare_rotations(g: dict[str, np.ndarray], check: Callable[..., None]) -> None:
    check("rot6d/rotmat", rot6d_to_matrix(torch.from_numpy(g["rot6d/in"])))
    check("rot6d/rotmat_f32", rot6d_to_matrix(torch.from_numpy(g["rot6d/in"]).float()), 1e-6)
    check("rotmat2aa/out", matrix_to_axis_angle(g["rotmat2aa/in"]))
    check("rotmat2aa/out_f32", matrix_to_axis_angle(g["rotmat2aa/in"]), 2e-3)
    quaternions, theirs = matrix_to_quaternion(g["rotmat2aa/in"]), g["rotmat2quat_wxyz/out"]
    same = np.where((quaternions * theirs).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)  # q and -q are one rotation
    check("rotmat2quat_wxyz/out", quaternions * same)
    check("rodrigues/out", losses.rodrigues(torch.from_numpy(g["rodrigues/in"])).flatten(1))
    pose, count = g["fbx_derived/pose_aa"], len(g["fbx_derived/pose_aa"])
    turned = axis_angle_to_quaternion(pose.reshape(count, 24, 3))
    quarter = np.sqrt(0.5)
    upright = quaternion_multiply(np.array([quarter, -quarter, 0, 0]), np.array([quarter, 0, 0, -quarter]))
    turned[:, 0] = quaternion_multiply(np.broadcast_to(upright, (count, 4)), turned[:, 0])
    theirs = g["fbx_derived/bone_quat_wxyz"]
    same = np.where((turned * theirs).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    check("fbx_derived/bone_quat_wxyz", turned * same)
    location = 100 * g["fbx_derived/trans"][:, [1, 2, 0]] - g["fbx_derived/pelvis_head"]
    check("fbx_derived/pelvis_location", location)


def _compare_cameras(g: dict[str, np.ndarray], check: Callable[..., None]) -> None:
    camera, points = torch.from_numpy(g["proj/cam"]), torch.from_numpy(g["proj/points"])
    check("proj/kp_2d", project_to_crop(points, camera))
    check("proj/cam_t", camera_translation(camera))
    size = tuple(int(side) for side in g["cropcam/img_wh"])
    found = full_picture_camera(g["proj/cam"], g["cropcam/bbox_cxcywh"], size)
    check("cropcam/orig_cam_sx_sy_tx_ty", found)
    lens = np.array([[5000.0, 0, 112], [0, 5000.0, 112], [0, 0, 1]])
    seen = g["esttrans/kp2d_conf"][:, 25:]  # their estimate leaves OpenPose's joints out
    translation = solve_translation(g["esttrans/S"][:, 25:], seen[..., :2], seen[..., 2], lens)
    check("esttrans/trans_f32", translation, 1e-3)


def _compare_crops(g: dict[str, np.ndarray], check: Callable[..., None]) -> None:
    keypoints = g["bbox/kp2d"]
    check("bbox/from_kp2d_one", crops.square_box(keypoints[0]))
    check("bbox/from_kp2d_seq", np.stack([crops.square_box(k) for k in keypoints], axis=1))
    sequence = [None if n in g["smooth/none_idx"] else k.copy() for n, k in enumerate(keypoints)]
    for number in g["smooth/zero_conf_idx"]:
        sequence[number][:, 2] = 0.0
    raw, first, last = crops.boxes_through_time(sequence)
    check("smooth/params_raw", raw)
    check("smooth/start_end", [first, last])
    for sigma in (3, 8):
        smoothed = crops.smooth_boxes(raw, sigma)
        check(f"smooth/sigma{sigma}", np.concatenate([np.zeros((first, 3)), smoothed]))  # theirs begin with zeros

    batch, frames, seed, height, width = (int(v) for v in g["crop/frames_spec"])
    pictures = fill_rule.frames(batch, frames, seed, size=height, size_w=width)[0]
    affines = np.stack([crops.crop_affine(box) for box in g["crop/bbox_cxcywh"]])
    check("crop/affine", affines)
    turned = crops.crop_affine(g["crop/bbox_cxcywh"][0], 0.9, 30.0, (0.1, -0.05))
    check("crop/affine_rot30_shift", turned, 1e-3)
    cut = np.stack([crops.crop(picture, affine) for picture, affine in zip(pictures, affines, strict=True)])
    check("crop/out_uint8", cut, 3)  # OpenCV before 5 rounds otherwise
    side = g["crop/net_in_slice_f32"].shape[-1]
    step = -(-cut.shape[1] // side)
    check("crop/net_in_slice_f32", crops.network_input(cut)[:, :, ::step, ::step], 3 / 255 / 0.224)
    moved = np.stack([crops.keypoints_in_crop(k, a) for k, a in zip(g["crop/kp_in"], affines, strict=True)])
    check("crop/kp_out", moved)
    check("crop/kp_norm", crops.normalized_keypoints(moved))
    check("flip/kp2d_out_w224", crops.flip_keypoints_2d(g["flip/kp2d_in"]))
    check("flip/kp3d_out", crops.flip_keypoints_3d(g["flip/kp3d_in"]))
    pose = crops.flip_pose(g["flip/pose_in"])
    pose[:, 69:] = g["flip/pose_in"][:, 69:]  # theirs leaves the right hand unflipped
    check("flip/pose_out", pose)


def _compare_scores(
    g: dict[str, np.ndarray], check: Callable[..., None], layer: SmplLayer, arrays: dict[str, np.ndarray]
) -> None:
    ours, theirs = g["pa/S1"], g["pa/S2"]
    aligned = np.stack([similarity(a, b)(a) for a, b in zip(ours, theirs, strict=True)])
    check("pa/S1_hat", aligned)
    check("pa/S1_hat_np", aligned)
    check("pa/err", np.linalg.norm(aligned - theirs, axis=-1).mean(axis=1))
    centred = [joints - joints[:, [2, 3]].mean(axis=1, keepdims=True) for joints in (ours, theirs)]
    check("errors_np/mpjpe", np.linalg.norm(centred[0] - centred[1], axis=-1).mean(axis=1))
    check("errors_np/pa", np.linalg.norm(aligned - theirs, axis=-1).mean(axis=1))
    check("accel/accel", np.linalg.norm(np.diff(ours, n=2, axis=0), axis=-1).mean(axis=1))
    errors = np.linalg.norm(np.diff(ours - theirs, n=2, axis=0), axis=-1).mean(axis=1)
    check("accel/err", errors)
    seen = g["accel/vis"]
    check("accel/err_vis", errors[seen[:-2] & seen[1:-1] & seen[2:]])

    vsel = g["smpl/vsel"]
    check("smpl/joint_map49_into54", JOINTS_49)
    check("smpl/extra_vertex_ids", EXTRA_VERTICES)
    betas = torch.from_numpy(g["smpl/betas"])
    posed = axis_angle_to_matrix(g["smpl/pose_aa"].reshape(len(betas), 24, 3))
    for rotations, suffix in ((posed, ""), (g["smpl/rotmat_in"], "_from_rotmat")):
        vertices, joints = layer(torch.from_numpy(rotations), betas)
        check(f"smpl/verts_sel{suffix}", vertices[:, vsel], 1e-7)  # their Rodrigues adds 1e-8 to the vector
        check(f"smpl/joints49{suffix}", layer.joints_49(vertices, joints), 1e-7)
        h36m = torch.einsum("jv,nvc->njc", torch.from_numpy(arrays["J_regressor_h36m"]), vertices)
        if not suffix:
            check("smpl/joints_h36m17", h36m, 1e-7)

    scores = paper_scores(g["eval/pred_j3d"].astype(float), g["eval/target_j3d_vis"].astype(float))
    for key, value in (
        ("mpjpe", scores.mpjpe),
        ("pa-mpjpe", scores.pa_mpjpe),
        ("accel", scores.accel),
        ("accel_err", scores.accel_err),
    ):
        check(f"eval/mm/{key}", value, 1e-2)
    skinned = []
    for key in ("pred", "target"):
        theta = g[f"eval/{key}_theta"].astype(float)
        rotations = torch.from_numpy(axis_angle_to_matrix(theta[:, 3:75].reshape(-1, 24, 3)))
        skinned.append(layer(rotations, torch.from_numpy(theta[:, 75:]))[0].numpy())
    check("eval/mm/pve", vertex_error(*skinned), 1e-2)


def _compare_losses(g: dict[str, np.ndarray], check: Callable[..., None]) -> None:
    def known(name: str) -> torch.Tensor:
        return torch.from_numpy(g[f"loss/{name}"])

    fields = ("kp_2d", "kp_3d", "theta")
    with_3d = losses.Targets(*(known(f"data_3d/{key}") for key in ("kp_2d", "kp_3d", "theta", "w_smpl")))
    video = losses.Targets(
        torch.cat([known("data_2d/kp_2d"), with_3d.kp_2d]), with_3d.kp_3d, with_3d.theta, with_3d.w_smpl
    )
    image = losses.Targets(*(known(f"img/{key}")[:, None] for key in ("kp_2d", "kp_3d", "theta", "w_smpl")))
    nothing = losses.Targets(video.kp_2d, video.kp_3d, video.theta, torch.zeros_like(video.w_smpl))
    apart = len(video.kp_2d) - len(with_3d.kp_2d)
    weights = {"phase12": losses.PHASE_1_2, "phase3": losses.PHASE_3, "accl": ACCELERATED}
    for phase, weight in weights.items():
        totals = {}
        for kind, targets, source, skip in (
            ("video", video, "pred", 0),
            ("video_3d_only", with_3d, "pred", apart),
            ("image", image, "pred_img", 0),
            ("video_no_smpl", nothing, "pred", 0),
        ):
            if f"loss/{phase}/{kind}/total" not in g:
                continue
            predicted = {key: known(f"{source}/{key}")[skip:].clone().requires_grad_() for key in fields}
            total, terms = losses.total_loss(predicted, targets, weight)
            totals[kind] = float(total.detach())
            check(f"loss/{phase}/{kind}/total", total.detach())
            for key, value in terms.items():
                if f"loss/{phase}/{kind}/{key}" in g:
                    check(f"loss/{phase}/{kind}/{key}", value.detach())
            if f"loss/{phase}/{kind}/grad_theta" in g:
                total.backward()
                for key in fields:
                    check(f"loss/{phase}/{kind}/grad_{key}", predicted[key].grad, 1e-5)
        share = losses.video_share(video.kp_2d, image.kp_2d)
        check(f"loss/{phase}/merged/vid_weight", share)
        check(f"loss/{phase}/merged/total", share * totals["video"] + (1 - share) * totals["image"])


def nearest_theta(found: np.ndarray, golden: np.ndarray) -> np.ndarray:
    """Theta (..., 85) with each axis-angle told as the golden tells it: near 180 degrees there are two ways."""
    told = found.astype(float).copy()
    ours, theirs = (values[..., 3:75].reshape(*values.shape[:-1], 24, 3) for values in (told, golden))
    length = np.maximum(np.linalg.norm(ours, axis=-1, keepdims=True), 1e-9)
    other = ours - 2 * np.pi * ours / length
    nearer = np.abs(other - theirs).max(axis=-1, keepdims=True) < np.abs(ours - theirs).max(axis=-1, keepdims=True)
    told[..., 3:75] = np.where(nearer, other, ours).reshape(*told.shape[:-1], 72)
    return told


def tolerance(variant: str, precision: str, name: str) -> float:
    """How far a field may be off."""
    if precision == "f64":
        return EXACT
    kind = next((limit for key, limit in SINGLE.items() if name.startswith(key)), 3e-3)
    return max(kind, DEGENERATE.get(variant, 0.0))


def main() -> int:
    """Compare a set; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=Path, default=ROOT / "tests" / "golden")
    parser.add_argument("--only", help="cases whose name holds this")
    options = parser.parse_args()
    golden = Golden.load(options.golden)
    report = Report()
    if not options.only:
        compare_functions(golden, report)
    compare_models(golden, report, options.only)
    print(f"{len(report.failed)} past tolerance" + (f": {', '.join(report.failed)}" if report.failed else ""))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
