"""What a neighborhood of a point looks like, in numbers that no rotation changes."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.nn.points.neighborhoods import check_points, gather, present
from spherical_cnn.nn.points.shells import at_least, direction_and_radius, tents
from spherical_cnn.nn.pooling import PACKAGE
from spherical_cnn.sphere.operations import constant, matmul
from spherical_cnn.sphere.sampling.harmonics import spherical_harmonics


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalInvariants(keras.layers.Layer):
    """Describes the neighborhood of each point by rotation-invariant numbers.

    The `k` nearest points of a point, at distances `d_j` and in directions `u_j` from it, have the
    coefficients

        a[s, l, m] = √4π / k Σ_j φ_s(d_j / d_k) Y_lm(u_j)

    on `shells` shells. The output are, for each entry of `neighbors`, the products of the spectra
    `Σ_m a[s, l, m] a[s', l, m]` of every pair of shells `s ≤ s'`, the projections on the direction
    `v` from the center to the point, `Σ_m a[s, l, m] Y_lm(v)`, and the distance `d_k`; and once the
    radius of the point.

    Missing points are 0 and are no neighbors. Repeated points count repeatedly. If all neighbors
    are at the point itself, only degree 0 remains.

    Args:
        neighbors: numbers of nearest points, `k`; an integer or several.
        shells: number of shells.
        degrees: number of degrees.

    Call arguments:
        points: `(batch, points, 3)`.
        neighbors: `(batch, points, K)`, indices, nearest first, as of `NearestNeighbors`, with `K`
            at least the largest `k`.

    Output shape:
        `(batch, points, features)`.

    >>> layer = LocalInvariants(2, shells=1, degrees=2)
    >>> tuple(layer(np.ones((1, 4, 3), "float32"), np.zeros((1, 4, 2), "int32")).shape)
    (1, 4, 6)
    """

    def __init__(self, neighbors=16, shells=3, degrees=5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        counts = neighbors if isinstance(neighbors, list | tuple) else [neighbors]
        for option, value in (
            ("neighbors", min(counts, default=0)),
            ("shells", shells),
            ("degrees", degrees),
        ):
            if value < 1:
                raise ValueError(f"{option} must be positive. Received: {option}={value}")
        self.neighbors = tuple(counts)
        self.shells = shells
        self.degrees = degrees

    def call(self, points, neighbors):
        most = max(self.neighbors)
        if neighbors.shape[-1] < most:
            raise ValueError(
                f"LocalInvariants needs {most} neighbors of each point. "
                f"Received: neighbors.shape={tuple(neighbors.shape)}"
            )
        points, there = present(check_points(points))
        offsets, near = offsets_of_neighbors(points, there, neighbors[..., :most])
        outward, radius = direction_and_radius(points)
        directions, distances = direction_and_radius(offsets)
        harmonics = spherical_harmonics(directions, self.degrees)
        shells, reaches = [], []
        for count in self.neighbors:
            inside = near * constant(near, _first, count, most)
            reach = ops.max(distances[..., 0] * inside, axis=-1, keepdims=True)
            weights = inside / ops.maximum(ops.sum(inside, axis=-1, keepdims=True), 1.0)
            scaled = distances / at_least(reach, 1e-6)[..., None]
            shells.append(weights[..., None] * tents(scaled, self.shells))
            reaches.append(reach)
        weights = ops.concatenate(shells, -1) * np.sqrt(4 * np.pi).astype("float32").item()
        coefficients = ops.einsum("bnks,bnkm->bnsm", weights, harmonics)
        center = spherical_harmonics(outward, self.degrees)
        features = [ops.cast(x, self.compute_dtype) for x in (*reaches, radius)]
        for first in range(0, len(self.neighbors) * self.shells, self.shells):
            own = [coefficients[:, :, first + s] for s in range(self.shells)]
            products = [own[s] * own[t] for s in range(self.shells) for t in range(s + 1)]
            products += [spectrum * center for spectrum in own]
            products = ops.stack(products, 2)
            sums = matmul(products, constant(products, _orders, self.degrees))
            size = self.degrees * products.shape[2]
            sums = ops.reshape(sums, (-1, points.shape[1], size))
            features.append(ops.cast(sums, self.compute_dtype))
        return ops.concatenate(features, -1) * ops.cast(there, self.compute_dtype)[..., None]

    def compute_output_shape(self, points_shape, neighbors_shape=None):
        spectra = self.shells * (self.shells + 1) // 2 + self.shells
        features = len(self.neighbors) * (self.degrees * spectra + 1) + 1
        return (*points_shape[:2], features)

    def get_config(self):
        return {
            **super().get_config(),
            "neighbors": self.neighbors,
            "shells": self.shells,
            "degrees": self.degrees,
        }


def offsets_of_neighbors(points, there, neighbors):
    """Returns the vectors `(b, n, k, 3)` to neighbors of the first `n` points, and `(b, n, k)`.

    The latter is 1, or 0 where the neighbor is missing.
    """
    rows = gather(ops.concatenate([points, there[..., None]], -1), neighbors)
    return rows[..., :3] - points[:, : neighbors.shape[1], None], rows[..., 3]


def _first(count, most):
    return (np.arange(most) < count).astype("float32")


def _orders(degrees):
    """Sums over the orders of each degree, `(L², L)`."""
    owner = np.repeat(np.arange(degrees), 2 * np.arange(degrees) + 1)
    return np.eye(degrees)[owner]
