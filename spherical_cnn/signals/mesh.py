"""Meshes from files, checked.

`.ply` and `.stl` are read by trimesh; `.off` and `.obj` here, because trimesh 5.2 refuses OFF with
polygons of five corners, takes a file that is cut short for whole, and counts relative indices of
OBJ from the end of the file.
"""

from __future__ import annotations

import io
import logging
import re
import warnings

import numpy as np
import trimesh

from spherical_cnn.signals.signal import Mesh, ShapeError

# What it says of damaged files is said here, once, in an error.
logging.getLogger("trimesh").addHandler(logging.NullHandler())

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
    reader = {".off": _off, ".obj": _obj}.get(suffix)
    if reader:
        try:
            vertices, faces = reader(data)
        except ShapeError:
            raise
        except (ValueError, IndexError, OverflowError) as error:
            raise ShapeError(f"not a readable {suffix} file: {error}") from error
        return checked(Mesh(vertices, faces))
    loaded = load(data, suffix)
    faces = np.asarray(getattr(loaded, "faces", np.empty((0, 3), int)))
    if len(faces) == 0 and suffix == ".ply":
        raise ShapeError("no faces; if it is a point cloud, say so: kind points")
    facets = len(re.findall(rb"(?i)facet\s+normal", data)) if suffix == ".stl" else 0
    if facets and len(faces) != facets and _is_text(data):
        raise ShapeError(f"{facets} facets begun, found {len(faces)} whole ones")
    return checked(Mesh(np.asarray(loaded.vertices, np.float64), faces))


def load(data, suffix, loader=trimesh.load_mesh):
    """What trimesh makes of a `.ply` or `.stl`; whatever it raises becomes a `ShapeError`."""
    (_check_ply if suffix == ".ply" else _check_stl)(data)
    try:
        with warnings.catch_warnings():
            # Of text that is no number NumPy only warns, and trimesh takes what came before it.
            warnings.simplefilter("error")
            return loader(io.BytesIO(data), file_type=suffix[1:], process=False)
    except Exception as error:  # its readers raise nearly everything on damaged files
        raise ShapeError(
            f"not a readable {suffix} file: {type(error).__name__}: {error}"
        ) from error


def checked(mesh):
    """The mesh without vertices that no face uses.

    Raises:
        ShapeError: if there are no faces, a face names a vertex that is not there, or a coordinate
            is not finite.
    """
    vertices, faces, _ = mesh
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
    with np.errstate(over="ignore"):
        size = np.abs(vertices - vertices[0]).max()
    if not np.isfinite(size):
        raise ShapeError("extent is inf, expected a positive finite number")
    return mesh._replace(vertices=vertices, faces=faces)


def _off(data):
    head = re.match(rb"(?:\s|#[^\n]*\n)*[A-Z4]*OFF", data)
    body = re.sub(rb"#[^\n]*", b"", data[head.end() :]) if head else b""
    counts = re.match(rb"\s*(-?\d{1,15})\s+(-?\d{1,15})(?:\s+-?\d+)?\s*\n", body)
    if not counts:
        raise ShapeError(f"expected OFF, then counts of vertices and faces; found {data[:20]!r}")
    vertices, polygons = int(counts[1]), int(counts[2])
    fast = _off_of_triangles(body[counts.end() :], vertices, polygons)
    if fast:
        return fast
    rows = [row for line in body[counts.end() :].splitlines() if (row := line.split())]
    if min(vertices, polygons) < 0 or vertices + polygons != len(rows):
        raise ShapeError(
            f"{vertices} vertices, {polygons} faces announced, found {len(rows)} lines of both"
        )
    corners = [row[1 : 1 + int(row[0])] for row in rows[vertices:]]
    if any(len(row) != int(full[0]) for row, full in zip(corners, rows[vertices:], strict=True)):
        raise ShapeError("a face has fewer vertices than it announces")
    points = np.array([row[:3] for row in rows[:vertices]], np.float64).reshape(-1, 3)
    return points, _triangles(corners)


def _off_of_triangles(text, vertices, faces):
    """The usual file, numbers and nothing else, read much faster; `None` if it is another."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if not 0 < vertices <= vertices + faces - 1 <= len(ends):
        return None
    end = ends[vertices - 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            points = np.fromstring(text[:end], np.float64, sep=" ")
            rows = np.fromstring(text[end:], np.int64, sep=" ")
        except (DeprecationWarning, ValueError):  # some text is no number
            return None
    if len(points) != 3 * vertices or len(rows) != 4 * faces or (rows[::4] != 3).any():
        return None
    return points.reshape(-1, 3), rows.reshape(-1, 4)[:, 1:]


def _obj(data):
    points: list[list[bytes]] = []
    corners: list[list[int]] = []
    for line in data.replace(b"\\\n", b"").splitlines():
        word, *rest = line.split() or [b""]
        if word == b"v":
            points.append(rest[:3])
        elif word == b"f":
            index = [int(corner.split(b"/")[0]) for corner in rest]
            if 0 in index or -min(index, default=0) > len(points):
                raise ShapeError(f"face {len(corners) + 1} names {index}, expected 1 …, or -1 …")
            corners.append([k - 1 if k > 0 else len(points) + k for k in index])
    return np.array(points, np.float64).reshape(-1, 3), _triangles(corners)


def _triangles(polygons):
    """Polygons, rows of vertices, cut into fans: `(f, 3)` int64."""
    lengths = {len(polygon) for polygon in polygons}
    if lengths <= {3}:
        return np.array(polygons, np.int64).reshape(-1, 3)
    fans = [[a, b, c] for a, *rest in polygons for b, c in zip(rest, rest[1:], strict=False)]
    return np.array(fans, np.int64).reshape(-1, 3)


def _check_ply(data):
    """Refuses counts that the file does not hold, before anything is allocated."""
    end = re.search(rb"\bend_header[^\n]*\n?", data)
    header = data[: end.end() if end else 65536].decode("ascii", "replace")
    found = re.findall(r"^\s*element\s+(\S+)\s+(-?\d{1,15})\s*$", header, re.MULTILINE)
    if not end or len(found) != len(re.findall(r"^\s*element\b", header, re.MULTILINE)):
        raise ShapeError("expected a header of PLY that ends, its elements announced by counts")
    text = ", ".join(f"{count} {name}" for name, count in found)
    counts = [int(count) for _, count in found]
    if min(counts, default=0) < 0 or sum(counts) > len(data):
        raise ShapeError(f"{text} announced in a file of {len(data)} bytes")
    if re.search(r"^\s*format\s+ascii", header, re.MULTILINE):
        lines = sum(1 for line in data[end.end() :].splitlines() if line.strip())
        if lines != sum(counts):
            raise ShapeError(f"{text} announced, found {lines} lines of all")


def _check_stl(data):
    count = int.from_bytes(data[80:84], "little")
    if not _is_text(data) and (len(data) < 84 or len(data) != 84 + 50 * count):
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes")


def _is_text(data):
    return re.match(rb"\s*solid", data) and re.search(rb"(?i)facet\s+normal", data)
