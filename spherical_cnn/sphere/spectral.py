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

import keras
import numpy as np
from keras import ops

METHODS = ("sep", "naive")


def turned(maps):
    """`(b, t, p, c)` from `(p, t, b, c)` and back; `(b, l, m, c)` from `(m, l, b, c)`."""
    return ops.transpose(maps, (2, 1, 0, 3))


def analyse(maps, grid, bandwidth, method="sep"):
    """Coefficients `(m, l, b, c)` of the degrees below `bandwidth` of maps `(p, t, b, c)`."""
    n, channels = grid.resolution, maps.shape[-1]
    if method == "naive":
        weighted = _kept(grid.harmonics, grid, bandwidth) * grid.quadrature_weights[:, None]
        return ops.einsum("lmtp,ptbc->mlbc", constant(weighted, maps), maps)
    rows = _along_longitude(_fourier(grid, bandwidth), maps)
    legendre = constant(_by_order(grid.analysis[:bandwidth, :bandwidth]), maps)
    orders = ops.matmul(legendre, ops.reshape(rows, (2 * bandwidth - 1, n, -1)))
    return ops.reshape(orders, (2 * bandwidth - 1, bandwidth, -1, channels))


def synthesise(orders, grid, method="sep"):
    """Maps `(p, t, b, c)` on `grid` of coefficients `(m, l, b, c)` of its bandwidth or less."""
    n, bandwidth, channels = grid.resolution, orders.shape[1], orders.shape[-1]
    if method == "naive":
        table = constant(_kept(grid.harmonics, grid, bandwidth), orders)
        return ops.einsum("lmtp,mlbc->ptbc", table, orders)
    legendre = grid.legendre[:bandwidth, :bandwidth].transpose(0, 2, 1)
    rows = ops.reshape(orders, (2 * bandwidth - 1, bandwidth, -1))
    rows = ops.matmul(constant(_by_order(legendre), orders), rows)
    rows = ops.reshape(rows, (2 * bandwidth - 1, n, -1, channels))
    return _along_longitude(_fourier(grid, bandwidth).T, rows)


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
    if keras.backend.backend() == "jax":
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = ops.einsum("lmbc,lcd->lmbd", rows, scaled(spectrum, rows))
    else:  # 5 % of a training step faster, and nothing that shares out a batch within a program
        rows = [ops.reshape(x, (degrees, -1, x.shape[-1])) for x in rows]
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = ops.matmul(rows, scaled(spectrum, rows))
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
        `(c,)` and `(c,)`, in float32 at least.
    """
    orders = ops.cast(orders, keras.backend.result_type(orders.dtype, "float32"))
    bandwidth = orders.shape[1]
    weights = grid.legendre_mean[:bandwidth, None, None]
    means = ops.sum(constant(weights, orders) * orders[bandwidth - 1], axis=0)
    covariance = grid.legendre_covariance[:bandwidth, :bandwidth, :bandwidth]
    covariance = constant(_by_order(covariance), orders)
    image = ops.matmul(covariance, ops.reshape(orders, (*covariance.shape[:2], -1)))
    image = ops.stop_gradient(ops.reshape(image, ops.shape(orders)))
    # The form is symmetric, its gradient 2 V a: with the image held fixed, twice the coefficients
    # less once themselves, held fixed too, have the right value and gradient. Said before the
    # sum and not after: XLA sums fast where nothing is done to the sum.
    squares = (2 * orders - ops.stop_gradient(orders)) * image
    within = ops.sum(squares, axis=(0, 1))
    mean = ops.mean(means, axis=0)
    # Squares around the mean do not change with it to first order: it is held fixed.
    between = ops.square(means - ops.stop_gradient(mean))
    return mean, ops.mean(within + between, axis=0)


def affine(orders, scale, offset):
    """Coefficients of `scale[c] · map + offset[c]`; `None` for a scale of 1."""
    if scale is not None:
        orders = orders * ops.cast(scale, orders.dtype)
    return _shifted(orders, ops.cast(offset, orders.dtype))


@ops.custom_gradient
def _shifted(orders, offset):
    """`affine` with a scale of 1, and a gradient that reads one coefficient and not all."""
    bandwidth = orders.shape[1]
    one = float(np.sqrt(4 * np.pi))  # the coefficient of the constant 1
    unit = np.zeros((2 * bandwidth - 1, bandwidth, 1, 1))
    unit[bandwidth - 1, 0] = one

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream
        return upstream, one * ops.sum(upstream[bandwidth - 1, 0], axis=0)

    return orders + constant(unit, orders) * offset, gradient


def scaled(spectrum, like):
    """`2π √(4π / (2l+1))` times the spectrum `(l, c, d)`, in the dtype of `like`."""
    degree = np.arange(spectrum.shape[0])
    factor = 2 * np.pi * np.sqrt(4 * np.pi / (2 * degree + 1))
    return ops.cast(spectrum, like.dtype) * constant(factor[:, None, None], like)


def _along_longitude(table, maps):
    """`table` `(i, j)` times the first axis of `(j, t, b, c)`.

    Its gradient is said to be a product of the same form: left to itself, JAX puts the axes of the
    gradient in another order and moves it in memory.
    """

    @ops.custom_gradient
    def product(maps):
        def gradient(*args, upstream=None):
            return _along_longitude(table.T, args[0] if upstream is None else upstream)

        return ops.tensordot(constant(table, maps), maps, 1), gradient

    return product(maps)


def _kept(harmonics, grid, bandwidth):
    """The harmonics of degrees and orders below `bandwidth`."""
    dropped = grid.bandwidth - bandwidth
    return harmonics[:bandwidth, dropped : 2 * grid.bandwidth - 1 - dropped]


def _fourier(grid, bandwidth):
    """`grid.fourier` of the orders `1-bandwidth … bandwidth-1`, `(m, p)`: sines, then cosines."""
    cosine, sine = grid.fourier[:bandwidth].transpose(1, 0, 2)
    return np.concatenate([sine[:0:-1], cosine])


def _by_order(table):
    """A table `(|m|, …)` for the orders `1-L … L-1`.

    Twice the memory of one table for both signs, but broadcasting over them would cost XLA two
    copies of the data a product.
    """
    return np.concatenate([table[:0:-1], table])


def constant(table, like):
    """A NumPy table as a tensor in the dtype of `like`."""
    return ops.convert_to_tensor(table, dtype=like.dtype)
