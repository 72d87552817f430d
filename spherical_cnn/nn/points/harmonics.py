"""Spherical harmonics of arbitrary directions, on `keras.ops`."""

from __future__ import annotations

import numpy as np
from keras import ops

from spherical_cnn.sphere.operations import at_least_float32, constant

_CENTER = 1e-6  # points much nearer to the center than this have no direction


def spherical_harmonics(directions, bandwidth):
    """Real orthonormal spherical harmonics of directions, with the package's convention.

        out[..., l² + l + m] = |u|^l Y_lm(u / |u|)

    These are polynomials in `x`, `y`, `z`, computed by recursion over the degrees: exact at the
    poles, with finite gradients everywhere. For `u = 0` only degree 0 remains.

    Args:
        directions: `(..., 3)` unit vectors, or zero, in a float dtype.
        bandwidth: number of degrees, `L`.

    Returns:
        `(..., L²)`, in at least float32.

    Source: the recursion of `spherical_cnn.sphere.rings.legendre_functions`, divided by `sin^m θ`.
    """
    directions = ops.cast(directions, at_least_float32(directions.dtype))
    x, y, z = (directions[..., i : i + 1] for i in range(3))
    squared = x * x + y * y + z * z
    cosines, sines = [ops.ones_like(x)], [ops.zeros_like(x)]  # of m φ, times sin^m θ
    for _ in range(1, bandwidth):
        c, s = cosines[-1], sines[-1]
        cosines.append(x * c - y * s)
        sines.append(x * s + y * c)
    cosine, sine = ops.concatenate(cosines, -1), ops.concatenate(sines[:0:-1] or sines, -1)
    first, second, diagonal = (
        constant(directions, _recursion, bandwidth, which) for which in range(3)
    )
    before, legendre, rows = None, None, []
    for l in range(bandwidth):
        following = ops.zeros_like(cosine) + diagonal[l]
        if l > 0:
            following = following + first[l] * z * legendre
        if l > 1:
            following = following - second[l] * squared * before
        before, legendre = legendre, following
        if l > 0:
            negative = ops.flip(legendre[..., 1 : l + 1], -1) * sine[..., bandwidth - 1 - l :]
            rows.append(negative)
        rows.append(legendre[..., : l + 1] * cosine[..., : l + 1])
    return ops.concatenate(rows, -1)


def direction_and_radius(vectors):
    """Returns `x / √(x² + ε²)`, `(..., 3)`, and `√(x² + ε²)`, `(..., 1)`, with ε = 1e-6.

    Smooth everywhere: the zero vector has the direction 0, and so do vectors much shorter than ε.
    """
    squared = ops.sum(vectors * vectors, axis=-1, keepdims=True) + _CENTER**2
    radius = ops.sqrt(squared)
    return vectors / radius, radius


def tents(radius, shells):
    """Tent functions `(..., shells)` of radii `(..., 1)` in units of the outermost one.

    They peak at `(s + ½) / shells` and sum to 1; the first and the last are 1 beyond their peaks.
    """
    centers = np.arange(shells)
    position = ops.clip(radius * shells - 0.5, 0, shells - 1)
    return ops.relu(1 - ops.abs(position - ops.cast(centers, radius.dtype)))


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
