"""Rotations of signals on the sphere: ZYZ Euler angles, uniform sampling, Wigner-D.

A rotation with angles `(α, β, γ)` is `R = Rz(α) Ry(β) Rz(γ)`, active, right-handed; it acts on a
signal as `(R f)(x) = f(R⁻¹ x)`.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
from keras import ops
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.sht import isht, sht


def euler_to_matrix(angles):
    """Rotation matrices of ZYZ Euler angles.

    Args:
        angles: `(..., 3)`, `α, β, γ` in radians.

    Returns:
        `(..., 3, 3)` float64, `Rz(α) Ry(β) Rz(γ)`.
    """
    angles = np.asarray(angles, np.float64)
    matrices = Rotation.from_euler("ZYZ", angles.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*angles.shape, 3)


def matrix_to_euler(matrices):
    """ZYZ Euler angles of rotation matrices, inverse of `euler_to_matrix`.

    Args:
        matrices: `(..., 3, 3)` rotation matrices.

    Returns:
        `(..., 3)` float64, radians; `β` in `[0, π]`. Where `β` is 0 or π only `α ± γ` is
        determined and `γ` is 0.
    """
    matrices = np.asarray(matrices, np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gimbal lock")
        angles = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_euler("ZYZ")
    return angles.reshape(matrices.shape[:-1])


def random_rotations(count, rng):
    """Rotations drawn uniformly over SO(3).

    Args:
        count: how many.
        rng: `np.random.Generator`.

    Returns:
        `(count, 3)` float64 ZYZ Euler angles in radians: `α, γ` uniform in `[0, 2π)`, `cos β`
        uniform in `[-1, 1]`, which is the Haar measure. The first ones do not depend on `count`.
    """
    alpha, height, gamma = rng.random((count, 3)).T
    return np.stack([2 * np.pi * alpha, np.arccos(1 - 2 * height), 2 * np.pi * gamma], axis=-1)


def rotate_coefficients(coefficients, angles):
    """Coefficients of the rotated signal, exact.

        out[b, l, m, c] = Σ_k D^l_mk(α, β, γ) coefficients[b, l, k, c]

    Args:
        coefficients: `(batch, L, 2L-1, channel)` real, a NumPy array.
        angles: `(3,)` ZYZ Euler angles in radians, one rotation for the whole batch.

    Returns:
        float64, of the shape of `coefficients`.

    Raises:
        ImportError: if lie_learn is not installed.
        ValueError: if the shape is wrong, or `L` exceeds the 151 degrees that lie_learn tabulates.

    Source: Wigner-D by the J-matrix method of Pinchon & Hoggan 2007, from lie_learn.
    """
    coefficients = np.asarray(coefficients, np.float64)
    shape = coefficients.shape
    if coefficients.ndim != 4 or shape[2] != 2 * shape[1] - 1:
        raise ValueError(f"coefficients must be (batch, L, 2L-1, channel). Received: shape={shape}")
    if np.shape(angles) != (3,):
        raise ValueError(f"angles must be (3,), α β γ. Received: shape={np.shape(angles)}")
    rotated = np.zeros_like(coefficients)
    for l in range(shape[1]):
        orders = slice(shape[1] - 1 - l, shape[1] + l)
        block = wigner_d(l, *map(float, angles))
        rotated[:, l, orders] = np.einsum("mk,bkc->bmc", block, coefficients[:, l, orders])
    return rotated


def rotate_signal(signal, angles, grid):
    """`(R f)(x) = f(R⁻¹ x)` for signals band-limited to `grid`; others are projected first.

    Args:
        signal: `(batch, 2L, 2L, channel)`.
        angles: `(3,)` ZYZ Euler angles in radians.
        grid: `SphericalGrid` of bandwidth `L`.

    Returns:
        NumPy array of the shape of `signal`, in the dtype of the transform.
    """
    coefficients = ops.convert_to_numpy(sht(signal, grid))
    rotated = rotate_coefficients(coefficients, angles).astype(coefficients.dtype)
    return ops.convert_to_numpy(isht(rotated, grid))


def rotate_each(coefficients, rotations):
    """As `rotate_coefficients`, each signal by a rotation of its own.

    Args:
        coefficients: `(batch, L, 2L-1, channel)` float64.
        rotations: `(batch, 3, 3)`.

    Returns:
        float64, of the shape of `coefficients`.

    Raises:
        ImportError, ValueError: see `rotate_coefficients`.
    """
    half = _half_turns(coefficients.shape[1])
    alpha, beta, gamma = matrix_to_euler(rotations).T
    turned = half @ _turn_about_z(coefficients, gamma)
    turned = half @ _turn_about_z(turned, beta)
    return _turn_about_z(turned, alpha)


@functools.lru_cache(maxsize=4)
def generators(bandwidth):
    """Generators of the rotations of coefficients about x, y and z.

    Returns:
        Three `(L, 2L-1, 2L-1)` float64, a matrix a degree, `X_i = ∂/∂ω D(exp(ω e_i))` at 0.

    Raises:
        ImportError, ValueError: see `rotate_coefficients`.
    """
    orders = np.arange(1 - bandwidth, bandwidth)
    about_z = np.diag(-orders.astype(float))[:, ::-1] * (
        np.abs(orders)[:, None] <= np.arange(bandwidth)[:, None, None]
    )
    half = _half_turns(bandwidth)
    about_y = half @ about_z @ half
    return about_y @ about_z - about_z @ about_y, about_y, about_z


@functools.lru_cache(maxsize=512)
def wigner_d(degree, alpha, beta, gamma):
    """Wigner-D matrix `(2l+1, 2l+1)` of `degree` in the real basis, orders `-l … l`."""
    tables = _lie_learn(degree)
    matrix = _with_phase(degree, tables.wigner_D_matrix(degree, alpha, beta, gamma))
    matrix.flags.writeable = False
    return matrix


@functools.lru_cache(maxsize=4)
def _half_turns(bandwidth):
    """`J`, `(L, 2L-1, 2L-1)`: `D(0, β, 0) = J Z(β) J`, `J` its own inverse; zero outside."""
    table = np.zeros((bandwidth, 2 * bandwidth - 1, 2 * bandwidth - 1))
    for l in range(bandwidth):
        inside = slice(bandwidth - 1 - l, bandwidth + l)
        table[l, inside, inside] = _with_phase(l, _lie_learn(l).Jd[l])
    return table


def _turn_about_z(coefficients, angles):
    phase = np.arange(1 - coefficients.shape[1], coefficients.shape[1]) * angles[:, None]
    cosine, sine = np.cos(phase)[:, None, :, None], np.sin(phase)[:, None, :, None]
    return cosine * coefficients - sine * coefficients[:, :, ::-1]


def _with_phase(degree, matrix):
    """lie_learn's real basis is ours without the Condon–Shortley phase."""
    phase = (-1.0) ** np.arange(-degree, degree + 1)
    return phase[:, None] * matrix * phase


def _lie_learn(degree):
    """lie_learn's module of Wigner matrices, if it knows the degree."""
    try:
        from lie_learn.representations.SO3 import wigner_d as tables
    except ImportError as error:
        raise ImportError(
            "rotating coefficients needs lie_learn ≥ 0.0.2 (and numpy < 2): "
            'pip install "lie_learn>=0.0.2"'
        ) from error
    if degree >= len(tables.Jd):
        raise ValueError(
            f"lie_learn tabulates degrees below {len(tables.Jd)}. Received: degree={degree}"
        )
    return tables
