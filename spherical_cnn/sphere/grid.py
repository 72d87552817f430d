"""The Driscoll–Healy grid and its tables.

Conventions, shared by the whole package:

- bandwidth `L`: degrees `0 … L-1`; resolution `n = 2L`: samples along each angle;
- colatitude `θ_t = π t / n` (first row on the north pole, none on the south pole),
  longitude `φ_p = 2π p / n`;
- orthonormal real spherical harmonics with Condon–Shortley phase: with `Y_l^m` the complex ones
  and `m > 0`, `Y_{l,m} = √2 Re Y_l^m`, `Y_{l,-m} = √2 Im Y_l^m` and `Y_{l,0} = Y_l^0`.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np


def _table(function):
    """A property: a table that is read-only and computed once for all equal grids."""

    @functools.cache
    @functools.wraps(function)
    def table(grid):
        values = np.ascontiguousarray(function(grid))
        values.flags.writeable = False
        return values

    return property(table)


@dataclasses.dataclass(frozen=True)
class SphericalGrid:
    """Equiangular grid of `2L × 2L` samples, exact for signals band-limited to `L`.

    Grids of one bandwidth are equal and share their tables, which are float64, read-only and
    computed at most once per process.

    Args:
        bandwidth: `L`, a positive integer.

    Raises:
        ValueError: if `bandwidth` is not a positive integer.

    >>> grid = SphericalGrid(8)
    >>> grid.resolution, grid.colatitude.shape
    (16, (16,))
    """

    bandwidth: int

    def __post_init__(self):
        if isinstance(self.bandwidth, bool) or not isinstance(self.bandwidth, int | np.integer):
            raise ValueError(f"bandwidth must be an integer. Received: {self.bandwidth!r}")
        if self.bandwidth < 1:
            raise ValueError(f"bandwidth must be positive. Received: {self.bandwidth}")
        object.__setattr__(self, "bandwidth", int(self.bandwidth))

    @classmethod
    def from_resolution(cls, resolution):
        """The grid of `resolution = 2L` samples along each angle; odd or small ones are refused."""
        if not isinstance(resolution, int | np.integer) or resolution < 2 or resolution % 2:
            raise ValueError(
                f"resolution must be an even integer, at least 2. Received: {resolution!r}"
            )
        return cls(int(resolution) // 2)

    @property
    def resolution(self):
        """`n = 2L`, the number of samples along colatitude and along longitude."""
        return 2 * self.bandwidth

    @_table
    def colatitude(self):
        """`θ_t = π t / n`, radians, `(2L,)`."""
        return np.pi * np.arange(self.resolution) / self.resolution

    @_table
    def longitude(self):
        """`φ_p = 2π p / n`, radians, `(2L,)`."""
        return 2 * np.pi * np.arange(self.resolution) / self.resolution

    @_table
    def directions(self):
        """Unit vector of each sample, `(2L, 2L, 3)`: `(sin θ cos φ, sin θ sin φ, cos θ)`."""
        theta, phi = np.meshgrid(self.colatitude, self.longitude, indexing="ij")
        horizontal = np.sin(theta)
        return np.stack([horizontal * np.cos(phi), horizontal * np.sin(phi), np.cos(theta)], -1)

    @_table
    def quadrature_weights(self):
        """Driscoll–Healy weight `w[t]` of each sample of row `t`, `(2L,)`.

        `Σ_tp w[t] f(t, p) = ∫ f dΩ` for `f` of degree below `2L`; the weights sum to 4π over the
        grid and vanish on the pole row. Source: Driscoll & Healy 1994, theorem 3.
        """
        odd = 2 * np.arange(self.bandwidth) + 1
        series = np.sin(np.outer(self.colatitude, odd)) @ (1 / odd)
        return 8 * np.pi / self.resolution**2 * np.sin(self.colatitude) * series

    @_table
    def cell_weights(self):
        """`sin(θ_t + π / 2n)`, `(2L,)`: relative area of the cell between rows `t` and `t+1`.

        Source: the weights of weighted average pooling, Esteves et al. 2018, section 4.
        """
        return np.sin(self.colatitude + np.pi / (2 * self.resolution))

    @_table
    def fourier(self):
        """`fourier[m, s, p]`, `(L, 2, 2L)`: longitude factor of the real harmonics.

        `√2 cos(m φ_p)` for `s = 0`, `√2 sin(m φ_p)` for `s = 1`; for `m = 0`, `1` and `0`.
        """
        angle = np.outer(np.arange(self.bandwidth), self.longitude)
        table = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        table[0] = [[1.0], [0.0]]
        return table

    @_table
    def legendre(self):
        """`legendre[m, l, t]`, `(L, L, 2L)`: colatitude factor of the harmonics of order `±m`.

        The orthonormal associated Legendre function `P_l^m(cos θ_t)`, zero where `m > l`.
        """
        x, y = np.cos(self.colatitude), np.sin(self.colatitude)
        table = np.zeros((self.bandwidth, self.bandwidth, self.resolution))
        table[0, 0] = np.sqrt(1 / (4 * np.pi))
        for m in range(self.bandwidth):
            if m > 0:
                table[m, m] = -np.sqrt((2 * m + 1) / (2 * m)) * y * table[m - 1, m - 1]
            if m + 1 < self.bandwidth:
                table[m, m + 1] = np.sqrt(2 * m + 3) * x * table[m, m]
            for l in range(m + 2, self.bandwidth):
                a = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
                b = np.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1))
                table[m, l] = a * (x * table[m, l - 1] - b * table[m, l - 2])
        return table

    @_table
    def analysis(self):
        """`legendre[m, l, t] · quadrature_weights[t]`, `(L, L, 2L)`: the forward Legendre table."""
        return self.legendre * self.quadrature_weights

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
        return centered @ centered.transpose(0, 2, 1) / self.resolution

    @_table
    def harmonics(self):
        """`harmonics[l, L-1+m, t, p] = Y_lm(θ_t, φ_p)`, `(L, 2L-1, 2L, 2L)`, zero where `|m| > l`.

        The dense table of the naive transform: `L⁴·32` bytes, 67 MB at `L = 32`.
        """
        cosine, sine = np.einsum("mlt,msp->slmtp", self.legendre, self.fourier)
        return np.concatenate([sine[:, :0:-1], cosine], axis=1)
