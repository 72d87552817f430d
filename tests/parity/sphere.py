"""Golden files of grids, transforms, convolutions and rotations, against `spherical_cnn.sphere`."""

from __future__ import annotations

import numpy as np
from keras import ops
from parity.comparison import FLOAT32, FLOAT64, swap

from spherical_cnn.choices import METHODS
from spherical_cnn.nn import SphericalConv
from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.sphere.rotation import euler_to_matrix, matrix_to_euler, rotate_signal
from spherical_cnn.sphere.sht import from_complex, to_complex
from spherical_cnn.sphere.spectral import mix, to_batch_first, to_order_first


def check_grid(file):
    for match in file.names(r"([a-z_]+)_(\d+)"):
        name, key, grid = match[0], match[1], SphericalGrid.from_resolution(int(match[2]))
        if key in _GRID:
            file.compare(name, _GRID[key](grid), FLOAT64)
        elif key == "dh_weights_centered":
            file.set_aside(name, "weights of a centered grid, which no model uses and we lack")
    # [sign, degree, |order|, azimuth, colatitude] of the finest grid in the file
    grid = SphericalGrid.from_resolution(max(int(m[1]) for m in file.names(r"colat_(\d+)")))
    degree, order, azimuth, colatitude = file.input("spot_lmij").T
    size = np.abs(order)
    wave = grid.fourier[size, 0, azimuth] + 1j * grid.fourier[size, 1, azimuth]
    wave = np.where(order < 0, (-1.0) ** size * wave.conj(), wave)
    wave = np.where(order == 0, wave, wave / np.sqrt(2))
    file.compare("spot_Y", grid.legendre[size, degree, colatitude] * wave, FLOAT64)


def _complex_harmonics(grid):
    n = grid.resolution
    real = swap(grid.harmonics.reshape(-1, n, n)).reshape(1, grid.bandwidth, -1, n * n)
    return to_complex(real).conj()[0].reshape(2, grid.bandwidth, grid.bandwidth, n, n)


_GRID = {
    "colat": lambda grid: grid.colatitude,
    "azim": lambda grid: grid.longitude,
    "colat_grid": lambda grid: np.tile(grid.colatitude, (grid.resolution, 1)),
    "azim_grid": lambda grid: np.tile(grid.longitude, (grid.resolution, 1)).T,
    # The original's sum to √2, ours to 4π over the grid.
    "dh_weights": lambda grid: grid.quadrature_weights * grid.resolution / (2 * np.sqrt(2) * np.pi),
    "colat_centered": lambda grid: grid.colatitude + np.pi / (2 * grid.resolution),
    "azim_centered": lambda grid: grid.longitude,
    "area_weights": lambda grid: grid.cell_weights,
    "area_weights_inv": lambda grid: 1 / grid.cell_weights,
    "harmonics_complex": _complex_harmonics,
    "harmonics_real": lambda grid: _complex_harmonics(grid)[:1],
}


def check_sht(file):
    signal = swap(file.input("f"))
    grid = SphericalGrid.from_resolution(signal.shape[1])
    for method in METHODS:
        for match in file.names(r"(tf_)?coeffs(_m0)?_(complex|real)"):
            coefficients = to_complex(_numpy(sht(signal.astype(_real(match)), grid, method)))
            if match[2]:
                coefficients = coefficients[:, :1, :, :1]
            elif match[3] == "real":
                coefficients = coefficients[:, :1]
            file.compare(match[0], coefficients, _limit(file, match[0]))
        for match in file.names(r"(tf_)?(rand_)?inv_(complex|real)"):
            if match[2]:
                coefficients = file.input("rand_coeffs")
            else:
                coefficients = file.arrays[f"{match[1] or ''}coeffs_{match[3]}"]
            real = match[3] == "real"
            parts = [from_complex(coefficients)] if real else _real_and_imaginary(coefficients)
            parts = [_numpy(isht(part.astype(_real(match)), grid, method)) for part in parts]
            file.compare(match[0], swap(_joined(parts)), _limit(file, match[0]))


def check_sph_conv(file):
    signal, filters = swap(file.input("f")), swap(file.input("g_spatial"))
    spectral = np.swapaxes(file.input("g_spectral")[:, 0, :, 0], 0, 1)
    grid = SphericalGrid.from_resolution(signal.shape[1])
    for match in file.names(r"f_coeffs_(complex|real)"):
        coefficients = to_complex(_numpy(sht(signal.astype(float), grid)))
        if match[1] == "real":
            coefficients = coefficients[:, :1]
        file.compare(match[0], coefficients, _limit(file, match[0]))
    for match in file.names(r"g_coeffs_m0_(complex|real)"):
        spectrum = _spectrum(filters.astype(float), grid)
        spectrum = np.swapaxes(spectrum, 0, 1)[:, None, :, None]
        file.compare(match[0], spectrum, _limit(file, match[0]))
    pattern = r"(tf_)?out_(?:(spatial|spectral)_(spatial|spectral)|pool(\d+))_(complex|real)"
    for method in METHODS:
        for match in file.names(pattern):
            dtype = _real(match)
            x = signal.astype(dtype)
            spectrum = spectral.astype(dtype)
            if match[3] == "spatial":
                spectrum = _spectrum(filters.astype(dtype), grid)
            if match[2] == "spectral":
                given = from_complex(file.arrays[f"f_coeffs_{match[5]}"]).astype(dtype)
                mixed = mix([[to_order_first(ops.convert_to_tensor(given))]], spectrum)[0]
                out = isht(to_batch_first(mixed), grid, method)
            else:
                out = _convolved(x, spectrum, method, pooled=int(match[4] or 0))
            file.compare(match[0], swap(_numpy(out)), _limit(file, match[0]))


def check_sph_conv_single(file):
    signal, filters = (file.input(name).T[None, ..., None] for name in ("f", "g"))
    grid = SphericalGrid.from_resolution(signal.shape[1])
    coefficients = to_complex(_numpy(sht(signal, grid)))[0, ..., 0]
    file.compare("coeffs", coefficients, FLOAT64)
    out = _numpy(_convolved(signal, _spectrum(filters, grid)))
    file.compare("out", out[0, ..., 0].T, FLOAT64)


def check_rotation(file):
    for match in file.names(r"f_(.+)"):
        signal = file.input(match[0]).T[None, ..., None]
        grid = SphericalGrid.from_resolution(signal.shape[1])
        power = np.sum(_numpy(sht(signal, grid)) ** 2, axis=(0, 2, 3))
        highest = np.max(np.nonzero(power > FLOAT64 * power.max()))
        file.exact(f"lmax_{match[1]}", highest)
        rotated = [
            rotate_signal(signal, angles, grid)[0, ..., 0].T
            for angles in inverse_angles(file.input(f"angles_{match[1]}"))
        ]
        file.compare(f"rot_{match[1]}", np.stack(rotated), FLOAT64)


def inverse_angles(angles):
    """Ours of the recorded Euler angles: those give f(Mx), ours (R f)(x) = f(R⁻¹x), so R = Mᵀ."""
    return matrix_to_euler(np.swapaxes(euler_to_matrix(angles), -1, -2))


def _convolved(signal, spectrum, method="sep", pooled=0):
    """Signals convolved with filters of a spectrum `(L, channel, filter)`, pooled at most once."""
    assert pooled < 2
    layer = SphericalConv(
        spectrum.shape[2],
        use_bias=False,
        spectral_pooling=pooled == 1,
        method=method,
        dtype=signal.dtype.name,
    )
    layer.build(signal.shape)
    layer.kernel.assign(np.swapaxes(spectrum, 0, 1))
    return layer(signal)


def _spectrum(filters, grid):
    """`(L, channel, filter)` order-0 coefficients of filters `(channel, 2L, 2L, filter)`."""
    return np.swapaxes(_numpy(sht(filters, grid))[:, :, grid.bandwidth - 1], 0, 1)


def _real_and_imaginary(coefficients):
    """Coefficients of the real and the imaginary part of a complex signal, in the real basis."""
    sign = ((-1.0) ** np.arange(coefficients.shape[3]))[:, None]
    positive, negative = coefficients[:, 0].copy(), coefficients[:, 1].copy()
    negative[:, :, 0] = positive[:, :, 0]
    mirrored = sign * negative.conj()
    parts = (positive + mirrored) / 2, (positive - mirrored) / 2j
    return [from_complex(part[:, None]) for part in parts]


def _joined(parts):
    return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]


def _real(match):
    return np.float32 if match[1] else np.float64


def _limit(file, name):
    # By what is stored: large arrays of the double-precision path are in single precision.
    double = file.arrays[name].dtype in (np.float64, np.complex128)
    return FLOAT64 if double else FLOAT32


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)
