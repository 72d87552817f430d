"""The rotation that takes one signal to another: the maximum of their correlation."""

from typing import NamedTuple

import numpy as np
from keras import ops
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.correlation import correlate, grid_angles, local_maxima, refine
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix
from spherical_cnn.sphere.sht import sht

_CHUNK = 16  # pairs at a time
_FLAT = 1e-9  # relative norm of what rounding leaves of a constant signal


class UnalignableError(ValueError):
    """A signal is constant or not finite; `which` is `"a"` or `"b"`."""

    def __init__(self, message, which):
        super().__init__(message)
        self.which = which


class Alignment(NamedTuple):
    """Rotations of pairs of signals.

    Correlations are relative to the norms of the signals: 1 if the rotated first signal equals the
    second. The runner-up, the second highest peak relative to the highest, is near 1 where another
    rotation aligns the signals as well, and 0 if there is no other peak.
    """

    rotations: np.ndarray  # (pairs, 3, 3), from the first signal of a pair to the second
    correlation: np.ndarray  # (pairs,) at these rotations
    runner_up: np.ndarray  # (pairs,)


def align(signals_a, signals_b, grid=None):
    """Finds the rotation that takes each signal `(pairs, *grid.shape, channels)` to its partner.

    Without a grid, square signals are on the paper's.

    Raises:
        ValueError: if the shapes differ.
        UnalignableError: if a signal is not finite, or constant over the sphere.
    """
    return align_coefficients(*transformed(signals_a, signals_b, grid))


def align_coefficients(a, b):
    """As `align`, from coefficients `(pairs, L, 2L-1, channels)`.

    Degree 0, the mean over the sphere, does not change under rotation and is ignored.
    """
    a, b = prepared(a, "a"), prepared(b, "b")
    parts = [_align_chunk(a[i : i + _CHUNK], b[i : i + _CHUNK]) for i in range(0, len(a), _CHUNK)]
    return Alignment(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def transformed(signals_a, signals_b, grid=None):
    """Coefficients of the signals given to `align`; raises as it does."""
    signals_a, signals_b = (np.asarray(s, np.float64) for s in (signals_a, signals_b))
    if signals_a.shape != signals_b.shape:
        raise ValueError(
            "signals must have one shape, that is one bandwidth. "
            f"Received: {signals_a.shape} and {signals_b.shape}"
        )
    grid = grid or SphericalGrid.from_resolution(signals_a.shape[1])
    return [ops.convert_to_numpy(sht(signals, grid)) for signals in (signals_a, signals_b)]


def prepared(coefficients, name):
    """Coefficients `(pairs, L, 2L-1, channels)` without degree 0, of norm 1.

    Raises `UnalignableError` for signals `name` if one has no other degrees or is not finite.
    """
    varying = np.array(coefficients, np.float64)
    varying[:, 0] = 0
    norms = _norms(varying)
    bad = np.flatnonzero(~(norms > _FLAT * _norms(coefficients)))  # also where it is NaN
    if len(bad):
        raise UnalignableError(
            "signals must be finite and vary over the sphere. "
            f"Received: pair {bad[0]} of signals_{name} does not",
            name,
        )
    return varying / norms[:, None, None, None]


def _align_chunk(a, b):
    """Refines the two highest peaks of each pair: between points of the grid either may win."""
    peaks = [_two_peaks(surface) for surface in correlate(a, b)]
    starts = np.stack([rotations for rotations, _ in peaks], axis=1)
    found = [refine(a, b, start) for start in starts]
    rotations, heights = (np.stack(part) for part in zip(*found, strict=True))
    best, pairs = heights.argmax(axis=0), np.arange(len(a))
    between = Rotation.from_matrix(rotations[0] @ rotations[1].swapaxes(1, 2)).magnitude()
    # Where both reach one peak, only the grid has the second.
    seconds = np.where(
        between < np.pi / (2 * a.shape[1]),
        [second for _, second in peaks],
        heights[1 - best, pairs] / heights[best, pairs],
    )
    return rotations[best, pairs], heights[best, pairs], seconds


def _two_peaks(surface):
    """Rotations `(2, 3, 3)` of the highest point and of the highest peak away from it.

    Without another peak both are the first. The second result is the relative height of the second.
    """
    n = surface.shape[0]
    j, i, k = np.unravel_index(surface.argmax(), surface.shape)
    beta, alpha, gamma = grid_angles(n // 2)
    best = euler_to_matrix([alpha[i], beta[j], gamma[k]])
    matrices, heights = local_maxima(surface)
    cosine = (np.einsum("pij,ij->p", matrices, best) - 1) / 2
    away = cosine < np.cos(4 * np.pi / n)
    if not away.any():
        return np.stack([best, best]), 0.0
    second = np.flatnonzero(away)[heights[away].argmax()]
    return np.stack([best, matrices[second]]), heights[second] / surface.max()


def _norms(coefficients):
    return np.linalg.norm(coefficients.reshape(len(coefficients), -1), axis=1)
