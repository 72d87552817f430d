"""The fast path: transforms, mixing and moments in the layouts that make them matrix products.

Inside the transforms and layers, maps are *longitude-first*, `(p, t, b, c)`, and coefficients
*order-first*, `(m, l, b, c)`: order `1-L … L-1`, degree, batch, channel. The transform along
longitude is then one large matrix product and that along colatitude one product per order, with
nothing moved in memory. On JAX no product joins the batch with an axis before it: XLA can then
share out the batch among devices, where it would otherwise have each compute all of it.

Public functions and layers take and give the layouts of `sht`. Each turns its maps on the way in
and out by `turned`, its own inverse: between two layers the compiler drops both.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import BACKEND, at_least_float32, constant, divide, matmul


def turned(maps):
    """`(b, t, p, c)` from `(p, t, b, c)` and back; `(b, l, m, c)` from `(m, l, b, c)`."""
    return ops.transpose(maps, (2, 1, 0, 3))


def analyse(maps, grid, bandwidth, method="sep"):
    """Coefficients `(m, l, b, c)` of the degrees below `bandwidth` of maps `(p, t, b, c)`."""
    n, channels = grid.resolution, maps.shape[-1]
    if method == "naive":
        table = constant(maps, _weighted_harmonics, grid.bandwidth, bandwidth)
        return ops.einsum("lmtp,ptbc->mlbc", table, maps)
    rows = _along_longitude(maps, grid.bandwidth, bandwidth)
    table = constant(maps, _analysis, grid.bandwidth, bandwidth)
    orders = matmul(table, ops.reshape(rows, (2 * bandwidth - 1, n, -1)))
    return ops.reshape(orders, (2 * bandwidth - 1, bandwidth, -1, channels))


def synthesise(orders, grid, method="sep"):
    """Maps `(p, t, b, c)` on `grid` of coefficients `(m, l, b, c)` of its bandwidth or less."""
    n, bandwidth, channels = grid.resolution, orders.shape[1], orders.shape[-1]
    if method == "naive":
        table = constant(orders, _harmonics, grid.bandwidth, bandwidth)
        return ops.einsum("lmtp,mlbc->ptbc", table, orders)
    rows = ops.reshape(orders, (2 * bandwidth - 1, bandwidth, -1))
    rows = matmul(constant(orders, _synthesis, grid.bandwidth, bandwidth), rows)
    rows = ops.reshape(rows, (2 * bandwidth - 1, n, -1, channels))
    return _along_longitude(rows, grid.bandwidth, bandwidth, True)


def resampled(maps, grid, other):
    """Maps `(p, t, b, c)` on `grid`, of the degrees both grids can hold, sampled on `other`."""
    return synthesise(analyse(maps, grid, min(grid.bandwidth, other.bandwidth)), other)


def mix(orders, spectrum):
    """Convolution with zonal filters: the channels of all `orders` mixed by `spectrum`.

    Args:
        orders: list of coefficients `(m, l, b, c_i)`.
        spectrum: `(l, c, d)`, `c` the sum of all `c_i`; its factor `2π √(4π / (2l+1))` is
            applied here.

    Returns:
        `(m, l, b, d)`.
    """
    degrees, _, filters = spectrum.shape
    # Degrees in front: mixing channels is then one matrix product per degree.
    rows = [ops.swapaxes(x, 0, 1) for x in orders]
    if BACKEND == "jax":
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = ops.einsum("lmbc,lcd->lmbd", rows, scaled(spectrum, rows))
    else:  # 5 % of a training step faster, and nothing that shares out a batch within a program
        rows = [ops.reshape(x, (degrees, -1, x.shape[-1])) for x in rows]
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = matmul(rows, scaled(spectrum, rows))
        rows = ops.reshape(rows, (degrees, 2 * degrees - 1, -1, filters))
    return ops.swapaxes(rows, 0, 1)


def moments(orders, grid):
    """Mean and variance per channel, over batch and samples, of the maps of `orders`.

    The maps need not be there. By Parseval along longitude and the Gram matrices of the Legendre
    functions along colatitude, with `V_m` `grid.legendre_covariance`,

        mean_b[c] = Σ_l mean_t P_l^0(t) a[0, l, b, c]
        variance_b[c] = Σ_mlk a[m, l, b, c] V_|m|[l, k] a[m, k, b, c]

    are the moments of one signal, and the variance of the batch is the mean of its signals'
    variances plus the variance of their means.

    Args:
        orders: `(m, l, b, c)`.
        grid: of their bandwidth or more.

    Returns:
        Mean and variance, `(c,)` each, in float32 at least, both 0 for an empty batch; and the
        number of signals in the batch.
    """
    orders = ops.cast(orders, at_least_float32(orders.dtype))
    bandwidth, batch = orders.shape[1], ops.shape(orders)[2]
    weights = constant(orders, _legendre_mean, grid.bandwidth, bandwidth)
    means = ops.sum(weights * orders[bandwidth - 1], axis=0)
    covariance = constant(orders, _legendre_covariance, grid.bandwidth, bandwidth)
    image = matmul(covariance, ops.reshape(orders, (2 * bandwidth - 1, bandwidth, -1)))
    image = ops.stop_gradient(ops.reshape(image, ops.shape(orders)))
    # The form is symmetric, its gradient 2 V a: with the image held fixed, twice the coefficients
    # less once themselves, held fixed too, have the right value and gradient. Said before the
    # sum and not after: XLA sums fast where nothing is done to the sum.
    squares = (2 * orders - ops.stop_gradient(orders)) * image
    within = ops.sum(squares, axis=(0, 1))
    mean = divide(ops.sum(means, axis=0), batch)
    # Squares around the mean do not change with it to first order: it is held fixed.
    between = ops.square(means - ops.stop_gradient(mean))
    return mean, divide(ops.sum(within + between, axis=0), batch), batch


def affine(orders, scale, offset):
    """Coefficients of `scale[c] · map + offset[c]`; `None` for a scale of 1."""
    if scale is not None:
        orders = orders * ops.cast(scale, orders.dtype)
    return _shifted(orders, ops.cast(offset, orders.dtype))


def _shifted(orders, offset):
    """`affine` with a scale of 1, and a gradient that reads one coefficient and not all."""
    bandwidth = orders.shape[1]

    def shift(orders, offset):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return upstream, _ONE * ops.sum(upstream[bandwidth - 1, 0], axis=0)

        return orders + constant(orders, _unit, bandwidth) * offset, gradient

    return _with_gradient(shift, orders, offset)


def scaled(spectrum, like):
    """`2π √(4π / (2l+1))` times the spectrum `(l, c, d)`, in the dtype of `like`."""
    return ops.cast(spectrum, like.dtype) * constant(like, _zonal_factor, spectrum.shape[0])


def _along_longitude(maps, resolved, kept, inverse=False):
    """The Fourier table of `kept` degrees on the grid of bandwidth `resolved` times `(j, t, b, c)`.

    Its gradient is said to be a product of the same form: left to itself, JAX puts the axes of the
    gradient in another order and moves it in memory.
    """

    def product(maps):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return _along_longitude(upstream, resolved, kept, not inverse)

        table = constant(maps, _fourier, resolved, kept, inverse)
        if BACKEND == "torch":  # as Keras's `tensordot` there, which would round float64
            rows = matmul(table, ops.reshape(maps, (maps.shape[0], -1)))
            return ops.reshape(rows, (table.shape[0], *maps.shape[1:])), gradient
        return ops.tensordot(table, maps, 1), gradient

    return _with_gradient(product, maps)


def _with_gradient(function, *arguments):
    """`ops.custom_gradient`, but on torch, whose compiler cannot trace it, torch's own gradient."""
    if BACKEND == "torch":
        return function(*arguments)[0]
    return ops.custom_gradient(function)(*arguments)


# Tables, by the bandwidth of the grid and the number of degrees that are kept.

_ONE = float(np.sqrt(4 * np.pi))  # the coefficient of the constant 1


def _unit(bandwidth):
    """Coefficients `(m, l, 1, 1)` of the constant 1."""
    unit = np.zeros((2 * bandwidth - 1, bandwidth, 1, 1))
    unit[bandwidth - 1, 0] = _ONE
    return unit


def _zonal_factor(degrees):
    factor = 2 * np.pi * np.sqrt(4 * np.pi / (2 * np.arange(degrees) + 1))
    return factor[:, None, None]


def _harmonics(bandwidth, kept):
    """The harmonics of degrees and orders below `kept`."""
    dropped = bandwidth - kept
    orders = slice(dropped, 2 * bandwidth - 1 - dropped)
    return SphericalGrid(bandwidth).harmonics[:kept, orders]


def _weighted_harmonics(bandwidth, kept):
    weights = SphericalGrid(bandwidth).quadrature_weights
    return _harmonics(bandwidth, kept) * weights[:, None]


def _fourier(bandwidth, kept, inverse):
    """`grid.fourier` of the orders `1-kept … kept-1`: sines, then cosines; `(m, p)` or `(p, m)`."""
    cosine, sine = SphericalGrid(bandwidth).fourier[:kept].transpose(1, 0, 2)
    table = np.concatenate([sine[:0:-1], cosine])
    return table.T if inverse else table


def _analysis(bandwidth, kept):
    return _by_order(SphericalGrid(bandwidth).analysis[:kept, :kept])


def _synthesis(bandwidth, kept):
    return _by_order(SphericalGrid(bandwidth).legendre[:kept, :kept].transpose(0, 2, 1))


def _legendre_mean(bandwidth, kept):
    return SphericalGrid(bandwidth).legendre_mean[:kept, None, None]


def _legendre_covariance(bandwidth, kept):
    return _by_order(SphericalGrid(bandwidth).legendre_covariance[:kept, :kept, :kept])


def _by_order(table):
    """A table `(|m|, …)` for the orders `1-L … L-1`.

    Twice the memory of one table for both signs, but broadcasting over them would cost XLA two
    copies of the data a product.
    """
    return np.concatenate([table[:0:-1], table])
