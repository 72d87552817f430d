"""Spherical convolution with localized zonal filters."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE, OnGrid
from spherical_cnn.sphere.grid import SphericalGrid, as_grid
from spherical_cnn.sphere.operations import constant, matmul
from spherical_cnn.sphere.sht import check_method, check_signal
from spherical_cnn.sphere.spectral import (
    affine,
    analyze,
    mix,
    synthesize,
    to_batch_first,
    to_order_first,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SphericalConv(OnGrid):
    """Convolves signals on the sphere with zonal filters, exactly, in the harmonic domain.

        out_lm[d] = Σ_c 2π √(4π / (2l+1)) f_lm[c] h[l, c, d]  (+ bias[d] on the grid)

    where `f` are the coefficients of the input and `h[l, c, d]` the filter spectra, which are
    interpolated linearly between `num_anchors` learned values, evenly spaced over the degrees. Few
    anchors make smooth spectra, and thus filters that are localized in space. The layer commutes
    with every rotation of the sphere.

    Args:
        filters: number of output channels.
        num_anchors: number of learned values per spectrum; `None` for one per degree. At most one
            per degree is used; a single one gives a constant spectrum.
        use_bias: whether to add a bias per filter.
        spectral_pooling: whether to keep the lower half of the degrees and sample the output on the
            grid of half the resolution.
        degrees: number of degrees of the filters, the lowest ones; `None` for all that the input's
            grid can represent. Fewer degrees are an exact low-pass pooling of the input.
        method: `"sep"`, the separable transform; or `"naive"`, the dense contraction with all
            harmonics, which gives equal numbers and is slower.
        kernel_initializer: initializer of the anchors; `None` for a truncated normal of standard
            deviation `filter_stddev(L, channels)`.
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the anchors, e.g. `keras.regularizers.L2(1e-4)`.
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs.
        out_grid: `SphericalGrid` of the output; by default that of the input. A coarser one keeps
            the degrees that it can represent.

    Input shape:
        `(batch, *grid.shape, channels)`, by default `(batch, 2L, 2L, channels)`, colatitude before
        longitude; or a list of such shapes, to convolve the concatenation of several signals
        without computing it.

    Output shape:
        `(batch, *out_grid.shape, filters)`; by default `(batch, 2L, 2L, filters)`, and
        `(batch, L, L, filters)` with spectral pooling.

    >>> layer = SphericalConv(4, num_anchors=3)
    >>> tuple(layer(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16, 16, 4)

    Reference: Esteves et al. 2018, sections 3 and 4.
    """

    def __init__(
        self,
        filters,
        num_anchors=None,
        use_bias=True,
        spectral_pooling=False,
        degrees=None,
        method="sep",
        kernel_initializer=None,
        bias_initializer="zeros",
        kernel_regularizer=None,
        grid=None,
        out_grid=None,
        **kwargs,
    ):
        super().__init__(grid, **kwargs)
        if filters < 1:
            raise ValueError(f"filters must be positive. Received: filters={filters}")
        for option, value in (("num_anchors", num_anchors), ("degrees", degrees)):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be positive or None. Received: {option}={value}")
        check_method(method)
        if spectral_pooling and (grid is not None or out_grid is not None):
            raise ValueError(
                "spectral_pooling is for the paper's grid; with others, choose a coarser out_grid. "
                f"Received: grid={grid}, out_grid={out_grid}"
            )
        self.out_grid = self._given_out_grid = as_grid(out_grid)
        self.filters = filters
        self.num_anchors = num_anchors
        self.use_bias = use_bias
        self.spectral_pooling = spectral_pooling
        self.degrees = degrees
        self.method = method
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        shapes = _shapes(input_shape)
        self.in_grid = self.grid_of(shapes[0])
        if any(self.grid_of(shape) != self.in_grid for shape in shapes):
            raise ValueError(f"signals must have one resolution. Received: input_shape={shapes}")
        bandwidth, channels = self.in_grid.bandwidth, sum(shape[3] for shape in shapes)
        bandwidth = min(self.degrees or bandwidth, bandwidth)
        self.out_grid = self._out_grid_of(shapes[0])
        anchors = min(self.num_anchors or bandwidth, bandwidth)
        self._degrees = (bandwidth, min(bandwidth, self.out_grid.bandwidth))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, anchors, self.filters),
            initializer=self.kernel_initializer
            or keras.initializers.TruncatedNormal(stddev=filter_stddev(bandwidth, channels)),
            regularizer=self.kernel_regularizer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer=self.bias_initializer
            )

    def spectra(self):
        """Returns the filter spectra `(degrees, channels, filters)`."""
        channels, anchors, filters = self.kernel.shape
        kernel = ops.reshape(ops.swapaxes(self.kernel, 0, 1), (anchors, channels * filters))
        table = constant(kernel, interpolation_matrix, anchors, *self._degrees)
        return ops.reshape(matmul(table, kernel), (-1, channels, filters))

    def call(self, inputs):
        coefficients = self.coefficients(inputs)
        if self.bias is not None:
            coefficients = affine(coefficients, None, self.bias)
        return to_batch_first(synthesize(coefficients, self.out_grid, self.method))

    def coefficients(self, inputs):
        """Returns the coefficients of the output before the bias, in blocks; see `analyze`."""
        kept = self._degrees[1]
        signals = inputs if isinstance(inputs, list | tuple) else [inputs]
        signals = [check_signal(x, self.in_grid) for x in signals]
        if sum(x.shape[-1] for x in signals) != self.kernel.shape[0]:
            raise ValueError(
                f"{self.name} was built for {self.kernel.shape[0]} channels. "
                f"Received: shapes {[tuple(x.shape) for x in signals]}"
            )
        grid, method = self.in_grid, self.method
        coefficients = [analyze(to_order_first(x), grid, kept, method) for x in signals]
        return mix(coefficients, self.spectra())

    def compute_output_shape(self, input_shape):
        first = _shapes(input_shape)[0]
        return (first[0], *self._out_grid_of(first).shape, self.filters)

    def _out_grid_of(self, shape):
        grid = self.grid_of(shape)
        if not self.spectral_pooling:
            return self._given_out_grid or grid
        if grid.bandwidth % 2:
            raise ValueError(
                f"spectral pooling needs a resolution divisible by 4. Received: input_shape={shape}"
            )
        return SphericalGrid.from_resolution(grid.bandwidth)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_anchors": self.num_anchors,
            "use_bias": self.use_bias,
            "spectral_pooling": self.spectral_pooling,
            "degrees": self.degrees,
            "method": self.method,
            "kernel_initializer": self.kernel_initializer
            and keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "out_grid": self._given_out_grid and self._given_out_grid.get_config(),
        }


def _shapes(input_shape):
    """Returns the shapes of one signal, or of a list of signals, as a list of tuples."""
    several = isinstance(input_shape[0], list | tuple)
    return [tuple(shape) for shape in (input_shape if several else [input_shape])]


def interpolation_matrix(anchors, bandwidth, kept):
    """Returns the matrix `(kept, anchors)` of the weights of the anchors at the lowest degrees.

    The anchors are evenly spaced over the degrees below `bandwidth`.
    """
    degrees = np.linspace(0, 1, bandwidth)
    positions = np.linspace(0, 1, anchors)
    rows = [np.interp(degrees[:kept], positions, row) for row in np.eye(anchors)]
    return np.stack(rows, axis=1)


def filter_stddev(bandwidth, channels):
    """Returns `2 / (2π √(L · channels))`, the standard deviation of the initial anchors.

    Coefficients of variance 1 become signals of variance about 4, for any bandwidth and number of
    channels. Source: the original program.
    """
    # A Python float: with `jax_enable_x64`, NumPy's float64 would make the kernel float64.
    return float(2 / (2 * np.pi * np.sqrt(bandwidth * channels)))
