"""The arrays of a grid: NumPy, float64, and computed once for all equal grids."""

from __future__ import annotations

import functools

import numpy as np

from spherical_cnn.sphere import rings
from spherical_cnn.sphere.coordinates import to_directions


def _computed_once(function):
    @functools.cache
    @functools.wraps(function)
    def table(grid):
        values = np.ascontiguousarray(function(grid))
        values.flags.writeable = False
        return values

    return table


def _table(function):
    """A property: a table that is read-only and shared by all equal grids."""
    return property(_computed_once(function))


def _samples(function):
    """A property: a copy of a small table, because SciPy's rotations refuse read-only arrays."""
    table = _computed_once(function)
    return property(functools.wraps(function)(lambda grid: table(grid).copy()))


class Tables:
    """Base of `SphericalGrid`: what follows from the places of its samples."""

    bandwidth: int
    rows: str
    nlat: int
    nlon: int
    start: float
    ascending: bool

    @property
    def exact_degree(self):
        """The highest degree whose signals `quadrature_weights` integrate exactly."""
        return min(rings.exact_degree(self.rows, self.nlat), self.nlon - 1)

    @property
    def by_quadrature(self):
        """Whether the transform is a quadrature; otherwise it is a least-squares inverse."""
        return rings.exact_degree(self.rows, self.nlat) >= 2 * (self.bandwidth - 1)

    @_samples
    def colatitude(self):
        """Colatitude `θ_t` of each row, radians, `(nlat,)`."""
        return self._ordered(rings.colatitudes(self.rows, self.nlat))

    @_samples
    def longitude(self):
        """Longitude `φ_p` of each column, radians, `(nlon,)`."""
        return 2 * np.pi * np.arange(self.nlon) / self.nlon + np.radians(self.start)

    @_samples
    def directions(self):
        """Unit vector of each sample, `(*shape, 3)`: `(sin θ cos φ, sin θ sin φ, cos θ)`."""
        return to_directions(self.colatitude[:, None], self.longitude)

    @_samples
    def quadrature_weights(self):
        """Weight `w[t]` of each sample of row `t`, `(nlat,)`.

        `Σ_tp w[t] f(t, p) = ∫ f dΩ` for `f` up to `exact_degree`; the weights sum to 4π over the
        grid. Source for the paper's grid: Driscoll & Healy 1994, theorem 3.
        """
        return self._ordered(2 * np.pi / self.nlon * rings.ring_weights(self.rows, self.nlat))

    @_samples
    def cell_weights(self):
        """`sin(θ_t + π / 2n)`, `(2L,)`: relative area of the cell between rows `t` and `t+1`.

        Source: the weights of weighted average pooling, Esteves et al. 2018, section 4.
        """
        return np.sin(self.colatitude + np.pi / (2 * self.nlat))

    @_table
    def fourier(self):
        """`fourier[m, s, p]`, `(L, 2, nlon)`: longitude factor of the real harmonics.

        `√2 cos(m φ_p)` for `s = 0`, `√2 sin(m φ_p)` for `s = 1`; for `m = 0`, `1` and `0`.
        """
        angle = np.outer(np.arange(self.bandwidth), self.longitude)
        table = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        table[0] = [[1.0], [0.0]]
        return table

    @_table
    def legendre(self):
        """`legendre[m, l, t]`, `(L, L, nlat)`: colatitude factor of the harmonics of order `±m`.

        The orthonormal associated Legendre function `P_l^m(cos θ_t)`, zero where `m > l`.
        """
        return rings.legendre_functions(self.colatitude, self.bandwidth)

    @_table
    def analysis(self):
        """`(L, L, nlat)`: the forward Legendre table, the inverse of synthesis.

        `legendre[m, l, t] · quadrature_weights[t]`, or the least-squares inverse of `legendre[m]`.
        """
        if self.by_quadrature:
            return self.legendre * self.quadrature_weights
        return rings.least_squares(self.legendre, self.colatitude) / self.nlon

    @_table
    def legendre_mean(self):
        """Mean over the rows `t` of `legendre[0, l, t]`, `(L,)`: of each zonal harmonic's map."""
        return self.legendre[0].mean(axis=-1)

    @_table
    def legendre_covariance(self):
        """Covariance over the samples of harmonics of equal order, `(L, L, L)`.

        `[m, l, k]`: the mean over the rows `t` of `legendre[m, l, t] · legendre[m, k, t]`, less,
        for `m = 0`, the product of their means.
        """
        centered = self.legendre.copy()
        centered[0] -= self.legendre_mean[:, None]
        return centered @ centered.transpose(0, 2, 1) / self.nlat

    @_table
    def harmonics(self):
        """`harmonics[l, L-1+m, t, p] = Y_lm(θ_t, φ_p)`, `(L, 2L-1, *shape)`, zero where `|m| > l`.

        The dense table of the naive transform: on the paper's grid `L⁴·32` bytes, 67 MB at
        `L = 32`.
        """
        cosine, sine = np.einsum("mlt,msp->slmtp", self.legendre, self.fourier)
        return np.concatenate([sine[:, :0:-1], cosine], axis=1)

    def _ordered(self, rows):
        return rows[::-1] if self.ascending else rows
