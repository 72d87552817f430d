"""A shape in any form → a mesh, and a caster, which looks at it along the rays of a grid."""

from __future__ import annotations

import os

import numpy as np

from spherical_cnn.signals import mesh
from spherical_cnn.signals.files import MAX_BYTES, read_bytes
from spherical_cnn.signals.normalise import normalised, normalised_points
from spherical_cnn.signals.points import read_points, surface
from spherical_cnn.signals.signal import ShapeError
from spherical_cnn.signals.voxels import read_voxels, voxel_mesh

KINDS = ("mesh", "voxels", "points")

_ARRAYS = (".npy", ".npz")  # voxels or points, by their shape
_SUFFIXES = {
    "mesh": mesh.SUFFIXES,
    "voxels": (".binvox", *_ARRAYS),
    "points": (".xyz", ".ply", *_ARRAYS),
}
SUFFIXES = tuple(sorted({suffix for known in _SUFFIXES.values() for suffix in known}))

# Rotations that turn the axis that is up in a file to z: cyclic, so the axes stay right-handed.
_UPRIGHT = {
    "x": np.roll(np.eye(3), -1, axis=0),
    "y": np.roll(np.eye(3), 1, axis=0),
    "z": np.eye(3),
}
UP_AXES = tuple(_UPRIGHT)


def caster_of_file(path, kind="auto", centre="sphere", up="z", limit=MAX_BYTES):
    """`RayCaster` of `mesh_of_file`: its `signal(grid, pose)` gives signals."""
    return _caster(mesh_of_file(path, kind, centre, up, limit))


def caster_of_array(array, kind="auto", centre="sphere", up="z"):
    """`RayCaster` of `mesh_of_array`."""
    return _caster(mesh_of_array(array, kind, centre, up))


def caster_of_mesh(shape, centre="sphere", up="z"):
    """`RayCaster` of `mesh_of_mesh`."""
    return _caster(mesh_of_mesh(shape, centre, up))


def mesh_of_file(path, kind="auto", centre="sphere", up="z", limit=MAX_BYTES):
    """Reads, checks and normalises the shape in a file.

    Args:
        path: `.off`, `.obj`, `.ply`, `.stl`: meshes; `.binvox`: voxels; `.xyz`: points; `.npy` or
            `.npz` of one array: voxels if it is `(a, b, c)`, points if `(n, 3)`.
        kind: one of `KINDS` to read, say, a `.ply` as points, or `"auto"`.
        centre: see `spherical_cnn.signals.normalise`.
        up: the axis that is up in the file; it becomes z.
        limit: largest file that is read, bytes.

    Returns:
        `Mesh`: its centre at the origin, in the unit ball.

    Raises:
        ShapeError: if the file is no such shape.
        OSError: if it cannot be read.
    """
    suffix = os.path.splitext(path)[1].lower()
    kinds = [name for name in KINDS if suffix in _SUFFIXES[name] and kind in ("auto", name)]
    if not kinds:
        raise ShapeError(f"found suffix {suffix!r}, expected {' '.join(_suffixes(kind))}")
    data = read_bytes(path, limit)
    if len(kinds) > 1 and suffix in _ARRAYS:
        return mesh_of_array(read_voxels(data, suffix), "auto", centre, up)
    if kinds[0] == "mesh":
        return mesh_of_mesh(mesh.read_mesh(data, suffix), centre, up)
    reader = {"voxels": read_voxels, "points": read_points}[kinds[0]]
    return mesh_of_array(reader(data, suffix), kinds[0], centre, up)


def mesh_of_array(array, kind="auto", centre="sphere", up="z"):
    """Checks and normalises the shape in an array.

    Args:
        array: `(a, b, c)` voxels or `(n, 3)` points.
        kind: `"voxels"`, `"points"` or, by the array's shape, `"auto"`.
        centre: see `spherical_cnn.signals.normalise`.
        up: the axis that is up in the array; it becomes z.

    Returns:
        As `mesh_of_file`.

    Raises:
        ShapeError: if the array is no such shape.
    """
    if kind == "auto":
        kind = "voxels" if array.ndim == 3 else "points"
    if kind == "mesh":
        raise ShapeError("an array holds voxels or points, expected no kind mesh")
    if kind == "voxels":
        return mesh_of_mesh(voxel_mesh(array), centre, up)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iuf":
        raise ShapeError(
            f"array of shape {array.shape}, {array.dtype}; "
            "expected (n, 3) points or (a, b, c) voxels"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        points = array.astype(np.float64)
    if not np.isfinite(points).all():
        raise ShapeError("points hold numbers that are not finite")
    return surface(normalised_points(points @ _UPRIGHT[up].T, centre))


def mesh_of_mesh(shape, centre="sphere", up="z"):
    """Normalises a checked `Mesh`; see `mesh_of_file`."""
    shape = shape._replace(vertices=shape.vertices @ _UPRIGHT[up].T)
    return normalised(shape, centre)


def kind_for(path, kind):
    """`kind`, or `"auto"` where the suffix of the file leaves no choice of that kind."""
    suffix = os.path.splitext(path)[1].lower()
    return kind if suffix in _SUFFIXES.get(kind, ()) else "auto"


def upright(up):
    """`(3, 3)`: the rotation that takes the axis `up` of `UP_AXES` to z."""
    return _UPRIGHT[up]


def _caster(shape):
    from spherical_cnn.signals.raycast import RayCaster  # only here, as it needs Embree

    return RayCaster(shape)


def _suffixes(kind):
    return SUFFIXES if kind == "auto" else _SUFFIXES[kind]
