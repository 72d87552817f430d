"""Reads volumes of voxels and converts them to meshes."""

import math
import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.signal import Mesh

MAX_SIDE = 512

VOXEL_NAMES = ("voxels", "volume", "occupancy")

# Lines of keywords and comments, in any order, then bytes. `translate` and `scale` are ignored,
# because shapes are normalized.
_BINVOX = re.compile(rb"#binvox\b[^\n]*\n((?:[^\n]*\n){0,100}?)[ \t]*data[ \t]*\r?\n")
_DIM = re.compile(rb"^[ \t]*dim[ \t]+(\d{1,18})[ \t]+(\d{1,18})[ \t]+(\d{1,18})\s*$")


def extract_surface(volume):
    """Extracts the surface of the occupied cells by marching cubes.

    The volume `(a, b, c)` has at most `MAX_SIDE` cells along each side. Occupied cells are nonzero,
    or above one half in floating-point arrays. The surface is a watertight `Mesh` in units of a
    cell, with axes in the order of the array.

    Raises:
        ShapeError: if the array has another shape, a number is not finite, or no cell is occupied.
    """
    from skimage.measure import marching_cubes

    volume = np.asarray(volume)
    if volume.ndim != 3 or not 0 < min(volume.shape) <= max(volume.shape) <= MAX_SIDE:
        raise ShapeError(f"volume of shape {volume.shape}, expected three sides of 1 … {MAX_SIDE}")
    if volume.dtype.kind not in "biuf":
        raise ShapeError(f"volume of {volume.dtype}, expected numbers")
    if not np.isfinite(volume).all():
        raise ShapeError("volume holds numbers that are not finite, expected finite ones")
    occupied = volume > 0.5 if volume.dtype.kind == "f" else volume != 0
    if not occupied.any():
        raise ShapeError(
            f"empty: none of {' × '.join(map(str, volume.shape))} cells is occupied; expected "
            "some that are not 0, or above one half in floating-point numbers"
        )
    vertices, faces, _, _ = marching_cubes(np.pad(occupied, 1).astype("f4"), 0.5)
    return Mesh(vertices.astype(np.float64), faces)


def read_binvox(data):
    """Returns the volume in the bytes of a `.binvox` file, `(x, y, z)` bool."""
    header = _BINVOX.match(data)
    if not header:
        raise ShapeError(
            f"expected a header of lines: #binvox 1, dim, data; found {data[:20]!r} in front"
        )
    lines = [line for line in header[1].splitlines() if line.split()[:1] == [b"dim"]]
    dim = _DIM.match(lines[0]) if len(lines) == 1 else None
    if not dim:
        found = b"; ".join(lines)[:80].decode("ascii", "replace") or "none"
        raise ShapeError(
            f"expected a header with one line, dim and three sides; found lines of dim: {found}"
        )
    x, y, z = sides = [int(side) for side in dim.groups()]
    if not 0 < min(sides) <= max(sides) <= MAX_SIDE:
        raise ShapeError(f"sides {sides}, expected three of at least 1 and at most {MAX_SIDE}")
    pairs = np.frombuffer(data, np.uint8, offset=header.end())
    values, counts = pairs[: len(pairs) // 2 * 2].reshape(-1, 2).T
    ends = counts.cumsum(dtype=np.int64)
    runs = int(np.searchsorted(ends, math.prod(sides))) + 1  # runs that fill the volume
    if runs > len(ends) or ends[runs - 1] != math.prod(sides):
        raise ShapeError(
            f"sides {sides}, that is {math.prod(sides)} cells, runs of {counts.sum(dtype=int)} "
            "cells; expected runs that fill the sides; the file is cut short or damaged"
        )
    rest = data[header.end() + 2 * runs :]
    if rest.strip(b"\r\n\t \0"):
        raise ShapeError(
            f"{len(rest)} bytes behind the runs that fill the sides {sides}; expected none"
        )
    return np.repeat(values[:runs] != 0, counts[:runs]).reshape(x, z, y).transpose(0, 2, 1)
