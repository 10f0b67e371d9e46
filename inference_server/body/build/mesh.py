"""Which faces are kept: skin and eyes, as far as they can be seen from outside."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import factorized
from scipy.spatial import cKDTree

from int_blender_addon.core.rotations import normalize

from .makehuman import SKIN_VERTICES, MakeHuman

GROUPS = ("body", "helper-l-eye", "helper-r-eye")
VIEWS = 128  # directions from which the head is looked at
CELL = 0.0015  # metres, of the depth pictures
IN_FRONT = 0.002
SAMPLES = 8  # along each side of a face
SEEN_PART, SEEN_VIEWS = 0.25, 2


def visible_faces(human: MakeHuman, vertices: np.ndarray) -> np.ndarray:
    """(F, 4) faces of skin and eyes without mouth, nostrils and sockets; a triangle repeats its last corner."""
    faces = np.array([[*face, face[-1]][:4] for group in GROUPS for face in human.groups[group][0]])
    centres = vertices[faces].mean(axis=1)
    neck = (human.heads @ vertices)[human.index["neck01"], 1]
    on_head = np.flatnonzero(centres[:, 1] > neck)
    seen = _views_that_see(vertices, faces[on_head])
    opposite = cKDTree(centres[on_head]).query(centres[on_head] * [-1, 1, 1])[1]
    seen = np.maximum(seen, seen[opposite])  # left as right
    keep = np.ones(len(faces), bool)
    keep[on_head[seen < SEEN_VIEWS]] = False
    kept = np.flatnonzero(keep)
    touching = sparse.coo_matrix(
        (np.ones(4 * len(kept)), (np.repeat(np.arange(len(kept)), 4), faces[kept].ravel())), (len(kept), len(vertices))
    ).tocsr()
    piece = connected_components(touching @ touching.T, directed=False)[1]
    sizes = np.bincount(piece)
    wanted = sizes == sizes.max()  # the skin
    wanted[piece[kept >= len(human.groups["body"][0])]] = True  # and the eyes
    keep[kept[~wanted[piece]]] = False
    return faces[keep]


def _views_that_see(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) from how many directions a good part of a face is not hidden by others."""
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES
    s, t = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    corners = np.stack([(1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t], axis=1)
    points = np.einsum("sk,fkd->fsd", corners, vertices[faces])
    number = np.arange(VIEWS) + 0.5
    polar, around = np.arccos(1 - 2 * number / VIEWS), np.pi * (1 + 5**0.5) * number
    views = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)
    seen = np.zeros(len(faces), int)
    diagonals = [vertices[faces[:, k + 2]] - vertices[faces[:, k]] for k in (0, 1)]
    normals = np.cross(*diagonals)
    for view in views:
        a = normalize(np.cross(view, [0.3, 0.9, 0.2]))
        b = np.cross(view, a)
        cells = np.floor(np.stack([points @ a, points @ b], axis=-1) / CELL).astype(int)
        cells -= cells.min(axis=(0, 1))
        cell = cells[..., 0] * (cells[..., 1].max() + 1) + cells[..., 1]
        depth = points @ view
        nearest = np.full(cell.max() + 1, -9.0)
        np.maximum.at(nearest, cell.ravel(), depth.ravel())
        in_front = (depth > nearest[cell] - IN_FRONT).mean(axis=1) > SEEN_PART
        seen += in_front & (normals @ view > 0)
    return seen


class FlatChest:
    """Lays the areolae flat: their vertices become harmonic in their surroundings."""

    def __init__(self, human: MakeHuman, faces: np.ndarray) -> None:
        moved: set[int] = set()
        for name in ("breast/nipple-point-incr", "breast/nipple-size-incr"):
            offsets = human.target(name)
            assert offsets is not None
            moved |= {int(v) for v in np.flatnonzero(np.abs(offsets).max(axis=1) > 1e-5) if v < SKIN_VERTICES}
        self._inside = np.array(sorted(moved))
        near = neighbours(faces, len(human.vertices))
        degree = np.asarray(near.sum(axis=1)).ravel()
        self._outside = np.setdiff1d(np.flatnonzero(degree > 0), self._inside)
        rows = near[self._inside]
        self._solve = factorized((sparse.diags(degree[self._inside]) - rows[:, self._inside]).tocsc())
        self._border = rows[:, self._outside]

    def __call__(self, vertices: np.ndarray) -> np.ndarray:
        """Vertices (V, 3), laid flat there."""
        result = vertices.copy()
        right = self._border @ vertices[self._outside]
        result[self._inside] = np.stack([self._solve(right[:, k]) for k in range(3)], axis=1)
        return result


def neighbours(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(V, V) one where an edge of quads or triangles joins two vertices."""
    edges = np.concatenate(
        [np.stack([faces[:, k], np.roll(faces, -1, axis=1)[:, k]], axis=1) for k in range(faces.shape[1])]
    )
    edges = edges[edges[:, 0] != edges[:, 1]]
    both = np.concatenate([edges, edges[:, ::-1]])
    matrix = sparse.coo_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count)).tocsr()
    matrix.data[:] = 1
    return matrix


def triangles(quads: np.ndarray) -> np.ndarray:
    """(F', 3) of quads (F, 4); those without area are left out."""
    both = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    a, b, c = both.T
    return both[(a != b) & (b != c) & (c != a)]


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) a third of the area of the triangles about each vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(faces.ravel(), np.repeat(area / 3, 3), len(vertices))
