"""Global pooling: signals to vectors."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.choices import GLOBAL_AVERAGES
from spherical_cnn.nn.pooling import PACKAGE, OnGrid
from spherical_cnn.old_names import average_config
from spherical_cnn.sphere.grid import grid_by_key
from spherical_cnn.sphere.operations import constant, mean
from spherical_cnn.sphere.sht import sht


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

    def build(self, input_shape):
        super().build(input_shape)
        _check_cells(self)

    def call(self, inputs):
        return inputs * constant(inputs, _area_weights, self.in_grid.key)[:, None, None]

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package=PACKAGE)
class GlobalSphericalAveragePooling(OnGrid):
    """Averages a signal over the sphere, one value per channel.

    `"quadrature"` is the integral over the sphere divided by 4π, exact for signals up to the degree
    `grid.exact_degree`, below `2L` on the paper's grid, and thus the only one of the three that is
    invariant to rotations. `"area"` is the paper's

        out[b, c] = mean over t, p of sin(θ_t + π / 2n) x[b, t, p, c]

    which is not divided by the mean weight (about 2/π). `"grid"` is the mean over the samples,
    where the poles count more than their area.

    Args:
        weights: `"quadrature"`, `"area"` (on the paper's grid only) or `"grid"`.
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs.

    Input shape:
        `(batch, *grid.shape, channels)`.

    Output shape:
        `(batch, channels)`.

    >>> tuple(GlobalSphericalAveragePooling()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 2)

    Reference: Esteves et al. 2018, section 4; Driscoll & Healy 1994, theorem 3.
    """

    def __init__(self, weights="quadrature", grid=None, **kwargs):
        super().__init__(grid, **kwargs)
        if weights not in GLOBAL_AVERAGES:
            raise ValueError(f"weights must be one of {GLOBAL_AVERAGES}. Received: {weights!r}")
        self.average = weights  # Keras's `weights` are the variables

    def build(self, input_shape):
        super().build(input_shape)
        if self.average == "area":
            _check_cells(self)

    def call(self, inputs):
        rows = mean(inputs, axis=2)
        if self.average == "grid":
            return mean(rows, axis=1)
        weights = constant(inputs, row_weights, self.in_grid.key, self.average)
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

    Args:
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs.

    Input shape:
        `(batch, *grid.shape, channels)`.

    Output shape:
        `(batch, L · channels)`.

    >>> tuple(DegreePower()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16)
    """

    def call(self, inputs):
        power = ops.sum(ops.square(sht(inputs, self.in_grid)), axis=2)
        return ops.reshape(power, (-1, self.in_grid.bandwidth * inputs.shape[3]))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.grid_of(input_shape).bandwidth * input_shape[3])


def _check_cells(layer):
    if not layer.in_grid.is_driscoll_healy:
        raise ValueError(
            f"{type(layer).__name__}: areas of cells are those of the paper's grid; use quadrature "
            f"weights. Received: {layer.in_grid}"
        )


def _area_weights(key):
    return grid_by_key(key).cell_weights


def row_weights(key, average):
    """Weights `(nlat,)` of the means of the rows in the average over the sphere."""
    grid = grid_by_key(key)
    if average == "quadrature":
        return grid.quadrature_weights * grid.nlon / (4 * np.pi)
    return grid.cell_weights / grid.resolution
