"""Rotations of signals on the sphere: ZYZ Euler angles, uniform sampling, Wigner-D.

A rotation with angles `(α, β, γ)` is `R = Rz(α) Ry(β) Rz(γ)`, active, right-handed; it acts on a
signal as `(R f)(x) = f(R⁻¹ x)`.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
from keras import ops
from scipy import linalg
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
    """Coefficients of rotated signals, exact.

        out[b, l, m, c] = Σ_k D^l_mk(α_b, β_b, γ_b) coefficients[b, l, k, c]

    Args:
        coefficients: `(batch, L, 2L-1, channel)` real, a NumPy array.
        angles: ZYZ Euler angles in radians: `(3,)`, one rotation for the whole batch, or
            `(batch, 3)`.

    Returns:
        float64, of the shape of `coefficients`.

    Raises:
        ValueError: if a shape is wrong.

    Source: `D(α, β, γ) = Z(α) J Z(β) J Z(γ)`, Pinchon & Hoggan 2007.
    """
    coefficients, angles = np.asarray(coefficients, np.float64), np.asarray(angles, np.float64)
    shape = coefficients.shape
    if coefficients.ndim != 4 or shape[2] != 2 * shape[1] - 1:
        raise ValueError(f"coefficients must be (batch, L, 2L-1, channel). Received: shape={shape}")
    if angles.shape not in ((3,), (1, 3), (shape[0], 3)):
        raise ValueError(f"angles must be (3,) or ({shape[0]}, 3). Received: shape={angles.shape}")
    alpha, beta, gamma = angles.reshape(-1, 3).T
    half = _half_turns(shape[1])
    rotated = half @ _rotate_about_z(coefficients, gamma)
    rotated = half @ _rotate_about_z(rotated, beta)
    return _rotate_about_z(rotated, alpha)


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


@functools.lru_cache(maxsize=4)
def generators(bandwidth):
    """Generators of the rotations of coefficients about x, y and z.

    Returns:
        Three `(L, 2L-1, 2L-1)` float64, a matrix a degree, `X_i = ∂/∂ω D(exp(ω e_i))` at 0.
    """
    orders = np.arange(1 - bandwidth, bandwidth)
    about_z = np.diag(-orders.astype(float))[:, ::-1] * (
        np.abs(orders)[:, None] <= np.arange(bandwidth)[:, None, None]
    )
    half = _half_turns(bandwidth)
    about_y = half @ about_z @ half
    return about_y @ about_z - about_z @ about_y, about_y, about_z


def wigner_d(degree, alpha, beta, gamma):
    """Wigner-D matrix `(2l+1, 2l+1)` of `degree` in the real basis, orders `-l … l`."""
    half = _half_turn(degree)
    return _about_z(degree, alpha) @ half @ _about_z(degree, beta) @ half @ _about_z(degree, gamma)


@functools.lru_cache(maxsize=4)
def _half_turns(bandwidth):
    """`_half_turn` of all degrees below `bandwidth`, `(L, 2L-1, 2L-1)`; zero outside."""
    table = np.zeros((bandwidth, 2 * bandwidth - 1, 2 * bandwidth - 1))
    for l in range(bandwidth):
        inside = slice(bandwidth - 1 - l, bandwidth + l)
        table[l, inside, inside] = _half_turn(l)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=256)
def _half_turn(degree):
    """`J`, `(2l+1, 2l+1)`: the half turn about `y + z`; `D(0, β, 0) = J Z(β) J`, `J² = 1`.

    `J = Z(π/2) D(0, π/2, 0) Z(π/2)`. The generator of rotations about x is tridiagonal with
    eigenvalues `-l … l`, in the complex basis; a quarter turn about z takes x to y.
    """
    orders = np.arange(-degree, degree + 1)
    beside = np.sqrt((degree - orders[:-1]) * (degree + orders[1:])) / 2
    _, states = linalg.eigh_tridiagonal(np.zeros(2 * degree + 1), beside)
    powers = np.array([1, -1j, -1, 1j])[orders % 4]  # exp(-i π/2 m)
    states = _real_basis(degree) @ (powers[:, None] * states)
    about_y = ((states * powers) @ states.conj().T).real
    quarter = _about_z(degree, np.pi / 2)
    half = quarter @ about_y @ quarter
    half.flags.writeable = False
    return half


def _real_basis(degree):
    """Unitary matrix from the complex harmonics of a degree to the real ones, orders `-l … l`."""
    change = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    change[degree, degree] = 1
    for m in range(1, degree + 1):
        phase = (-1) ** m  # Condon–Shortley
        change[degree + m, [degree + m, degree - m]] = np.array([1, phase]) / np.sqrt(2)
        change[degree - m, [degree + m, degree - m]] = np.array([-1j, 1j * phase]) / np.sqrt(2)
    return change


def _about_z(degree, angle):
    """`Z(angle)`, `(2l+1, 2l+1)`: the rotation about z of the coefficients of a degree."""
    phase = np.arange(-degree, degree + 1) * angle
    return np.diag(np.cos(phase)) - np.diag(np.sin(phase))[:, ::-1]


def _rotate_about_z(coefficients, angles):
    """Coefficients `(batch, L, 2L-1, channel)`, rotated about z by `(batch,)` or `(1,)` angles."""
    phase = np.arange(1 - coefficients.shape[1], coefficients.shape[1]) * angles[:, None]
    cosine, sine = np.cos(phase)[:, None, :, None], np.sin(phase)[:, None, :, None]
    return cosine * coefficients - sine * coefficients[:, :, ::-1]
