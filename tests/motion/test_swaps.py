"""Left-right swaps put into a clean track are found where they are, and nowhere else."""

import numpy as np
import pytest
from scripted import walking_track

from inference_server.motion.swaps import GROUPS, find_swaps, undo_swaps


@pytest.mark.parametrize("yaw", [0.0, 0.6, 1.2, 1.57, 2.4, 3.14])
@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_a_clean_walk_has_no_swaps(yaw: float, fps: float) -> None:
    track = walking_track(yaw=yaw, fps=fps, noise=0.01)
    assert find_swaps(track).mean() < 0.01


@pytest.mark.parametrize("groups", [("torso", "arms", "legs"), ("legs",), ("arms",)])
@pytest.mark.parametrize("yaw", [0.0, 0.7, 3.0])
def test_a_swap_is_found_and_undone(groups: tuple[str, ...], yaw: float) -> None:
    clean = walking_track(yaw=yaw, fps=30.0, noise=0.008)
    wrong = np.zeros(clean.visibility.shape, bool)
    for group in groups:
        wrong[40:75, GROUPS[group].ravel()] = True
    found = find_swaps(undo_swaps(clean, wrong))
    assert (found == wrong)[:, 11:].mean() > 0.97
    repaired = undo_swaps(undo_swaps(clean, wrong), found)
    assert np.linalg.norm(repaired.image - clean.image, axis=-1).mean() < 2.0
