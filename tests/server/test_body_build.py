"""The pieces of the free body's builder that need no wheel."""

import numpy as np
import pytest

from inference_server.body.build.__main__ import LANDMARKS, order_with
from inference_server.body.build.mesh import triangles, vertex_areas
from inference_server.body.build.skinning import convex_fit, pruned, softened


def test_pruned_weights_sum_to_one_and_keep_the_four_greatest():
    rng = np.random.default_rng(0)
    weights = pruned(rng.random((50, 24)))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert ((weights > 0).sum(axis=1) == 4).all()


def test_softening_blends_across_an_edge_and_keeps_the_sum():
    strip = np.array([[0, 1, 3, 2], [2, 3, 5, 4]])
    weights = softened(np.eye(2)[[0, 0, 0, 0, 1, 1]], triangles(strip))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert 0 < weights[2, 1] < weights[4, 1] < 1


def test_a_convex_fit_finds_the_point_that_moves_with_its_vertices():
    rng = np.random.default_rng(1)
    shapes = rng.normal(size=(40, 30, 3))
    true = np.zeros(30)
    true[[2, 5, 11]] = 0.5, 0.3, 0.2
    points = np.einsum("v,nvd->nd", true, shapes)
    found = convex_fit(shapes, points, np.arange(30), 30)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert np.abs(np.einsum("v,nvd->nd", found, shapes) - points).max() < 0.02


def test_quads_that_repeat_a_corner_give_one_triangle():
    quads = np.array([[0, 1, 2, 3], [4, 5, 6, 6]])
    faces = triangles(quads)
    assert len(faces) == 3
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    assert vertex_areas(square, triangles(quads[:1])).sum() == pytest.approx(1)


def test_landmarks_come_to_the_places_of_smplx():
    rng = np.random.default_rng(2)
    marks = dict(zip(LANDMARKS, rng.choice(9000, len(LANDMARKS), replace=False), strict=True))
    order = order_with(marks, 9000)
    assert sorted(order) == list(range(9000))
    assert all(order[LANDMARKS[name]] == marks[name] for name in marks)
