"""Rotations of signals on the sphere: ZYZ Euler angles, uniform sampling, Wigner-D.

A rotation with angles `(α, β, γ)` is `R = Rz(α) Ry(β) Rz(γ)`, active, right-handed; it acts on a
signal as `(R f)(x) = f(R⁻¹ x)`.

Let `J` be the rotation by π about `(0, 1, 1)`, which exchanges the axes y and z. Then
`Ry(β) = J Rz(β) J`, so a rotation of coefficients is `Z(α) J Z(β) J Z(γ)`: `Z` mixes the orders
`±m` only, and `J` is one constant matrix per degree. Source: Pinchon & Hoggan 2007.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
from keras import ops
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.operations import constant, matmul
from spherical_cnn.sphere.sht import isht, sht


def euler_to_matrix(angles):
    """Rotation matrices `(..., 3, 3)` float64 of ZYZ Euler angles `(..., 3)`, radians."""
    angles = np.asarray(angles, np.float64)
    matrices = Rotation.from_euler("ZYZ", angles.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*angles.shape, 3)


def matrix_to_euler(matrices):
    """ZYZ Euler angles of rotation matrices, inverse of `euler_to_matrix`.

    `β` is in `[0, π]`. Where it is 0 or π only `α ± γ` is determined and `γ` is 0.
    """
    matrices = np.asarray(matrices, np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gimbal lock")
        angles = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_euler("ZYZ")
    return angles.reshape(matrices.shape[:-1])


def random_rotations(count, rng):
    """Rotations drawn uniformly over SO(3), `(count, 3)` float64 ZYZ Euler angles in radians.

    `α, γ` are uniform in `[0, 2π)` and `cos β` in `[-1, 1]`, which is the Haar measure. The first
    ones do not depend on `count`.
    """
    alpha, height, gamma = rng.random((count, 3)).T
    return np.stack([2 * np.pi * alpha, np.arccos(1 - 2 * height), 2 * np.pi * gamma], axis=-1)


def rotate_coefficients(coefficients, angles):
    """Coefficients of the rotated signals, exact.

        out[b, l, m, c] = Σ_k D^l_mk(α_b, β_b, γ_b) coefficients[b, l, k, c]

    Args:
        coefficients: `(batch, L, 2L-1, channel)` real, a NumPy array.
        angles: ZYZ Euler angles in radians: `(3,)`, one rotation for the whole batch, or
            `(batch, 3)`, one for each signal.

    Returns:
        float64, of the shape of `coefficients`.
    """
    coefficients, angles = np.asarray(coefficients, np.float64), np.asarray(angles, np.float64)
    shape = coefficients.shape
    if len(shape) != 4 or shape[2] != 2 * shape[1] - 1:
        raise ValueError(f"coefficients must be (batch, L, 2L-1, channel). Received: shape={shape}")
    if angles.shape not in ((3,), (shape[0], 3)):
        raise ValueError(
            f"angles must be (3,), α β γ, or ({shape[0]}, 3), one for each signal of the batch. "
            f"Received: shape={angles.shape}"
        )
    half = half_turn_matrices(shape[1])
    if angles.ndim == 2 or shape[0] * shape[3] <= shape[2]:
        return _rotate(coefficients, angles.reshape(-1, 3), half)
    # For many signals it is cheaper to multiply the three matrices first.
    rotated = np.zeros_like(coefficients)
    for l in range(shape[1]):
        inside = slice(shape[1] - 1 - l, shape[1] + l)
        units = np.eye(2 * l + 1)[None, None]
        matrix = _rotate(units, angles[None], half[l, inside, inside])[0, 0]
        columns = np.tensordot(matrix, coefficients[:, l, inside], (1, 1))
        rotated[:, l, inside] = columns.swapaxes(0, 1)
    return rotated


def rotate_signal(signal, angles, grid):
    """Signals `(batch, *grid.shape, channel)` rotated, `(R f)(x) = f(R⁻¹ x)`, as a NumPy array.

    They are projected to the band limit of `grid` first; `angles` as in `rotate_coefficients`.
    """
    coefficients = ops.convert_to_numpy(sht(signal, grid))
    rotated = rotate_coefficients(coefficients, angles).astype(coefficients.dtype)
    return ops.convert_to_numpy(isht(rotated, grid))


def rotate_order_first(coefficients, angles):
    """Rotates tensors of coefficients `(m, l, b, c)`, each of the batch by its own angles.

    As `rotate_coefficients`, on `keras.ops`. `angles` are three tensors `(batch,)`, or one for
    rotations about z.
    """
    orders, degrees = coefficients.shape[:2]
    half = constant(coefficients, half_turn_matrices, degrees)
    rotated = _tensor_about_z(coefficients, angles[-1])
    for index in range(len(angles) - 2, -1, -1):
        rows = ops.reshape(ops.swapaxes(rotated, 0, 1), (degrees, orders, -1))
        rows = ops.reshape(matmul(half, rows), (degrees, orders, -1, coefficients.shape[3]))
        rotated = _tensor_about_z(ops.swapaxes(rows, 0, 1), angles[index])
    return rotated


def _tensor_about_z(coefficients, angle):
    highest = coefficients.shape[0] // 2
    orders = np.arange(-highest, highest + 1, dtype="float32")[:, None]
    phase = (ops.convert_to_tensor(orders) * ops.cast(angle, "float32"))[:, None, :, None]
    cosine, sine = (ops.cast(f(phase), coefficients.dtype) for f in (ops.cos, ops.sin))
    return cosine * coefficients - sine * ops.flip(coefficients, axis=0)


@functools.lru_cache(maxsize=4)
def half_turn_matrices(bandwidth):
    """`J` of each degree, `(L, 2L-1, 2L-1)` float64, read-only; zero outside the degree's orders.

    Each is symmetric, its own inverse, and exact to 1e-14 for degrees below 128: `exp(π X)` by the
    eigenvectors of the generator `X`, whose eigenvalues are `i k` with integers `k`.
    """
    _, about_y, about_z = generators(bandwidth)
    table = np.zeros_like(about_y)
    for l in range(bandwidth):
        inside = slice(bandwidth - 1 - l, bandwidth + l)
        generator = (about_y[l, inside, inside] + about_z[l, inside, inside]) / np.sqrt(2)
        values, vectors = np.linalg.eigh(1j * generator)
        signs = 1 - 2 * (np.rint(values) % 2)
        table[l, inside, inside] = ((vectors * signs) @ vectors.conj().T).real
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=4)
def generators(bandwidth):
    """Generators of the rotations of coefficients about x, y and z.

    `(3, L, 2L-1, 2L-1)` float64, read-only: per axis `i` and degree the matrix
    `X_i = ∂/∂ω D(exp(ω e_i))` at 0.
    """
    orders, degrees = np.arange(1 - bandwidth, bandwidth), np.arange(bandwidth)[:, None]
    inside = np.abs(orders) <= degrees
    about_z = np.where(inside, -orders, 0.0)[:, :, None] * np.eye(len(orders))[:, ::-1]
    # About y: orders |m| and |m| + 1 of one sign are joined, where 0 counts as positive.
    lower = orders[:-1]
    ladder = np.sqrt(np.maximum(degrees * (degrees + 1) - lower * (lower + 1), 0)) / 2
    ladder *= np.sign(lower + 1) * np.where(lower == 0, np.sqrt(2), 1)
    upper = np.zeros_like(about_z)
    upper[:, np.arange(len(lower)), np.arange(len(lower)) + 1] = ladder
    about_y = upper - upper.swapaxes(1, 2)
    # Their commutator: the one about z reverses the orders and multiplies them by `-m`.
    about_x = about_y[:, :, ::-1] * orders + orders[:, None] * about_y[:, ::-1]
    table = np.stack([about_x, about_y, about_z])
    table.flags.writeable = False
    return table


def _rotate(coefficients, angles, half):
    """`Z(α) J Z(β) J Z(γ)` of coefficients `(batch, degrees, orders, channel)`; `half` is `J`."""
    alpha, beta, gamma = angles.T
    rotated = half @ _rotate_about_z(coefficients, gamma)
    rotated = half @ _rotate_about_z(rotated, beta)
    return _rotate_about_z(rotated, alpha)


def _rotate_about_z(coefficients, angles):
    highest = coefficients.shape[2] // 2
    phase = np.arange(-highest, highest + 1) * angles[:, None]
    cosine, sine = np.cos(phase)[:, None, :, None], np.sin(phase)[:, None, :, None]
    return cosine * coefficients - sine * coefficients[:, :, ::-1]
