import numpy as np
import pytest
from reference import assert_close, band_limited, points, rotate, synthesize
from scipy import stats
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere import SphericalGrid, sht
from spherical_cnn.sphere.rotation import (
    euler_to_matrix,
    generators,
    half_turn_matrices,
    matrix_to_euler,
    random_rotations,
    rotate_coefficients,
    rotate_signal,
)

ANGLES = np.array([[0.3, 1.1, -2.0], [2.5, 0.4, 3.0], [0.0, 2.9, 0.1]])


def about_z(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def about_y(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def polynomial(x):
    return np.stack([x[..., 0] * x[..., 1] + 2 * x[..., 2], x[..., 0] ** 2 * x[..., 1] - 1], -1)


def rotation_angle(matrices):
    return np.arccos(np.clip((np.trace(matrices, axis1=-2, axis2=-1) - 1) / 2, -1, 1))


def test_euler_angles_are_active_zyz():
    for alpha, beta, gamma in ANGLES:
        expected = about_z(alpha) @ about_y(beta) @ about_z(gamma)
        np.testing.assert_allclose(euler_to_matrix((alpha, beta, gamma)), expected, atol=1e-15)


def test_matrices_of_many_angles_keep_their_shape():
    angles = np.stack([ANGLES, -ANGLES])
    matrices = euler_to_matrix(angles)
    assert matrices.shape == (2, 3, 3, 3)
    assert matrix_to_euler(matrices).shape == (2, 3, 3)
    np.testing.assert_allclose(matrices[1, 2], euler_to_matrix(-ANGLES[2]), atol=1e-15)


def test_matrix_to_euler_inverts_euler_to_matrix(rng):
    angles = random_rotations(100, rng)
    recovered = matrix_to_euler(euler_to_matrix(angles))
    assert np.all((recovered[:, 1] >= 0) & (recovered[:, 1] <= np.pi))
    np.testing.assert_allclose(np.exp(1j * recovered), np.exp(1j * angles), atol=1e-7)


@pytest.mark.parametrize("beta", [0, np.pi])
def test_euler_angles_at_the_poles_have_gamma_zero(beta):
    matrix = euler_to_matrix((0.7, beta, 0.4))
    angles = matrix_to_euler(matrix)
    np.testing.assert_allclose(angles[1:], [beta, 0], atol=1e-7)
    np.testing.assert_allclose(euler_to_matrix(angles), matrix, atol=1e-7)


def test_random_rotations_follow_the_haar_measure(rng):
    matrices = euler_to_matrix(random_rotations(20_000, rng))
    # The rotation angle has density (1 - cos ω) / π, also after any fixed rotation on either side.
    for fixed in (np.eye(3), about_y(1.0), about_z(2.0) @ about_y(0.5)):
        for moved in (fixed @ matrices, matrices @ fixed):
            angle = rotation_angle(moved)
            assert stats.kstest(angle, lambda w: (w - np.sin(w)) / np.pi).pvalue > 0.01
    np.testing.assert_allclose(matrices.mean(axis=0), np.zeros((3, 3)), atol=0.02)


def test_random_rotations_depend_only_on_the_generator():
    first, second = (random_rotations(5, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (5, 3)


def wigner_matrices(bandwidth, angles):
    """`(L, 2L-1, 2L-1)`: rotated unit coefficients."""
    units = np.broadcast_to(np.eye(2 * bandwidth - 1), (1, bandwidth, *2 * [2 * bandwidth - 1]))
    return rotate_coefficients(units, angles)[0]


def identity(bandwidth):
    orders, degrees = np.arange(1 - bandwidth, bandwidth), np.arange(bandwidth)[:, None]
    return (np.abs(orders) <= degrees)[:, :, None] * np.eye(2 * bandwidth - 1)


@pytest.mark.parametrize("angles", ANGLES)
def test_wigner_matrices_match_those_of_lie_learn(angles):
    """Its real basis is ours without the Condon–Shortley phase."""
    oracle = pytest.importorskip("lie_learn.representations.SO3.wigner_d", exc_type=ImportError)
    phase = (-1.0) ** np.arange(-31, 32)
    found = phase[:, None] * wigner_matrices(32, angles) * phase
    for l, matrix in enumerate(found):
        inside = slice(31 - l, 32 + l)
        expected = oracle.wigner_D_matrix(l, *angles)
        np.testing.assert_allclose(matrix[inside, inside], expected, atol=1e-12, err_msg=f"{l=}")


@pytest.mark.parametrize("bandwidth", [32, pytest.param(128, marks=pytest.mark.slow)])
def test_half_turns_match_those_of_lie_learn(bandwidth):
    """Its `J` is a reflection, ours a rotation: they differ by the parity of the degree."""
    oracle = pytest.importorskip("lie_learn.representations.SO3.wigner_d", exc_type=ImportError)
    phase = (-1.0) ** np.arange(1 - bandwidth, bandwidth)
    found = phase[:, None] * half_turn_matrices(bandwidth) * phase
    for l, matrix in enumerate(found):
        inside = slice(bandwidth - 1 - l, bandwidth + l)
        expected = (-1) ** l * oracle.Jd[l]
        np.testing.assert_allclose(matrix[inside, inside], expected, atol=1e-12, err_msg=f"{l=}")


@pytest.mark.parametrize("bandwidth", [1, 2, 8, 32])
def test_wigner_matrices_are_orthogonal(bandwidth):
    matrices = wigner_matrices(bandwidth, ANGLES[0])
    products = matrices @ matrices.swapaxes(1, 2)
    np.testing.assert_allclose(products, identity(bandwidth), atol=1e-12)


def test_wigner_matrices_compose_as_rotations_do():
    first, second = euler_to_matrix(ANGLES[:2])
    composed = wigner_matrices(32, matrix_to_euler(first @ second))
    product = wigner_matrices(32, ANGLES[0]) @ wigner_matrices(32, ANGLES[1])
    np.testing.assert_allclose(composed, product, atol=1e-12)


def test_generators_are_the_derivatives_of_rotations():
    step = 1e-5
    for axis, generator in zip(np.eye(3), generators(5), strict=True):
        rotations = matrix_to_euler(Rotation.from_rotvec([step * axis, -step * axis]).as_matrix())
        forward, backward = (wigner_matrices(5, angles) for angles in rotations)
        np.testing.assert_allclose(generator, (forward - backward) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("angles", [*ANGLES, (0.5, 0.0, 0.2), (0.5, np.pi, 0.2)])
def test_rotated_signal_is_the_signal_at_the_inverse_rotation(angles):
    grid = SphericalGrid(4)
    signal = polynomial(points(4))[None]
    expected = polynomial(points(4) @ euler_to_matrix(angles))[None]
    assert_close(rotate_signal(signal, angles, grid), expected, 1e-12)
    coefficients = rotate_coefficients(sht(signal, grid), angles)
    assert_close(synthesize(coefficients), expected, 1e-12)


def test_rotated_coefficients_match_the_oracle(rng):
    coefficients = band_limited(rng, 10)
    expected = rotate(coefficients, euler_to_matrix(ANGLES[0]))
    assert_close(rotate_coefficients(coefficients, ANGLES[0]), expected, 1e-11)


def test_many_signals_of_one_rotation_are_rotated_as_each_alone(rng):
    coefficients = band_limited(rng, 10, channels=7, batch=3)  # more columns than orders
    rotated = rotate_coefficients(coefficients, ANGLES[0])
    each = rotate_coefficients(coefficients, ANGLES[[0, 0, 0]])
    np.testing.assert_allclose(rotated, each, atol=1e-12)


def test_each_signal_has_a_rotation_of_its_own(rng):
    coefficients = band_limited(rng, 10, channels=2, batch=3)
    each = rotate_coefficients(coefficients, ANGLES)
    for found, one, angles in zip(each, coefficients, ANGLES, strict=True):
        np.testing.assert_allclose(found, rotate_coefficients(one[None], angles)[0], atol=1e-12)


def test_rotation_keeps_the_power_of_each_degree(rng):
    coefficients = band_limited(rng, 16)
    rotated = rotate_coefficients(coefficients, ANGLES[1])
    power = np.sum(coefficients**2, axis=2)
    np.testing.assert_allclose(np.sum(rotated**2, axis=2), power, rtol=1e-11)


@pytest.mark.parametrize("steps", [1, 5])
def test_rotation_about_z_by_grid_steps_rolls_the_longitude(rng, steps):
    signal = synthesize(band_limited(rng, 8))
    angles = (2 * np.pi * steps / 16, 0.0, 0.0)
    rotated = rotate_signal(signal, angles, SphericalGrid(8))
    assert_close(rotated, np.roll(signal, steps, axis=2), 1e-12)


def test_rotated_signal_keeps_its_dtype(rng):
    signal = synthesize(band_limited(rng, 4))
    rotated = rotate_signal(signal.astype("float32"), ANGLES[0], SphericalGrid(4))
    assert rotated.dtype == np.float32
    assert_close(rotated, rotate_signal(signal, ANGLES[0], SphericalGrid(4)), 1e-5)


def test_arrays_that_are_no_coefficients_or_angles_are_refused():
    with pytest.raises(ValueError, match=r"\(batch, L, 2L-1, channel\). Received: shape=\(1, 4, 8"):
        rotate_coefficients(np.ones((1, 4, 8, 1)), ANGLES[0])
    with pytest.raises(ValueError, match=r"\(3,\), .* or \(1, 3\), .* Received: shape=\(3, 3\)"):
        rotate_coefficients(np.ones((1, 4, 7, 1)), ANGLES)
