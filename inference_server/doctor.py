"""What is installed, found and missing; and for what is missing, who publishes it. Downloads nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from int_blender_addon.core.body import load_free_body
from int_blender_addon.core.errors import MocapError

from . import __version__

NEEDED = ("numpy", "scipy", "av", "cv2", "ai_edge_litert", "threadpoolctl")
FOR_NETWORKS = ("torch", "torchvision", "timm", "safetensors")
OPTIONAL = {"smplx": "the authors' body layer, for research (non-commercial)", "tensorboard": "curves while training"}
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "ai_edge_litert": "ai-edge-litert"}
AUTHORS = """\
The paper's checkpoints: published by its authors beside their code (github.com/yangsenius/INT_HMR_Model), for
non-commercial research. Give the file to --model. The SMPL body: smpl.is.tue.mpg.de, after registration,
non-commercial. Give the .npz or .pkl to --body. Neither is needed: the landmark model and the free body ship."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    state: str
    fine: bool = True


def report() -> tuple[str, bool]:
    """The report as text, and whether a capture can run."""
    findings = [
        Finding("version", __version__),
        Finding("python", f"{platform.python_version()} ({sys.executable})", sys.version_info >= (3, 11)),
        Finding("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
    ]
    findings += [_package(name, True) for name in NEEDED]
    findings += [_package(name, False) for name in FOR_NETWORKS]
    findings += [_package(name, False, text) for name, text in OPTIONAL.items()]
    findings += [Finding("device", _device())]
    findings += [_tried("landmark networks", _networks), _tried("free body", _body), _tried("landmark model", _weights)]
    findings.append(Finding("ffmpeg program", shutil.which("ffmpeg") or "none (not needed)"))
    width = max(len(f.what) for f in findings)
    lines = [f"{'ok ' if f.fine else 'NO '} {f.what:<{width}}  {f.state}" for f in findings]
    return "\n".join([*lines, "", AUTHORS]), all(f.fine for f in findings)


def _package(name: str, needed: bool, purpose: str = "") -> Finding:
    if util.find_spec(name) is None:
        return Finding(name, "missing" + (f" ({purpose})" if purpose else ""), not needed)
    try:
        version = metadata.version(DISTRIBUTIONS.get(name, name))
    except metadata.PackageNotFoundError:
        version = "found"
    return Finding(name, version)


def _device() -> str:
    if util.find_spec("torch") is None:
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu (torch sees no CUDA device)"


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, attempt())
    except MocapError as error:
        return Finding(what, error.message, False)


def _networks() -> str:
    from .people.network import DATA

    files = sorted(Path(DATA).glob("*.tflite"))
    if len(files) < 3:
        raise MocapError(f"{DATA} lacks some of the three networks: install the extension again.")
    return ", ".join(f"{file.stem} {file.stat().st_size / 1e6:.0f} MB" for file in files)


def _body() -> str:
    body = load_free_body()
    return f"{len(body.v_template)} vertices, {len(body.faces)} faces"


def _weights() -> str:
    path = Path(__file__).parent / "model" / "data" / "int_landmarks.safetensors"
    return f"{path.name} {path.stat().st_size / 1e6:.1f} MB" if path.exists() else "none; captures use the fit alone"
