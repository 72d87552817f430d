"""What the layers do between the transforms, against the same done on the maps."""

import numpy as np
import pytest
import tensorflow as tf
from reference import assert_close

from spherical_cnn.sphere import SphericalGrid
from spherical_cnn.sphere.spectral import affine, moments, synthesise

L = 8
GRID = SphericalGrid(L)


def drawn(rng, dtype="float64", batch=3, channels=4):
    """Coefficients `(m, l, b, c)`, zero where there is no harmonic."""
    orders = rng.normal(size=(2 * L - 1, L, batch, channels))
    orders *= (abs(np.arange(1 - L, L))[:, None] <= np.arange(L))[:, :, None, None]
    return orders.astype(dtype)


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_moments_are_those_of_the_maps(rng, offset, dtype, tolerance):
    orders = affine(drawn(rng, dtype), None, np.array([offset, 0, 1, 2], dtype))
    maps = synthesise(tf.cast(orders, "float64"), GRID).numpy()
    mean, variance, _ = moments(orders, GRID)
    assert_close(mean, maps.mean(axis=(0, 1, 2)), tolerance)
    assert_close(variance, maps.var(axis=(0, 1, 2)), tolerance)


def test_a_large_mean_does_not_drown_the_variance(rng):
    shifted = affine(drawn(rng, "float32"), None, np.full(4, 1000, "float32"))
    _, variance, _ = moments(shifted, GRID)
    _, expected, _ = moments(drawn(np.random.default_rng(2018)), GRID)
    # The shift itself rounds the coefficient of the constant to 1e-4.
    np.testing.assert_allclose(variance, expected, rtol=1e-3)


def test_moments_have_the_gradients_of_those_of_the_maps(rng):
    orders = tf.constant(drawn(rng))
    weights = rng.normal(size=(2, 4))
    gradients = []
    for of in (
        lambda: moments(orders, GRID)[:2],
        lambda: tf.nn.moments(synthesise(orders, GRID), axes=(0, 1, 2)),
    ):
        with tf.GradientTape() as tape:
            tape.watch(orders)
            total = tf.reduce_sum(tf.stack(of()) * weights)
        gradients.append(tape.gradient(total, orders))
    assert_close(gradients[0], gradients[1], 1e-12)


def test_moments_are_taken_in_float32_at_least(rng):
    halves = tf.cast(drawn(rng), "bfloat16")
    for actual, expected in zip(
        moments(halves, GRID)[:2], moments(tf.cast(halves, "float32"), GRID)[:2], strict=True
    ):
        assert actual.dtype == "float32"
        np.testing.assert_array_equal(actual, expected)


def test_affine_acts_on_the_maps(rng, dtype, tolerance):
    orders, scale, offset = drawn(rng, dtype), rng.normal(size=4), rng.normal(size=4)
    expected = synthesise(tf.constant(orders), GRID) * scale.astype(dtype) + offset.astype(dtype)
    assert_close(synthesise(affine(orders, scale, offset), GRID), expected, tolerance)
