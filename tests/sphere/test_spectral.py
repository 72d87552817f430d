"""What the layers do between the transforms, against the same done on the maps."""

import numpy as np
import pytest
from backends import gradients, numpy
from keras import ops
from reference import assert_close

from spherical_cnn.sphere import SphericalGrid
from spherical_cnn.sphere.spectral import affine, degree_blocks, join, moments, synthesize

L = 8
GRID = SphericalGrid(L)


def split(coefficients):
    """Coefficients `(m, l, b, c)` in blocks."""
    return [coefficients[L - k : L + k - 1, low:k] for low, k in degree_blocks(L)]


def drawn(rng, dtype="float64", batch=3, channels=4):
    """Coefficients in blocks, zero where there is no harmonic."""
    orders = rng.normal(size=(2 * L - 1, L, batch, channels))
    orders *= (abs(np.arange(1 - L, L))[:, None] <= np.arange(L))[:, :, None, None]
    return split(ops.convert_to_tensor(orders.astype(dtype)))


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_moments_are_those_of_the_maps(rng, offset, dtype, tolerance):
    orders = affine(
        drawn(rng, dtype), None, ops.convert_to_tensor(np.array([offset, 0, 1, 2], dtype))
    )
    maps = numpy(synthesize([ops.cast(x, "float64") for x in orders], GRID))
    mean, variance, _ = moments(orders, GRID)
    assert_close(mean, maps.mean(axis=(0, 1, 2)), tolerance)
    assert_close(variance, maps.var(axis=(0, 1, 2)), tolerance)


def test_a_large_mean_does_not_drown_the_variance(rng):
    shifted = affine(drawn(rng, "float32"), None, ops.full((4,), 1000.0))
    _, variance, _ = moments(shifted, GRID)
    _, expected, _ = moments(drawn(np.random.default_rng(2018)), GRID)
    # The shift itself rounds the coefficient of the constant to 1e-4.
    np.testing.assert_allclose(variance, expected, rtol=1e-3)


def test_moments_have_the_gradients_of_those_of_the_maps(rng):
    orders, weights = numpy(join(drawn(rng))), ops.convert_to_tensor(rng.normal(size=(2, 4)))
    actual, expected = (
        gradients(lambda x, of=of: ops.sum(ops.stack(of(x)) * weights), orders)[0]
        for of in (
            lambda x: moments(split(x), GRID)[:2],
            lambda x: ops.moments(synthesize(split(x), GRID), axes=(0, 1, 2)),
        )
    )
    assert_close(actual, expected, 1e-12)


def test_moments_are_taken_in_float32_at_least(rng):
    halves = [ops.cast(x, "bfloat16") for x in drawn(rng)]
    singles = [ops.cast(x, "float32") for x in halves]
    for actual, expected in zip(moments(halves, GRID)[:2], moments(singles, GRID)[:2], strict=True):
        assert numpy(actual).dtype == "float32"
        np.testing.assert_array_equal(numpy(actual), numpy(expected))


def test_affine_acts_on_the_maps(rng, dtype, tolerance):
    orders, scale, offset = drawn(rng, dtype), rng.normal(size=4), rng.normal(size=4)
    expected = numpy(synthesize(orders, GRID)) * scale + offset
    assert_close(
        synthesize(affine(orders, *map(ops.convert_to_tensor, (scale, offset))), GRID),
        expected,
        tolerance,
    )
