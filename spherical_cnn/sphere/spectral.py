"""Transforms, convolution and moments as matrix products, in an internal layout.

Inside transforms and layers, maps are *longitude-first*, `(p, t, b, c)`, and coefficients
*order-first*, `(m, l, b, c)`: order `1-L … L-1`, degree, batch, channel, in blocks of degrees. The
transform along longitude is then one large matrix product, and that along colatitude one product
per order, without moving data in memory. On JAX, no product merges the batch with an axis before
it, so that XLA can distribute the batch over devices.

Public functions and layers use the layouts of `sht`, and convert with `to_order_first` and
`to_batch_first`. Between two layers the compiler removes both.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from spherical_cnn.sphere.grid import grid_by_key
from spherical_cnn.sphere.operations import (
    BACKEND,
    apply_table,
    at_least_float32,
    constant,
    divide,
    matmul,
    quadratic_form,
)


def to_order_first(x):
    """Transposes maps `(b, t, p, c)` to `(p, t, b, c)`, or coefficients to `(m, l, b, c)`."""
    return ops.transpose(x, (2, 1, 0, 3))


def to_batch_first(x):
    """Transposes maps `(p, t, b, c)` to `(b, t, p, c)`, or coefficients to `(b, l, m, c)`."""
    return ops.transpose(x, (2, 1, 0, 3))


def degree_blocks(bandwidth):
    """Returns the blocks `(low, high)` of degrees that coefficients are held in.

    A block has the degrees `low … high-1` of the orders `|m| < high`. With two, a quarter of the
    products, with entries `l < |m|` that are zero, is not computed.
    """
    half = bandwidth // 2
    return [(0, half), (half, bandwidth)] if half >= 4 else [(0, bandwidth)]


def analyze(maps, grid, bandwidth, method="sep", blocks=None):
    """Returns coefficients of degrees below `bandwidth` of maps `(p, t, b, c)`, in blocks."""
    channels, blocks = maps.shape[-1], blocks or degree_blocks(bandwidth)
    if method == "naive":
        tables = [constant(maps, _dual_harmonics, grid.key, bandwidth, *block) for block in blocks]
        return [ops.einsum("lmtp,ptbc->mlbc", table, maps) for table in tables]
    rows = _along_longitude(maps, grid.key, bandwidth)
    rows = ops.reshape(rows, (2 * bandwidth - 1, grid.nlat, -1))
    found = []
    for low, high in blocks:
        table = constant(maps, _analysis, grid.key, low, high)
        product = matmul(table, rows[bandwidth - high : bandwidth + high - 1])
        found.append(ops.reshape(product, (2 * high - 1, high - low, -1, channels)))
    return found


def synthesize(coefficients, grid, method="sep"):
    """Returns maps `(p, t, b, c)` on `grid` of coefficients in blocks."""
    bandwidth, channels = sum(x.shape[1] for x in coefficients), coefficients[0].shape[-1]
    blocks = [(x, _degrees(x)) for x in coefficients]
    if method == "naive":
        tables = [constant(x, _harmonics, grid.key, *block) for x, block in blocks]
        pairs = zip(tables, coefficients, strict=True)
        return sum(ops.einsum("lmtp,mlbc->ptbc", *pair) for pair in pairs)
    rows = []
    for x, (low, high) in blocks:
        table = constant(x, _synthesis, grid.key, low, high)
        product = matmul(table, ops.reshape(x, (2 * high - 1, high - low, -1)))
        rows.append(_padded(product, bandwidth - high))
    rows = ops.reshape(sum(rows), (2 * bandwidth - 1, grid.nlat, -1, channels))
    return _along_longitude(rows, grid.key, bandwidth, True)


def _degrees(block):
    high = (block.shape[0] + 1) // 2
    return high - block.shape[1], high


def _padded(x, count):
    """Pads the first axis by zeros on both sides."""
    return ops.pad(x, ((count, count), *((0, 0),) * (len(x.shape) - 1))) if count else x


def join(blocks):
    """Returns coefficients in blocks as one array `(m, l, b, c)`, zero where `|m| > l`."""
    orders = max(x.shape[0] for x in blocks)
    return ops.concatenate([_padded(x, (orders - x.shape[0]) // 2) for x in blocks], axis=1)


def resample(maps, grid, other):
    """Samples maps `(p, t, b, c)` on another grid, with the degrees that both can represent."""
    return synthesize(analyze(maps, grid, min(grid.bandwidth, other.bandwidth)), other)


def mix(coefficients, spectrum):
    """Convolves signals with zonal filters: mixes their channels, degree by degree.

        out[m, l, b, d] = Σ_c 2π √(4π / (2l+1)) coefficients[m, l, b, c] spectrum[l, c, d]

    The coefficients, in blocks, are those of a list of signals, whose channels are concatenated.
    Source: Esteves et al. 2018, equation 5 (Driscoll & Healy 1994, theorem 1).
    """
    degrees = spectrum.shape[0]
    spectrum = ops.cast(spectrum, coefficients[0][0].dtype)
    spectrum = spectrum * constant(spectrum, _zonal_factor, degrees)
    blocks = zip(*coefficients, strict=True)
    return [_mix_block(block, spectrum[slice(*_degrees(block[0]))]) for block in blocks]


def _mix_block(signals, spectrum):
    orders, (degrees, _, filters) = signals[0].shape[0], spectrum.shape
    # Degrees first, so that mixing channels is one matrix product per degree.
    rows = [ops.swapaxes(x, 0, 1) for x in signals]
    if BACKEND == "jax":
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = ops.einsum("lmbc,lcd->lmbd", rows, spectrum)
    else:  # faster under XLA on CPUs (a training step 1.13 times), but it cannot be distributed
        rows = [ops.reshape(x, (degrees, -1, x.shape[-1])) for x in rows]
        rows = rows[0] if len(rows) == 1 else ops.concatenate(rows, axis=-1)
        rows = matmul(rows, spectrum)
        rows = ops.reshape(rows, (degrees, orders, -1, filters))
    return ops.swapaxes(rows, 0, 1)


def moments(coefficients, grid):
    """Returns mean and variance per channel, over batch and sphere, of maps of coefficients.

    The maps are not computed. On the paper's grid the moments are those over its samples, as in
    the original program. By Parseval's theorem along longitude and the Gram matrices of the
    Legendre functions along colatitude, with `V_m` from `grid.legendre_covariance`,

        mean_b[c] = Σ_l mean_t P_l^0(t) a[0, l, b, c]
        variance_b[c] = Σ_mlk a[m, l, b, c] V_|m|[l, k] a[m, k, b, c]

    are the moments of one signal. On other grids they are those over the area of the sphere, which
    no rotation changes: `a[0, 0, b, c] / √4π` and `Σ_{l>0, m} a[m, l, b, c]² / 4π`.

    The variance of the batch is the mean of the variances plus the variance of the means. Both are
    `(c,)`, in at least float32, and 0 for an empty batch. The third result is the number of signals
    in the batch.
    """
    coefficients = [ops.cast(x, at_least_float32(x.dtype)) for x in coefficients]
    batch = ops.shape(coefficients[0])[2]
    if grid.is_driscoll_healy:
        coefficients = join(coefficients)
        bandwidth = coefficients.shape[1]
        weights = constant(coefficients, _legendre_mean, grid.key, bandwidth)
        means = ops.sum(weights * coefficients[bandwidth - 1], axis=0)
        covariance = constant(coefficients, _legendre_covariance, grid.key, bandwidth)

        def image(a):
            rows = matmul(covariance, ops.reshape(a, (2 * bandwidth - 1, bandwidth, -1)))
            return ops.reshape(rows, ops.shape(a))

        within = quadratic_form(coefficients, image, (0, 1))
    else:
        first, *others = coefficients
        means = first[first.shape[1] - 1, 0] / _ONE
        squares = [ops.square(x / _ONE) for x in (first[:, 1:], *others)]
        within = sum(ops.sum(x, axis=(0, 1)) for x in squares)
    mean = divide(ops.sum(means, axis=0), batch)
    between = ops.square(means - mean)
    return mean, divide(ops.sum(within + between, axis=0), batch), batch


def affine(coefficients, scale, offset):
    """Returns the coefficients of `scale[c] · map + offset[c]`; `None` is a scale of 1."""
    if scale is not None:
        coefficients = [x * ops.cast(scale, x.dtype) for x in coefficients]
    first, *others = coefficients
    unit = constant(first, _unit, first.shape[1])
    return [first + unit * ops.cast(offset, first.dtype), *others]


def _along_longitude(maps, key, kept, inverse=False):
    """Multiplies `(p, t, b, c)` by the Fourier table of `kept` degrees of the grid with a key."""
    return apply_table(maps, _fourier, (key, kept, inverse), (key, kept, not inverse))


# Tables, by the key of the grid and the number of degrees that are kept.

_ONE = float(np.sqrt(4 * np.pi))  # the coefficient of the constant 1


def _unit(bandwidth):
    """Coefficients `(m, l, 1, 1)` of the constant 1."""
    unit = np.zeros((2 * bandwidth - 1, bandwidth, 1, 1))
    unit[bandwidth - 1, 0] = _ONE
    return unit


def _zonal_factor(degrees):
    return 2 * np.pi * np.sqrt(4 * np.pi / (2 * np.arange(degrees) + 1))[:, None, None]


def _harmonics(key, low, high):
    """The harmonics of a block of degrees, `(l, m, t, p)`."""
    grid = grid_by_key(key)
    return grid.harmonics[low:high, grid.bandwidth - high : grid.bandwidth + high - 1]


def _dual_harmonics(key, kept, low, high):
    """The functions whose sums with a signal's samples are its coefficients, `(l, m, t, p)`."""
    fourier = _fourier(key, kept, False)[kept - high : kept + high - 1]
    return np.einsum("mlt,mp->lmtp", _analysis(key, low, high), fourier)


def _fourier(key, kept, inverse):
    """`grid.fourier` of the orders `1-kept … kept-1`: sines, then cosines; `(m, p)` or `(p, m)`."""
    cosine, sine = grid_by_key(key).fourier[:kept].transpose(1, 0, 2)
    table = np.concatenate([sine[:0:-1], cosine])
    return table.T if inverse else table


def _analysis(key, low, high):
    return _by_order(grid_by_key(key).analysis[:high, low:high])


def _synthesis(key, low, high):
    return _by_order(grid_by_key(key).legendre[:high, low:high].transpose(0, 2, 1))


def _legendre_mean(key, kept):
    return grid_by_key(key).legendre_mean[:kept, None, None]


def _legendre_covariance(key, kept):
    return _by_order(grid_by_key(key).legendre_covariance[:kept, :kept, :kept])


def _by_order(table):
    """A table `(|m|, …)` for the orders `1-L … L-1`.

    This takes twice the memory of one table for both signs. Broadcasting over the signs would
    cost XLA two copies of the data per product.
    """
    return np.concatenate([table[:0:-1], table])
