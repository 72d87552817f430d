"""Variants of mesh formats that describe the same solid.

The solid is a prism over an L. A fan around the wrong corner would have too much area.
"""

import struct

import numpy as np
import pytest

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.mesh import read_mesh
from spherical_cnn.shapes.formats.ply import read_ply_points

L = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
CORNERS = [(x, y, z) for z in (0, 1) for x, y in L]
FACES = [[5, 4, 3, 2, 1, 0], [7, 8, 9, 10, 11, 6]]
FACES += [[k, (k + 1) % 6, (k + 1) % 6 + 6, k + 6] for k in range(6)]
AREA, VOLUME = 14, 3


def rows(lists, form="%s\n", base=0):
    return "".join(form % " ".join(str(value + base) for value in row) for row in lists)


OFF = f"OFF\n12 8 0\n{rows(CORNERS)}{rows([len(f), *f] for f in FACES)}"
OBJ = rows(CORNERS, "v %s\n") + rows(FACES, "f %s\n", base=1)
PLY_HEAD = (
    "ply\nformat {form} 1.0\nelement vertex 12\nproperty float x\nproperty float y\n"
    "property float z\nelement face 8\nproperty list uchar int vertex_indices\nend_header\n"
)
HEAD = PLY_HEAD.format(form="ascii")
PLY = HEAD + rows(CORNERS) + rows([len(f), *f] for f in FACES)
STL = (
    "solid part\n"
    + "".join(
        "facet normal 0 0 0\nouter loop\n"
        + rows((CORNERS[k] for k in face), "vertex %s\n")
        + "endloop\nendfacet\n"
        for face in FACES
    )
    + "endsolid part\n"
)


def binary_ply(order="<", length="B", index="i", before=b"", behind=b"", head=None):
    """Returns a PLY of faces with four and six corners, each between `before` and `behind`."""
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    text = (head or PLY_HEAD).format(form=name)
    body = b"".join(struct.pack(order + "3f", *corner) for corner in CORNERS)
    for face in FACES:
        body += (
            before + struct.pack(f"{order}{length}{len(face)}{index}", len(face), *face) + behind
        )
    return text.encode() + body


def with_columns(text, first, columns, count=12):
    """Appends columns of numbers to each of `count` lines."""
    lines = text.split("\n")
    for k in range(first, first + count):
        lines[k] += columns
    return "\n".join(lines)


def binary_stl(comment=b"", attribute=7):
    triangles = read_mesh(STL.encode(), ".stl")
    corners = triangles.vertices[triangles.faces].astype("<f4")
    body = b"".join(bytes(12) + row.tobytes() + struct.pack("<H", attribute) for row in corners)
    return comment.ljust(80) + struct.pack("<I", len(corners)) + body


LATIN = "# gr\xfc\xdfe aus K\xf6ln \\".encode("latin-1")
SHIFT_JIS = "usemtl 表".encode("shift-jis")  # the last byte is that of a backslash
EDGES = "element edge 2\nproperty int vertex1\nproperty int vertex2\n"
HEAD_OF_ALL = (
    "ply\nformat {form} 1.0\nelement vertex 12\nproperty float x\nproperty float y\n"
    "property float z\nelement face 8\nproperty uchar red\nproperty list uint8 uint16 "
    "vertex_index\nproperty list uchar float texcoord\nproperty double quality\n"
    "end_header\n"
)
READ = {
    "off, plain": OFF,
    "off in lower case": OFF.replace("OFF", "off"),
    "off, CR": OFF.replace("\n", "\r"),
    "off, counts behind the keyword": OFF.replace("OFF\n", "OFF "),
    "off, comments behind values": OFF.replace("\n", " # 1 2 3\n"),
    "off, comments of Latin-1": OFF.encode().replace(b"\n", b"\n" + LATIN + b"\n"),
    "off, byte-order mark": OFF.encode("utf-8-sig"),
    "off in UTF-16": OFF.encode("utf-16"),
    "off in UTF-16 without a mark": OFF.encode("utf-16-be"),
    "off in UTF-32": OFF.encode("utf-32"),
    "off, bytes behind": OFF.encode() + b"\x1a\0\0\0",
    "off, text behind": OFF + "made by a program\n",
    "off with colors": with_columns(OFF, 2, " 255 0 0 255").replace("OFF", "COFF"),
    "off with colors, lower case": with_columns(OFF, 2, " 255 0 0 255").replace("OFF", "coff"),
    "off with colors, not announced": with_columns(OFF, 2, " 255 0 0"),
    "off with normals": with_columns(OFF, 2, " 0 0 1").replace("OFF", "NOFF"),
    "off with all": with_columns(OFF, 2, " 0 0 1 1 0 0 1 .5 .5").replace("OFF", "STCNOFF"),
    "off with colors of faces": with_columns(OFF, 14, " 0.5 0.5 1", 8),
    "off with numbers of colors": with_columns(OFF, 14, " 3", 8),
    "obj, plain": OBJ,
    "obj in upper case": OBJ.upper(),
    "obj, CR": OBJ.replace("\n", "\r"),
    "obj, comments behind values": OBJ.replace("\n", " # 1 2 3\n"),
    "obj, comments close behind values": OBJ.replace("\n", "#\n"),
    "obj, comments that end in a backslash": OBJ.encode().replace(b"\n", b"\n" + LATIN + b"\n"),
    "obj, names that end in a backslash": OBJ.encode().replace(b"\n", b"\n" + SHIFT_JIS + b"\n"),
    "obj, continued": OBJ.replace(" ", " \\\n"),
    "obj, continued, blanks behind": OBJ.replace(" ", "\\ \t\n "),
    "obj, continued, CR LF": OBJ.replace(" ", " \\\n").replace("\n", "\r\n"),
    "obj, byte-order mark": OBJ.encode("utf-8-sig"),
    "obj in UTF-16": OBJ.encode("utf-16"),
    "obj in UTF-16 without a mark": OBJ.encode("utf-16-le"),
    "obj, bytes behind": OBJ.encode() + b"\x1a\0\0",
    "obj with colors": with_columns(OBJ, 0, " 1 0.5 0"),
    "obj with w = 1": with_columns(OBJ, 0, " 1.0"),
    "obj with normals": OBJ.replace("f 1 ", "vn 0 0 1\nf 1//1 "),
    "obj with texture": OBJ.replace("f 1 ", "vt 0 0\nf 1/1 "),
    "obj with lines, points and curves": OBJ + "l 1 2 3\np 1 2\ncurv 0 1 1 2 3\nend\n",
    "obj, indented": OBJ.replace("\n", "\n\t "),
    "ply, plain": PLY,
    "ply in upper case": PLY.upper(),
    "ply, CR": PLY.replace("\n", "\r"),
    "ply, CR LF": PLY.replace("\n", "\r\n"),
    "ply, byte-order mark": PLY.encode("utf-8-sig"),
    "ply in UTF-16": PLY.encode("utf-16"),
    "ply, comments of Latin-1": PLY.encode().replace(
        b"element", b"comment " + LATIN + b"\nobj_info " + LATIN + b"\nelement"
    ),
    "ply, comments behind the header": PLY.replace("end_header\n", "end_header\ncomment 1 2\n"),
    "ply, text behind": PLY + "made by a program\n",
    "ply, values on lines of their own": HEAD + PLY.removeprefix(HEAD).replace(" ", "\n"),
    "ply of another name": PLY.replace("vertex_indices", "vertex_index"),
    "ply with elements before and behind": PLY.replace(
        "element vertex", "element thing 2\nproperty list int float a\nelement vertex"
    ).replace("end_header\n", EDGES + "end_header\n0\n2 5 6\n")
    + "0 1\n1 2\n",
    "ply with lists in vertices": PLY.replace(
        "element face", "property list char short l\nelement face"
    ).replace(rows(CORNERS), "".join(f"{x} {y} {z} {x}{' 7' * x}\n" for x, y, z in CORNERS)),
    "ply, z before x": PLY.replace("float x", "float t")
    .replace("float z", "float x")
    .replace("float t", "float z")
    .replace(rows(CORNERS), rows((z, y, x) for x, y, z in CORNERS)),
    "ply binary": binary_ply(),
    "ply binary, big end first": binary_ply(">"),
    "ply binary, wide types": binary_ply(
        ">", "I", "H", head=PLY_HEAD.replace("uchar int", "uint ushort")
    ),
    "ply binary, several lists and numbers": binary_ply(
        "<", "B", "H", b"\xff", b"\x02" + bytes(8) + bytes(8), HEAD_OF_ALL
    ),
    "ply binary, header in CR": binary_ply(head=PLY_HEAD.replace("\n", "\r")),
    "ply binary, header in CR LF": binary_ply(head=PLY_HEAD.replace("\n", "\r\n")),
    "ply binary, bytes behind": binary_ply() + b"\n",
    "ply binary, text behind": binary_ply(">") + b"made by a program, 2024\n",
    "ply binary, zeros behind": binary_ply() + bytes(500),
    "stl, plain": STL,
    "stl in upper case": STL.upper(),
    "stl, CR": STL.replace("\n", "\r"),
    "stl, byte-order mark": STL.encode("utf-8-sig"),
    "stl in UTF-16": STL.encode("utf-16"),
    "stl, comment first": "; a facet normal is not\n\n" + STL,
    "stl without a name": STL.replace(" part", ""),
    "stl with a long name": STL.replace("part", "solid facet of 3,5 mm, gr\xfcn").encode("latin-1"),
    "stl without normals": STL.replace(" normal 0 0 0", ""),
    "stl, normals with commas": STL.replace("normal 0 0 0", "normal 0,0 nan -1.#IND"),
    "stl, end solid": STL.replace("endsolid", "end solid"),
    "stl, bytes behind": STL.encode() + b"\0\0\x1a",
    "stl binary": binary_stl(),
    "stl binary, its comment begins with solid": binary_stl(b"solid part\n"),
    "stl binary, the same and bytes behind": binary_stl(b"solid part\n") + b"\n",
    "stl binary, zeros behind": binary_stl() + bytes(500),
    "stl binary, text behind": binary_stl() + b"made by a program " * 9,
}


def suffix_of(name):
    return "." + name.replace(",", " ").split()[0]


def as_bytes(data):
    return data if isinstance(data, bytes) else data.encode()


def area_and_volume(mesh):
    normals = mesh.face_normals() / 2
    volume = (mesh.vertices[mesh.faces].mean(1) * normals).sum() / 3
    return np.linalg.norm(normals, axis=1).sum(), volume


@pytest.mark.parametrize("name", READ)
def test_all_variants_are_the_same_solid(name):
    mesh = read_mesh(as_bytes(READ[name]), suffix_of(name))
    np.testing.assert_allclose(area_and_volume(mesh), (AREA, VOLUME), rtol=1e-12)


STRIP_HEAD = (
    "ply\nformat {form} 1.0\nelement vertex 8\nproperty float x\nproperty float y\n"
    "property float z\nelement tristrips 1\nproperty list int int vertex_indices\nend_header\n"
)
CUBE = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
QUADS = [[0, 2, 1, 3], [4, 5, 6, 7], [0, 1, 4, 5], [2, 6, 3, 7], [0, 4, 2, 6], [1, 3, 5, 7]]
STRIPS = {
    "one": [6, 7, 4, 5, 1, 7, 3, 6, 2, 4, 0, 1, 2, 3],
    "joined by triangles of no area": [
        corner
        for quad, following in zip(QUADS, [*QUADS[1:], QUADS[-1]], strict=True)
        for corner in (*quad, quad[3], following[0])
    ],
    "ended by -1": [corner for quad in QUADS[:5] for corner in (*quad, -1)]
    + [1, 3, 5, -1, 3, 7, 5, -1, -1],
}


@pytest.mark.parametrize("name", STRIPS)
def test_triangle_strips_are_read(name):
    strip = STRIPS[name]
    text = STRIP_HEAD.format(form="ascii") + rows(CUBE) + rows([[len(strip), *strip]])
    binary = STRIP_HEAD.format(form="binary_big_endian").encode() + b"".join(
        (np.array(CUBE, ">f4").tobytes(), np.array([len(strip), *strip], ">i4").tobytes())
    )
    for data in (text.encode(), binary):
        mesh = read_mesh(data, ".ply")
        assert len(mesh.faces) == 12
        area, volume = area_and_volume(mesh)
        np.testing.assert_allclose((area, abs(volume)), (6, 1))


def test_strips_and_faces_are_joined():
    text = STRIP_HEAD.format(form="ascii").replace(
        "end_header", "element face 1\nproperty list int int vertex_indices\nend_header"
    )
    strips = [corner for quad in QUADS[1:] for corner in (*quad, -1)]
    data = text + rows(CUBE) + rows([[len(strips), *strips]]) + "4 0 2 3 1\n"
    np.testing.assert_allclose(area_and_volume(read_mesh(data.encode(), ".ply")), (6, 1))


def test_points_and_normals_of_ply_are_read():
    points, normals = read_ply_points(PLY.encode())
    np.testing.assert_array_equal(points, CORNERS)
    assert normals is None
    head = (
        "ply\nformat {}_endian 1.0\nelement vertex 12\nproperty float nx\nproperty double x\n"
        "property float ny\nproperty double y\nproperty uchar red\nproperty double z\n"
        "property float nz\nend_header\n"
    )
    for name, order in (("binary_little", "<"), ("binary_big", ">")):
        data = head.format(name).encode() + b"".join(
            struct.pack(f"{order}fdfdBdf", 0, x, 0.6, y, 9, z, 0.8) for x, y, z in CORNERS
        )
        points, normals = read_ply_points(data)
        assert points.dtype == normals.dtype == np.float64
        np.testing.assert_array_equal(points, CORNERS)
        np.testing.assert_allclose(normals, [[0, 0.6, 0.8]] * 12, rtol=1e-6)


def facet(lines):
    """Replaces the first line `vertex 0 0 0` of the STL."""
    return STL.replace("vertex 0 0 0\n", lines, 1)


REFUSED = {
    "off of four dimensions": (OFF.replace("OFF", "4OFF"), "found 4OFF, whose vertices"),
    "off of four dimensions, colors": (OFF.replace("OFF", "C4OFF"), "found C4OFF, whose vertices"),
    "off of n dimensions": (OFF.replace("OFF\n", "nOFF\n3\n"), "found nOFF, whose vertices"),
    "off of another word": (OFF.replace("OFF", "HOFF"), "found HOFF, expected OFF"),
    "off binary": (b"OFF BINARY\n" + bytes(100), "BINARY, .*save it as text"),
    "off, vertex of two numbers": (
        OFF.replace("\n0 0 0\n", "\n0 0\n"),
        "line 3: a vertex of 2 numbers, expected x y z",
    ),
    "off, decimal commas": (OFF.replace("2 1 0", "2,0 1,5 0"), r"line 5: found '2,0' \(a decimal"),
    "off, a face cut short": (
        OFF.replace("6 5 4 3 2 1 0", "6 5 4 3 2 1"),
        "line 15: a face announ",
    ),
    "off, index no number": (OFF.replace("6 5 4", "6 x 4"), "line 15: found 'x', expected the num"),
    "off, a face more": (OFF + "\n3 0 1 2\n", "8 faces announced.* one more at line 24"),
    "obj, homogeneous": (OBJ.replace("v 2 0 0", "v 2 0 0 0.5"), "line 2: a vertex with w = '0.5'"),
    "obj, five numbers": (OBJ.replace("v 2 0 0", "v 2 0 0 1 1"), "line 2: a vertex of 5 numbers"),
    "obj, two numbers": (OBJ.replace("v 2 0 0", "v 2 0"), "line 2: a vertex of 2 numbers"),
    "obj, no number": (OBJ.replace("v 2 0 0", "v"), "line 2: a vertex of 0 numbers"),
    "obj, decimal commas": (
        OBJ.replace("v 2 0 0", "v 2,5 0,0 0,0"),
        r"line 2: found '2,5' \(a dec",
    ),
    "obj, bare face": (OBJ + "\nf\n", "line 22: a face without vertices"),
    "obj, bare face behind continued lines": (
        OBJ.replace(" ", " \\\n", 2) + "f # nothing\n",
        "line 23: a face without vertices",
    ),
    "obj, face of normals": (OBJ + "f //1 //1 //1\n", "line 21: found '', expected the number"),
    "obj, index 0": (OBJ + "f 0 1 2\n", "line 21: a face of vertices 0 1 2; expected 1 …"),
    "obj, index before all": (
        OBJ + "f -13 1 2\n",
        "line 21: a face of vertices -13 1 2; .*-12 for",
    ),
    "obj, index of 30 digits": (
        OBJ + "f 1 2 1" + 29 * "0",
        "line 21: a face of vertices 1 2 10000",
    ),
    "ply of another format": (PLY.replace("ascii", "zip"), "found 'format zip 1.0' in the header"),
    "ply of another type": (
        PLY.replace("float x", "half x"),
        "found 'property half x' in the header",
    ),
    "ply of no format": (PLY.replace("format", "comment"), "no format in the header of PLY"),
    "ply without z": (PLY.replace("float z", "float t"), "expected an element vertex with prop"),
    "ply, faces without vertices": (
        PLY.replace("vertex_indices", "corners"),
        "face without a list of vertices, expected vertex_indices or vertex_index",
    ),
    "ply of one element twice": (
        PLY.replace("element face", "element vertex"),
        "elements vertex, vertex announced, expected each name once",
    ),
    "ply, decimal commas": (PLY.replace("2 1 0", "2,0 1,5 0", 1), r"found '2,0' \(a decimal comma"),
    "ply, index no integer": (
        PLY.replace("6 5 4", "6 0.5 4"),
        "face of vertex 0.5, expected whole",
    ),
    "ply, face of no vertices": (PLY.replace("4 0 1 7 6", "0", 1), "face 3 has no vertices"),
    "ply, length no integer": (
        PLY.replace("4 0 1 7 6", "4.5 0 1 7 6"),
        "face 3: a list of length 4.5",
    ),
    "ply, one face more": (PLY + "3 0 1 2\n", "8 face announced, found more data"),
    "ply binary, one face more": (
        binary_ply() + struct.pack("<B3i", 3, 0, 1, 2),
        "8 face announced, found more data",
    ),
    "ply binary, cut short": (binary_ply(">")[:-1], "8 face announced, the data ends before them"),
    "ply binary, negative length": (
        binary_ply(length="b", head=PLY_HEAD.replace("uchar", "char")).replace(
            struct.pack("<b2i", 6, 5, 4), struct.pack("<b2i", -6, 5, 4)
        ),
        "face 1: a list of length -6",
    ),
    "stl without an end": (
        STL.replace("endsolid part\n", ""),
        "8 facets, .* add a line `endsolid`",
    ),
    "stl of two solids, one end": (
        STL.replace("endsolid part\n", STL),
        r"16 facets, 2 solid\(s\) begun, 1 ended",
    ),
    "stl, decimal commas": (facet("vertex 0,5 0 0\n"), r"facet 1: found '0,5' \(a decimal comma"),
    "stl, vertex of two numbers": (
        facet("vertex 0 0\n"),
        "8 facets begun, found 7 .* at line 2 is",
    ),
    "stl, vertex of four numbers": (
        facet("vertex 0 0 0 1\n"),
        "found 7 whole ones; .* line 2 is not",
    ),
    "stl, a facet that does not end": (STL.replace("endfacet\n", "", 1), "found 7 whole ones"),
    "stl binary, one facet more": (
        binary_stl() + binary_stl()[-50:],
        "20 faces announced in a file of .* bytes, found more",
    ),
    "stl binary, one facet and a byte more": (
        binary_stl(b"solid") + binary_stl()[-50:] + b"\n",
        "20 faces announced in a file of .* bytes, found more",
    ),
    "stl binary, cut short": (binary_stl(b"solid\0")[:-9], "20 faces announced in a file of"),
    "stl of a few bytes": (b"\0\1\2", "expected text with facets or a binary header"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_name_the_format_and_the_fault(name):
    data, message = REFUSED[name]
    with pytest.raises(ShapeError, match=f"not a readable {suffix_of(name)} file: .*{message}"):
        read_mesh(as_bytes(data), suffix_of(name))
