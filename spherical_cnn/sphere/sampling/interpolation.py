"""Samples of images, which need not be band-limited, on other grids."""

from __future__ import annotations

import numpy as np
from keras import ops

from spherical_cnn.sphere.grid import grid_by_key
from spherical_cnn.sphere.operations import apply_table, mean
from spherical_cnn.sphere.rings import band_edges


def interpolate(maps, grid, other, interpolation):
    """Samples maps `(p, t, b, c)` of a grid on another grid.

    All kinds are weighted means along longitude, then along colatitude. They keep constants, and
    their values are within the range of the samples.

    - `"bilinear"`: between the nearest two meridians and rings. Where there is no ring beyond, the
      value at the pole is the mean of the last ring.
    - `"area"`: each sample of a grid stands for the part of the sphere, bounded by meridians and
      parallels, that is nearest to it. The result is the mean over the part of each new sample. The
      integral over the sphere is kept.
    """
    names = grid.key, other.key, interpolation
    maps = apply_table(maps, _columns, (*names, False), (*names, True))
    rows = ops.swapaxes(maps, 0, 1)
    if interpolation == "bilinear":
        first, last = (ops.expand_dims(mean(end, 1), 1) for end in (rows[:1], rows[-1:]))
        poles = (ops.repeat(pole, other.nlon, axis=1) for pole in (first, last))
        rows = ops.concatenate([next(poles), rows, next(poles)], axis=0)
    return ops.swapaxes(apply_table(rows, _rows, (*names, False), (*names, True)), 0, 1)


def _columns(key, other, interpolation, transposed):
    """Weights of the meridians of a grid in those of another, `(other.nlon, nlon)`."""
    grid, other = grid_by_key(key), grid_by_key(other)
    count = grid.nlon
    place = (other.longitude - grid.longitude[0]) * count / (2 * np.pi)  # in steps of the grid
    if interpolation == "bilinear":
        units = (np.interp(place, np.arange(count), unit, period=count) for unit in np.eye(count))
        table = np.stack(list(units), axis=1)
    else:
        half, edges = count / other.nlon / 2, np.arange(-count, 2 * count + 1) - 0.5
        places = (place % count)[:, None]
        table = _overlaps(places - half, places + half, edges).reshape(-1, 3, count).sum(1)
    return _normalized(table, transposed)


def _rows(key, other, interpolation, transposed):
    """Weights of the rings of a grid in those of another, `(other.nlat, nlat)`.

    For `"bilinear"`, the first and the last column are those of the poles.
    """
    grid, other = grid_by_key(key), grid_by_key(other)
    if interpolation == "area":
        bands, edges = (-np.cos(band_edges(one.colatitude)) for one in (other, grid))
        low, high = np.sort([bands[:-1], bands[1:]], axis=0)[..., None]
        return _normalized(_overlaps(low, high, edges), transposed)
    theta = np.sort(grid.colatitude)
    north = 0 if theta[0] > 0 else -1  # a ring on a pole comes before the mean
    south = np.pi if theta[-1] < np.pi else 4
    places = np.array([north, *theta, south])
    units = (np.interp(other.colatitude, places, unit) for unit in np.eye(len(places)))
    table = np.stack(list(units), axis=1)
    return _normalized(table[:, ::-1] if grid.ascending else table, transposed)


def _overlaps(low, high, edges):
    """Lengths `(n, k)` of what intervals `(n, 1)` share with those between `k + 1` edges."""
    first, last = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    return np.maximum(np.minimum(high, last) - np.maximum(low, first), 0)


def _normalized(table, transposed):
    table = table / table.sum(axis=1, keepdims=True)
    return table.T if transposed else table
