"""Spherical harmonic transform, its inverse, and convolution with zonal filters, on `keras.ops`.

The fast path keeps coefficients *order-first*, `(m, s, l, b, c)`: order `m ≥ 0`, part `s` (0 the
cosine, order `+m`; 1 the sine, order `-m`), degree, batch, channel. Both parts share one Legendre
table. That layout stays inside this module; the public one is `(b, l, m, c)`.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.sphere.grid import SphericalGrid

METHODS = ("sep", "naive")


def sht(signal, grid, method="sep"):
    """Spherical harmonic transform of real signals.

    With `Y` the real orthonormal harmonics and `w` the quadrature weights of `grid`,

        coefficients[b, l, L-1+m, c] = Σ_tp w[t] Y_lm(t, p) signal[b, t, p, c]

    and zero where `|m| > l`. Exact for signals band-limited to `L`.

    Args:
        signal: `(batch, 2L, 2L, channel)`, colatitude before longitude, any float dtype.
        grid: `SphericalGrid` of bandwidth `L`.
        method: `"sep"`, longitude then colatitude, `O(L³)`; or `"naive"`, the dense contraction
            with all harmonics, `O(L⁴)`: the same numbers, slower.

    Returns:
        `(batch, L, 2L-1, channel)`, in the dtype of `signal`.

    Raises:
        ValueError: if the signal is not sampled on `grid` or not of a float dtype, or `method`
            is unknown.

    Source: Driscoll & Healy 1994; Esteves et al. 2018, section 3.
    """
    signal = _check_signal(signal, grid)
    if _check_method(method) == "naive":
        weighted = grid.harmonics * grid.quadrature_weights[:, None]
        return ops.einsum("lmtp,btpc->blmc", _constant(weighted, signal), signal)
    orders = _analyse(signal, grid, grid.bandwidth)
    cosine, sine = orders[:, 0], orders[1:, 1]
    coefficients = ops.concatenate([ops.flip(sine, axis=0), cosine], axis=0)
    return ops.transpose(coefficients, (2, 1, 0, 3))


def isht(coefficients, grid, method="sep"):
    """Inverse spherical harmonic transform, to real signals.

        signal[b, t, p, c] = Σ_lm Y_lm(t, p) coefficients[b, l, L-1+m, c]

    Entries with `|m| > l` are ignored.

    Args:
        coefficients: `(batch, L, 2L-1, channel)`, any float dtype.
        grid: `SphericalGrid` of bandwidth `L`.
        method: `"sep"` or `"naive"`, as in `sht`.

    Returns:
        `(batch, 2L, 2L, channel)`, in the dtype of `coefficients`.

    Raises:
        ValueError: if the coefficients are not of the grid's bandwidth, or `method` is unknown.
    """
    coefficients = _check_coefficients(coefficients)
    bandwidth = grid.bandwidth
    if coefficients.shape[1] != bandwidth:
        raise ValueError(
            f"coefficients must be (batch, {bandwidth}, {2 * bandwidth - 1}, channel) for {grid}. "
            f"Received: coefficients.shape={tuple(coefficients.shape)}"
        )
    if _check_method(method) == "naive":
        return ops.einsum("lmtp,blmc->btpc", _constant(grid.harmonics, coefficients), coefficients)
    orders = ops.transpose(coefficients, (2, 1, 0, 3))
    cosine, sine = orders[bandwidth - 1 :], orders[: bandwidth - 1]
    sine = ops.concatenate([ops.zeros_like(cosine[:1]), ops.flip(sine, axis=0)], axis=0)
    return _synthesise(ops.stack([cosine, sine], axis=1), grid)


def zonal_product(coefficients, spectrum):
    """Spectral side of the convolution with zonal filters, summed over input channels.

        out[b, l, m, d] = Σ_c 2π √(4π / (2l+1)) coefficients[b, l, m, c] spectrum[l, c, d]

    Args:
        coefficients: `(batch, L, 2L-1, channel)`.
        spectrum: `(L, channel, filter)`, the order-0 coefficients of the filters.

    Returns:
        `(batch, L, 2L-1, filter)`.

    Source: Esteves et al. 2018, equation 5 (Driscoll & Healy 1994, theorem 1).
    """
    coefficients = _check_coefficients(coefficients)
    return ops.einsum("blmc,lcd->blmd", coefficients, _scaled(spectrum, coefficients))


def zonal_convolution(signal, spectrum, grid, method="sep"):
    """Convolution of signals with zonal filters, optionally onto a coarser grid.

    `isht(zonal_product(truncate(sht(signal), K), spectrum))` with `K` the number of degrees in
    `spectrum`: if `K < L` the output is low-passed to `K` and sampled on the grid of bandwidth
    `K` (spectral pooling). Commutes with every rotation of the signal.

    Args:
        signal: `(batch, 2L, 2L, channel)`.
        spectrum: `(K, channel, filter)`, `K ≤ L`: order-0 coefficients of the filters.
        grid: `SphericalGrid` of bandwidth `L`.
        method: `"sep"` or `"naive"`, as in `sht`.

    Returns:
        `(batch, 2K, 2K, filter)`, in the dtype of `signal`.

    Raises:
        ValueError: if signal, spectrum and grid do not fit, or `method` is unknown.
    """
    signal = _check_signal(signal, grid)
    kept, channels = spectrum.shape[0], spectrum.shape[1]
    if kept > grid.bandwidth or channels != signal.shape[-1]:
        raise ValueError(
            f"spectrum must be (degrees ≤ {grid.bandwidth}, {signal.shape[-1]}, filter) for this "
            f"signal. Received: spectrum.shape={tuple(spectrum.shape)}"
        )
    out_grid = SphericalGrid(kept)
    if _check_method(method) == "naive":
        coefficients = truncate(sht(signal, grid, method), kept)
        return isht(zonal_product(coefficients, spectrum), out_grid, method)
    orders = _analyse(signal, grid, kept)
    # Degrees in front: mixing channels is then one matrix product per degree.
    degrees = ops.reshape(ops.moveaxis(orders, 2, 0), (kept, -1, channels))
    degrees = ops.matmul(degrees, _scaled(spectrum, signal))
    degrees = ops.reshape(degrees, (kept, kept, 2, -1, spectrum.shape[2]))
    return _synthesise(ops.moveaxis(degrees, 0, 2), out_grid)


def truncate(coefficients, bandwidth):
    """Keeps the degrees and orders below `bandwidth`.

    Args:
        coefficients: `(batch, L, 2L-1, channel)`.
        bandwidth: `K ≤ L`.

    Returns:
        `(batch, K, 2K-1, channel)`.

    Raises:
        ValueError: if `bandwidth` is not between 1 and `L`.
    """
    coefficients = _check_coefficients(coefficients)
    degrees = coefficients.shape[1]
    if not 1 <= bandwidth <= degrees:
        raise ValueError(f"bandwidth must be in 1…{degrees}. Received: {bandwidth}")
    dropped = degrees - bandwidth
    return coefficients[:, :bandwidth, dropped : dropped + 2 * bandwidth - 1]


def to_complex(coefficients):
    """Coefficients of real signals in the complex layout of pyshtools and of the original program.

    Args:
        coefficients: `(batch, L, 2L-1, channel)` in the real basis, a NumPy array.

    Returns:
        `(batch, 2, L, L, channel)` complex, indexed `[b, s, l, |m|, c]`: the coefficient of the
        orthonormal Condon–Shortley harmonic of order `+m` at `s = 0`, `-m` at `s = 1` (zero for
        `m = 0` there).
    """
    coefficients = np.asarray(coefficients)
    bandwidth = coefficients.shape[1]
    cosine = coefficients[:, :, bandwidth - 1 :]
    sine = coefficients[:, :, bandwidth - 1 :: -1].copy()
    sine[:, :, 0] = 0
    positive = (cosine - 1j * sine) / np.sqrt(2)
    positive[:, :, 0] = cosine[:, :, 0]
    negative = np.conj(positive) * _alternating(bandwidth)
    negative[:, :, 0] = 0
    return np.stack([positive, negative], axis=1)


def from_complex(coefficients):
    """Inverse of `to_complex`, for coefficients of real signals: only orders `m ≥ 0` are read.

    Args:
        coefficients: `(batch, 1 or 2, L, L, channel)` complex, indexed `[b, s, l, |m|, c]`, a
            NumPy array. Entries with `|m| > l` are ignored.

    Returns:
        `(batch, L, 2L-1, channel)` real, in the real basis.
    """
    positive = np.asarray(coefficients)[:, 0]
    bandwidth = positive.shape[1]
    positive = positive * np.tri(bandwidth)[:, :, None]
    cosine, sine = np.sqrt(2) * positive.real, -np.sqrt(2) * positive.imag
    cosine[:, :, 0] = positive[:, :, 0].real
    return np.concatenate([sine[:, :, :0:-1], cosine], axis=2)


def _analyse(signal, grid, bandwidth):
    """Order-first coefficients `(m, s, l, b, c)` of the degrees below `bandwidth`."""
    n, channels = grid.resolution, signal.shape[-1]
    fourier = grid.fourier[:bandwidth].reshape(2 * bandwidth, n)
    orders = ops.matmul(_constant(fourier, signal), signal)
    orders = ops.reshape(ops.transpose(orders, (2, 1, 0, 3)), (bandwidth, 2, n, -1))
    legendre = grid.analysis[:bandwidth, None, :bandwidth]
    orders = ops.matmul(_constant(legendre, signal), orders)
    return ops.reshape(orders, (bandwidth, 2, bandwidth, -1, channels))


def _synthesise(orders, grid):
    """Signal on `grid` of order-first coefficients `(m, s, l, b, c)` of its bandwidth."""
    n, bandwidth, channels = grid.resolution, grid.bandwidth, orders.shape[-1]
    orders = ops.reshape(orders, (bandwidth, 2, bandwidth, -1))
    legendre = grid.legendre.transpose(0, 2, 1)[:, None]
    rows = ops.matmul(_constant(legendre, orders), orders)
    rows = ops.reshape(rows, (2 * bandwidth, n, -1, channels))
    fourier = grid.fourier.reshape(2 * bandwidth, n).T
    return ops.matmul(_constant(fourier, rows), ops.transpose(rows, (2, 1, 0, 3)))


def _scaled(spectrum, like):
    degree = np.arange(spectrum.shape[0])
    factor = 2 * np.pi * np.sqrt(4 * np.pi / (2 * degree + 1))
    return ops.cast(spectrum, like.dtype) * _constant(factor[:, None, None], like)


def _alternating(bandwidth):
    return ((-1.0) ** np.arange(bandwidth))[:, None]


def _constant(table, like):
    return ops.convert_to_tensor(table, dtype=like.dtype)


def _check_method(method):
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")
    return method


def _check_signal(signal, grid):
    signal = ops.convert_to_tensor(signal)
    n = grid.resolution
    if len(signal.shape) != 4 or tuple(signal.shape[1:3]) != (n, n):
        raise ValueError(
            f"signal must be (batch, {n}, {n}, channel) for {grid}. "
            f"Received: signal.shape={tuple(signal.shape)}"
        )
    return _check_float("signal", signal)


def _check_coefficients(coefficients):
    coefficients = ops.convert_to_tensor(coefficients)
    shape = tuple(coefficients.shape)
    if len(shape) != 4 or shape[2] != 2 * shape[1] - 1:
        raise ValueError(
            f"coefficients must be (batch, L, 2L-1, channel). Received: coefficients.shape={shape}"
        )
    return _check_float("coefficients", coefficients)


def _check_float(name, values):
    dtype = keras.backend.standardize_dtype(values.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"{name} must be of a float dtype. Received: {name}.dtype={dtype}")
    return values
