"""The network `point_sphere`: from points to classes, whatever their rotation."""

from __future__ import annotations

import keras

from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.global_pooling import GlobalSphericalAveragePooling
from spherical_cnn.nn.normalization import BatchNormalization
from spherical_cnn.nn.points.local_invariants import LocalInvariants
from spherical_cnn.nn.points.neighborhoods import FarthestPointOrder, NearestNeighbors
from spherical_cnn.nn.points.pair_invariants import (
    NeighborPooling,
    PairInvariants,
    SurfaceProjector,
)
from spherical_cnn.nn.points.points_to_sphere import GlobalPointPooling, PointsToSphere
from spherical_cnn.sphere.grid import SphericalGrid


def point_sphere(
    num_classes,
    num_points=1024,
    *,
    neighborhoods=(16,),
    point_filters=(64, 32),
    pair_points=(512, 128),
    pair_neighbors=(16, 16),
    pair_filters=(64, 128),
    shells=4,
    shell_channels=8,
    bandwidth=16,
    filters=(48, 64, 96),
    degrees=(16, 8, 4),
    dense=256,
    dropout=0.4,
    arranged=False,
    name="point_sphere",
):
    """Builds a functional Keras model from points to logits and descriptor.

    1. `LocalInvariants` and a perceptron give each point features of its neighborhood.
    2. Levels of pairs: `NeighborPooling` gives features to fewer and fewer points, far from each
       other, from the features of their neighbors and the invariants of both.
    3. `PointsToSphere` sums the points of every level, with their features, to signals on the
       sphere about the whole, which `SphericalBlock`s convolve.
    4. A perceptron classifies the signals' averages over the sphere, and mean and maximum of the
       features over the points.

    The order of the points changes nothing. A rotation changes nothing in steps 1 and 2, nor in the
    coefficients of step 3; the nonlinearities of the blocks alias, which changes the averages a
    little.

    Args:
        num_classes: size of the logits.
        num_points: number of points; missing ones are NaN.
        neighborhoods: numbers of neighbors of `LocalInvariants`.
        point_filters: widths of the perceptron of points.
        pair_points: number of points of each level of pairs; none for no level.
        pair_neighbors: number of neighbors of each level.
        pair_filters: channels of each level.
        shells: shells of `PointsToSphere`.
        shell_channels: number of features that each level sums to the sphere.
        bandwidth: degrees of the signals.
        filters: channels of the spherical blocks.
        degrees: degrees that each block reads; fewer are an exact low-pass pooling. Its maps have a
            grid of 3/2 of them.
        dense: width of the dense layer, which computes the descriptor.
        dropout: rate of the dropout before and after the dense layer.
        arranged: whether the inputs are a dict of `points`, the farthest first, as
            `FarthestPointOrder` orders them, and their `neighbors`, which are otherwise computed
            here. The weights are the same.
        name: name of the model.

    Returns:
        `keras.Model` from `points` `(batch, num_points, 3)` in the unit ball to a dict: `logits`
        `(batch, num_classes)`, `descriptor` `(batch, dense)`.

    Raises:
        ValueError: if lists that belong together differ in length, or a level has more points
            than the one before.
    """
    _check(num_points, pair_points, pair_neighbors, pair_filters, filters, degrees)
    inputs = points = keras.Input((num_points, 3), name="points")
    most = most_neighbors(neighborhoods, pair_neighbors)
    if arranged:
        neighbors = keras.Input((num_points, most), dtype="int32", name="neighbors")
        inputs = {"points": points, "neighbors": neighbors}
    else:
        if pair_points:
            points = FarthestPointOrder(pair_points[0], name="order")(points)
        neighbors = NearestNeighbors(most, name="nearest")(points)
    features = LocalInvariants(neighborhoods, name="local")(points, neighbors)
    features = _normalization("local_norm")(features)
    for i, width in enumerate(point_filters):
        features = _perceptron(features, width, f"point{i}")
    levels = [features]
    if pair_points:
        projectors = SurfaceProjector(name="projectors")(points, neighbors[..., :16])
    centers = points
    for i, (count, k, width) in enumerate(
        zip(pair_points, pair_neighbors, pair_filters, strict=True)
    ):
        if i:
            near = NearestNeighbors(k, queries=count, name=f"nearest{i}")(centers)
        else:
            near = neighbors[:, :count, :k]
        pairs = PairInvariants(name=f"pairs{i}")(centers, near, projectors)
        pooled = NeighborPooling(width, width // 2, name=f"pool{i}")(pairs, near, features)
        features = keras.layers.Concatenate(name=f"level{i}")([pooled, features[:, :count]])
        features = _perceptron(features, width, f"level{i}")
        centers, projectors = centers[:, :count], projectors[:, :count]
        levels.append(features)
    channels, vectors = [], []
    for i, features in enumerate(levels):
        channels.append(keras.layers.Dense(shell_channels, name=f"channels{i}")(features))
        vectors.append(GlobalPointPooling(name=f"pooled{i}")(points, features))
    grid = SphericalGrid.gauss_legendre(bandwidth)
    maps = PointsToSphere(bandwidth, shells, out_grid=grid, name="sphere")(points, channels)
    for i, (width, kept) in enumerate(zip(filters, degrees, strict=True)):
        out_grid = SphericalGrid.gauss_legendre(-(-3 * kept // 2))
        maps = SphericalBlock(
            width,
            degrees=kept,
            normalization="batch",
            grid=grid,
            out_grid=out_grid,
            name=f"conv{i}",
        )(maps)
        grid = out_grid
    vectors.append(GlobalSphericalAveragePooling(grid=grid, name="gap")(maps))
    vector = keras.layers.Concatenate(name="vector")(vectors)
    vector = _normalization("vector_norm")(vector)
    vector = keras.layers.Dropout(dropout, name="dropout_vector")(vector)
    vector = _perceptron(vector, dense, "fc1")
    dropped = keras.layers.Dropout(dropout, name="dropout_fc1")(vector)
    # Losses are computed in the dtype of the variables, also under mixed precision.
    dtype = keras.config.dtype_policy().variable_dtype
    outputs = {
        "logits": keras.layers.Dense(num_classes, dtype=dtype, name="logits")(dropped),
        "descriptor": keras.layers.Identity(dtype=dtype, name="descriptor")(vector),
    }
    return keras.Model(inputs, outputs, name=name)


def most_neighbors(neighborhoods, pair_neighbors):
    """Returns the number of neighbors of each point that the network reads."""
    return max(*neighborhoods, 16, *pair_neighbors[:1])


def _perceptron(features, width, name):
    features = keras.layers.Dense(width, use_bias=False, name=f"{name}_dense")(features)
    features = _normalization(f"{name}_norm")(features)
    return keras.layers.ReLU(name=f"{name}_activation")(features)


def _normalization(name):
    # Invariants have variances far from the 1 that the moving ones start from: a momentum of 0.99
    # would take a thousand steps to forget it.
    return BatchNormalization(momentum=0.9, scale=False, name=name)


def _check(num_points, pair_points, pair_neighbors, pair_filters, filters, degrees):
    for names, *lists in (
        ("pair_points, pair_neighbors, pair_filters", pair_points, pair_neighbors, pair_filters),
        ("filters, degrees", filters, degrees),
    ):
        if len({len(values) for values in lists}) > 1:
            raise ValueError(
                f"{names} need one entry per layer. Received: {', '.join(map(str, lists))}"
            )
    sizes = [num_points, *pair_points]
    if sizes != sorted(sizes, reverse=True) or any(
        k > size for k, size in zip(pair_neighbors, sizes[:-1], strict=True)
    ):
        raise ValueError(
            "pair_points must not increase, from num_points, and be more than pair_neighbors. "
            f"Received: num_points={num_points}, pair_points={pair_points}, "
            f"pair_neighbors={pair_neighbors}"
        )
