"""Numbers of a take without a reference."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from test_refine import REST, marching

from inference_server.evaluate.quality import of_take, quality
from int_blender_addon.core.errors import BodyFileError
from int_blender_addon.core.motion import save_motion
from int_blender_addon.core.refine import RefineSettings, raw_extra, refine


def test_known_numbers() -> None:
    raw = marching(slide=0.3)
    planted = raw.contacts > 0.5
    found = quality(raw, REST, planted)
    assert found.sliding == pytest.approx(1000 * 0.3 / 30, rel=0.25)  # the feet slide as the body does
    assert found.path == pytest.approx(0.3 * (len(raw) - 1) / 30, rel=0.01)
    assert found.floor_apart < 5 and found.penetration < 5


def test_refining_shows_in_the_numbers(tmp_path: Path) -> None:
    raw = marching(noise=0.02)
    take = refine(raw, REST, RefineSettings())
    take.extra = raw_extra(raw)
    save_motion(tmp_path / "take.npz", take)
    rows = of_take(tmp_path / "take.npz")
    assert rows["refined"]["sliding"] < 0.2 * rows["raw"]["sliding"]
    assert rows["refined"]["jitter"] < rows["raw"]["jitter"]
    assert rows["refined"]["keys"] < rows["raw"]["keys"]
    take.body = "/somewhere/smpl.npz"
    save_motion(tmp_path / "other.npz", take)
    with pytest.raises(BodyFileError):
        of_take(tmp_path / "other.npz")


def test_a_take_without_contacts_has_no_sliding() -> None:
    raw = marching()
    assert np.isnan(quality(raw, REST, np.zeros((len(raw), 4), bool)).sliding)
