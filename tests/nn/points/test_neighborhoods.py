"""Nearest neighbors, orders of points, and invariants of neighborhoods."""

import numpy as np
import pytest
from backends import gradients, numpy
from helpers import assert_gradients
from keras import ops
from reference import assert_close

from spherical_cnn.nn.points.local_invariants import LocalInvariants
from spherical_cnn.nn.points.neighborhoods import FarthestPointOrder, NearestNeighbors
from spherical_cnn.nn.points.pair_invariants import (
    NeighborPooling,
    PairInvariants,
    SurfaceProjector,
)
from spherical_cnn.shapes.sampling import arrange
from spherical_cnn.sphere.rotation import euler_to_matrix

MATRIX = euler_to_matrix([0.4, 1.9, -2.2])
K = 8


@pytest.fixture
def points(rng, dtype):
    return rng.uniform(-0.6, 0.6, size=(2, 40, 3)).astype(dtype)


def local(points, dtype):
    layer = LocalInvariants((4, K), shells=2, degrees=4, dtype=dtype)
    return layer(points, NearestNeighbors(K)(points))


def pairs(points, dtype):
    near = NearestNeighbors(K)(points)
    projectors = SurfaceProjector(dtype=dtype)(points, near)
    return PairInvariants(dtype=dtype)(points, near, projectors)


POOLING = {}


def pooled(points, dtype):
    near = NearestNeighbors(K)(points)
    layer = POOLING.setdefault(dtype, NeighborPooling(3, 5, dtype=dtype))
    squares = ops.sum(ops.square(ops.nan_to_num(points)), axis=-1, keepdims=True)
    features = ops.concatenate([squares, squares**3], -1)  # `ops.sin` rounds float64 on JAX
    return layer(pairs(points, dtype), near, features)


invariants = pytest.mark.parametrize("function", [local, pairs, pooled])


def test_neighbors_are_the_nearest_points(points):
    points = points.astype("float64")
    distance = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    expected = np.argsort(distance, axis=-1)[..., :K]
    np.testing.assert_array_equal(NearestNeighbors(K)(points), expected)
    np.testing.assert_array_equal(NearestNeighbors(K, queries=5)(points), expected[:, :5])


def test_missing_points_are_no_neighbors(points):
    points[:, ::2] = np.nan
    assert (numpy(NearestNeighbors(K)(points)) % 2 == 1).all()


def test_the_pipeline_arranges_points_as_the_layers_do(rng):
    points = rng.uniform(-0.6, 0.6, size=(2, 40, 3)).astype("float32")
    points[1, 30:] = np.nan
    ordered = numpy(FarthestPointOrder(12)(points))
    near = numpy(NearestNeighbors(K)(ordered))
    for cloud, rows, found in zip(points, ordered, near, strict=True):
        count = np.isfinite(cloud[:, 0]).sum()
        expected, neighbors = arrange(cloud[:count], 40, 12, K)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(found[:count], neighbors[:count])


def test_first_points_are_far_from_each_other(points):
    ordered = numpy(FarthestPointOrder(10)(points)).astype("f8")
    assert {tuple(x) for x in ordered[0].tolist()} == {tuple(x) for x in points[0].tolist()}
    for turn in range(1, 10):
        apart = np.linalg.norm(ordered[:, :, None] - ordered[:, None, :turn], axis=-1).min(-1)
        np.testing.assert_allclose(apart[:, turn], apart.max(1), rtol=1e-6)


def test_order_depends_on_neither_rotation_nor_order(points, rng, dtype, tolerance):
    expected = numpy(FarthestPointOrder(10)(points))[:, :10]
    shuffled = points[:, rng.permutation(40)]
    np.testing.assert_array_equal(numpy(FarthestPointOrder(10)(shuffled))[:, :10], expected)
    rotated = numpy(FarthestPointOrder(10)((points @ MATRIX.T).astype(dtype)))[:, :10]
    assert_close(rotated, expected @ MATRIX.T, tolerance)


def test_repeated_and_missing_points_are_ordered(dtype):
    points = np.array([[[np.nan] * 3, [1, 0, 0], [1, 0, 0], [0, 0, 0]]], dtype)
    found = numpy(FarthestPointOrder(4)(points))
    np.testing.assert_array_equal(found[0, :3], [[1, 0, 0], [0, 0, 0], [1, 0, 0]])
    assert np.isnan(found[0, 3]).all()


@invariants
def test_rotations_change_nothing(function, points, dtype, rotation_tolerance):
    rotated = (points @ MATRIX.T).astype(dtype)
    assert_close(function(rotated, dtype), numpy(function(points, dtype)), rotation_tolerance)


@invariants
def test_permutations_permute(function, points, rng, dtype, tolerance):
    order = rng.permutation(40)
    expected = numpy(function(points, dtype))[:, order]
    assert_close(function(points[:, order], dtype), expected, tolerance)


@invariants
def test_missing_points_change_nothing(function, points, dtype, tolerance):
    missing = np.full((2, 5, 3), np.nan, dtype)
    found = numpy(function(np.concatenate([points, missing], 1), dtype))
    assert_close(found[:, :40], numpy(function(points, dtype)), tolerance)
    assert np.isfinite(found).all()


@invariants
@pytest.mark.parametrize("place", [0.0, 0.3, np.nan])
def test_equal_points_and_points_at_the_center_are_finite(function, place, dtype):
    points = np.full((1, 40, 3), place, dtype)
    assert np.isfinite(numpy(function(points, dtype))).all()


@invariants
def test_gradients_are_finite_differences(function, rng):
    points = rng.uniform(-0.6, 0.6, size=(1, 12, 3))
    weights = rng.normal(size=numpy(function(points, "float64")).shape)

    def value(points):
        return ops.sum(function(points, "float64") * ops.convert_to_tensor(weights, "float64"))

    assert_gradients(value, [points], rng, 1e-4)
    points[0, 3], points[0, 4], points[0, 5] = points[0, 2], 0, np.nan
    assert np.isfinite(gradients(value, points)[0]).all()


def test_a_projector_is_that_of_the_normal(rng, dtype):
    points = rng.normal(size=(1, 40, 3)) * [1, 1, 0] @ MATRIX.T
    points = points.astype(dtype)
    found = numpy(SurfaceProjector(dtype=dtype)(points, NearestNeighbors(16)(points)))
    normal = MATRIX[:, 2]
    outer = np.outer(normal, normal)[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(
        found / found[..., :3].sum(-1, keepdims=True), [[outer] * 40], atol=1e-4
    )
    line = np.linspace(0, 1, 40)[None, :, None] * MATRIX[:, 0]
    found = numpy(SurfaceProjector()(line, NearestNeighbors(8)(line)))
    np.testing.assert_allclose(found, 0, atol=1e-6)


def test_power_of_a_neighborhood_is_that_of_its_coefficients():
    points = np.array([[[0, 0, 0], [0, 0, 1.0]]])
    near = np.array([[[0, 1], [1, 0]]], "int32")
    found = numpy(LocalInvariants(2, shells=1, degrees=2, dtype="float64")(points, near))
    # d_k and the radius; degrees 0 and 1 of the power; of the projection on the direction.
    one, half = np.sqrt(3) / 2, 0.5 / np.sqrt(4 * np.pi) * 2
    expected = [[1, 0, 1, one**2, half, 0], [1, 1, 1, one**2, half, -half * 1.5]]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NearestNeighbors(0), r"k must be positive\. Received: k=0"),
        (lambda: NearestNeighbors(9)(np.zeros((1, 8, 3))), "k and queries must be at most the num"),
        (lambda: FarthestPointOrder(0), r"count must be positive\. Received: count=0"),
        (lambda: LocalInvariants(()), "neighbors must be positive"),
        (lambda: NeighborPooling(0), "filters must be positive"),
        (
            lambda: LocalInvariants(4)(np.zeros((1, 8, 3)), np.zeros((1, 8, 2), "int32")),
            "LocalInvariants needs 4 neighbors of each point",
        ),
    ],
)
def test_invalid_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
