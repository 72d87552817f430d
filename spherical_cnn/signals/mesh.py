"""Meshes from files: read by trimesh, checked here."""

from __future__ import annotations

import io
import re

import numpy as np
import trimesh

from spherical_cnn.signals.signal import Mesh, ShapeError

SUFFIXES = (".off", ".obj", ".ply", ".stl")


def read_mesh(data, suffix):
    """Triangles of a mesh file; polygons are cut up, several parts put together.

    Args:
        data: bytes of the file.
        suffix: one of `SUFFIXES`.

    Returns:
        `Mesh`, checked (see `checked`).

    Raises:
        ShapeError: if the file is damaged, its counts are wrong, or the mesh is of no use.
    """
    declared = _declared_faces(data, suffix)
    loaded = load(data, suffix)
    faces = np.asarray(getattr(loaded, "faces", np.empty((0, 3), int)))
    if len(faces) == 0 and suffix == ".ply":
        raise ShapeError("no faces; if it is a point cloud, say so: kind points")
    if len(faces) < declared:
        raise ShapeError(f"{declared} faces announced, found {len(faces)} whole ones")
    return checked(Mesh(np.asarray(loaded.vertices, np.float64), faces))


def load(data, suffix):
    """What trimesh makes of a file's bytes; whatever it raises becomes a `ShapeError`."""
    _check_counts(data, suffix)
    try:
        return trimesh.load_mesh(
            io.BytesIO(data), file_type=suffix[1:], process=False, skip_materials=True
        )
    except Exception as error:  # its readers raise nearly everything on damaged files
        raise ShapeError(
            f"not a readable {suffix} file: {type(error).__name__}: {error}"
        ) from error


def checked(mesh):
    """The mesh without vertices that no face uses.

    Raises:
        ShapeError: if there are no faces, a face names a vertex that is not there, a coordinate is
            not finite, or the whole area is zero.
    """
    vertices, faces = mesh
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise ShapeError(f"no faces: {len(vertices)} vertices, faces of shape {faces.shape}")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ShapeError(
            f"faces name vertices {faces.min()} … {faces.max()}, expected 0 … {len(vertices) - 1}"
        )
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    if not used.all():
        faces = (np.cumsum(used) - 1)[faces]
        vertices = vertices[used]
    finite = np.isfinite(vertices).all(1)
    if not finite.all():
        raise ShapeError(f"{(~finite).sum()} of {len(vertices)} vertices are not finite")
    size = np.abs(vertices - vertices[0]).max()
    corners = vertices[faces] / (size or 1)
    if not np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).any():
        raise ShapeError(f"zero area: all {len(faces)} faces are lines or points")
    return Mesh(vertices, faces)


def _check_counts(data, suffix):
    """Refuses a file that announces more than its bytes can hold, before anything is allocated."""
    if suffix == ".off":
        counts = dict(zip(("vertices", "faces"), _off_counts(data), strict=True))
    elif suffix == ".ply":
        header = data[: data.find(b"end_header")].decode("ascii", "replace")
        found = re.findall(r"^\s*element\s+(\S+)\s+(-?\d+)", header, re.MULTILINE)
        counts = {name: int(count) for name, count in found}
    else:
        return
    if min(counts.values(), default=0) < 0 or sum(counts.values()) > len(data):
        text = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ShapeError(f"{text} announced in a file of {len(data)} bytes")


def _off_counts(data):
    """Announced vertices and faces; the counts may be glued to the keyword, as in ModelNet."""
    head = re.sub(rb"#[^\n]*", b"", data[:65536])
    found = re.match(rb"\s*[A-Z4]*OFF\s*(-?\d+)\s+(-?\d+)", head)
    if not found:
        raise ShapeError(f"expected OFF, then counts of vertices and faces; found {data[:20]!r}")
    return int(found[1]), int(found[2])


def _declared_faces(data, suffix):
    return _off_counts(data)[1] if suffix == ".off" else 0
