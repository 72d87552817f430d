"""Reads and checks triangle meshes."""

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.obj import read_obj
from spherical_cnn.shapes.formats.off import read_off
from spherical_cnn.shapes.formats.ply import read_ply
from spherical_cnn.shapes.formats.polygons import check_corners, triangulate
from spherical_cnn.shapes.formats.stl import read_stl
from spherical_cnn.shapes.signal import Mesh

_READERS = {".off": read_off, ".obj": read_obj, ".ply": read_ply, ".stl": read_stl}
SUFFIXES = tuple(_READERS)


def read_mesh(data, suffix):
    """Reads the bytes of a mesh file as one `Mesh` that passed `check_mesh`.

    Raises:
        ShapeError: if the file is damaged, its counts are wrong, or the mesh is not usable.
    """
    try:
        vertices, polygons = _READERS[suffix](data)
        faces = triangulate(vertices, polygons)
    except (ValueError, IndexError, OverflowError) as error:
        raise ShapeError(f"not a readable {suffix} file: {error}") from error
    if not len(faces) and suffix == ".ply":
        raise ShapeError(
            f"no faces, {len(vertices)} vertices; to read a point cloud, choose kind points"
        )
    return check_mesh(Mesh(vertices, faces))


def check_mesh(mesh):
    """Checks a `Mesh` and drops vertices that no face uses.

    Raises:
        ShapeError: if there are no faces, a face refers to a missing vertex, or a coordinate is not
            finite.
    """
    vertices, faces, _ = mesh
    if not len(faces):
        raise ShapeError(f"no faces: {len(vertices)} vertices, faces of shape {faces.shape}")
    check_corners(faces, len(vertices))
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    if not used.all():
        faces = (np.cumsum(used) - 1)[faces]
        vertices = vertices[used]
    finite = np.isfinite(vertices).all(1)
    if not finite.all():
        raise ShapeError(f"{(~finite).sum()} of {len(vertices)} vertices are not finite")
    with np.errstate(over="ignore"):
        size = np.abs(vertices - vertices[0]).max()
    if not np.isfinite(size):
        raise ShapeError("extent is inf, expected a positive finite number")
    return mesh._replace(vertices=vertices, faces=faces)
