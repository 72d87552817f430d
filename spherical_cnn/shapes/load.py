"""Loads meshes, voxels and point clouds as normalized meshes."""

import os

import numpy as np

from spherical_cnn.choices import KINDS
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats import cloud_text, mesh
from spherical_cnn.shapes.formats.clouds import POINT_NAMES, array_to_cloud, choose_cloud
from spherical_cnn.shapes.formats.safe_read import (
    MAX_BYTES,
    choose_array,
    describe_arrays,
    read_arrays,
    read_bytes,
)
from spherical_cnn.shapes.normalize import normalize, normalize_points
from spherical_cnn.shapes.points import read_points, reconstruct_surface
from spherical_cnn.shapes.voxels import VOXEL_NAMES, extract_surface, read_voxels

_ARRAYS = (".npy", ".npz")  # voxels or points, depending on the shape of the array
_SUFFIXES = {
    "mesh": mesh.SUFFIXES,
    "voxels": (".binvox", *_ARRAYS),
    "points": (*cloud_text.SUFFIXES, ".ply", *_ARRAYS),
}
SUFFIXES = tuple(sorted({suffix for known in _SUFFIXES.values() for suffix in known}))
# Text files with the other suffixes may be notes and annotations beside shapes.
OWN_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in (".csv", ".txt"))

# Rotations from the up axis of a file to z. They are cyclic, so the axes stay right-handed.
UPRIGHT_ROTATIONS = {
    "x": np.roll(np.eye(3), -1, axis=0),
    "y": np.roll(np.eye(3), 1, axis=0),
    "z": np.eye(3),
}


def load_mesh(path, kind="auto", center="sphere", up="z", limit=MAX_BYTES):
    """Reads the shape in a file as a normalized mesh.

    The suffix determines the format: `.off`, `.obj`, `.ply` and `.stl` hold meshes; `.binvox`
    holds voxels; `.xyz`, `.txt`, `.csv`, `.pts`, … hold points, see `cloud_text.read_cloud_text`.
    `.npy` and `.npz` files with one array hold what `array_to_mesh` accepts. `.npz` files with
    several arrays hold points and their normals, or voxels, see `POINT_NAMES` and `VOXEL_NAMES`.

    Args:
        path: path of the file.
        kind: one of `KINDS`, to read a `.ply` as points, for example, or `"auto"`.
        center: method that finds the center, see `normalize`.
        up: the up axis of the file; it becomes z.
        limit: maximum size of the file in bytes.

    Returns:
        `Mesh` in the unit ball, with its center at the origin.

    Raises:
        ShapeError: if the file does not hold such a shape.
        OSError: if the file cannot be read.
    """
    suffix = _suffix(path)
    kinds = [name for name in KINDS if suffix in _SUFFIXES[name] and kind in ("auto", name)]
    if not kinds:
        raise ShapeError(_describe_bad_suffix(suffix, kind))
    data = read_bytes(path, limit)
    if suffix in _ARRAYS:
        return _arrays_to_mesh(read_arrays(data, suffix), kind, center, up)
    if kinds[0] == "mesh":
        return normalize_upright(mesh.read_mesh(data, suffix), center, up)
    if kinds[0] == "voxels":
        return normalize_upright(extract_surface(read_voxels(data, suffix)), center, up)
    return _cloud_to_mesh(read_points(data, suffix), center, up)


def array_to_mesh(array, kind="auto", center="sphere", up="z", normals=None):
    """Converts an array of voxels or points to a normalized mesh.

    Args:
        array: `(a, b, c)`, `(1, a, b, c)` or `(a, b, c, 1)` voxels; `(n, 3)` points; or `(n, 6)`
            points and normals, see `array_to_cloud`.
        kind: `"voxels"`, `"points"`, or `"auto"`, which depends on the shape of the array.
        center: method that finds the center, see `normalize`.
        up: the up axis of the array; it becomes z.
        normals: `(n, 3)` normals of the points, see `Cloud`.

    Returns:
        `Mesh` in the unit ball, with its center at the origin.

    Raises:
        ShapeError: if the array does not hold such a shape.
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
        return normalize_upright(extract_surface(array), center, up)
    return _cloud_to_mesh(array_to_cloud(array, normals), center, up)


def normalize_upright(shape, center="sphere", up="z"):
    """Rotates the axis `up` of a checked `Mesh` to z and normalizes the mesh, see `normalize`."""
    rotation = UPRIGHT_ROTATIONS[up].T
    normals = None if shape.normals is None else shape.normals @ rotation
    return normalize(shape._replace(vertices=shape.vertices @ rotation, normals=normals), center)[0]


def choose_kind(path, kind):
    """Returns `kind`, or `"auto"` if the suffix of the file excludes this kind."""
    return kind if _suffix(path) in _SUFFIXES.get(kind, ()) else "auto"


def _suffix(path):
    return os.path.splitext(path)[1].lower()


def _arrays_to_mesh(arrays, kind, center, up):
    names = {"points": POINT_NAMES, "voxels": VOXEL_NAMES}
    if kind == "auto":
        name, array = choose_array(arrays, *POINT_NAMES, *VOXEL_NAMES)
        kind = next((known for known in names if name in names[known]), "auto")
        if name == "vertices" and {"faces", "triangles"} & {key.lower() for key in arrays}:
            raise ShapeError(
                f"found {describe_arrays(arrays)}: a mesh; expected it as "
                f"{' '.join(mesh.SUFFIXES)}, or kind points to read its vertices only"
            )
        if kind == "auto" and array.ndim != 2:
            return array_to_mesh(array, kind, center, up)
    if kind == "voxels":
        return array_to_mesh(choose_array(arrays, *VOXEL_NAMES)[1], kind, center, up)
    return _cloud_to_mesh(choose_cloud(arrays), center, up)


def _cloud_to_mesh(cloud, center, up):
    rotation = UPRIGHT_ROTATIONS[up].T
    with np.errstate(over="ignore", invalid="ignore"):
        points = cloud.points.astype(np.float64)
        normals = None if cloud.normals is None else cloud.normals.astype(np.float64) @ rotation
    finite = np.isfinite(points).all(1)
    if not finite.all():
        raise ShapeError(
            f"{(~finite).sum()} of {len(points)} points are not finite, expected finite numbers"
        )
    return reconstruct_surface(normalize_points(points @ rotation, center), normals)


def _describe_bad_suffix(suffix, kind):
    known = SUFFIXES if kind == "auto" else _SUFFIXES[kind]
    if suffix in SUFFIXES:
        advice = "name another kind, or auto"
    elif suffix in (".gz", ".zip", ".xz", ".bz2", ".7z"):
        advice = "unpack the file"
    else:
        advice = "convert the file, for example by MeshLab, CloudCompare or trimesh"
    return f"found suffix {suffix!r}, expected {' '.join(known)}; {advice}"
