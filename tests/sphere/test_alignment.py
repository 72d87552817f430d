"""Rotations between signals, against known ones."""

import numpy as np
import pytest
from reference import band_limited, rotate, synthesize
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.alignment import align, align_coefficients
from spherical_cnn.sphere.rotation import (
    euler_to_matrix,
    random_rotations,
    rotate_coefficients,
)

L = 8


def degrees(found, expected):
    """Angles between rotation matrices."""
    return np.degrees(Rotation.from_matrix(found @ expected.swapaxes(-1, -2)).magnitude())


def rotated(coefficients, matrices):
    """Each of `(pairs, L, 2L-1, c)` coefficients by its rotation, by the oracle."""
    pairs = zip(coefficients, matrices, strict=True)
    return np.concatenate([rotate(c[None], matrix) for c, matrix in pairs])


def test_signals_find_their_rotated_selves(rng):
    a = band_limited(rng, L, channels=2, batch=40)
    matrices = Rotation.random(40, rng=rng).as_matrix()
    matrices[0], matrices[1] = np.eye(3), np.diag([1, -1, -1])  # where Euler angles are ambiguous
    found = align(synthesize(a), synthesize(rotated(a, matrices)))
    assert degrees(found.rotations, matrices).max() < 1e-6
    np.testing.assert_allclose(found.correlation, 1, rtol=1e-10)
    assert (found.runner_up < 0.9).all()


@pytest.mark.slow
@pytest.mark.parametrize("bandwidth", [16, 32])
def test_no_outlier_in_a_thousand_rotations(rng, bandwidth):
    a = band_limited(rng, bandwidth, channels=1, batch=1)
    angles = random_rotations(1000, rng)
    matrices = euler_to_matrix(angles)
    b = np.concatenate([rotate_coefficients(a, angle) for angle in angles])
    found = align_coefficients(np.repeat(a, 1000, axis=0), b)
    assert degrees(found.rotations, matrices).max() < 1e-4


def test_noise_moves_the_rotation_little(rng):
    a = band_limited(rng, L, channels=2, batch=10)
    matrices = Rotation.random(10, rng=rng).as_matrix()
    b = rotated(a, matrices)
    b += 0.2 * band_limited(rng, L, channels=2, batch=10)
    found = align_coefficients(a, b)
    assert degrees(found.rotations, matrices).max() < 3
    assert (found.correlation < 0.999).all() and (found.correlation > 0.9).all()


def test_a_symmetric_signal_has_a_second_peak_as_high_as_the_first(rng):
    a = band_limited(rng, L, channels=1, batch=1)
    half_turn = Rotation.from_rotvec([0, 0, np.pi]).as_matrix()
    symmetric = a + rotate(a, half_turn)
    matrix = Rotation.random(rng=rng).as_matrix()
    found = align_coefficients(symmetric, rotate(symmetric, matrix))
    both = np.stack([matrix, matrix @ half_turn])
    assert degrees(found.rotations, both).min() < 1e-4
    assert found.runner_up[0] > 0.9
    assert align_coefficients(a, rotate(a, matrix)).runner_up[0] < 0.9


def test_bad_signals_are_refused(rng):
    signal = synthesize(band_limited(rng, 4, batch=2))
    flat = signal.copy()
    flat[1] = 3.0
    broken = signal.copy()
    broken[0, 1, 1, 0] = np.nan
    for bad, message in (
        (synthesize(band_limited(rng, 8, batch=2)), "must have one shape, that is one bandwidth"),
        (flat, "vary over the sphere. Received: pair 1 of signals_b does not"),
        (broken, "must be finite and vary over the sphere. Received: pair 0 of signals_b"),
    ):
        with pytest.raises(ValueError, match=message):
            align(signal, bad)
