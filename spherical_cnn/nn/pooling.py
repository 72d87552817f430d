"""Pooling to a coarser grid, and resampling."""

from __future__ import annotations

import dataclasses

import keras
from keras import ops

from spherical_cnn.choices import INTERPOLATIONS, POOLS
from spherical_cnn.sphere.grid import SphericalGrid, as_grid
from spherical_cnn.sphere.operations import constant, mean
from spherical_cnn.sphere.sampling.interpolation import interpolate
from spherical_cnn.sphere.spectral import resample, to_batch_first, to_order_first

PACKAGE = "spherical_cnn"


class OnGrid(keras.layers.Layer):
    """Base of layers on signals.

    Args:
        grid: `SphericalGrid` of the input, or its config; by default the paper's grid for square
            inputs.

    Attributes:
        in_grid: the grid of the input; `build` sets it.
    """

    def __init__(self, grid=None, **kwargs):
        super().__init__(**kwargs)
        self.grid = as_grid(grid)

    def build(self, input_shape):
        self.in_grid = self.grid_of(input_shape)

    def grid_of(self, input_shape):
        """Returns the grid of inputs of a shape.

        Raises:
            ValueError: if the shape is not `(batch, *grid.shape, channels)`.
        """
        shape = tuple(input_shape)
        name = type(self).__name__
        if self.grid is not None:
            if len(shape) != 4 or shape[1:3] != self.grid.shape or not shape[3]:
                nlat, nlon = self.grid.shape
                raise ValueError(
                    f"{name} takes (batch, {nlat}, {nlon}, channels), the shape of its grid, with "
                    f"static channels. Received: input_shape={shape}"
                )
            return self.grid
        if len(shape) != 4 or shape[1] != shape[2] or not shape[1] or shape[1] % 2 or not shape[3]:
            raise ValueError(
                f"{name} takes (batch, 2L, 2L, channels) with a static even resolution and static "
                f"channels, or another shape with its grid. Received: input_shape={shape}"
            )
        return SphericalGrid.from_resolution(shape[1])

    def get_config(self):
        return {**super().get_config(), "grid": self.grid and self.grid.get_config()}


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

    It takes the paper's grid only. On other grids, a convolution pools exactly: it keeps fewer
    degrees (`degrees`) and samples its output on a coarser grid (`out_grid`).

    Input shape:
        `(batch, n, n, channels)`.

    Output shape:
        `(batch, n / pool_size, n / pool_size, channels)`.

    >>> tuple(SphericalPooling()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 8, 8, 2)

    Reference: Esteves et al. 2018, section 4.
    """

    def __init__(self, pool="lowpass", pool_size=2, **kwargs):
        super().__init__(None, **kwargs)
        if pool not in POOLS:
            raise ValueError(f"pool must be one of {POOLS}. Received: pool={pool!r}")
        if pool_size < 2:
            raise ValueError(f"pool_size must be at least 2. Received: pool_size={pool_size}")
        self.pool = pool
        self.pool_size = pool_size

    def build(self, input_shape):
        super().build(input_shape)
        self.out_grid = SphericalGrid.from_resolution(self.compute_output_shape(input_shape)[1])

    def call(self, inputs):
        if self.pool == "lowpass":
            return to_batch_first(resample(to_order_first(inputs), self.in_grid, self.out_grid))
        k, n, channels = self.pool_size, self.out_grid.resolution, inputs.shape[3]
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
        n, k = self.grid_of(input_shape).resolution, self.pool_size
        if n % (2 * k):
            raise ValueError(
                f"pooling by {k} needs a resolution divisible by {2 * k}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return (input_shape[0], n // k, n // k, input_shape[3])

    def get_config(self):
        config = {**super().get_config(), "pool": self.pool, "pool_size": self.pool_size}
        del config["grid"]
        return config


@keras.saving.register_keras_serializable(package=PACKAGE)
class SphericalResampling(OnGrid):
    """Samples signals and images on another grid: finer, coarser, or of another kind.

    `"harmonic"` takes the band-limited signal through the samples: a finer grid represents the same
    signal, a coarser one keeps the degrees that it can represent, and the result commutes with
    rotations. Images have edges, which are not band-limited; there it oscillates. For images, the
    other kinds are weighted means of samples: `"bilinear"`, between the nearest four; and, onto a
    coarser grid, `"area"`, the mean over the part of the sphere around each new sample, which keeps
    the integral.

    Args:
        resolution: resolution of the output grid, even: the paper's grid.
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs. That of a
            panorama is `SphericalGrid.equiangular(height, width, "cells")`. `"harmonic"` needs
            tables for all degrees of the grid; of a large one, give the grid a smaller bandwidth.
        out_grid: `SphericalGrid` of the output, in place of a resolution.
        interpolation: `"harmonic"`, `"bilinear"` or `"area"`.

    Input shape:
        `(batch, *grid.shape, channels)`; integers, such as those of an image, become floats.

    Output shape:
        `(batch, *out_grid.shape, channels)`.

    >>> tuple(SphericalResampling(24)(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 24, 24, 2)
    """

    def __init__(
        self, resolution=None, grid=None, out_grid=None, interpolation="harmonic", **kwargs
    ):
        super().__init__(grid, **kwargs)
        if (resolution is None) == (out_grid is None):
            raise ValueError(
                "SphericalResampling needs either resolution or out_grid. "
                f"Received: resolution={resolution}, out_grid={out_grid}"
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation must be one of {INTERPOLATIONS}. Received: {interpolation!r}"
            )
        self.resolution = resolution
        self.out_grid = as_grid(out_grid) or SphericalGrid.from_resolution(resolution)
        self.interpolation = interpolation

    def call(self, inputs):
        maps = to_order_first(ops.cast(inputs, self.compute_dtype))
        if self.interpolation == "harmonic":
            known = min(self.in_grid.bandwidth, self.out_grid.bandwidth)
            # With these degrees only, the tables of a large grid are small.
            out_grid = dataclasses.replace(self.out_grid, bandwidth=known)
            return to_batch_first(resample(maps, self.in_grid, out_grid))
        return to_batch_first(interpolate(maps, self.in_grid, self.out_grid, self.interpolation))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.out_grid.shape, input_shape[3])

    def get_config(self):
        out_grid = None if self.resolution else self.out_grid.get_config()
        return {
            **super().get_config(),
            "resolution": self.resolution,
            "out_grid": out_grid,
            "interpolation": self.interpolation,
        }


def _window_weights(bandwidth, size):
    """Weights `(2L, size)` of the rows in the windows of `"wap"` on the grid of `bandwidth`."""
    fine = SphericalGrid(bandwidth * size).cell_weights.reshape(-1, size)
    return fine / SphericalGrid(bandwidth).cell_weights[:, None] / size**2
