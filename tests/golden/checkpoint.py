"""A checkpoint in the authors' envelope, its weights by the fill rule: python tests/golden/checkpoint.py OUT.pth.tar"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import parity  # noqa: E402


def write_checkpoint(path: Path, prefix: str = "module.") -> None:
    """Write one, with the metrics and the licensed buffers' names that the authors' files hold."""
    golden = parity.Golden.load(parity.ROOT / "tests" / "golden")
    state = {
        prefix + key: torch.from_numpy(parity.fill_rule.tensor_for(key, shape, golden.seed("weight")))
        for key, shape, _ in golden.layout["vanilla"]
        if not key.startswith("smpl.")
    }
    state[f"{prefix}smpl.betas"] = torch.zeros(1, 10)
    metrics = {"performance": np.float64(42.0), "history_best_performance": np.float32(42.0)}
    torch.save({"epoch": 3, **metrics, "state_dict": state, "optimizer": {}}, path)


if __name__ == "__main__":
    write_checkpoint(Path(sys.argv[1]))
