"""The oracle: harmonics, transform, convolution and rotation by definition, in float64 NumPy.

Slow and independent of the package. Grid, axes and harmonics are those of `DESIGN.md`.
"""

import numpy as np
import scipy.special
from numpy.polynomial import legendre
from scipy.spatial.transform import Rotation


def points(bandwidth):
    """Unit vectors of the grid, `(2L, 2L, 3)`."""
    step = np.pi * np.arange(2 * bandwidth) / (2 * bandwidth)
    theta, phi = np.meshgrid(step, 2 * step, indexing="ij")
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)


def quadrature(bandwidth):
    """Weight of each sample of a row, `(2L,)`: the only weights exact below degree `2L`."""
    n = 2 * bandwidth
    moments = np.zeros(n)
    moments[0] = 4 * np.pi / n
    cosines = np.cos(np.pi * np.arange(n) / n)
    return np.linalg.solve(legendre.legvander(cosines, n - 1).T, moments)


def complex_harmonics(bandwidth, where):
    """`Y_l^m` at unit vectors `(..., 3)`: `(L, 2L-1, ...)`, order `m` at column `m`, `-1` last."""
    x, y, z = np.moveaxis(where, -1, 0)
    colatitude, longitude = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    return scipy.special.sph_harm_y_all(bandwidth - 1, bandwidth - 1, colatitude, longitude)


def real_harmonics(bandwidth, where):
    """`Y_lm` at unit vectors `(..., 3)`: `(L, 2L-1, ...)`, order `m` at column `L-1+m`."""
    harmonics = complex_harmonics(bandwidth, where)[:, :bandwidth]
    positive = np.sqrt(2) * harmonics[:, 1:]
    return np.concatenate([positive[:, ::-1].imag, harmonics[:, :1].real, positive.real], axis=1)


def evaluate(coefficients, where):
    """Signals `(b, t, p, c)` of coefficients `(b, L, 2L-1, c)` at unit vectors `(t, p, 3)`."""
    harmonics = real_harmonics(coefficients.shape[1], where)
    return np.einsum("lmtp,blmc->btpc", harmonics, coefficients)


def synthesize(coefficients):
    """The signals of `coefficients` on the grid of their bandwidth."""
    return evaluate(coefficients, points(coefficients.shape[1]))


def analyze(signal):
    """Coefficients of signals on a grid: the textbook double sum over its samples."""
    signal = np.asarray(signal, np.float64)
    bandwidth = signal.shape[1] // 2
    harmonics = real_harmonics(bandwidth, points(bandwidth))
    return np.einsum("t,lmtp,btpc->blmc", quadrature(bandwidth), harmonics, signal)


def rotate(coefficients, matrix):
    """Coefficients of `f(R⁻¹ x)`, by evaluating `f` at the rotated grid."""
    return analyze(evaluate(coefficients, points(coefficients.shape[1]) @ matrix))


def interpolate(anchors, bandwidth):
    """Spectra `(L, c, d)` of anchors `(c, k, d)` spread evenly over the degrees."""
    degrees, positions = np.linspace(0, 1, bandwidth), np.linspace(0, 1, anchors.shape[1])
    return np.apply_along_axis(lambda a: np.interp(degrees, positions, a), 1, anchors).swapaxes(
        0, 1
    )


def convolve(signal, spectrum):
    """`(f ∗ h)(x) = ∫ f(g ν) h(g⁻¹ x) dg` over SO(3) for zonal `h`, summed over channels of `f`.

    With `ν` the north pole this is `2π ∫ f(y) h(x·y) dy` over the sphere; `spectrum` `(L, c, d)`
    has the order-0 coefficients of `h`.
    """
    bandwidth, x = len(spectrum), points(len(spectrum))
    norms = np.sqrt((2 * np.arange(bandwidth) + 1) / (4 * np.pi))
    profiles = legendre.legval(np.einsum("tpi,uvi->tpuv", x, x), spectrum * norms[:, None, None])
    weighted = quadrature(bandwidth)[:, None, None] * signal
    return 2 * np.pi * np.einsum("cdtpuv,buvc->btpd", profiles, weighted, optimize=True)


def band_limited(rng, bandwidth, channels=2, batch=2):
    """Random coefficients `(batch, L, 2L-1, channels)`, zero where `|m| > l`."""
    degrees, orders = np.arange(bandwidth), np.arange(1 - bandwidth, bandwidth)
    inside = np.abs(orders) <= degrees[:, None]
    return rng.normal(size=(batch, *inside.shape, channels)) * inside[:, :, None]


def assert_close(actual, expected, tolerance):
    """Equal within `tolerance` times the largest expected value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    atol = tolerance * np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def assert_equivariant(function, rng, bandwidth, tolerance, degrees=None, channels=2):
    """`function(R f) = R function(f)` for band-limited `f` and rotations `R` drawn at random.

    Compares coefficients of the outputs below `degrees` (all of them if `None`), in float64.

    Returns:
        The largest error, relative to the norm of the output.
    """
    coefficients = band_limited(rng, bandwidth, channels)
    output = analyze(function(synthesize(coefficients)))
    errors = {}
    for rotation in Rotation.random(3, rng=rng):
        matrix = rotation.as_matrix()
        expected = rotate(output, matrix)[:, :degrees]
        actual = analyze(function(synthesize(rotate(coefficients, matrix))))[:, :degrees]
        error = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
        errors[tuple(rotation.as_euler("ZYZ").round(3))] = error
    worst = max(errors, key=errors.get)
    assert errors[worst] <= tolerance, f"error {errors[worst]:.2e} at ZYZ angles {worst}"
    return errors[worst]
