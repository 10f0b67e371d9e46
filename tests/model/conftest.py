import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import parity


@pytest.fixture(scope="session")
def golden() -> parity.Golden:
    return parity.Golden.load(parity.ROOT / "tests" / "golden")


@pytest.fixture(scope="session")
def main_checkpoint(golden: parity.Golden):
    return parity.checkpoint_of(golden, "main")


@pytest.fixture(scope="session")
def images(golden: parity.Golden):
    import torch

    frames = parity.fill_rule.frames(1, 4, golden.seed("frame"))
    return torch.from_numpy(parity.fill_rule.normalise64(frames))
