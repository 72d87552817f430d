"""Spherical harmonics of arbitrary directions, on `keras.ops` or NumPy."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.sphere.operations import at_least_float32, constant

_MOST = 128  # degrees in float32: the factors of `sin^m θ` overflow at 190


def spherical_harmonics(directions, bandwidth):
    """Real orthonormal spherical harmonics of directions, with the package's convention.

        out[..., l² + l + m] = |u|^l Y_lm(u / |u|)

    These are polynomials in `x`, `y`, `z`, computed by recursion over the degrees: exact at the
    poles, with finite gradients everywhere. For `u = 0` only degree 0 remains.

    Args:
        directions: `(..., 3)` unit vectors, or zero: a tensor of a float dtype.
        bandwidth: number of degrees, `L`.

    Returns:
        `(..., L²)`, in at least float32.

    Raises:
        ValueError: for more than 128 degrees in float32.
    """
    return ops.concatenate(list(harmonics_by_degree(directions, bandwidth)), -1)


def harmonics_by_degree(directions, bandwidth):
    """Yields the harmonics of each degree, `(..., 2l+1)`; see `spherical_harmonics`.

    Those of a NumPy array are NumPy arrays, computed in float64.

    Source: the recursion of `spherical_cnn.sphere.rings.legendre_functions`, divided by `sin^m θ`.
    """
    if isinstance(directions, np.ndarray):
        library, directions = np, directions.astype(np.float64)
        first, second, diagonal = (_recursion(bandwidth, which) for which in range(3))
    else:
        library = ops
        directions = ops.cast(directions, at_least_float32(directions.dtype))
        _check_degrees(directions.dtype, bandwidth)
        first, second, diagonal = (
            constant(directions, _recursion, bandwidth, which) for which in range(3)
        )
    x, y, z = (directions[..., i : i + 1] for i in range(3))
    squared = x * x + y * y + z * z
    cosines, sines = [library.ones_like(x)], [library.zeros_like(x)]  # of m φ, times sin^m θ
    for _ in range(1, bandwidth):
        c, s = cosines[-1], sines[-1]
        cosines.append(x * c - y * s)
        sines.append(x * s + y * c)
    cosine = library.concatenate(cosines, -1)
    sine = library.concatenate(sines[:0:-1] or sines, -1)
    before = legendre = None
    for l in range(bandwidth):
        following = library.zeros_like(cosine) + diagonal[l]
        if l > 0:
            following = following + first[l] * z * legendre
        if l > 1:
            following = following - second[l] * squared * before
        before, legendre = legendre, following
        rows = legendre[..., : l + 1] * cosine[..., : l + 1]
        if l > 0:
            negative = library.flip(legendre[..., 1 : l + 1], -1) * sine[..., bandwidth - 1 - l :]
            rows = library.concatenate([negative, rows], -1)
        yield rows


def _check_degrees(dtype, bandwidth):
    if keras.backend.standardize_dtype(dtype) == "float32" and bandwidth > _MOST:
        raise ValueError(
            f"harmonics of directions in float32 have at most {_MOST} degrees; pass directions as "
            f"a NumPy array, or in float64. Received: bandwidth={bandwidth}"
        )


def _recursion(bandwidth, which):
    """Factors by degree and order, `(L, L)`: of `z P_{l-1}`, of `r² P_{l-2}`, and `P_ll`."""
    tables = np.zeros((3, bandwidth, bandwidth))
    diagonal = np.sqrt(1 / (4 * np.pi))
    for m in range(bandwidth):
        if m > 0:
            diagonal = -np.sqrt((2 * m + 1) / (2 * m)) * diagonal
        tables[2, m, m] = diagonal * (np.sqrt(2) if m else 1)  # √2 of the Fourier factor
        for l in range(m + 1, bandwidth):
            tables[0, l, m] = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
            ratio = np.sqrt(max((l - 1) ** 2 - m**2, 0) / (4 * (l - 1) ** 2 - 1))
            tables[1, l, m] = tables[0, l, m] * ratio
    return tables[which]
