"""The correlation of two signals over all rotations, and its maxima.

With `a`, `b` the coefficients of two signals of several channels, the correlation

    C(R) = Σ_c ∫ (R f_c)(x) g_c(x) dx = Σ_lc b_lc · D^l(R) a_lc

is computed on a ZYZ grid of `(2L)³` rotations by an inverse SO(3) transform of the outer product of
the coefficients of each degree. Newton steps on the expression itself refine a point of the grid to
a maximum.

Source: Kostelec & Rockmore 2008.
"""

import functools
import itertools

import numpy as np
from scipy import fft
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.rotation import (
    euler_to_matrix,
    generators,
    half_turn_matrices,
    matrix_to_euler,
    rotate_coefficients,
)
from spherical_cnn.sphere.sht import to_complex

_STEPS = 8  # of refinement, at most
_DONE = 1e-9  # radians


def correlate(a, b):
    """Correlation on the ZYZ grid, `(pairs, 2L, 2L, 2L)` float32, indexed `[pair, β, α, γ]`.

    `a` and `b` are coefficients `(pairs, L, 2L-1, channels)`; the signals of `a` are rotated.
    `grid_angles` returns the angles.
    """
    bandwidth = a.shape[1]
    a, b = _complex(a), _complex(b)
    # Orders n < 0 of the rotated signal follow from the others: the correlation is real.
    product = np.matmul(b, a[:, :, bandwidth - 1 :].conj().swapaxes(2, 3))  # pair, l, m, n
    product = product.transpose(2, 3, 1, 0).astype(np.complex64, order="C")  # m, n, l, pair
    spectrum = np.matmul(_wigner_table(bandwidth), product.view(np.float32))  # m, n, β, pair
    n = 2 * bandwidth
    padded = np.zeros((len(a), n, n, bandwidth + 1), np.complex64)  # pair, β, m mod n, n
    rows = np.arange(1 - bandwidth, bandwidth) % n
    padded[:, :, rows, :bandwidth] = spectrum.view(np.complex64).transpose(3, 2, 0, 1)
    return fft.irfft2(padded, s=(n, n), axes=(2, 3), norm="forward", workers=-1)


def grid_angles(bandwidth):
    """`(β, α, γ)` of the grid of `correlate`, `(2L,)` each, radians."""
    n = 2 * bandwidth
    full_circle = 2 * np.pi * np.arange(n) / n
    return np.pi * (np.arange(n) + 0.5) / n, full_circle, full_circle


def refine(a, b, rotations):
    """Moves rotations `(pairs, 3, 3)` to the nearest maximum of the correlation.

    They are within about `π / 2L` of a maximum before, and within 1e-9 radians after. Returns the
    rotations and the correlation `(pairs,)`.
    """
    longest = np.pi / (2 * a.shape[1])
    of_b = tangents(b)
    for _ in range(_STEPS):
        gradient, hessian = derivatives(a, of_b, rotations)
        # The step goes uphill along every axis, also where the surface does not yet curve down.
        values, axes = np.linalg.eigh(hessian)
        along = np.einsum("pji,pj->pi", axes, gradient) / np.maximum(np.abs(values), 1e-30)
        step = np.einsum("pij,pj->pi", axes, along)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1, longest / np.maximum(length, 1e-30))
        rotations = Rotation.from_rotvec(step).as_matrix() @ rotations
        if length.max() < _DONE:
            break
    return rotations, height(a, b, rotations)


def height(a, b, rotations):
    """Correlation `(pairs,)` of each pair at its rotation; arguments as in `refine`."""
    rotated = rotate_coefficients(a, matrix_to_euler(rotations))
    return np.einsum("plmc,plmc->p", b, rotated)


def tangents(b):
    """`X_i b`, `(pairs, 3, …)`, and `(X_i X_j + X_j X_i) b / 2`, `(pairs, 3, 3, …)`.

    `X_i` are the generators of rotations about the axes.
    """
    axes = generators(b.shape[1])
    first = axes @ b[:, None]
    second = axes @ first[:, :, None]
    return first, (second + second.swapaxes(1, 2)) / 2


def derivatives(a, tangents, rotations):
    """Gradient `(pairs, 3)` and Hessian `(pairs, 3, 3)` of the correlation; `tangents` of `b`.

    With `a' = D(R) a`, the correlation at `exp(ω) R` has gradient `b · X_i a'` and Hessian
    `b · (X_i X_j + X_j X_i) a' / 2` at `ω = 0`. Generators are antisymmetric.
    """
    first, second = tangents
    rotated = rotate_coefficients(a, matrix_to_euler(rotations)).reshape(len(a), -1, 1)
    gradient = -first.reshape(len(a), 3, -1) @ rotated
    hessian = second.reshape(len(a), 9, -1) @ rotated
    return gradient[:, :, 0], hessian.reshape(-1, 3, 3)


def local_maxima(surface):
    """Rotations `(k, 3, 3)` and heights `(k,)` of the local maxima of `correlate` for one pair.

    At both ends of β some neighbors are not compared: a maximum there may count twice.
    """
    n = surface.shape[0]
    highest = surface > 0
    for axis, step in itertools.product((2, 1), (1, -1)):  # a cheap test that excludes most points
        highest &= surface >= np.roll(surface, step, axis)
    j, i, k = np.nonzero(highest)
    for dj, di, dk in itertools.product((-1, 0, 1), repeat=3):
        beside = surface[np.clip(j + dj, 0, n - 1), (i + di) % n, (k + dk) % n]
        kept = surface[j, i, k] >= beside
        j, i, k = j[kept], i[kept], k[kept]
    beta, alpha, gamma = grid_angles(n // 2)
    matrices = euler_to_matrix(np.stack([alpha[i], beta[j], gamma[k]], axis=-1))
    return matrices, surface[j, i, k]


def _complex(coefficients):
    """Complex coefficients `(pairs, L, 2L-1, c)` of real ones, orders `1-L … L-1`."""
    positive, negative = to_complex(coefficients).swapaxes(0, 1)
    return np.concatenate([negative[:, :, :0:-1], positive], axis=2)


@functools.lru_cache(maxsize=4)
def _wigner_table(bandwidth):
    """`d^l_mn(β_j)` in the complex basis, `(2L-1, L, 2L, L)` float32: m, n ≥ 0, j, l."""
    table = np.zeros((2 * bandwidth - 1, bandwidth, 2 * bandwidth, bandwidth), np.float32)
    units = np.eye(2 * bandwidth - 1)[:, None, :, None].repeat(bandwidth, axis=1)
    change = _complex(units)[:, 0, :, 0].T  # the same for all degrees: orders do not mix
    beta = grid_angles(bandwidth)[0]
    about_z = np.exp(-1j * np.outer(beta, np.arange(1 - bandwidth, bandwidth)))
    for l in range(bandwidth):
        inside = slice(bandwidth - 1 - l, bandwidth + l)
        basis = change[inside, inside]
        half = basis @ half_turn_matrices(bandwidth)[l, inside, inside] @ basis.conj().T
        matrices = (half * about_z[:, None, inside]) @ half[:, l:]
        table[inside, : l + 1, :, l] = matrices.real.transpose(1, 2, 0)
    return table
