"""Which points are near which: nearest neighbors, and subsets of points far from each other.

`spherical_cnn.shapes.sampling` computes the same in the input pipeline, once per shape.
"""

from __future__ import annotations

import keras
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE
from spherical_cnn.sphere.operations import BACKEND, at_least_float32

FAR = 1e30  # squared distance of a missing point


@keras.saving.register_keras_serializable(package=PACKAGE)
class NearestNeighbors(keras.layers.Layer):
    """Finds the `k` nearest points of each of the first points, itself included, nearest first.

    Missing points come last. Ties are in the order of the points. Distances are computed from
    differences of coordinates, without cancellation. The indices have no gradient.

    Args:
        k: number of neighbors, at most that of the points.
        queries: number of points whose neighbors are found, the first ones; `None` for all.

    Input shape:
        `(batch, points, 3)`.

    Output shape:
        `(batch, queries, k)`, int32 indices of points.

    >>> near = NearestNeighbors(2)(np.array([[[0, 0, 0], [1, 0, 0], [3, 0, 0.0]]]))
    >>> np.asarray(near)[0, 2].tolist()
    [2, 1]
    """

    def __init__(self, k, queries=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        for option, value in (("k", k), ("queries", queries)):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be positive. Received: {option}={value}")
        self.k = k
        self.queries = queries

    def build(self, input_shape):
        if input_shape[1] is not None and input_shape[1] < max(self.k, self.queries or 0):
            raise ValueError(
                "k and queries must be at most the number of points. "
                f"Received: k={self.k}, queries={self.queries}, {input_shape[1]} points"
            )

    def call(self, points):
        points, there = present(check_points(ops.stop_gradient(points)))
        squared = sum(
            ops.square(points[:, : self.queries, None, i] - points[:, None, :, i]) for i in range(3)
        )
        squared = ops.where(there[:, None] > 0, squared, FAR)
        nearest = ops.cast(ops.top_k(-squared, self.k)[1], "int32")
        # Changes nothing, but keeps XLA from merging a slice of the result with `top_k`, in whose
        # place it would then sort.
        return ops.maximum(nearest, 0)

    def compute_output_spec(self, points):
        return keras.KerasTensor(self.compute_output_shape(points.shape), "int32")

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.queries or input_shape[1], self.k)

    def get_config(self):
        return {**super().get_config(), "k": self.k, "queries": self.queries}


@keras.saving.register_keras_serializable(package=PACKAGE)
class FarthestPointOrder(keras.layers.Layer):
    """Moves points that are far from each other to the front.

    The first is the farthest from the origin; each of the next `count - 1` the farthest from those
    before it. The others follow in their order. So the first `m ≤ count` points cover the shape
    about evenly. Missing points come last. The choice does not depend on the rotation of the cloud,
    nor on the order of the points, except that of two points that are equally far, to rounding, the
    first one is taken.

    Args:
        count: number of points at the front.

    Input shape:
        `(batch, points, channels)`; the first three channels are coordinates.

    Output shape:
        Same as the input.

    >>> ordered = FarthestPointOrder(2)(np.array([[[1, 0, 0], [1.5, 0, 0], [-1, 0, 0.0]]]))
    >>> np.asarray(ordered)[0, :, 0].tolist()
    [1.5, -1.0, 1.0]

    Reference: Eldar et al. 1997; Qi et al. 2017 (PointNet++).
    """

    def __init__(self, count, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if count < 1:
            raise ValueError(f"count must be positive. Received: count={count}")
        self.count = count

    def call(self, points):
        coordinates, there = present(check_points(ops.stop_gradient(points)[..., :3]))
        positions = ops.arange(points.shape[1], dtype="int32")
        squares = ops.sum(ops.square(coordinates), axis=-1)
        missing = ops.cast(there == 0, "int32")
        later = self.count + missing  # rank of what is not chosen

        def step(turn, state):
            far, chosen, rank = state
            hit = positions == chosen[:, None]
            rank = ops.where(ops.logical_and(hit, rank == later), turn, rank)
            apart = ops.square(coordinates - gather(coordinates, chosen[:, None]))
            far = ops.where(hit, -1.0, ops.minimum(far, ops.sum(apart, axis=-1)))
            return far, _largest(far), rank

        # Chosen points have the distance -1, and missing ones -2.
        far = ops.where(there > 0, ops.full_like(squares, FAR), -2.0)
        state = (far, _largest(ops.where(there > 0, squares, -2.0)), later)
        rank = ops.fori_loop(0, min(self.count, points.shape[1]), step, state)[2]
        order = ops.argsort(rank * points.shape[1] + positions, axis=-1)
        return computed_once(gather(points, order))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "count": self.count}


def check_points(points):
    """Returns points in at least float32; refuses them unless they are `(batch, points, 3)`."""
    if len(points.shape) != 3 or points.shape[2] != 3:
        raise ValueError(
            f"points must be (batch, points, 3). Received: points.shape={tuple(points.shape)}"
        )
    return ops.cast(points, at_least_float32(points.dtype))


def present(points):
    """Returns the points, with 0 for missing ones, and `(batch, points)`, 1 or 0 where missing."""
    there = ops.all(ops.isfinite(points), axis=-1)
    return ops.where(there[..., None], points, 0.0), ops.cast(there, points.dtype)


def gather(values, indices):
    """Returns `out[b, ..., c] = values[b, indices[b, ...], c]`."""
    count, channels = values.shape[1:]
    batch = ops.shape(indices)[0]
    first = ops.cast(count * ops.arange(batch), "int32")
    first = ops.reshape(first, (-1, *[1] * (len(indices.shape) - 1)))
    rows = ops.take(ops.reshape(values, (-1, channels)), ops.cast(indices, "int32") + first, axis=0)
    return ops.reshape(rows, (-1, *indices.shape[1:], channels))


def computed_once(x):
    """Returns `x`, which XLA then computes once and not again for every element that reads it.

    XLA does not fuse square roots into what reads them repeatedly, but it does fuse indexing: the
    squared distances of all pairs of gathered points would gather them once per pair.
    """
    if BACKEND == "torch":
        return x

    def same(x):
        def gradient(*args, upstream=None):
            return args[0] if upstream is None else upstream

        return ops.sign(x) * ops.sqrt(ops.square(x)), gradient

    return ops.custom_gradient(same)(x)


def _largest(values):
    return ops.cast(ops.argmax(values, axis=-1), "int32")
