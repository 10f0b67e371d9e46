"""Rotations: every form to every other and back, on any input."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from int_blender_addon.core.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    between_vectors,
    continuous_quaternions,
    geodesic_angle,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rot6d,
    nearest_rotation,
    normalize,
    quaternion_conjugate,
    quaternion_multiply,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    resample_quaternions,
    rot6d_to_matrix,
)

numbers = st.floats(-3.0, 3.0, allow_nan=False)
vectors = arrays(float, (5, 3), elements=numbers)


def is_rotation(matrices: np.ndarray) -> bool:
    identity = matrices @ matrices.swapaxes(-1, -2)
    return np.allclose(identity, np.eye(3), atol=1e-9) and np.allclose(np.linalg.det(matrices), 1.0, atol=1e-9)


@given(vectors)
def test_all_forms_agree(v: np.ndarray) -> None:
    matrices = axis_angle_to_matrix(v)
    assert is_rotation(matrices)
    assert np.allclose(quaternion_to_matrix(axis_angle_to_quaternion(v)), matrices, atol=1e-12)
    assert np.allclose(quaternion_to_matrix(matrix_to_quaternion(matrices)), matrices, atol=1e-9)
    assert np.allclose(axis_angle_to_matrix(matrix_to_axis_angle(matrices)), matrices, atol=1e-7)
    assert np.allclose(rot6d_to_matrix(matrix_to_rot6d(matrices)), matrices, atol=1e-9)
    back = quaternion_to_axis_angle(axis_angle_to_quaternion(v))
    assert (np.linalg.norm(back, axis=-1) <= np.pi + 1e-9).all()


@given(vectors, vectors)
def test_products_match_matrices(a: np.ndarray, b: np.ndarray) -> None:
    qa, qb = axis_angle_to_quaternion(a), axis_angle_to_quaternion(b)
    product = quaternion_to_matrix(quaternion_multiply(qa, qb))
    assert np.allclose(product, axis_angle_to_matrix(a) @ axis_angle_to_matrix(b), atol=1e-9)
    assert np.allclose(quaternion_multiply(qa, quaternion_conjugate(qa)), [1, 0, 0, 0], atol=1e-9)


@given(arrays(float, (4, 6), elements=numbers))
def test_rot6d_gives_rotations_whatever_comes(values: np.ndarray) -> None:
    columns = values.reshape(-1, 3, 2)
    if (np.linalg.norm(np.cross(columns[..., 0], columns[..., 1]), axis=-1) > 1e-3).all():
        assert is_rotation(rot6d_to_matrix(values))


@given(vectors, vectors)
def test_the_shortest_turn_takes_one_vector_to_the_other(a: np.ndarray, b: np.ndarray) -> None:
    long = (np.linalg.norm(a, axis=-1) > 1e-3) & (np.linalg.norm(b, axis=-1) > 1e-3)
    a, b = normalize(a[long]), normalize(b[long])
    turn = between_vectors(a, b)
    assert is_rotation(turn)
    assert np.allclose((turn @ a[..., None])[..., 0], b, atol=1e-6)


def test_opposite_vectors_are_turned_by_half_a_turn() -> None:
    axes = np.eye(3)
    turn = between_vectors(axes, -axes)
    assert is_rotation(turn) and np.allclose((turn @ axes[..., None])[..., 0], -axes, atol=1e-9)


@given(arrays(float, (20, 4), elements=numbers))
def test_signs_are_continuous_and_say_the_same(values: np.ndarray) -> None:
    q = normalize(values + [2.0, 0, 0, 0] * (np.linalg.norm(values, axis=-1, keepdims=True) < 0.1))
    fixed = continuous_quaternions(q)
    assert ((fixed[1:] * fixed[:-1]).sum(axis=-1) >= -1e-12).all()
    assert np.allclose(np.abs((fixed * q).sum(axis=-1)), 1.0)


def test_resampling_goes_the_short_way_at_constant_speed() -> None:
    angles = np.linspace(0.0, 5.0, 6)
    q = axis_angle_to_quaternion(np.outer(angles, [0.0, 0.0, 1.0]))
    q[::2] *= -1.0  # signs must not matter
    times = np.linspace(0.0, 5.0, 51)
    found = quaternion_to_matrix(resample_quaternions(q, angles, times))
    assert np.allclose(found, axis_angle_to_matrix(np.outer(times, [0.0, 0.0, 1.0])), atol=1e-9)


@given(vectors, st.floats(0.0, 0.2))
def test_the_nearest_rotation_to_a_noisy_one_is_near(v: np.ndarray, size: float) -> None:
    true = axis_angle_to_matrix(v)
    noisy = true + size * np.sin(np.arange(45).reshape(5, 3, 3))
    found = nearest_rotation(noisy)
    assert is_rotation(found) and (geodesic_angle(found, true) < 0.6).all()
