"""The correlation over all rotations, against its definition, and its maxima."""

import numpy as np
from reference import band_limited, rotate
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.correlation import (
    correlate,
    derivatives,
    grid_angles,
    height,
    refine,
    tangents,
)
from spherical_cnn.sphere.rotation import euler_to_matrix

L = 8


def test_the_correlation_is_that_of_the_rotated_signals(rng):
    a, b = (band_limited(rng, L, channels=3, batch=2) for _ in range(2))
    surface = correlate(a, b)
    assert surface.shape == (2, 2 * L, 2 * L, 2 * L)
    beta, alpha, gamma = grid_angles(L)
    for j, i, k in rng.integers(0, 2 * L, (5, 3)):
        matrix = euler_to_matrix([alpha[i], beta[j], gamma[k]])
        expected = np.sum(b * rotate(a, matrix), axis=(1, 2, 3))
        np.testing.assert_allclose(surface[:, j, i, k], expected, atol=1e-4 * surface.max())


def test_refinement_ends_where_the_gradient_does(rng):
    a = band_limited(rng, L, channels=2, batch=5)
    matrix = Rotation.random(rng=rng).as_matrix()
    near = Rotation.from_rotvec(rng.normal(size=(5, 3)) * 0.05).as_matrix() @ matrix
    found, correlation = refine(a, rotate(a, matrix), near)
    assert Rotation.from_matrix(found @ matrix.T).magnitude().max() < 1e-8
    np.testing.assert_allclose(correlation, np.sum(a**2, axis=(1, 2, 3)), rtol=1e-9)


def test_derivatives_are_those_of_the_correlation(rng):
    a, b = (band_limited(rng, L, channels=2, batch=1) for _ in range(2))
    start = Rotation.random(rng=rng)
    gradient, hessian = derivatives(a, tangents(b), start.as_matrix()[None])

    def at(step):
        return height(a, b, (Rotation.from_rotvec(step) * start).as_matrix()[None])[0]

    for step in 1e-3 * rng.normal(size=(3, 3)):
        difference = at(step) - at(-step)
        np.testing.assert_allclose(difference, 2 * gradient[0] @ step, rtol=1e-3)
        bend = at(step) + at(-step) - 2 * at(0 * step)
        np.testing.assert_allclose(bend, step @ hessian[0] @ step, rtol=1e-3)
