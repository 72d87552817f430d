"""Points as functions on the sphere."""

import numpy as np
import pytest
from backends import numpy
from helpers import assert_gradients
from keras import ops
from reference import assert_close, real_harmonics

from spherical_cnn import SphericalGrid
from spherical_cnn.nn.points.points_to_sphere import GlobalPointPooling, PointsToSphere
from spherical_cnn.nn.points.shells import tents
from spherical_cnn.sphere.rotation import euler_to_matrix, rotate_coefficients

ANGLES = np.array([0.4, 1.9, -2.2])
WEIGHTS = np.random.default_rng(1).normal(size=(2, 4, 7, 6))


@pytest.fixture
def points(rng, dtype):
    return rng.uniform(-0.6, 0.6, size=(2, 20, 3)).astype(dtype)


def test_tents_sum_to_one_and_peak_in_the_middle_of_their_shells():
    radius = np.linspace(0, 2, 41)[:, None]
    found = numpy(tents(ops.convert_to_tensor(radius), 4))
    np.testing.assert_allclose(found.sum(-1), 1)
    np.testing.assert_allclose(numpy(tents(ops.convert_to_tensor([[0.375]]), 4)), [[0, 1, 0, 0]])
    np.testing.assert_allclose(numpy(tents(ops.convert_to_tensor(radius), 1)), 1)


def test_coefficients_are_the_sum_over_the_points(rng, points, dtype, tolerance):
    features = rng.normal(size=(2, 20, 3)).astype(dtype)
    weights = rng.uniform(size=(2, 20)).astype(dtype)
    found = PointsToSphere(4, shells=2, dtype=dtype)(points, features, weights)
    radius = np.linalg.norm(points.astype("f8"), axis=-1)
    outer = np.clip(2 * radius - 0.5, 0, 1)
    harmonics = real_harmonics(4, points / radius[..., None])
    degrees = np.arange(4)
    damping = 4 * np.pi * np.exp(-degrees * (degrees + 1) / 64)
    expected = np.einsum(
        "l,lmbn,bn,bns,bnc->blmsc",
        damping,
        harmonics,
        weights / weights.sum(1, keepdims=True),
        np.stack([1 - outer, outer], -1),
        features,
    ).reshape(2, 4, 7, 6)
    assert_close(found, expected, 10 * tolerance)


def test_points_to_sphere_commutes_with_rotations(rng, points, dtype, rotation_tolerance):
    features = rng.normal(size=(2, 20, 3)).astype(dtype)
    layer = PointsToSphere(6, shells=2, dtype=dtype)
    rotated = layer((points @ euler_to_matrix(ANGLES).T).astype(dtype), features)
    expected = rotate_coefficients(numpy(layer(points, features)).astype("f8"), ANGLES)
    assert_close(rotated, expected, rotation_tolerance)


def test_order_and_number_of_the_points_do_not_matter(rng, points, dtype, tolerance):
    features = rng.normal(size=(2, 20, 3)).astype(dtype)
    grid = SphericalGrid.gauss_legendre(6)
    layer = PointsToSphere(5, out_grid=grid, dtype=dtype)
    expected = numpy(layer(points, features))
    order = rng.permutation(20)
    assert_close(layer(points[:, order], features[:, order]), expected, tolerance)
    twice = np.tile(points, (1, 2, 1)), np.tile(features, (1, 2, 1))
    assert_close(layer(*twice), expected, tolerance)
    missing = np.full((2, 3, 3), np.nan, dtype)
    padded = (np.concatenate([x, missing], 1) for x in (points, features))
    assert_close(layer(*padded), expected, tolerance)
    weights = np.repeat([1.0, 0], 20)[None].repeat(2, 0).astype(dtype)
    assert_close(layer(*twice, 5 * weights), expected, tolerance)


def test_points_at_the_center_have_degree_0_only_and_missing_clouds_are_0(dtype, tolerance):
    points = np.stack([np.zeros((4, 3)), np.full((4, 3), np.nan)]).astype(dtype)
    found = numpy(PointsToSphere(3, shells=1, dtype=dtype)(points))
    expected = np.zeros((2, 3, 5, 1))
    expected[0, 0, 2] = np.sqrt(4 * np.pi)
    assert_close(found, expected, tolerance)


def test_a_uniform_cloud_becomes_the_constant_1(rng):
    directions = rng.normal(size=(1, 20_000, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    grid = SphericalGrid.gauss_legendre(4)
    found = numpy(PointsToSphere(4, shells=1, out_grid=grid)(directions))
    np.testing.assert_allclose(found, 1, atol=0.1)


def test_several_features_are_sums_of_their_own_over_the_first_points(rng, points, dtype):
    first, second = (rng.normal(size=(2, n, c)).astype(dtype) for n, c in ((20, 3), (8, 2)))
    layer = PointsToSphere(4, shells=2, dtype=dtype)
    expected = np.concatenate([layer(points, first), layer(points[:, :8], second)], -1)
    found = layer(points, [first, second])
    assert_close(found, expected, 1e-6)
    shape = layer.compute_output_shape(points.shape, [first.shape, second.shape])
    assert shape == found.shape == (2, 4, 7, 10)


def test_gradients_are_finite_differences(rng):
    points, features = rng.uniform(-0.6, 0.6, (2, 5, 3)), rng.normal(size=(2, 5, 3))
    layer = PointsToSphere(4, shells=2, dtype="float64")

    def value(*arguments):
        return ops.sum(layer(*arguments) * ops.convert_to_tensor(WEIGHTS, "float64"))

    assert_gradients(value, [points, features], rng)


def test_global_pooling_ignores_missing_points():
    points = np.zeros((2, 4, 3), "float32")
    points[0, 1], points[1] = np.nan, np.inf
    features = np.array([[[1], [np.nan], [-3]], [[1], [2], [3]]], "float32")
    found = numpy(GlobalPointPooling()(points, features))
    np.testing.assert_array_equal(found, [[-1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bandwidth": 0}, r"bandwidth must be positive\. Received: bandwidth=0"),
        ({"shells": 0}, r"shells must be positive\. Received: shells=0"),
        ({"radius": 0}, r"radius must be positive\. Received: radius=0"),
        ({"out_grid": SphericalGrid(8)}, "out_grid must have a bandwidth of at least 16"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PointsToSphere(**options)


def test_points_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"points must be \(batch, points, 3\)\. Received: "):
        PointsToSphere(4)(np.zeros((2, 5, 2), "float32"))
