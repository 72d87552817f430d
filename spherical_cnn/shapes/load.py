"""A shape in any form → a mesh, and a caster, which looks at it along the rays of a grid."""

from __future__ import annotations

import os

import numpy as np

from spherical_cnn.choices import KINDS
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats import cloud_text, mesh
from spherical_cnn.shapes.formats.clouds import POINT_NAMES, cloud_of_array, cloud_of_arrays
from spherical_cnn.shapes.formats.safe_read import (
    MAX_BYTES,
    choose,
    describe,
    read_arrays,
    read_bytes,
)
from spherical_cnn.shapes.normalize import normalize, normalize_points
from spherical_cnn.shapes.points import read_points, surface
from spherical_cnn.shapes.voxels import VOXEL_NAMES, read_voxels, voxel_mesh

_ARRAYS = (".npy", ".npz")  # voxels or points, by their shape
_SUFFIXES = {
    "mesh": mesh.SUFFIXES,
    "voxels": (".binvox", *_ARRAYS),
    "points": (*cloud_text.SUFFIXES, ".ply", *_ARRAYS),
}
SUFFIXES = tuple(sorted({suffix for known in _SUFFIXES.values() for suffix in known}))
# Of these, files of text may hold remarks and annotations of the shapes beside them.
OWN_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in (".csv", ".txt"))

# Rotations that turn the axis that is up in a file to z: cyclic, so the axes stay right-handed.
_UPRIGHT = {
    "x": np.roll(np.eye(3), -1, axis=0),
    "y": np.roll(np.eye(3), 1, axis=0),
    "z": np.eye(3),
}


def caster_of_file(path, kind="auto", center="sphere", up="z", limit=MAX_BYTES):
    """`RayCaster` of `mesh_of_file`: its `signal(grid, pose)` gives signals."""
    return _caster(mesh_of_file(path, kind, center, up, limit))


def caster_of_array(array, kind="auto", center="sphere", up="z", normals=None):
    """`RayCaster` of `mesh_of_array`."""
    return _caster(mesh_of_array(array, kind, center, up, normals))


def caster_of_mesh(shape, center="sphere", up="z"):
    """`RayCaster` of `mesh_of_mesh`."""
    return _caster(mesh_of_mesh(shape, center, up))


def mesh_of_file(path, kind="auto", center="sphere", up="z", limit=MAX_BYTES):
    """Reads, checks and normalizes the shape in a file.

    Args:
        path: `.off`, `.obj`, `.ply`, `.stl`: meshes; `.binvox`: voxels; `.xyz`, `.txt`, `.csv`,
            `.pts`, …: points, see `cloud_text.read_text`; `.npy` or `.npz` of one array: as in
            `mesh_of_array`; `.npz` of several: points, and normals beside them, or voxels, by
            their names, see `POINT_NAMES` and `VOXEL_NAMES`.
        kind: one of `KINDS` to read, say, a `.ply` as points, or `"auto"`.
        center: see `spherical_cnn.shapes.normalize`.
        up: the axis that is up in the file; it becomes z.
        limit: largest file that is read, bytes.

    Returns:
        `Mesh`: its center at the origin, in the unit ball.

    Raises:
        ShapeError: if the file is no such shape.
        OSError: if it cannot be read.
    """
    suffix = os.path.splitext(path)[1].lower()
    kinds = [name for name in KINDS if suffix in _SUFFIXES[name] and kind in ("auto", name)]
    if not kinds:
        raise ShapeError(_why_not(suffix, kind))
    data = read_bytes(path, limit)
    if suffix in _ARRAYS:
        return _mesh_of_arrays(read_arrays(data, suffix), kind, center, up)
    if kinds[0] == "mesh":
        return mesh_of_mesh(mesh.read_mesh(data, suffix), center, up)
    if kinds[0] == "voxels":
        return mesh_of_mesh(voxel_mesh(read_voxels(data, suffix)), center, up)
    return _mesh_of_cloud(read_points(data, suffix), center, up)


def mesh_of_array(array, kind="auto", center="sphere", up="z", normals=None):
    """Checks and normalizes the shape in an array.

    Args:
        array: `(a, b, c)` voxels, also `(1, a, b, c)` or `(a, b, c, 1)`; `(n, 3)` points; or
            `(n, 6)` points and normals, see `cloud_of_array`.
        kind: `"voxels"`, `"points"` or, by the array's shape, `"auto"`.
        center: see `spherical_cnn.shapes.normalize`.
        up: the axis that is up in the array; it becomes z.
        normals: `(n, 3)` of points, of any length and sign, 0 or not finite where unknown.

    Returns:
        As `mesh_of_file`.

    Raises:
        ShapeError: if the array is no such shape.
    """
    if kind == "mesh":
        raise ShapeError("an array holds voxels or points, expected no kind mesh")
    if array.ndim == 4 and kind != "points" and (array.shape[0] == 1) != (array.shape[3] == 1):
        array = array[0] if array.shape[0] == 1 else array[..., 0]  # one channel
    if kind == "auto":
        kind = "voxels" if array.ndim == 3 and normals is None else "points"
        number = array.dtype.kind in "if"
        if kind == "voxels" and number and array.shape[2] in (3, 6) and (array < 0).any():
            raise ShapeError(
                f"array of shape {array.shape} with negative numbers: several clouds or one "
                "volume; expected one cloud (n, 3), or kind voxels"
            )
    if kind == "voxels":
        return mesh_of_mesh(voxel_mesh(array), center, up)
    return _mesh_of_cloud(cloud_of_array(array, normals), center, up)


def mesh_of_mesh(shape, center="sphere", up="z"):
    """Normalises a checked `Mesh`; see `mesh_of_file`."""
    rotation = _UPRIGHT[up].T
    normals = None if shape.normals is None else shape.normals @ rotation
    return normalize(shape._replace(vertices=shape.vertices @ rotation, normals=normals), center)[0]


def _mesh_of_arrays(arrays, kind, center, up):
    """The shape among the named arrays of a file."""
    names = {"points": POINT_NAMES, "voxels": VOXEL_NAMES}
    if kind == "auto":
        name, array = choose(arrays, *POINT_NAMES, *VOXEL_NAMES)
        kind = next((known for known in names if name in names[known]), "auto")
        if name == "vertices" and {"faces", "triangles"} & {key.lower() for key in arrays}:
            raise ShapeError(
                f"found {describe(arrays)}: a mesh; expected it as {' '.join(mesh.SUFFIXES)}, or "
                "kind points to read its vertices only"
            )
        if kind == "auto" and array.ndim != 2:
            return mesh_of_array(array, kind, center, up)
    if kind == "voxels":
        return mesh_of_array(choose(arrays, *VOXEL_NAMES)[1], kind, center, up)
    return _mesh_of_cloud(cloud_of_arrays(arrays), center, up)


def _mesh_of_cloud(cloud, center, up):
    rotation = _UPRIGHT[up].T
    with np.errstate(over="ignore", invalid="ignore"):
        points = cloud.points.astype(np.float64)
        normals = None if cloud.normals is None else cloud.normals.astype(np.float64) @ rotation
    finite = np.isfinite(points).all(1)
    if not finite.all():
        raise ShapeError(
            f"{(~finite).sum()} of {len(points)} points are not finite, expected finite numbers"
        )
    return surface(normalize_points(points @ rotation, center), normals)


def kind_for(path, kind):
    """`kind`, or `"auto"` where the suffix of the file leaves no choice of that kind."""
    suffix = os.path.splitext(path)[1].lower()
    return kind if suffix in _SUFFIXES.get(kind, ()) else "auto"


def upright(up):
    """`(3, 3)`: the rotation that takes the axis `up` of `UP_AXES` to z."""
    return _UPRIGHT[up]


def _caster(shape):
    from spherical_cnn.shapes.raycast import RayCaster  # only here, as it needs Embree

    return RayCaster(shape)


def _why_not(suffix, kind):
    """What to do with a file of a suffix that is none of a kind."""
    known = SUFFIXES if kind == "auto" else _SUFFIXES[kind]
    if suffix in SUFFIXES:
        advice = "name another kind, or auto"
    elif suffix in (".gz", ".zip", ".xz", ".bz2", ".7z"):
        advice = "unpack the file"
    else:
        advice = "convert the file, by MeshLab, CloudCompare or trimesh, say"
    return f"found suffix {suffix!r}, expected {' '.join(known)}; {advice}"
