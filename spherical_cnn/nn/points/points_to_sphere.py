"""From points to signals on the sphere, or their coefficients."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.nn.points.neighborhoods import FAR, check_points, present
from spherical_cnn.nn.points.shells import direction_and_radius, tents
from spherical_cnn.nn.pooling import PACKAGE
from spherical_cnn.sphere.grid import as_grid
from spherical_cnn.sphere.operations import at_least_float32, constant, full_float32
from spherical_cnn.sphere.sampling.harmonics import spherical_harmonics
from spherical_cnn.sphere.spectral import synthesize, to_batch_first, to_order_first


@keras.saving.register_keras_serializable(package=PACKAGE)
class PointsToSphere(keras.layers.Layer):
    """Sums points, which may carry features, to functions on concentric spheres.

        c[b, l, L-1+m, s·C + c] = g_l 4π Σ_n w_bn f_bnc φ_s(r_bn) Y_lm(u_bn) / Σ_n w_bn

    where `u` and `r` are the direction and the radius of a point, `φ_s` are tent functions of the
    radius that sum to 1, one per shell, and `g_l = exp(-l (l+1) / 4L²)` smooths the sum of deltas.
    The layer commutes with every rotation, and with every permutation of the points. The number of
    points does not matter, nor does the scale of the weights. A uniform cloud of features 1 becomes
    the constant 1.

    A point at the center has no direction and contributes to degree 0 only. A point repeated `k`
    times counts `k` times. Points that are missing, with a coordinate that is not finite or of
    weight 0, do not count; if all are missing, the result is 0.

    Args:
        bandwidth: number of degrees, `L`.
        shells: number of tent functions of the radius.
        radius: radius of the outer sphere; the outermost shell also takes the points beyond it.
        damped: whether to damp by `g_l`; otherwise `g_l = 1`.
        out_grid: `SphericalGrid` of the output, of at least this bandwidth; `None` for
            coefficients.

    Call arguments:
        points: `(batch, points, 3)`.
        features: `(batch, n, C)` of the first `n` points, to which the sums then extend; or a list,
            whose sums are concatenated; by default 1 for all points, with `C = 1`.
        weights: `(batch, points)`, not negative; by default 1.

    Output shape:
        `(batch, *out_grid.shape, shells · C)`, or `(batch, L, 2L-1, shells · C)`.

    >>> layer = PointsToSphere(8, shells=2)
    >>> tuple(layer(np.ones((1, 10, 3), "float32")).shape)
    (1, 8, 15, 2)
    """

    def __init__(
        self, bandwidth=16, shells=4, radius=1.0, damped=True, out_grid=None, dtype=None, **kwargs
    ):
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        self.out_grid = as_grid(out_grid)
        for option, value in (("bandwidth", bandwidth), ("shells", shells)):
            if value < 1:
                raise ValueError(f"{option} must be positive. Received: {option}={value}")
        if not radius > 0:
            raise ValueError(f"radius must be positive. Received: radius={radius}")
        if self.out_grid is not None and self.out_grid.bandwidth < bandwidth:
            raise ValueError(
                f"out_grid must have a bandwidth of at least {bandwidth}. Received: {self.out_grid}"
            )
        self.bandwidth = bandwidth
        self.shells = shells
        self.radius = radius
        self.damped = damped

    def call(self, points, features=None, weights=None):
        points, there = present(check_points(points))
        weights = there if weights is None else there * ops.cast(weights, points.dtype)
        directions, radius = direction_and_radius(points)
        shells = tents(radius / self.radius, self.shells)
        with full_float32():
            harmonics = spherical_harmonics(directions, self.bandwidth)
            harmonics = harmonics * constant(harmonics, _factors, self.bandwidth, self.damped)
            flat = []
            for values in features if isinstance(features, list | tuple) else [features]:
                count = points.shape[1] if values is None else values.shape[1]
                density = _normalized(weights[:, :count])[..., None] * shells[:, :count]
                if values is not None:
                    density = _outer(density, values, there[:, :count])
                flat.append(ops.einsum("bnk,bnc->bkc", harmonics[:, :count], density))
            flat = ops.concatenate(flat, -1) if len(flat) > 1 else flat[0]
            coefficients = _by_degree(flat, self.bandwidth)
            if self.out_grid is None:
                return ops.cast(coefficients, self.compute_dtype)
            maps = synthesize([to_order_first(coefficients)], self.out_grid)
            return ops.cast(to_batch_first(maps), self.compute_dtype)

    def compute_output_shape(self, points_shape, features_shape=None, weights_shape=None):
        several = features_shape and isinstance(features_shape[0], list | tuple)
        shapes = features_shape if several else [features_shape or (1,)]
        channels = self.shells * sum(shape[-1] for shape in shapes)
        size = (self.bandwidth, 2 * self.bandwidth - 1)
        return (points_shape[0], *(self.out_grid.shape if self.out_grid else size), channels)

    def get_config(self):
        return {
            **super().get_config(),
            "bandwidth": self.bandwidth,
            "shells": self.shells,
            "radius": self.radius,
            "damped": self.damped,
            "out_grid": self.out_grid and self.out_grid.get_config(),
        }


def _normalized(weights):
    total = ops.sum(weights, axis=1, keepdims=True)
    return weights / ops.where(total > 0, total, ops.ones_like(total))


def _outer(density, values, there):
    """Products `(b, n, s·C)` of densities `(b, n, s)` and features; missing ones may be NaN."""
    values = ops.where(there[..., None] > 0, ops.cast(values, density.dtype), 0.0)
    products = density[..., None] * values[:, :, None]
    return ops.reshape(products, (-1, values.shape[1], density.shape[2] * values.shape[2]))


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalPointPooling(keras.layers.Layer):
    """Mean and maximum of features over the points that are not missing.

    Call arguments:
        points: `(batch, points, 3)`; those after the `n`-th have no features and are ignored.
        features: `(batch, n, channels)`.

    Output shape:
        `(batch, 2 · channels)`: means, then maxima; 0 if all points are missing.

    >>> points, features = np.zeros((1, 2, 3), "float32"), np.array([[[1], [3]]], "float32")
    >>> np.asarray(GlobalPointPooling()(points, features))[0].tolist()
    [2.0, 3.0]
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, points, features):
        dtype = at_least_float32(features.dtype)
        _, there = present(check_points(points)[:, : features.shape[1]])
        there = ops.cast(there, dtype)[..., None]
        features = ops.where(there > 0, ops.cast(features, dtype), 0.0)
        count = ops.sum(there, axis=1)
        mean = ops.sum(features, axis=1) / ops.maximum(count, 1.0)
        most = ops.max(ops.where(there > 0, features, ops.full_like(features, -FAR)), axis=1)
        most = ops.where(count > 0, most, 0.0)
        return ops.cast(ops.concatenate([mean, most], -1), self.compute_dtype)

    def compute_output_shape(self, points_shape, features_shape):
        return (features_shape[0], 2 * features_shape[2])


def _by_degree(flat, bandwidth):
    """Arranges coefficients `(b, L², c)` as `(b, L, 2L-1, c)`."""
    padded = ops.pad(flat, [[0, 0], [0, 1], [0, 0]])
    rows = ops.take(padded, _places(bandwidth), axis=1)
    return ops.reshape(rows, (-1, bandwidth, 2 * bandwidth - 1, flat.shape[-1]))


def _places(bandwidth):
    """Places of the coefficients `(L (2L-1),)`; that of a zero, `L²`, where `|m| > l`."""
    degree, order = np.arange(bandwidth)[:, None], np.arange(1 - bandwidth, bandwidth)
    inside = np.abs(order) <= degree
    return np.where(inside, degree**2 + degree + order, bandwidth**2).astype("int32").ravel()


def _factors(bandwidth, damped):
    """`4π g_l` of each of the harmonics, `(L²,)`."""
    degrees = np.repeat(np.arange(bandwidth), 2 * np.arange(bandwidth) + 1)
    damping = np.exp(-degrees * (degrees + 1) / (4 * bandwidth**2)) if damped else 1.0
    return 4 * np.pi * damping * np.ones(bandwidth**2)
