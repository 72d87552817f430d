"""Grids of rings on the sphere, and their tables.

Conventions, shared by the whole package:

- bandwidth `L`: degrees `0 … L-1`; resolution `n = 2L`: samples along each angle of a square grid;
- the paper's grid: colatitude `θ_t = π t / n` (first row on the north pole, none on the south
  pole), longitude `φ_p = 2π p / n`;
- orthonormal real spherical harmonics with Condon–Shortley phase: with `Y_l^m` the complex ones
  and `m > 0`, `Y_{l,m} = √2 Re Y_l^m`, `Y_{l,-m} = √2 Im Y_l^m` and `Y_{l,0} = Y_l^0`.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from spherical_cnn.sphere import rings
from spherical_cnn.sphere.coordinates import recognize
from spherical_cnn.sphere.tables import Tables

_BY_KEY: dict[str, SphericalGrid] = {}


@dataclasses.dataclass(frozen=True, repr=False)
class SphericalGrid(Tables):
    """Grid of `nlat` rings of `nlon` equally spaced samples each.

    `SphericalGrid(L)` is the paper's grid of `2L × 2L` samples. The other constructors are
    `gauss_legendre`, `equiangular` and `from_coordinates`. The transform is exact for signals
    band-limited to `bandwidth`: by quadrature, if that of the rings is exact for products of two
    such signals, else by least squares.

    Arrays are float64 and computed at most once per process for equal grids. Those of samples
    (colatitudes, longitudes, directions, weights) are copies; tables of harmonics are shared and
    read-only. A table of Legendre functions takes `8 L² nlat` bytes, 200 MB for 256 × 512 samples.

    Args:
        bandwidth: `L`, the number of degrees, positive.
        rows: rule of `spherical_cnn.sphere.rings.ROWS` that places the rings.
        nlat: number of rings; by default `2L`, or `L` for Gauss–Legendre rings.
        nlon: number of samples on a ring; by default `2L`.
        start: longitude of the first column, degrees.
        ascending: whether the first row is the southernmost one.

    Raises:
        ValueError: if an argument is invalid, or the samples do not determine so many degrees.

    >>> grid = SphericalGrid(8)
    >>> grid.shape, grid.colatitude.shape
    ((16, 16), (16,))
    """

    bandwidth: int
    rows: str = "north_pole"
    nlat: int = 0
    nlon: int = 0
    start: float = 0.0
    ascending: bool = False
    key: str = dataclasses.field(default="", init=False, compare=False)

    def __post_init__(self):
        if self.rows not in rings.ROWS:
            raise ValueError(f"rows must be one of {rings.ROWS}. Received: {self.rows!r}")
        bandwidth = _positive("bandwidth", self.bandwidth)
        nlat = _positive("nlat", self.nlat or bandwidth * (1 + (self.rows != "gauss_legendre")))
        nlon = _positive("nlon", self.nlon or 2 * bandwidth)
        most = most_bandwidth(self.rows, nlat, nlon)
        if bandwidth > most:
            raise ValueError(
                f"bandwidth must be at most {most} for {nlat} × {nlon} samples, {self.rows}. "
                f"Received: {bandwidth}"
            )
        if not np.isfinite(self.start):
            raise ValueError(f"start must be a longitude in degrees. Received: {self.start}")
        start, ascending = float(self.start) % 360, bool(self.ascending)
        values = [bandwidth, self.rows, nlat, nlon, start, ascending]
        values.append(" ".join(map(str, values)))
        for field, value in zip(dataclasses.fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)
        _BY_KEY.setdefault(self.key, self)

    def __repr__(self):
        facts = f"{self.nlat} × {self.nlon} samples, rows {self.rows!r}"
        if self.start or self.ascending:
            facts += f" from {'south' if self.ascending else 'north'}, first column {self.start:g}°"
        how = "quadrature" if self.by_quadrature else "least squares"
        return (
            f"<SphericalGrid of bandwidth {self.bandwidth}: {facts}; analysis by {how}, weights "
            f"exact to degree {self.exact_degree}>"
        )

    @classmethod
    def from_resolution(cls, resolution):
        """The paper's grid of `resolution = 2L` samples along each angle; odd ones are refused."""
        if not isinstance(resolution, int | np.integer) or resolution < 2 or resolution % 2:
            raise ValueError(
                f"resolution must be an even integer, at least 2. Received: {resolution!r}"
            )
        return cls(int(resolution) // 2)

    @classmethod
    def gauss_legendre(cls, bandwidth):
        """The Gauss–Legendre grid of `L × 2L` samples: as exact as the paper's, half the size."""
        return cls(bandwidth, "gauss_legendre")

    @classmethod
    def for_products(cls, bandwidth, kept=None, row_factor=1.0):
        """The Gauss–Legendre grid for maps that go through a nonlinearity (dealiasing).

        It gives the `kept` lowest degrees (by default `L`) of the product of two signals of
        bandwidth `L` exactly. So the terms of a nonlinearity up to the second order do not alias
        onto these degrees. It has `(L + kept // 2) × (2L + kept)` samples, `kept` rounded to even.
        `row_factor` times as many rows, rounded to even, make higher terms alias less, too.

        >>> SphericalGrid.for_products(32).shape, SphericalGrid.for_products(32, 16).shape
        ((48, 96), (40, 80))
        >>> SphericalGrid.for_products(32, row_factor=1.25).shape
        (60, 96)
        """
        kept = bandwidth if kept is None else _positive("kept", kept)
        if kept > bandwidth:
            raise ValueError(f"kept must be at most the bandwidth, {bandwidth}. Received: {kept}")
        if not 1 <= row_factor < math.inf:
            raise ValueError(f"row_factor must be at least 1. Received: {row_factor}")
        fewest = _positive("bandwidth", bandwidth) + kept // 2
        nlat = fewest if row_factor == 1 else 2 * math.ceil(row_factor * fewest / 2)
        return cls(bandwidth, "gauss_legendre", nlat, 2 * fewest)

    @classmethod
    def equiangular(cls, nlat, nlon, rows="poles", *, start=0.0, ascending=False, bandwidth=None):
        """A grid of any size with the largest bandwidth that it determines, or a smaller one.

        For the arguments see `SphericalGrid`.
        """
        most = most_bandwidth(rows, _positive("nlat", nlat), _positive("nlon", nlon))
        return cls(most if bandwidth is None else bandwidth, rows, nlat, nlon, start, ascending)

    @classmethod
    def from_coordinates(cls, latitude, longitude, bandwidth=None):
        """The grid whose samples lie at given latitudes and longitudes, as in a file of data.

        Latitudes go north or south. Longitudes go east, all around, from any start. If the last one
        repeats the first, it is dropped with a warning: drop that column of the data, too.

        Args:
            latitude: `(nlat,)`, degrees.
            longitude: `(nlon,)`, degrees.
            bandwidth: see `SphericalGrid`; by default the largest.

        Raises:
            ValueError: if they are those of no grid; it says how far they are from each.

        >>> latitude, longitude = np.linspace(90, -90, 73), np.arange(0, 360, 2.5)
        >>> SphericalGrid.from_coordinates(latitude, longitude).bandwidth
        72
        """
        rows, nlat, nlon, start, ascending = recognize(latitude, longitude)
        return cls.equiangular(
            nlat, nlon, rows, start=start, ascending=ascending, bandwidth=bandwidth
        )

    @property
    def shape(self):
        """`(nlat, nlon)`."""
        return self.nlat, self.nlon

    @property
    def is_driscoll_healy(self):
        """Whether this is the paper's grid, `SphericalGrid(L)`."""
        usual = self.rows == "north_pole" and not self.start and not self.ascending
        return usual and self.nlat == self.nlon == 2 * self.bandwidth

    @property
    def resolution(self):
        """`n`, the number of samples along colatitude and along longitude of a square grid."""
        if self.nlat != self.nlon:
            raise ValueError(f"a grid of {self.nlat} × {self.nlon} samples has no one resolution")
        return self.nlat

    def get_config(self):
        """Returns the arguments of the constructor, as JSON values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}


def most_bandwidth(rows, nlat, nlon):
    """Returns the largest bandwidth for which the samples of a grid determine all coefficients."""
    return min(rings.most_degrees(rows, nlat), (nlon + 1) // 2)


def grid_by_key(key):
    """Returns the grid of a `key`, the text by which tables are asked for."""
    return _BY_KEY[key]


def as_grid(value):
    """Returns a `SphericalGrid` from itself or from its config, and `None` from `None`."""
    return SphericalGrid(**value) if isinstance(value, dict) else value


def _positive(name, value):
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be an integer. Received: {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be positive. Received: {value}")
    return int(value)
