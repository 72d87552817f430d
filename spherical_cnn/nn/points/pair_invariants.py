"""Rotation-invariant numbers of pairs of near points, and a layer that learns from them."""

from __future__ import annotations

import keras
from keras import ops

from spherical_cnn.nn.points.local_invariants import offsets_of_neighbors
from spherical_cnn.nn.points.neighborhoods import check_points, gather, present
from spherical_cnn.nn.points.shells import at_least, direction_and_radius
from spherical_cnn.nn.pooling import PACKAGE
from spherical_cnn.sphere.operations import at_least_float32, matmul

_THIN = 1e-2  # of the normalized areas below which neighbors have no plane


@keras.saving.register_keras_serializable(package=PACKAGE)
class SurfaceProjector(keras.layers.Layer):
    """Estimates the normal line of the surface at each point from its neighbors.

    With the covariance `A` of the offsets of the neighbors, scaled to trace 1, the output is

        Q = adj(A) / (tr adj(A) + 0.01)

    which is the projector `n nᵀ` on the normal `n` where the neighbors lie in a plane, without the
    arbitrary sign of `n`. It rotates with the points and is smooth also where eigenvectors are not.
    Where the neighbors lie on a line, `Q` is 0.

    Call arguments:
        points: `(batch, points, 3)`.
        neighbors: `(batch, points, k)`, indices, as of `NearestNeighbors`.

    Output shape:
        `(batch, points, 6)`: the entries xx, yy, zz, xy, xz, yz of `Q`, in at least float32.

    >>> points = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]], "float32")
    >>> q = SurfaceProjector()(points, np.array([[[0, 1, 2, 3]] * 4]))
    >>> (np.asarray(q)[0, 0] > 0.9).tolist()
    [False, False, True, False, False, False]
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, points, neighbors):
        points, there = present(check_points(points))
        offsets, near = offsets_of_neighbors(points, there, neighbors)
        x, y, z = (offsets[..., i] for i in range(3))
        products = [ops.sum(near * p * q, axis=-1) for p, q in _products(x, y, z)]
        trace = products[0] + products[1] + products[2] + 1e-12
        xx, yy, zz, xy, xz, yz = (entry / trace for entry in products)
        adjugate = [
            *(yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy),
            *(xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz),
        ]
        scale = there / (adjugate[0] + adjugate[1] + adjugate[2] + _THIN)
        return ops.stack([entry * scale for entry in adjugate], -1)

    def compute_output_spec(self, points, neighbors):
        return keras.KerasTensor((*points.shape[:2], 6), at_least_float32(points.dtype))

    def compute_output_shape(self, points_shape, neighbors_shape=None):
        return (*points_shape[:2], 6)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PairInvariants(keras.layers.Layer):
    """Describes how neighbors lie to a point by rotation-invariant numbers.

    For a point `x` with the direction `v` from the center and the projector `P` on its normal line,
    and a neighbor `x'` with `v'` and `P'`, at the distance `d` in the direction `u`, the output is:

    - the weight `1 - (d / d_k)⁸`, by which what depends on a neighbor changes continuously when it
      is replaced by another one, and 0 for missing neighbors;
    - `d`, `d / d_k`, the difference of the radii, `u·v` and `u·v'`;
    - the angles with the normals, `uᵀPu`, `uᵀP'u`, `tr PP'`, `uᵀPP'u`, `uᵀPv`, `uᵀP'v'`, `vᵀPP'v'`.

    They do not depend on the signs of normals. A point at the center has the direction 0.

    Call arguments:
        points: `(batch, points, 3)`.
        neighbors: `(batch, n, k)`, indices of the neighbors of the first `n` points.
        projectors: `(batch, points, 6)`, as of `SurfaceProjector`.

    Output shape:
        `(batch, n, k, 13)`.

    Reference: Zhang et al. 2022 (RIConv++), with projectors in place of oriented normals.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, points, neighbors, projectors):
        points, there = present(check_points(points))
        projectors = ops.cast(projectors, points.dtype)
        outward, radius = direction_and_radius(points)
        known = ops.concatenate([points, outward, radius, projectors, there[..., None]], -1)
        count = neighbors.shape[1]
        own = _entries(known[:, :count, None])
        other = _entries(gather(known, neighbors))
        offset = [b - a for a, b in zip(own[:3], other[:3], strict=True)]
        distance = ops.sqrt(_dot(offset, offset) + 1e-12)
        u = [entry / distance for entry in offset]
        near, v, w = other[13] * own[13], own[3:6], other[3:6]
        reach = ops.max(distance * near, axis=-1, keepdims=True)
        relative = ops.clip(distance / at_least(reach, 1e-6), 0.0, 1.0)
        p, q = own[7:13], other[7:13]
        pu, qu, pv, qw = _apply(p, u), _apply(q, u), _apply(p, v), _apply(q, w)
        features = [
            near * (1 - relative**8),
            *(4 * distance, relative, 4 * (other[6] - own[6]), _dot(u, v), _dot(u, w)),
            *(_dot(u, pu), _dot(u, qu), _dot(p[:3], q[:3]) + 2 * _dot(p[3:], q[3:])),
            *(_dot(pu, qu), _dot(pu, v), _dot(qu, w), _dot(pv, qw)),
        ]
        return ops.cast(ops.stack(features, -1), self.compute_dtype)

    def compute_output_shape(self, points_shape, neighbors_shape, projectors_shape=None):
        return (*neighbors_shape, 13)


@keras.saving.register_keras_serializable(package=PACKAGE)
class NeighborPooling(keras.layers.Layer):
    """Applies a perceptron to every neighbor of a point and takes the maximum.

        h_j = relu(A p_ij + B f_j + C f_i + b),    out_i = max_j w_ij relu(D h_j + d)

    where `p_ij` are the invariants of the pair and `w_ij`, their first channel, is the weight. The
    order of the neighbors does not matter. Without neighbors, the output is 0.

    Args:
        filters: number of output channels.
        hidden: number of channels of `h`.

    Call arguments:
        pairs: `(batch, n, k, channels)`, as of `PairInvariants`.
        neighbors: `(batch, n, k)`, indices.
        features: `(batch, points, channels)`, of all points.

    Output shape:
        `(batch, n, filters)`.
    """

    def __init__(self, filters, hidden=32, **kwargs):
        super().__init__(**kwargs)
        for option, value in (("filters", filters), ("hidden", hidden)):
            if value < 1:
                raise ValueError(f"{option} must be positive. Received: {option}={value}")
        self.filters = filters
        self.hidden = hidden

    def build(self, pairs_shape, neighbors_shape, features_shape):
        def kernel(name, rows, columns):
            return self.add_weight(name=name, shape=(rows, columns), initializer="he_normal")

        self.pair_kernel = kernel("pair_kernel", pairs_shape[-1], self.hidden)
        self.neighbor_kernel = kernel("neighbor_kernel", features_shape[-1], self.hidden)
        self.center_kernel = kernel("center_kernel", features_shape[-1], self.hidden)
        self.bias = self.add_weight(name="bias", shape=(self.hidden,), initializer="zeros")
        self.kernel = kernel("kernel", self.hidden, self.filters)
        self.last_bias = self.add_weight(
            name="last_bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, pairs, neighbors, features):
        # A neighbor's part is computed once per point, and then gathered.
        own = matmul(features[:, : neighbors.shape[1]], self.center_kernel) + self.bias
        other = gather(matmul(features, self.neighbor_kernel), neighbors)
        hidden = ops.relu(matmul(pairs, self.pair_kernel) + other + own[:, :, None])
        values = ops.relu(matmul(hidden, self.kernel) + self.last_bias)
        return ops.max(values * pairs[..., :1], axis=2)

    def compute_output_shape(self, pairs_shape, neighbors_shape=None, features_shape=None):
        return (*pairs_shape[:2], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "hidden": self.hidden}


def _products(x, y, z):
    return ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))


def _entries(values):
    return [values[..., i] for i in range(values.shape[-1])]


def _dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def _apply(matrix, vector):
    """Multiplies a symmetric matrix xx, yy, zz, xy, xz, yz by a vector."""
    (xx, yy, zz, xy, xz, yz), (x, y, z) = matrix, vector
    return [xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z]
