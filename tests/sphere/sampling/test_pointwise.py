"""The inverse transform at arbitrary points."""

import keras
import numpy as np
import pytest
from backends import compiled, gradient, jvp, mapped, needs_float64, numpy, recorded
from keras import ops
from reference import assert_close, band_limited, real_harmonics

from spherical_cnn import SphericalGrid, isht, isht_at, to_directions

L = 8


@pytest.fixture
def directions(rng):
    """Directions of all kinds, among them poles and their neighborhoods."""
    found = rng.normal(size=(60, 3))
    found[:5] *= [1e-5, 1e-5, 1]
    found[5:7] = [0, 0, 1], [0, 0, -1]
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@pytest.fixture
def coefficients(rng):
    return band_limited(rng, L, batch=2)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_values_are_those_of_the_double_sum(coefficients, directions, as_tensor, dtype, tolerance):
    expected = np.einsum("lmn,blmc->bnc", real_harmonics(L, directions), coefficients)
    places = ops.convert_to_tensor(directions.astype(dtype)) if as_tensor else directions
    found = isht_at(coefficients.astype(dtype), places)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize("bandwidth", [1, 2, 72])
def test_values_on_a_grid_are_those_of_isht(bandwidth, rng, dtype, tolerance):
    grid = SphericalGrid.gauss_legendre(bandwidth)
    coefficients = band_limited(rng, bandwidth, batch=1).astype(dtype)
    places = grid.directions[::7].reshape(-1, 3)
    expected = numpy(isht(coefficients, grid))[:, ::7].reshape(1, len(places), -1)
    assert_close(isht_at(coefficients, places), expected, tolerance)


def test_each_signal_may_have_its_own_points(coefficients, directions, dtype, tolerance):
    own = np.stack([directions, directions[::-1]])
    values = coefficients.astype(dtype)
    expected = [numpy(isht_at(values[i : i + 1], own[i]))[0] for i in range(2)]
    for places in (own, ops.convert_to_tensor(own.astype(dtype))):
        assert_close(isht_at(values, places), np.stack(expected), 10 * tolerance)


def test_half_precision_is_computed_in_float32(coefficients, directions):
    values = coefficients.astype("float16")
    found = isht_at(values, directions)
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    assert_close(found, numpy(isht_at(values.astype("float32"), directions)), 2e-3)


def test_colatitudes_and_longitudes_are_directions():
    grid = SphericalGrid.equiangular(7, 12, "cells", start=5.0)
    found = to_directions(grid.colatitude[:, None], grid.longitude)
    np.testing.assert_array_equal(found, grid.directions)
    np.testing.assert_allclose(
        to_directions(np.radians(90 - 30), np.pi), [-(0.75**0.5), 0, 0.5], atol=1e-15
    )


def test_a_functional_model_computes_the_same_before_and_after_it_is_saved(
    coefficients, directions, tmp_path
):
    values = coefficients.astype("float32")
    inputs = keras.Input(values.shape[1:])
    places = keras.Input((60, 3))
    own = np.stack([directions, directions[::-1]]).astype("float32")
    outputs = [isht_at(inputs, directions), isht_at(inputs, places)]
    model = keras.Model([inputs, places], outputs)
    assert model.output_shape == [(None, 60, 2), (None, 60, 2)]
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        fixed, free = one.predict([values, own], verbose=0)
        assert_close(fixed, numpy(isht_at(values, directions)), 1e-6)
        assert_close(free, numpy(isht_at(values, own)), 1e-5)


@recorded()
def test_gradients_and_compiled_functions(coefficients, directions):
    """A value and its slope along a direction, by all transformations of the backend."""
    values = ops.convert_to_tensor(coefficients.astype("float32"))
    expected = numpy(isht_at(values, directions))
    assert_close(numpy(compiled(lambda x: isht_at(x, directions))(values)), expected, 1e-5)
    places = ops.convert_to_tensor(directions.astype("float32"))
    assert_close(numpy(compiled(lambda x: isht_at(values, x))(places)), expected, 1e-4)
    several = numpy(mapped(lambda x: isht_at(x, directions))(ops.stack([values, 2 * values])))
    assert_close(several, np.stack([expected, 2 * expected]), 1e-5)
    reverse = numpy(gradient(lambda x: ops.sum(ops.square(isht_at(x, directions))))(values))
    harmonics = real_harmonics(L, directions)
    assert_close(reverse, 2 * np.einsum("lmn,bnc->blmc", harmonics, expected), 1e-5)
    assert_close(numpy(jvp(lambda x: isht_at(x, directions), values, values)), expected, 1e-5)


@needs_float64
@recorded()
def test_the_slope_along_the_sphere_is_a_difference(coefficients, directions):
    values = ops.convert_to_tensor(coefficients)
    step = np.cross(directions, [0.3, -1.0, 0.2])

    def at(places):
        return isht_at(values, places)

    x, along = ops.convert_to_tensor(directions), ops.convert_to_tensor(step)
    slope = (numpy(at(x + 1e-6 * along)) - numpy(at(x - 1e-6 * along))) / 2e-6
    assert_close(numpy(jvp(at, x, along)), slope, 1e-7)
    reverse = gradient(lambda x: ops.sum(at(x)))(x)
    np.testing.assert_allclose(numpy(ops.sum(reverse * along)), slope.sum(), rtol=1e-6)


def test_arguments_of_other_shapes_are_refused(coefficients, directions):
    for values, places, message in (
        (coefficients[..., 0], directions, r"coefficients must be floats \(batch, L, 2L-1, chann"),
        (coefficients[:, 1:], directions, r"Received: coefficients.shape=\(2, 7, 15, 2\)"),
        (coefficients.astype(int), directions, "coefficients.dtype=int"),
        (coefficients, directions[:, :2], r"\(points, 3\).* Received: directions.shape=\(60, 2\)"),
        (coefficients, directions[None], "for a batch of 2"),
        (coefficients, 2 * directions, "unit vectors. Received: one of length 2"),
    ):
        with pytest.raises(ValueError, match=message):
            isht_at(values, places)
