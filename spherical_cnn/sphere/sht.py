"""Spherical harmonic transform, its inverse, and convolution with zonal filters, on `keras.ops`.

All results have the dtype of the input on every backend. JAX holds float64 only if
`jax_enable_x64` is set; without it, results are float32.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.choices import METHODS
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.spectral import (
    analyze,
    mix,
    scaled,
    synthesize,
    to_batch_first,
    to_order_first,
)


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
    signal = check_signal(signal, grid)
    coefficients = analyze(to_order_first(signal), grid, grid.bandwidth, _check_method(method))
    return to_batch_first(coefficients)


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
    return to_batch_first(synthesize(to_order_first(coefficients), grid, _check_method(method)))


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
    return ops.einsum("blmc,lcd->blmd", coefficients, scaled(spectrum, coefficients))


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
    signal = check_signal(signal, grid)
    kept, channels = spectrum.shape[:2]
    if kept > grid.bandwidth or channels != signal.shape[-1]:
        raise ValueError(
            f"spectrum must be (degrees ≤ {grid.bandwidth}, {signal.shape[-1]}, filter) for this "
            f"signal. Received: spectrum.shape={tuple(spectrum.shape)}"
        )
    coefficients = analyze(to_order_first(signal), grid, kept, _check_method(method))
    return to_batch_first(synthesize(mix([coefficients], spectrum), SphericalGrid(kept), method))


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
        `m = 0` there); complex128.
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
        `(batch, L, 2L-1, channel)` float64, in the real basis.
    """
    positive = np.asarray(coefficients)[:, 0]
    bandwidth = positive.shape[1]
    positive = positive * np.tri(bandwidth)[:, :, None]
    cosine, sine = np.sqrt(2) * positive.real, -np.sqrt(2) * positive.imag
    cosine[:, :, 0] = positive[:, :, 0].real
    return np.concatenate([sine[:, :, :0:-1], cosine], axis=2)


def _alternating(bandwidth):
    return ((-1.0) ** np.arange(bandwidth))[:, None]


def _check_method(method):
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")
    return method


def check_signal(signal, grid):
    """The signal as a tensor; refused unless sampled on `grid` and of a float dtype."""
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
