"""Spherical harmonic transform and its inverse, on `keras.ops`.

All results have the dtype of the input on every backend. JAX holds float64 only if
`jax_enable_x64` is set; without it, results are float32. Products of float32 are computed in full
precision on GPUs, see `full_float32`.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.choices import METHODS
from spherical_cnn.sphere.missing import check_present
from spherical_cnn.sphere.operations import GridOperation, full_float32, is_symbolic
from spherical_cnn.sphere.spectral import (
    analyze,
    synthesize,
    to_batch_first,
    to_order_first,
)


@keras.saving.register_keras_serializable(package="spherical_cnn")
def sht(signal, grid, method="sep", check=False):
    """Spherical harmonic transform of real signals.

    With `Y` the real orthonormal harmonics and `w` the quadrature weights of `grid`,

        coefficients[b, l, L-1+m, c] = Σ_tp w[t] Y_lm(t, p) signal[b, t, p, c]

    and zero where `|m| > l`. On grids whose quadrature is not exact for such products, it is the
    least-squares inverse of `isht` instead. Exact for signals band-limited to `L`.

    Args:
        signal: `(batch, *grid.shape, channel)`, colatitude before longitude, any float dtype; on
            the paper's grid `(batch, 2L, 2L, channel)`.
        grid: `SphericalGrid` of bandwidth `L`.
        method: `"sep"`, longitude then colatitude, `O(L³)`; or `"naive"`, the dense contraction
            with all harmonics, `O(L⁴)`: the same numbers, slower.
        check: whether to refuse samples that are NaN or infinite; needs the values, so it does not
            work while a function is compiled.

    Returns:
        `(batch, L, 2L-1, channel)`, in the dtype of `signal`.

    Raises:
        ValueError: if the signal is not sampled on `grid` or not of a float dtype, or `method`
            is unknown; with `check`, also if samples are missing.

    Source: Driscoll & Healy 1994; Esteves et al. 2018, section 3.
    """
    check_method(method)
    signal = check_signal(signal, grid)
    if check:
        check_present(signal, grid)
    if is_symbolic(signal):
        return GridOperation(sht, grid, {"method": method})(signal)
    with full_float32():
        whole = [(0, grid.bandwidth)]  # one block: splitting and joining would take longer
        maps = to_order_first(signal)
        return to_batch_first(analyze(maps, grid, grid.bandwidth, method, whole)[0])


@keras.saving.register_keras_serializable(package="spherical_cnn")
def isht(coefficients, grid, method="sep"):
    """Inverse spherical harmonic transform, to real signals.

        signal[b, t, p, c] = Σ_lm Y_lm(t, p) coefficients[b, l, L-1+m, c]

    Entries with `|m| > l` are ignored.

    Args:
        coefficients: `(batch, L, 2L-1, channel)`, any float dtype.
        grid: `SphericalGrid` of bandwidth `L`.
        method: `"sep"` or `"naive"`, as in `sht`.

    Returns:
        `(batch, *grid.shape, channel)`, in the dtype of `coefficients`.

    Raises:
        ValueError: if the coefficients are not of the grid's bandwidth, or `method` is unknown.
    """
    check_method(method)
    shape = (grid.bandwidth, 2 * grid.bandwidth - 1)
    coefficients = _check("coefficients", coefficients, shape, grid)
    if is_symbolic(coefficients):
        return GridOperation(isht, grid, {"method": method})(coefficients)
    with full_float32():
        return to_batch_first(synthesize([to_order_first(coefficients)], grid, method))


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
    negative = np.conj(positive) * ((-1.0) ** np.arange(bandwidth))[:, None]
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


def check_method(method):
    """Refuses an unknown method of the transform."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")


def check_signal(signal, grid):
    """Returns the signal as a tensor, also a symbolic one; refuses all but floats on `grid`."""
    return _check("signal", signal, grid.shape, grid)


def _check(name, values, shape, grid):
    values = values if is_symbolic(values) else ops.convert_to_tensor(values)
    if len(values.shape) != 4 or tuple(values.shape[1:3]) != shape:
        raise ValueError(
            f"{name} must be (batch, {shape[0]}, {shape[1]}, channel) for {grid}. "
            f"Received: {name}.shape={tuple(values.shape)}"
        )
    dtype = keras.backend.standardize_dtype(values.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"{name} must be of a float dtype. Received: {name}.dtype={dtype}")
    return values
