"""The fast path: transforms, mixing and moments in the layouts that make them matrix products.

Inside the transforms and layers, maps are *longitude-first*, `(p, t, b, c)`, and coefficients
*order-first*, `(m, s, l, b, c)`: order `m ≥ 0`, part `s` (0 the cosine, order `+m`; 1 the sine,
order `-m`), degree, batch, channel. The transform along longitude is then one large matrix
product and that along colatitude one product per order and part, with nothing moved in memory.

Public functions and layers take and give the layouts of `sht`. Each turns its maps on the way in
and out by `turned`, its own inverse: between two layers the compiler drops both.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

METHODS = ("sep", "naive")


def turned(maps):
    """`(b, t, p, c)` from `(p, t, b, c)` and back."""
    return ops.transpose(maps, (2, 1, 0, 3))


def analyse(maps, grid, bandwidth, method="sep"):
    """Coefficients `(m, s, l, b, c)` of the degrees below `bandwidth` of maps `(p, t, b, c)`."""
    n, channels = grid.resolution, maps.shape[-1]
    if method == "naive":
        weighted = grid.harmonics * grid.quadrature_weights[:, None]
        dense = ops.einsum("lmtp,ptbc->mlbc", constant(weighted, maps), maps)
        return from_signed(dense)[:bandwidth, :, :bandwidth]
    fourier = grid.fourier[:bandwidth].reshape(2 * bandwidth, n)
    rows = ops.matmul(constant(fourier, maps), ops.reshape(maps, (n, -1)))
    rows = ops.reshape(rows, (2 * bandwidth, n, -1))
    legendre = grid.analysis[:bandwidth, :bandwidth]
    orders = ops.matmul(constant(_both_parts(legendre), maps), rows)
    return ops.reshape(orders, (bandwidth, 2, bandwidth, -1, channels))


def synthesise(orders, grid, method="sep"):
    """Maps `(p, t, b, c)` on `grid` of coefficients `(m, s, l, b, c)` of its bandwidth."""
    n, bandwidth, channels = grid.resolution, grid.bandwidth, orders.shape[-1]
    if method == "naive":
        table = constant(grid.harmonics, orders)
        return ops.einsum("lmtp,mlbc->ptbc", table, to_signed(orders))
    orders = ops.reshape(orders, (2 * bandwidth, bandwidth, -1))
    legendre = grid.legendre.transpose(0, 2, 1)
    rows = ops.matmul(constant(_both_parts(legendre), orders), orders)
    fourier = grid.fourier.reshape(2 * bandwidth, n).T
    maps = ops.matmul(constant(fourier, orders), ops.reshape(rows, (2 * bandwidth, -1)))
    return ops.reshape(maps, (n, n, -1, channels))


def mix(orders, spectrum):
    """Convolution with zonal filters: the channels of all `orders` mixed by `spectrum`.

    Args:
        orders: list of coefficients `(m, s, l, b, c_i)`.
        spectrum: `(l, c, d)`, `c` the sum of all `c_i`; its factor `2π √(4π / (2l+1))` is
            applied here.

    Returns:
        `(m, s, l, b, d)`.
    """
    degrees, _, filters = spectrum.shape
    # Degrees in front: mixing channels is then one matrix product per degree.
    rows = [ops.reshape(ops.moveaxis(x, 2, 0), (degrees, -1, x.shape[-1])) for x in orders]
    rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
    rows = ops.matmul(rows, scaled(spectrum, rows))
    return ops.moveaxis(ops.reshape(rows, (degrees, degrees, 2, -1, filters)), 0, 2)


def moments(orders, grid):
    """Mean and variance per channel, over batch and samples, of the maps of `orders`.

    The maps need not be there. By Parseval along longitude and the Gram matrices of the Legendre
    functions along colatitude, with `V_m` `grid.legendre_covariance`,

        mean_b[c] = Σ_l mean_t P_l^0(t) a[0, 0, l, b, c]
        variance_b[c] = Σ_mslk a[m, s, l, b, c] V_m[l, k] a[m, s, k, b, c]

    are the moments of one signal, and the variance of the batch is the mean of its signals'
    variances plus the variance of their means.

    Args:
        orders: `(m, s, l, b, c)`.
        grid: of their bandwidth.

    Returns:
        `(c,)` and `(c,)`, in float32 at least.
    """
    orders = ops.cast(orders, keras.backend.result_type(orders.dtype, "float32"))
    means = ops.sum(constant(grid.legendre_mean[:, None, None], orders) * orders[0, 0], axis=0)
    covariance = constant(_both_parts(grid.legendre_covariance), orders)
    image = ops.matmul(covariance, ops.reshape(orders, (*covariance.shape[:2], -1)))
    image = ops.stop_gradient(ops.reshape(image, ops.shape(orders)))
    # The form is symmetric, its gradient 2 V a: with the image held fixed, twice the coefficients
    # less once themselves, held fixed too, have the right value and gradient. Said before the
    # sum and not after: XLA sums fast where nothing is done to the sum.
    squares = (2 * orders - ops.stop_gradient(orders)) * image
    within = ops.mean(ops.sum(squares, axis=(0, 1, 2)), axis=0)
    mean, between = ops.moments(means, axes=0)
    return mean, within + between


def affine(orders, scale, offset):
    """Coefficients of `scale[c] · map + offset[c]`; `None` for a scale of 1."""
    bandwidth = orders.shape[0]
    unit = np.zeros((bandwidth, 2, bandwidth, 1, 1))
    unit[0, 0, 0] = np.sqrt(4 * np.pi)  # the coefficient of the constant 1
    if scale is not None:
        orders = orders * ops.cast(scale, orders.dtype)
    return orders + constant(unit, orders) * ops.cast(offset, orders.dtype)


def from_signed(coefficients):
    """`(m, s, l, b, c)` of coefficients `(L-1+m, l, b, c)` with the orders `1-L … L-1` in front."""
    bandwidth = coefficients.shape[1]
    cosine, sine = coefficients[bandwidth - 1 :], coefficients[: bandwidth - 1]
    sine = ops.concatenate([ops.zeros_like(cosine[:1]), ops.flip(sine, axis=0)], axis=0)
    return ops.stack([cosine, sine], axis=1)


def to_signed(orders):
    """Inverse of `from_signed`."""
    return ops.concatenate([ops.flip(orders[1:, 1], axis=0), orders[:, 0]], axis=0)


def scaled(spectrum, like):
    """`2π √(4π / (2l+1))` times the spectrum `(l, c, d)`, in the dtype of `like`."""
    degree = np.arange(spectrum.shape[0])
    factor = 2 * np.pi * np.sqrt(4 * np.pi / (2 * degree + 1))
    return ops.cast(spectrum, like.dtype) * constant(factor[:, None, None], like)


def _both_parts(table):
    """A table `(m, …)` for each order and part, `(2m, …)`.

    Twice the memory of one table broadcast over the parts, but that costs XLA two copies of the
    data a product.
    """
    return np.repeat(table, 2, axis=0)


def constant(table, like):
    """A NumPy table as a tensor in the dtype of `like`."""
    return ops.convert_to_tensor(table, dtype=like.dtype)
