"""Loads meshes, voxels and point clouds, normalized, as meshes or as they are."""

import os

import numpy as np

from spherical_cnn.choices import KINDS
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats import cloud_text, mesh
from spherical_cnn.shapes.formats.clouds import POINT_NAMES, Cloud, array_to_cloud, choose_cloud
from spherical_cnn.shapes.formats.ply import read_ply_points
from spherical_cnn.shapes.formats.safe_read import (
    MAX_BYTES,
    choose_array,
    describe_arrays,
    read_arrays,
    read_bytes,
)
from spherical_cnn.shapes.normalize import normalize, normalize_points
from spherical_cnn.shapes.points import reconstruct_surface
from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.shapes.voxels import VOXEL_NAMES, extract_surface, read_binvox

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

    A `.ply` holds a mesh unless the kind is `"points"`. The axis `up` of the file becomes z. The
    center of the shape, see `normalize`, becomes the origin, and the radius 1.

    Raises:
        ShapeError: if the file does not hold such a shape.
        OSError: if the file cannot be read.
    """
    return to_mesh(load_shape(path, kind, center, up, limit))


def load_shape(path, kind="auto", center="sphere", up="z", limit=MAX_BYTES):
    """Reads the shape in a file as a normalized `Mesh` or, of points, `Cloud`; see `load_mesh`."""
    suffix = suffix_of(path)
    known = any(suffix in _SUFFIXES[name] for name in KINDS if kind in ("auto", name))
    if not known and os.path.exists(path):  # reading says that a file does not exist
        raise ShapeError(_describe_bad_suffix(suffix, kind))
    return normalize_shape(read_shape(read_bytes(path, limit), suffix, kind), center, up)


def read_shape(data, suffix, kind="auto"):
    """Returns the `Mesh`, the surface of the voxels, or the `Cloud` in the bytes of a file."""
    if suffix in _ARRAYS:
        return _choose_shape(read_arrays(data, suffix), kind)
    if suffix == ".binvox":
        return extract_surface(read_binvox(data))
    if suffix in cloud_text.SUFFIXES:
        return cloud_text.read_cloud_text(data, suffix)
    if kind == "points":
        return read_ply_points(data)
    return mesh.read_mesh(data, suffix)


def array_to_mesh(array, kind="auto", center="sphere", up="z", normals=None):
    """Converts an array of voxels or points to a normalized `Mesh`, as `load_mesh` does for files.

    The array holds `(a, b, c)`, `(1, a, b, c)` or `(a, b, c, 1)` voxels; `(n, 3)` points, whose
    normals may be in another array; or `(n, 6)` points and normals, see `array_to_cloud`. Kind
    `"auto"` depends on the shape of the array.
    """
    return to_mesh(array_to_shape(array, kind, center, up, normals))


def array_to_shape(array, kind="auto", center="sphere", up="z", normals=None):
    """Converts an array to a normalized `Mesh` or, of points, `Cloud`; see `array_to_mesh`."""
    return normalize_shape(_array_to_shape(array, kind, normals), center, up)


def object_to_shape(given, kind="auto", center="sphere", up="z"):
    """Converts a shape in memory to a normalized `Mesh` or, of points, `Cloud`.

    Args:
        given: an object with `vertices` and `faces`, such as a `Mesh` or one of trimesh; a pair
            `(vertices, faces)` of numbers and integers, or `(points, normals)` of numbers; or an
            array of voxels or points, see `array_to_mesh`.
        kind: see `load_mesh`.
        center: see `normalize`.
        up: the axis that becomes z.

    Raises:
        ShapeError: if it is no such shape.
    """
    pair = given if isinstance(given, tuple) and len(given) == 2 else None
    if pair is None and hasattr(given, "vertices"):
        pair = given.vertices, getattr(given, "faces", None)
    first, *others = (_to_array(x) for x in pair or (given,) if x is not None)
    if not others or others[0].dtype.kind == "f":
        return array_to_shape(first, kind, center, up, *others)
    if kind not in ("auto", "mesh"):
        raise ShapeError(f"a mesh, expected kind mesh. Received: {kind}")
    for name, array, kinds in (("vertices", first, "fiu"), ("faces", others[0], "iu")):
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in kinds:
            raise ShapeError(
                f"{name} must be (n, 3) {'integers' if kinds == 'iu' else 'numbers'}. "
                f"Received: {array.shape}, {array.dtype}"
            )
    normals = getattr(given, "normals", None)
    return normalize_shape(
        mesh.check_mesh(Mesh(first.astype(np.float64), others[0], normals)), center, up
    )


def _to_array(values):
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise ShapeError(
            "expected a path, an object with vertices and faces, a pair (vertices, faces), or an "
            f"array of voxels or points. Received: {type(values).__name__}"
        )
    return array


def _array_to_shape(array, kind, normals=None):
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
    return extract_surface(array) if kind == "voxels" else array_to_cloud(array, normals)


def normalize_upright(shape, center="sphere", up="z"):
    """Rotates the axis `up` of a checked `Mesh` or `Cloud` to z and returns a normalized `Mesh`."""
    return to_mesh(normalize_shape(shape, center, up))


def to_mesh(shape):
    """Returns a normalized `Mesh` itself, or the surface through the points of a `Cloud`."""
    if isinstance(shape, Mesh):
        return shape
    return reconstruct_surface(shape.points, shape.normals)


def normalize_shape(shape, center="sphere", up="z"):
    """Rotates the axis `up` of a checked `Mesh` or `Cloud` to z, and normalizes it."""
    rotation = UPRIGHT_ROTATIONS[up].T
    with np.errstate(over="ignore", invalid="ignore"):
        normals = None if shape.normals is None else shape.normals.astype(np.float64) @ rotation
    if isinstance(shape, Mesh):
        upright = shape._replace(vertices=shape.vertices @ rotation, normals=normals)
        return normalize(upright, center)[0]
    with np.errstate(over="ignore"):
        points = shape.points.astype(np.float64)
    finite = np.isfinite(points).all(1)
    if not finite.all():
        raise ShapeError(
            f"{(~finite).sum()} of {len(points)} points are not finite, expected finite numbers"
        )
    return Cloud(normalize_points(points @ rotation, center), normals)


def choose_kind(path, kind):
    """Returns `kind`, or `"auto"` if the suffix of the file excludes this kind."""
    return kind if suffix_of(path) in _SUFFIXES.get(kind, ()) else "auto"


def suffix_of(path):
    """Returns the suffix of a file name in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()


def _choose_shape(arrays, kind):
    if kind == "points":
        return choose_cloud(arrays)
    names = VOXEL_NAMES if kind == "voxels" else (*POINT_NAMES, *VOXEL_NAMES)
    name, array = choose_array(arrays, *names)
    if name == "vertices" and {"faces", "triangles"} & {key.lower() for key in arrays}:
        raise ShapeError(
            f"found {describe_arrays(arrays)}: a mesh; expected it as "
            f"{' '.join(mesh.SUFFIXES)}, or kind points to read its vertices only"
        )
    if kind == "auto" and name in VOXEL_NAMES:
        kind = "voxels"
    if kind == "auto" and (name in POINT_NAMES or array.ndim == 2):
        return choose_cloud(arrays)
    return _array_to_shape(array, kind)


def _describe_bad_suffix(suffix, kind):
    known = SUFFIXES if kind == "auto" else _SUFFIXES[kind]
    if suffix in SUFFIXES:
        advice = "name another kind, or auto"
    elif suffix in (".gz", ".zip", ".xz", ".bz2", ".7z"):
        advice = "unpack the file"
    else:
        advice = "convert the file, for example by MeshLab, CloudCompare or trimesh"
    return f"found suffix {suffix!r}, expected {' '.join(known)}; {advice}"
