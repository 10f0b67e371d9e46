"""Our model and functions against outputs of the authors' code.

    .venvs/inference/bin/python tests/parity.py --golden tests/golden [--only CASE]

DIR holds a set in the goldens' form: `*_layout.json`, `*_model.npz`, `*_functions.npz`, made with the fill rule beside
this file. Seeds, shapes and cases are read from the files. Prints the largest difference of every field; the exit code
is 1 if one is past its tolerance.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from golden import fill_rule  # noqa: E402

from inference_server.body.smpl_layer import SmplLayer  # noqa: E402
from inference_server.model.int_model import IntModel, rot6d_to_matrix  # noqa: E402
from inference_server.model.weak_camera import project_to_crop  # noqa: E402
from inference_server.weights.authors import AuthorsCheckpoint, from_state_dict  # noqa: E402
from int_blender_addon.core.body import model_from_arrays  # noqa: E402
from int_blender_addon.core.rotations import matrix_to_axis_angle  # noqa: E402

EXACT = 1e-9
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
            model, body = models[variant].to(dtype), layer.to(dtype)
            found = outputs(model, body, arrays["J_regressor_h36m"], images.to(dtype), vsel)
            if precision == "f64":
                found |= inner(model, images, stride, int(golden.model["attn_joint"]))
            for name, value in wanted.items():
                if name.startswith("probe/"):
                    continue  # inner probes: what they lead to is compared
                report.add(prefix + name, found[name], value, tolerance(variant, precision, name))
        models[variant].double()
        layer.double()


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
    compare_models(golden, report, options.only)
    print(f"{len(report.failed)} past tolerance" + (f": {', '.join(report.failed)}" if report.failed else ""))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
