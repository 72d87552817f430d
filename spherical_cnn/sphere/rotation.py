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


@functools.lru_cache(maxsize=512)
def wigner_d(degree, alpha, beta, gamma):
    """Wigner-D matrix `(2l+1, 2l+1)` of `degree` in the real basis, orders `-l … l`."""
    try:
        from lie_learn.representations.SO3 import wigner_d as lie_learn_wigner
    except ImportError as error:
        raise ImportError(
            "rotating coefficients needs lie_learn ≥ 0.0.2 (and numpy < 2): "
            'pip install "lie_learn>=0.0.2"'
        ) from error
    tabulated = len(lie_learn_wigner.Jd)
    if degree >= tabulated:
        raise ValueError(
            f"lie_learn tabulates degrees below {tabulated}. Received: degree={degree}"
        )
    # lie_learn's real basis is ours without the Condon–Shortley phase.
    phase = (-1.0) ** np.arange(-degree, degree + 1)
    matrix = phase[:, None] * lie_learn_wigner.wigner_D_matrix(degree, alpha, beta, gamma) * phase
    matrix.flags.writeable = False
    return matrix
