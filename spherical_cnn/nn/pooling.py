"""Pooling on the sphere: local, area-weighted, and global into invariant vectors."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.choices import GLOBAL_AVERAGES, POOLS
from spherical_cnn.old_names import average_config
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import constant, mean
from spherical_cnn.sphere.sht import sht
from spherical_cnn.sphere.spectral import resample, to_batch_first, to_order_first

PACKAGE = "spherical_cnn"


def grid_of(layer, input_shape):
    """Returns the grid of a layer's input.

    Raises:
        ValueError: if the shape is not `(batch, 2L, 2L, channels)`.
    """
    shape = tuple(input_shape)
    if len(shape) != 4 or shape[1] != shape[2] or not shape[1] or shape[1] % 2 or not shape[3]:
        raise ValueError(
            f"{type(layer).__name__} takes (batch, 2L, 2L, channels) with a static even resolution "
            f"and static channels. Received: input_shape={shape}"
        )
    return SphericalGrid.from_resolution(shape[1])


class OnGrid(keras.layers.Layer):
    """Base of layers on signals of a static even resolution; `build` sets `self.grid`."""

    def build(self, input_shape):
        self.grid = grid_of(self, input_shape)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SphericalPooling(OnGrid):
    """Reduces the resolution of a signal by a factor.

    `"lowpass"` keeps the degrees that the coarse grid can represent, and samples them there. It is
    exact for band-limited signals, and the only pooling here that commutes with rotations.

    The others reduce windows of `pool_size × pool_size` samples. `"wap"` (weighted average pooling,
    the paper's) weights each sample by the area of its cell. With `a_n(t) = sin(π t / n + π / 2n)`
    and `k` the window size,

        out[b, t, p, c] = mean over the window of (a_n x)[b, k t …, k p …, c] / a_{n/k}(t)

    It is not normalized: a constant 1 becomes cos(π / 2n) for `k = 2`. `"avg"` and `"max"` are the
    planar operations. These three assign the value of a window, which belongs to its center, to its
    corner, half a fine cell away. This shift is the largest equivariance error of the paper's
    network.

    Args:
        pool: `"lowpass"`, `"wap"`, `"avg"` or `"max"`.
        pool_size: ratio of the resolutions; the output resolution must be even.

    Input shape:
        `(batch, n, n, channels)`.

    Output shape:
        `(batch, n / pool_size, n / pool_size, channels)`.

    >>> tuple(SphericalPooling()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 8, 8, 2)

    Reference: Esteves et al. 2018, section 4.
    """

    def __init__(self, pool="lowpass", pool_size=2, **kwargs):
        super().__init__(**kwargs)
        if pool not in POOLS:
            raise ValueError(f"pool must be one of {POOLS}. Received: pool={pool!r}")
        if pool_size < 2:
            raise ValueError(f"pool_size must be at least 2. Received: pool_size={pool_size}")
        self.pool = pool
        self.pool_size = pool_size

    def build(self, input_shape):
        super().build(input_shape)
        self._coarse = SphericalGrid.from_resolution(self.compute_output_shape(input_shape)[1])

    def call(self, inputs):
        if self.pool == "lowpass":
            return to_batch_first(resample(to_order_first(inputs), self.grid, self._coarse))
        k, n, channels = self.pool_size, self._coarse.resolution, inputs.shape[3]
        windows = ops.reshape(to_order_first(inputs), (n, k, n, k, -1))
        if self.pool == "max":
            # Keras on torch refuses the maximum over windows of an empty batch.
            maps = (ops.sum if windows.shape[-1] == 0 else ops.max)(windows, axis=(1, 3))
        elif self.pool == "avg":
            maps = mean(windows, axis=(1, 3))
        else:
            weights = constant(inputs, _window_weights, n // 2, k)
            maps = ops.sum(windows * weights[:, :, None], axis=(1, 3))
        return to_batch_first(ops.reshape(maps, (n, n, -1, channels)))

    def compute_output_shape(self, input_shape):
        n, k = grid_of(self, input_shape).resolution, self.pool_size
        if n % (2 * k):
            raise ValueError(
                f"pooling by {k} needs a resolution divisible by {2 * k}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return (input_shape[0], n // k, n // k, input_shape[3])

    def get_config(self):
        return {**super().get_config(), "pool": self.pool, "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package=PACKAGE)
class SphericalResampling(OnGrid):
    """Samples the band-limited signal through the input samples on another grid.

    A finer grid represents the same signal; a coarser grid keeps the degrees that it can represent.

    Args:
        resolution: resolution of the output grid, even.

    Input shape:
        `(batch, n, n, channels)`.

    Output shape:
        `(batch, resolution, resolution, channels)`.

    >>> tuple(SphericalResampling(24)(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 24, 24, 2)
    """

    def __init__(self, resolution, **kwargs):
        super().__init__(**kwargs)
        self.resolution = resolution
        self._other = SphericalGrid.from_resolution(resolution)

    def call(self, inputs):
        return to_batch_first(resample(to_order_first(inputs), self.grid, self._other))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.resolution, self.resolution, input_shape[3])

    def get_config(self):
        return {**super().get_config(), "resolution": self.resolution}


@keras.saving.register_keras_serializable(package=PACKAGE)
class AreaWeighting(OnGrid):
    """Weights each sample by the relative area of its cell: `x[b, t, p, c] · sin(θ_t + π / 2n)`.

    Input shape:
        `(batch, 2L, 2L, channels)`.

    Output shape:
        Same as the input.

    >>> tuple(AreaWeighting()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16, 16, 2)
    """

    def call(self, inputs):
        return inputs * constant(inputs, _area_weights, self.grid.bandwidth)[:, None, None]

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalSphericalAveragePooling(OnGrid):
    """Averages a signal over the sphere, one value per channel.

    `"quadrature"` is the integral over the sphere divided by 4π, exact for signals of degree below
    `2L`, and thus the only one of the three that is invariant to rotations. `"area"` is the paper's

        out[b, c] = mean over t, p of sin(θ_t + π / 2n) x[b, t, p, c]

    which is not divided by the mean weight (about 2/π). `"grid"` is the mean over the samples,
    where the poles count more than their area.

    Args:
        weights: `"quadrature"`, `"area"` or `"grid"`.

    Input shape:
        `(batch, 2L, 2L, channels)`.

    Output shape:
        `(batch, channels)`.

    >>> tuple(GlobalSphericalAveragePooling()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 2)

    Reference: Esteves et al. 2018, section 4; Driscoll & Healy 1994, theorem 3.
    """

    def __init__(self, weights="quadrature", **kwargs):
        super().__init__(**kwargs)
        if weights not in GLOBAL_AVERAGES:
            raise ValueError(f"weights must be one of {GLOBAL_AVERAGES}. Received: {weights!r}")
        self.average = weights  # Keras's `weights` are the variables

    def call(self, inputs):
        rows = mean(inputs, axis=2)
        if self.average == "grid":
            return mean(rows, axis=1)
        weights = constant(inputs, _row_weights, self.grid.bandwidth, self.average)
        return ops.sum(rows * weights[:, None], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[3])

    def get_config(self):
        return {**super().get_config(), "weights": self.average}

    @classmethod
    def from_config(cls, config):
        """Creates the layer from its config, or from that of an earlier version."""
        return cls(**average_config(config))


@keras.saving.register_keras_serializable(package=PACKAGE)
class DegreePower(OnGrid):
    """Computes the power of each degree of each channel, which is invariant to rotations.

        out[b, l · channels + c] = Σ_m coefficients[b, l, m, c]²

    Input shape:
        `(batch, 2L, 2L, channels)`.

    Output shape:
        `(batch, L · channels)`.

    >>> tuple(DegreePower()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16)
    """

    def call(self, inputs):
        power = ops.sum(ops.square(sht(inputs, self.grid)), axis=2)
        return ops.reshape(power, (-1, self.grid.bandwidth * inputs.shape[3]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] // 2 * input_shape[3])


def _area_weights(bandwidth):
    return SphericalGrid(bandwidth).cell_weights


def _row_weights(bandwidth, average):
    """Weights `(2L,)` of the means of the rows in the average over the sphere."""
    grid = SphericalGrid(bandwidth)
    if average == "quadrature":
        return grid.quadrature_weights * grid.resolution / (4 * np.pi)
    return grid.cell_weights / grid.resolution


def _window_weights(bandwidth, size):
    """Weights `(2L, size)` of the rows in the windows of `"wap"` on the grid of `bandwidth`."""
    fine = SphericalGrid(bandwidth * size).cell_weights.reshape(-1, size)
    return fine / SphericalGrid(bandwidth).cell_weights[:, None] / size**2
