"""Functions of directions as signals."""

from __future__ import annotations

import numpy as np

_COORDINATES = ("directions", "angles")


def sample_function(function, grid, coordinates="directions"):
    """Samples a function on a grid, as a signal.

    Args:
        function: takes unit vectors `(nlat, nlon, 3)`, or colatitudes and longitudes in radians,
            `(nlat, nlon)` each; returns `(nlat, nlon)` or `(nlat, nlon, channels)` numbers.
        grid: `SphericalGrid`.
        coordinates: `"directions"`, or `"angles"` for colatitudes and longitudes.

    Returns:
        `(nlat, nlon, channels)`, a NumPy array in the dtype of the result.

    Raises:
        ValueError: if the result has another shape, or the coordinates are unknown.

    >>> from spherical_cnn.sphere import SphericalGrid
    >>> grid = SphericalGrid.equiangular(73, 144)
    >>> sample_function(lambda directions: directions[..., 2], grid).shape
    (73, 144, 1)
    """
    if coordinates not in _COORDINATES:
        raise ValueError(f"coordinates must be one of {_COORDINATES}. Received: {coordinates!r}")
    if coordinates == "directions":
        values = function(grid.directions)
    else:
        values = function(*np.meshgrid(grid.colatitude, grid.longitude, indexing="ij"))
    values = np.asarray(values)
    if values.ndim not in (2, 3) or values.shape[:2] != grid.shape:
        nlat, nlon = grid.shape
        raise ValueError(
            f"function must return ({nlat}, {nlon}) or ({nlat}, {nlon}, channels) numbers for all "
            f"samples at a time. Received: shape={values.shape}"
        )
    return values if values.ndim == 3 else values[..., None]
