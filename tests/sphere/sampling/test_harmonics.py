"""Harmonics of directions."""

import numpy as np
import pytest
from backends import gradients, numpy
from keras import ops
from reference import assert_close, real_harmonics

from spherical_cnn import SphericalGrid
from spherical_cnn.nn.points.shells import direction_and_radius
from spherical_cnn.sphere.sampling.harmonics import harmonics_by_degree, spherical_harmonics


def flat(table):
    """The entries of `(L, 2L-1, ...)` with `|m| ≤ l`, `(..., L²)`."""
    bandwidth = len(table)
    rows = [table[l, bandwidth - 1 - l : bandwidth + l] for l in range(bandwidth)]
    return np.moveaxis(np.concatenate(rows), 0, -1)


@pytest.mark.parametrize("bandwidth", [1, 2, 3, 16])
def test_harmonics_are_those_of_the_grids_and_of_the_oracle(rng, bandwidth, dtype):
    tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
    grid = SphericalGrid(bandwidth)
    found = spherical_harmonics(ops.convert_to_tensor(grid.directions.astype(dtype)), bandwidth)
    assert_close(found, flat(grid.harmonics), tolerance)
    directions = rng.normal(size=(5, 7, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    found = spherical_harmonics(ops.convert_to_tensor(directions.astype(dtype)), bandwidth)
    assert_close(found, flat(real_harmonics(bandwidth, directions)), tolerance)


def test_harmonics_and_their_gradients_are_finite_at_poles_and_without_direction():
    directions = np.array([[0, 0, 1], [0, 0, -1], [0, 0, 0], [1, 0, 0.0]])
    found = numpy(spherical_harmonics(ops.convert_to_tensor(directions), 8))
    np.testing.assert_allclose(found[2], np.sqrt(1 / (4 * np.pi)) * (np.arange(64) == 0))

    def power(x):
        return ops.sum(ops.sin(spherical_harmonics(direction_and_radius(x)[0], 8)))

    (gradient,) = gradients(power, directions)
    assert np.isfinite(gradient).all()


def test_those_of_arrays_are_arrays_in_float64(rng):
    directions = rng.normal(size=(40, 3))
    directions[:3] *= [1e-4, 1e-4, 1]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    found = np.concatenate(list(harmonics_by_degree(directions.astype("float32"), 20)), -1)
    assert found.dtype == "float64"
    expected = flat(real_harmonics(20, directions.astype("float32").astype("float64")))
    assert_close(found, expected, 1e-6)  # the directions are rounded, so not of unit length
    found = np.concatenate(list(harmonics_by_degree(directions, 20)), -1)
    assert_close(found, flat(real_harmonics(20, directions)), 1e-12)


def test_too_many_degrees_in_float32_are_refused():
    directions = np.array([[0.6, 0, 0.8]])
    tensor = ops.convert_to_tensor(directions.astype("float32"))
    with pytest.raises(ValueError, match="at most 128 degrees.* Received: bandwidth=129"):
        spherical_harmonics(tensor, 129)
    assert np.isfinite(numpy(spherical_harmonics(tensor, 128))).all()
    assert sum(rows.shape[-1] for rows in harmonics_by_degree(directions, 129)) == 129**2
