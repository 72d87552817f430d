"""Writes meshes at full precision."""

import os

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.stl import STL_HEADER, STL_ROW

_STL_ERROR = 1e-3  # maximum error of a vertex by float32, relative to the extent of the mesh


def encode_mesh(mesh, path):
    """Converts a `Mesh` to the bytes of a file with the suffix of `path`; STL holds float32.

    Raises:
        ShapeError: if the precision of STL is too low for the mesh.
    """
    writers = {".off": _encode_off, ".obj": _encode_obj, ".ply": _encode_ply, ".stl": _encode_stl}
    encode = writers[os.path.splitext(path)[1].lower()]
    return encode(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces))


def _encode_off(vertices, faces):
    head = f"OFF\n{len(vertices)} {len(faces)} 0\n"
    return (head + _lines("%r %r %r\n", vertices) + _lines("3 %d %d %d\n", faces)).encode()


def _encode_obj(vertices, faces):
    return (_lines("v %r %r %r\n", vertices) + _lines("f %d %d %d\n", faces + 1)).encode()


def _lines(form, rows):
    return "".join(form % tuple(row) for row in rows.tolist())


def _encode_ply(vertices, faces):
    head = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), [("length", "u1"), ("corners", "<i4", 3)])
    rows["length"], rows["corners"] = 3, faces
    return head.encode() + vertices.astype("<f8").tobytes() + rows.tobytes()


def _encode_stl(vertices, faces):
    with np.errstate(all="ignore"):
        rounded = vertices.astype("<f4")
        moved = np.abs(rounded - vertices).max()
        extent = np.ptp(vertices, axis=0).max()
    if not moved <= _STL_ERROR * extent:
        raise ShapeError(
            f"the format STL holds 7 digits and would move vertices by {moved:.1g} in a mesh of "
            f"size {extent:.1g}; choose .off, .obj or .ply"
        )
    rows = np.zeros(len(faces), STL_ROW)
    corners = vertices[faces] / extent
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    rows["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    rows["corners"] = rounded[faces]
    return b"".ljust(STL_HEADER - 4) + len(faces).to_bytes(4, "little") + rows.tobytes()
