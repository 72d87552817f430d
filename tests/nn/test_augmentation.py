"""Random rotations: exact, each signal by its own, in training only."""

import numpy as np
import pytest
from backends import numpy
from keras import ops
from reference import assert_close, band_limited, synthesize

from spherical_cnn import SphericalGrid, sht
from spherical_cnn.nn import RandomSphericalRotation
from spherical_cnn.sphere.rotation import random_rotations, rotate_coefficients, rotate_order_first
from spherical_cnn.sphere.spectral import to_batch_first, to_order_first

L = 8
GRID = SphericalGrid(L)


@pytest.fixture
def coefficients(rng):
    return band_limited(rng, L, batch=4)


@pytest.mark.parametrize("count", [3, 1])
def test_tensors_rotate_as_arrays_do(coefficients, count, rng, dtype):
    angles = random_rotations(4, rng)
    angles[:, 1:] *= count == 3
    rows = to_order_first(ops.convert_to_tensor(coefficients.astype(dtype)))
    columns = [ops.convert_to_tensor(column.astype("float32")) for column in angles.T[:count]]
    actual = to_batch_first(rotate_order_first(rows, columns))
    assert_close(numpy(actual), rotate_coefficients(coefficients, angles), 3e-6)


def test_rotated_signals_differ_and_have_the_power_of_each_degree(coefficients):
    signal = synthesize(np.repeat(coefficients[:1], 4, axis=0)).astype("float32")
    rotated = RandomSphericalRotation(seed=1)(signal, training=True)
    found = numpy(sht(rotated, GRID))
    powers = np.sum(np.square(found), axis=2)
    assert_close(powers, np.repeat(np.sum(coefficients[:1] ** 2, axis=2), 4, axis=0), 1e-5)
    assert min(np.abs(found[0] - other).max() for other in found[1:]) > 0.1


def test_rotations_about_the_vertical_axis_keep_zonal_harmonics(coefficients):
    signal = synthesize(coefficients).astype("float32")
    found = numpy(sht(RandomSphericalRotation("z", seed=1)(signal, training=True), GRID))
    assert_close(found[:, :, L - 1], coefficients[:, :, L - 1], 1e-5)
    assert np.abs(found - coefficients).max() > 0.1


def test_each_call_draws_rotations_by_the_seed_and_only_in_training(coefficients):
    signal = synthesize(coefficients).astype("float32")
    first, second = RandomSphericalRotation(seed=1), RandomSphericalRotation(seed=1)
    drawn = [numpy(first(signal, training=True)) for _ in range(2)]
    assert np.abs(drawn[0] - drawn[1]).max() > 0.1
    np.testing.assert_array_equal(numpy(second(signal, training=True)), drawn[0])
    np.testing.assert_array_equal(numpy(first(signal)), signal)


def test_rotations_are_uniform():
    layer = RandomSphericalRotation(seed=1)
    up = np.cos(numpy(layer._angles(4000)[1]))
    np.testing.assert_allclose([up.mean(), np.mean(up**2)], [0, 1 / 3], atol=0.03)


def test_unknown_groups_are_refused():
    with pytest.raises(ValueError, match="one of .*so3.*z.*Received: group='o3'"):
        RandomSphericalRotation("o3")
