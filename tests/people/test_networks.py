"""Detector and landmarker against the outputs of the reference implementation, and their parts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference_server.people.detector import Detector, anchors, box_overlap, merge_overlapping
from inference_server.people.landmarker import HEATMAP, Landmarker, refined
from inference_server.people.network import Network
from inference_server.people.region import Region, overlap, region_from_points
from inference_server.people.search import squares
from inference_server.video import read_frames
from int_blender_addon.core.errors import ModelFileError

DATA = Path(__file__).parents[1] / "data"

regions = st.builds(Region, st.floats(-500, 2000), st.floats(-500, 2000), st.floats(20, 3000), st.floats(-np.pi, np.pi))


@pytest.mark.parametrize(
    ("quality", "network", "frames", "pixels", "metres"),
    [("fast", "full", 100, 1.5, 0.015), ("best", "heavy", 30, 1.0, 0.02)],
)
def test_agrees_with_the_reference(quality, network, frames, pixels, metres):
    """The tolerances are those of another decoder of the same outputs; a wrong sign or order is off by hundreds."""
    reference = np.load(DATA / "blazepose" / f"single_cam01_{network}_static.npz")
    detector, landmarker = Detector(), Landmarker(quality)
    distance, visibility, world = [], [], []
    for frame in read_frames(DATA / "videos" / "pose2sim_single_cam01.mp4"):
        if frame.index == frames:
            break
        (detection,) = detector(frame.image)
        pose = landmarker(frame.image, detection.region)
        assert pose.score > 0.9
        distance.append(np.linalg.norm(pose.image - reference["landmarks2d"][frame.index], axis=1))
        visibility.append(np.abs(pose.visibility - reference["visibility"][frame.index]))
        world.append(np.linalg.norm(pose.world - reference["world"][frame.index], axis=1))
    assert len(distance) == frames
    assert np.median(distance) < pixels
    assert np.percentile(distance, 95) < 6
    assert np.median(visibility) < 1e-3
    assert np.median(world) < metres


def test_nobody_in_an_empty_picture():
    assert Detector()(np.full((480, 640, 3), 127, dtype=np.uint8)) == []


def test_anchors():
    centres = anchors()
    assert centres.shape == (2254, 2)
    assert centres[0] == pytest.approx([0.5 / 28, 0.5 / 28])
    assert centres[2] == pytest.approx([1.5 / 28, 0.5 / 28])  # x runs first, two in a cell
    assert centres[28 * 28 * 2] == pytest.approx([0.5 / 14, 0.5 / 14])
    assert centres[-1] == pytest.approx([6.5 / 7, 6.5 / 7])


def test_overlapping_boxes_become_their_weighted_mean():
    boxes = np.zeros((3, 12))
    boxes[:, :4] = [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]]
    kept = merge_overlapping(boxes, np.array([0.6, 0.9, 0.7]))
    assert [score for _, score in kept] == [0.9, 0.7]
    assert kept[0][0][:4] == pytest.approx([0.6, 0, 10.6, 10])
    assert kept[1][0][:4] == pytest.approx([50, 50, 60, 60])


@given(hnp.arrays(float, (6, 12), elements=st.floats(-300, 300)), hnp.arrays(float, 6, elements=st.floats(0.5, 1)))
def test_merging_ends_with_boxes_of_the_scores_given(boxes, scores):
    kept = merge_overlapping(boxes, scores)
    assert 1 <= len(kept) <= 6
    assert kept[0][1] == scores.max()


def test_box_overlap():
    box, others = np.array([0, 0, 10, 10.0]), np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10.0]])
    assert box_overlap(box, others) == pytest.approx([1, 1 / 3, 0])


@given(regions, hnp.arrays(float, (5, 2), elements=st.floats(-1, 2)))
def test_region_coordinates_go_there_and_back(region, points):
    assert np.allclose(region.from_picture(region.to_picture(points)), points, atol=1e-8)


@given(regions)
def test_a_region_has_its_points_upright(region):
    again = region_from_points(region.to_picture(np.array([0.5, 0.5])), region.to_picture(np.array([0.5, 0.1])))
    assert again.side == pytest.approx(region.side)  # the point on the circle lies at 1 / 2.5 of the side
    assert np.cos(again.angle - region.angle) == pytest.approx(1)


@given(regions)
def test_a_region_overlaps_itself(region):
    assert overlap(region, region) == pytest.approx(1)
    assert overlap(region, region._replace(x=region.x + 2 * region.side)) == 0


@pytest.mark.parametrize("side", [200.0, 1500.0, 5000.0])
@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0])
def test_a_cut_shows_the_place_it_says(side, angle):
    region = Region(900.0, 700.0, side, angle)
    place = region.to_picture(np.array([0.46, 0.55]))
    image = np.zeros((1500, 2000, 3), dtype=np.uint8)
    y, x = np.mgrid[:1500, :2000]
    spot = 255 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (0.02 * side) ** 2)
    image[:] = spot[:, :, None]
    cut = region.cut(image, 256)[:, :, 0].astype(float)
    rows, columns = np.mgrid[:256, :256]
    found = np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum() / 256
    assert found == pytest.approx([0.46, 0.55], abs=0.5 / 256)


def test_a_cut_outside_of_the_picture_is_black():
    image = np.full((100, 100, 3), 255, dtype=np.uint8)
    for side in (50.0, 5000.0):
        assert Region(9000.0, 9000.0, side, 0.3).cut(image, 256).max() == 0


def test_refinement_finds_the_centre_of_heat():
    heatmap = np.full((HEATMAP, HEATMAP, 1), -20.0)
    heatmap[30:33, 41:44, 0] = 3.0  # rows, columns
    assert refined(np.array([[40.2, 30.9]]) / HEATMAP, heatmap) * HEATMAP == pytest.approx(np.array([[42, 31]]))
    assert refined(np.array([[10.0, 10.0]]) / HEATMAP, heatmap) * HEATMAP == pytest.approx(np.array([[10, 10]]))


@given(hnp.arrays(float, (4, 2), elements=st.floats(-3, 3)), st.integers(0, 2**32 - 1))
def test_refinement_moves_no_further_than_its_window(points, seed):
    heatmap = np.random.default_rng(seed).normal(scale=5, size=(HEATMAP, HEATMAP, 4))
    moved = refined(points, heatmap)
    assert np.isfinite(moved).all()
    assert np.abs(moved - points).max() <= 4 / HEATMAP + 1e-9


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_search_squares_cover_the_picture(width, height):
    tiles = squares(width, height, min(width, height))
    if not tiles:
        assert max(width, height) < 1.2 * min(width, height)
        return
    covered = np.zeros((height // 16 + 1, width // 16 + 1), dtype=bool)
    for left, top, w, h in tiles:
        assert left >= 0 and top >= 0 and left + w <= width and top + h <= height
        covered[top // 16 : (top + h) // 16 + 1, left // 16 : (left + w) // 16 + 1] = True
    assert covered.all()


def test_a_file_that_is_no_network(tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelFileError):
        Network(path, 1)
    with pytest.raises(ModelFileError):
        Network(tmp_path / "missing.tflite", 1)
