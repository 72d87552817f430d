"""Occupied volumes → meshes of their surface."""

from __future__ import annotations

import math
import re

import numpy as np

from spherical_cnn.signals.files import read_array
from spherical_cnn.signals.signal import Mesh, ShapeError

MAX_SIDE = 512

# Header of the format; the runs after it count cells along y, then z, then x.
_BINVOX = (
    rb"#binvox [^\n]*\ndim (\d{1,18}) (\d{1,18}) (\d{1,18})\n"
    rb"(?:(?!dim )[^\n]*\n){0,9}?data\n"
)


def voxel_mesh(volume):
    """Surface of the occupied cells, by marching cubes half-way between occupied and empty.

    Args:
        volume: `(a, b, c)`, at most `MAX_SIDE` a side: occupied where nonzero; where above one
            half if it holds floating-point numbers.

    Returns:
        `Mesh`, watertight, in units of a cell, axes in the order of the array.

    Raises:
        ShapeError: if the shape is wrong, a number is not finite or no cell is occupied.
    """
    from skimage.measure import marching_cubes

    volume = np.asarray(volume)
    if volume.ndim != 3 or not 0 < min(volume.shape) <= max(volume.shape) <= MAX_SIDE:
        raise ShapeError(f"volume of shape {volume.shape}, expected three sides of 1 … {MAX_SIDE}")
    if volume.dtype.kind not in "biuf":
        raise ShapeError(f"volume of {volume.dtype}, expected numbers")
    if not np.isfinite(volume).all():
        raise ShapeError("volume holds numbers that are not finite")
    occupied = volume > 0.5 if volume.dtype.kind == "f" else volume != 0
    if not occupied.any():
        raise ShapeError(f"empty: none of {' × '.join(map(str, volume.shape))} cells is occupied")
    vertices, faces, _, _ = marching_cubes(np.pad(occupied, 1).astype("f4"), 0.5)
    return Mesh(vertices.astype(np.float64), faces)


def read_voxels(data, suffix):
    """Occupied volume of an `.npy`, `.npz` (of one array) or `.binvox` file, bytes given."""
    if suffix == ".binvox":
        return _binvox(data)
    return read_array(data, suffix, "volume")


def _binvox(data):
    header = re.match(_BINVOX, data)
    if not header:
        raise ShapeError(f"expected a header #binvox, dim, data; found {data[:20]!r}")
    sides = [int(side) for side in header.groups()]
    runs = np.frombuffer(data, np.uint8, offset=header.end())
    if max(sides) > MAX_SIDE or runs[1::2].sum(dtype=int) != math.prod(sides) or len(runs) % 2:
        raise ShapeError(
            f"sides {sides}, runs of {runs[1::2].sum(dtype=int)} cells; "
            f"expected sides of at most {MAX_SIDE} and runs that fill them"
        )
    x, y, z = sides
    return np.repeat(runs[::2] != 0, runs[1::2]).reshape(x, z, y).transpose(0, 2, 1)
