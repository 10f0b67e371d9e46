"""Rotations as arrays: matrices, unit quaternions (w first), axis-angle vectors and the 6D form.

Everything is batched over leading axes and works on float64. Matrices act on column vectors.
"""

from __future__ import annotations

import numpy as np

_TINY = 1e-12


def axis_angle_to_matrix(vectors: np.ndarray) -> np.ndarray:
    """Rodrigues' formula: (..., 3) radians to (..., 3, 3)."""
    return quaternion_to_matrix(axis_angle_to_quaternion(vectors))


def axis_angle_to_quaternion(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) radians to unit quaternions (..., 4), w first."""
    vectors = np.asarray(vectors, dtype=np.float64)
    half = 0.5 * np.linalg.norm(vectors, axis=-1, keepdims=True)
    # np.sinc is sin(pi x) / (pi x), finite at zero
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * vectors], axis=-1)


def quaternion_to_axis_angle(quaternions: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) to (..., 3) radians, the angle within [0, pi]."""
    q = normalize(quaternions)
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    scale = np.where(sine > _TINY, angle / np.maximum(sine, _TINY), 2.0)
    return scale * q[..., 1:]


def matrix_to_axis_angle(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, 3) to (..., 3) radians, the angle within [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrices))


def quaternion_to_matrix(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4), normalised first, to (..., 3, 3)."""
    w, x, y, z = np.moveaxis(normalize(quaternions), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, 3) to unit quaternions (..., 4) with w >= 0, stable at every angle (Shepperd's choice of pivot)."""
    m = np.asarray(matrices, dtype=np.float64)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # each row is 4 * q_k * q for one pivot component k; the largest diagonal entry is the safest
    rows = np.stack(
        [
            np.stack(
                [
                    1 + m00 + m11 + m22,
                    m[..., 2, 1] - m[..., 1, 2],
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 1, 0] - m[..., 0, 1],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 2, 1] - m[..., 1, 2],
                    1 + m00 - m11 - m22,
                    m[..., 0, 1] + m[..., 1, 0],
                    m[..., 0, 2] + m[..., 2, 0],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 0, 1] + m[..., 1, 0],
                    1 - m00 + m11 - m22,
                    m[..., 1, 2] + m[..., 2, 1],
                ],
                axis=-1,
            ),
            np.stack(
                [
                    m[..., 1, 0] - m[..., 0, 1],
                    m[..., 0, 2] + m[..., 2, 0],
                    m[..., 1, 2] + m[..., 2, 1],
                    1 - m00 - m11 + m22,
                ],
                axis=-1,
            ),
        ],
        axis=-2,
    )
    pivot = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    q = normalize(np.take_along_axis(rows, pivot[..., None, None], axis=-2)[..., 0, :])
    return np.where(q[..., :1] < 0, -q, q)


def rot6d_to_matrix(values: np.ndarray) -> np.ndarray:
    """The 6D form (Zhou et al. 2019) as INT reads it: (..., 6) is a 3x2 matrix, row by row, of the first two axes."""
    pairs = np.asarray(values, dtype=np.float64).reshape(*np.shape(values)[:-1], 3, 2)
    first = normalize(pairs[..., 0])
    second = pairs[..., 1] - np.sum(first * pairs[..., 1], axis=-1, keepdims=True) * first
    second = normalize(second)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def matrix_to_rot6d(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, 3) to (..., 6): the first two columns, row by row (inverse of `rot6d_to_matrix`)."""
    matrices = np.asarray(matrices, dtype=np.float64)
    return matrices[..., :2].reshape(*matrices.shape[:-2], 6)


def quaternion_multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of (..., 4) quaternions: first `b`, then `a`."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quaternion_conjugate(quaternions: np.ndarray) -> np.ndarray:
    """The inverse of unit quaternions (..., 4)."""
    return np.asarray(quaternions, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def continuous_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """Signs chosen so that neighbours along the first axis lie on the same side: (T, ..., 4)."""
    q = np.array(quaternions, dtype=np.float64)
    if len(q) < 2:
        return q
    flips = np.sum(q[1:] * q[:-1], axis=-1) < 0
    signs = np.where(np.cumsum(flips, axis=0) % 2 == 1, -1.0, 1.0)
    q[1:] *= signs[..., None]
    return q


def slerp(a: np.ndarray, b: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """The shortest great-circle path between unit quaternions (..., 4); `fraction` (...) from 0 to 1."""
    turn = quaternion_to_axis_angle(quaternion_multiply(quaternion_conjugate(a), b))
    return quaternion_multiply(a, axis_angle_to_quaternion(turn * np.asarray(fraction)[..., None]))


def resample_quaternions(quaternions: np.ndarray, times: np.ndarray, new_times: np.ndarray) -> np.ndarray:
    """Unit quaternions (T, ..., 4) at `times` (T,), interpolated on SO(3) at `new_times` (S,), held at the ends."""
    left, fraction = bracket(times, new_times)
    fraction = fraction.reshape(-1, *([1] * (np.ndim(quaternions) - 2)))
    right = np.minimum(left + 1, len(times) - 1)
    shape = (
        np.broadcast_shapes(fraction.shape, np.shape(quaternions)[1:-1]) if np.ndim(quaternions) > 2 else fraction.shape
    )
    return slerp(quaternions[left], quaternions[right], np.broadcast_to(fraction, (len(left), *shape[1:])))


def bracket(times: np.ndarray, new_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each new time the index of the sample before it and the fraction of the way to the next, held at the ends."""
    times = np.asarray(times, dtype=np.float64)
    left = np.clip(np.searchsorted(times, new_times, side="right") - 1, 0, max(len(times) - 2, 0))
    right = np.minimum(left + 1, len(times) - 1)
    span = np.maximum(times[right] - times[left], _TINY)
    return left, np.clip((np.asarray(new_times, dtype=np.float64) - times[left]) / span, 0.0, 1.0)


def matrix_to_euler(matrices: np.ndarray, order: str = "XYZ") -> np.ndarray:
    """Angles (T, 3) about x, y, z of rotations (T, 3, 3), without jumps; the first letter of `order` turns first.

    Of the two ways to tell a rotation the one nearer to the frame before is taken, and whole turns are unrolled.
    """
    i, j, k = ("XYZ".index(letter) for letter in order)
    sign = 1.0 if (i, j, k) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1.0
    m = np.asarray(matrices, dtype=np.float64)
    across = np.hypot(m[:, i, i], m[:, j, i])
    locked = across < 1e-6
    first = np.where(locked, np.arctan2(-sign * m[:, j, k], m[:, j, j]), np.arctan2(sign * m[:, k, j], m[:, k, k]))
    middle = np.arctan2(-sign * m[:, k, i], across)
    last = np.where(locked, 0.0, np.arctan2(sign * m[:, j, i], m[:, i, i]))
    one = np.stack([first, middle, last], axis=-1)
    other = np.stack([first + np.pi, np.pi - middle, last + np.pi], axis=-1)
    found = np.empty_like(one)
    before = np.zeros(3)
    for t, pair in enumerate(zip(one, other, strict=True)):
        turned = [angles + 2 * np.pi * np.round((before - angles) / (2 * np.pi)) for angles in pair]
        before = found[t] = min(turned, key=lambda angles: np.abs(angles - before).sum())
    result = np.empty_like(found)
    result[:, [i, j, k]] = found
    return result


def euler_to_matrix(angles: np.ndarray, order: str = "XYZ") -> np.ndarray:
    """Rotations (..., 3, 3) of angles (..., 3) about x, y, z; the first letter of `order` turns first."""
    angles = np.asarray(angles, dtype=np.float64)
    result = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for letter in order:
        axis = "XYZ".index(letter)
        result = axis_angle_to_matrix(np.eye(3)[axis] * angles[..., axis, None]) @ result
    return result


def nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotation nearest to any (..., 3, 3) matrix in the Frobenius norm (by SVD, determinant +1)."""
    u, _, vt = np.linalg.svd(np.asarray(matrices, dtype=np.float64))
    u[..., :, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None]
    return u @ vt


def geodesic_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle in radians between rotation matrices (..., 3, 3)."""
    return np.linalg.norm(matrix_to_axis_angle(np.swapaxes(a, -1, -2) @ b), axis=-1)


def between_vectors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation (..., 3, 3) that turns direction `a` (..., 3) into direction `b`."""
    a, b = normalize(a), normalize(b)
    a, b = np.broadcast_arrays(a, b)
    # by way of the direction half-way: exact for nearly opposite ones too; for opposite ones any axis across will do
    across = np.cross(a, np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    half = a + b
    opposite = np.linalg.norm(half, axis=-1, keepdims=True) < 1e-9
    half = normalize(half)
    cosine = np.sum(a * half, axis=-1, keepdims=True)
    q = np.concatenate([np.where(opposite, 0.0, cosine), np.where(opposite, across, np.cross(a, half))], axis=-1)
    return quaternion_to_matrix(q)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors along the last axis; the zero vector stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY)
