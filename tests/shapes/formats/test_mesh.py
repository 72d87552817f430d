import tracemalloc

import numpy as np
import pytest
import trimesh

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.mesh import check_mesh, read_mesh
from spherical_cnn.shapes.load import load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose
from spherical_cnn.sphere.grid import SphericalGrid

GRID = SphericalGrid(16)
SMALL = 4 * 2**20  # maximum memory in bytes for a file of a few kB

# A frustum of plane quadrilaterals without rotational symmetry.
CORNERS = np.array(
    [[-1, -0.6, -0.5], [1, -0.6, -0.5], [1, 0.6, -0.5], [-1, 0.6, -0.5]]
    + [[-0.4, -0.25, 0.7], [0.6, -0.25, 0.7], [0.6, 0.35, 0.7], [-0.4, 0.35, 0.7]]
)
QUADS = [[3, 2, 1, 0], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
TRIANGLES = [[a, b, c] for a, *rest in QUADS for b, c in zip(rest, rest[1:], strict=False)]
SOLID = trimesh.Trimesh(CORNERS, TRIANGLES, process=False)
PENTAGONS = [[3, 2, 8, 1, 0], *QUADS[1:3], [1, 8, 2, 6, 5], *QUADS[4:]]  # 8 lies on an edge


def lines(rows, start=""):
    return "".join(start + " ".join(map(str, row)) + "\n" for row in rows)


def off(faces=TRIANGLES, head="OFF\n", corners=CORNERS, counts=None):
    counts = counts or f"{len(corners)} {len(faces)} 0"
    return f"{head}{counts}\n{lines(corners)}{lines([len(face), *face] for face in faces)}".encode()


def obj(faces=TRIANGLES, between=""):
    rows = [[vertex + 1 for vertex in face] for face in faces]
    half = len(rows) // 2
    return (
        lines(CORNERS, "v ") + lines(rows[:half], "f ") + between + lines(rows[half:], "f ")
    ).encode()


def obj_in_parts():
    """Returns faces behind their own vertices, with negative indices."""
    return "".join(
        f"g part{number}\n{lines(CORNERS[face], 'v ')}f -4 -3 -2 -1\n"
        for number, face in enumerate(QUADS)
    ).encode()


def ply(faces=TRIANGLES, corners=CORNERS, counts=None):
    vertices, polygons = counts or (len(corners), len(faces))
    return (
        f"ply\nformat ascii 1.0\ncomment by hand\nelement vertex {vertices}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {polygons}\nproperty list uchar int vertex_indices\nend_header\n"
        f"{lines(corners)}{lines([len(face), *face] for face in faces)}"
    ).encode()


def binary_ply(byte_order="<", vertices=8, faces=12):
    name = {"<": "little", ">": "big"}[byte_order]
    head = (
        f"ply\nformat binary_{name}_endian 1.0\nelement vertex {vertices}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(TRIANGLES), [("count", "u1"), ("index", byte_order + "i4", 3)])
    rows["count"], rows["index"] = 3, TRIANGLES
    return head.encode() + CORNERS.astype(byte_order + "f4").tobytes() + rows.tobytes()


def stl(count=None, corners=CORNERS, head=b"binary"):
    rows = np.zeros(len(TRIANGLES), [("normal", "<f4", 3), ("corner", "<f4", (3, 3)), ("", "u2")])
    rows["corner"] = corners[np.array(TRIANGLES)]
    count = len(rows) if count is None else count
    return head.ljust(80) + count.to_bytes(4, "little") + rows.tobytes()


STL_ASCII = SOLID.export(file_type="stl_ascii").encode()
FILES = {
    "off": off(),
    "off of ModelNet": off(head="OFF"),
    "off with comments": off(head="# by hand\nOFF # and foot\n# 1 2 3\n").replace(
        b"0\n", b"0 # x\n\n"
    ),
    "off of windows": off().replace(b"\n", b"\r\n"),
    "off of quads": off(QUADS),
    "off of polygons": off(PENTAGONS, corners=[*CORNERS, [1, 0, -0.5]]),
    "off with colors": off(
        head="COFF\n", corners=np.hstack([CORNERS, 0 * CORNERS, CORNERS[:, :1]])
    ),
    "off with normals": off(head="NOFF\n", corners=np.hstack([CORNERS, CORNERS])),
    "obj": obj(),
    "obj of quads": obj(QUADS),
    "obj in groups": obj(between="g roof\ns 1\no thing\n"),
    "obj of two materials": obj(QUADS, between="mtllib not_there.mtl\nusemtl brick\n"),
    "obj with normals": obj().replace(b"f ", b"vn 0 0 1\nvt 0 1\nf ", 1),
    "obj counted backwards": lines(CORNERS, "v ").encode()
    + lines((np.array(QUADS) - 8).tolist(), "f ").encode(),
    "obj in parts": obj_in_parts(),
    "ply ascii": ply(),
    "ply of quads": ply(QUADS),
    "ply of polygons": ply(PENTAGONS, corners=[*CORNERS, [1, 0, -0.5]]),
    "ply binary": binary_ply(),
    "ply binary, big end first": binary_ply(">"),
    "ply of trimesh": SOLID.export(file_type="ply"),
    "stl": stl(),
    "stl binary, in spite of its name": stl(head=b"solid binary"),
    "stl ascii": STL_ASCII,
    "stl of three solids": 3 * STL_ASCII,
}


def suffix_of(name):
    return "." + name.split()[0]


@pytest.mark.parametrize("name", FILES)
def test_all_formats_of_a_solid_have_equal_signals(name, tmp_path):
    expected = RayCaster(Mesh(CORNERS, np.array(TRIANGLES))).signal(GRID, Pose())
    mesh = read_mesh(FILES[name], suffix_of(name))
    assert mesh.vertices.dtype == np.float64 and mesh.faces.dtype.kind == "i"
    found = RayCaster(mesh).signal(GRID, Pose())
    assert (np.abs(found - expected) > 1e-5).any(-1).mean() < 0.01  # rays that hit an edge
    path = tmp_path / f"solid{suffix_of(name).upper()}"
    path.write_bytes(FILES[name])
    plain = tmp_path / "plain.off"
    plain.write_bytes(off())
    for up in "xyz":
        found, expected = (
            RayCaster(load_mesh(file, up=up)).signal(GRID, Pose()) for file in (path, plain)
        )
        assert (np.abs(found - expected) > 1e-5).any(-1).mean() < 0.01


LINE = [[0, 0, 0], [0.5, 1, 2], [1, 2, 4]]
NO_AREA = {
    "off of a line": (off([[0, 1, 2]], corners=LINE), "zero area: all 1 faces"),
    "off of one point": (off([[0, 0, 0]] * 5), "extent is 0"),
    "ply of a line": (ply([[0, 1, 2]], corners=LINE), "zero area: all 1 faces"),
    "stl of one point": (stl(corners=0 * CORNERS), "extent is 0"),
}


@pytest.mark.parametrize("case", NO_AREA)
def test_meshes_without_area_are_refused(case, tmp_path):
    data, message = NO_AREA[case]
    path = tmp_path / f"shape.{case.split()[0]}"
    path.write_bytes(data)
    with pytest.raises(ShapeError, match=message):
        load_mesh(path)


def test_unused_vertices_are_dropped():
    mesh = read_mesh(off(corners=[*CORNERS, [9, 9, 9], [np.nan, 0, np.inf]]), ".off")
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    first = Mesh(np.array([[np.nan] * 3, *CORNERS]), np.array(TRIANGLES) + 1)
    np.testing.assert_array_equal(check_mesh(first).vertices, CORNERS)
    np.testing.assert_array_equal(check_mesh(first).faces, TRIANGLES)


def with_corner(value):
    return np.vstack([CORNERS[:-1], [[0, value, 0]]])


BILLION = 10**9
REFUSED = {
    "off without a keyword": (off(head=""), "expected OFF, then counts"),
    "off, binary": (off(head="OFF BINARY\n"), "expected OFF, then counts"),
    "off of another kind": (STL_ASCII, "expected OFF, then counts .*; found b'solid"),
    "off of a billion vertices": (off(counts=f"{BILLION} 12 0"), "1000000000 vertices, 12 faces"),
    "off of a billion faces": (
        off(counts=f"8 {BILLION} 0"),
        "1000000000 faces announced",
    ),
    "off of minus one vertices": (off(counts="-1 12 0"), "-1 vertices"),
    "off of 5000 digits": (off(counts="8 " + "9" * 5000 + " 0"), "expected|announced"),
    "off of too many vertices": (off(counts="9 12 0"), "not a readable .off|announced"),
    "off of too few vertices": (off(counts="7 12 0"), "not a readable .off|announced"),
    "off of too many faces": (off(counts="8 13 0"), "13 faces announced"),
    "off of too few faces": (off(counts="8 11 0"), "11 faces announced"),
    "off of one count": (off(counts="8"), "announced|expected OFF"),
    "off, index too large": (off([[0, 1, 8]]), "range|expected 0 … 7"),
    "off, index negative": (off([[0, 1, -1]]), "range|expected 0 … 7"),
    "off, index no integer": (off([[0, 1, 2.5]]), "not a readable .off"),
    "off, not a number": (off(corners=with_corner(np.nan)), "1 of 8 vertices are not finite"),
    "off, infinite": (off(corners=with_corner(np.inf)), "1 of 8 vertices are not finite"),
    "off, too large for a float": (off(corners=with_corner("1e999")), "not finite"),
    "off, a word": (off(corners=with_corner("x")), "not a readable .off"),
    "off without faces": (off([]), "no faces"),
    "off of lines": (off([[0, 1], [1, 2]]), "2 faces announced, found 0|no faces"),
    "obj without faces": (lines(CORNERS, "v ").encode(), "no faces"),
    "obj without vertices": (b"f 1 2 3\n", "no faces|not a readable|expected"),
    "obj of two columns": (b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n", "not a readable .obj|expected"),
    "obj, index too large": (
        obj([[0, 1, 8], [0, 1, 2]]),
        "8 is out of bounds|expected 0 … 7",
    ),
    "obj, index far too large": (obj([[0, 1, 10**12]]), "out of bounds|expected 0 … 7"),
    "obj, index zero": (obj([[-1, 1, 2], [0, 1, 2]]), "expected|not a readable"),
    "obj, index negative": (obj([[-11, 1, 2], [0, 1, 2]]), "out of bounds|expected"),
    "obj, not a number": (obj().replace(b"0.7", b"nan", 1), "1 of 8 vertices are not finite"),
    "obj, a word": (obj().replace(b"0.7", b"high", 1), "not a readable .obj"),
    "obj, a word in a face": (obj().replace(b"f 4", b"f x", 1), "not a readable .obj"),
    "obj, a face of nothing at its end": (obj() + b"f", "line 21: a face without vertices"),
    "obj, a face of normals": (obj() + b"f //1 1+2 3\n", "line 21: found '', expected the number"),
    "obj, a form feed": (obj() + b"\x0cf 0 1 2\n", "line 21: a face of vertices 0 1 2; expected"),
    "obj, one word for two numbers": (
        obj().replace(b"v -1.0 -0.6", b"v -1.0-0.6 1", 1),
        "line 1: found '-1.0-0.6', expected a number",
    ),
    "ply, no header": (b"ply\n", "not a readable .ply|expected a header"),
    "ply of a billion vertices": (
        ply(counts=(BILLION, 12)),
        "1000000000 vertex, 12 face announced",
    ),
    "ply of a billion faces": (ply(counts=(8, BILLION)), "1000000000 face announced in a file"),
    "ply of +a billion": (ply(counts=("+1000000000", 12)), "announced|no faces"),
    "ply of 1_000": (ply(counts=("1_000", 12)), "announced|no faces"),
    "ply of minus one": (ply(counts=(8, -1)), "-1 face announced"),
    "ply of 5000 digits": (ply(counts=(8, "9" * 5000)), "announced|expected"),
    "ply of too many faces": (ply(counts=(8, 13)), "13 faces? announced"),
    "ply of too few faces": (ply(counts=(8, 11)), "11 faces? announced"),
    "ply of too many vertices": (ply(counts=(9, 12)), "announced|not a readable"),
    "ply of too few vertices": (ply(counts=(7, 12)), "announced|not a readable|expected"),
    "ply, binary, of a billion": (binary_ply(vertices=BILLION), "1000000000 vertex.*announced"),
    "ply, binary, of a few more": (binary_ply(vertices=9), "not a readable .ply"),
    "ply, binary, of a few less": (binary_ply(faces=11), "not a readable .ply"),
    "ply without faces": (ply([]), "no faces.*kind points"),
    "ply, index too large": (ply([[0, 1, 8]]), "expected 0 … 7"),
    "ply, index negative": (ply([[0, 1, -1]]), "expected 0 … 7"),
    "ply, not a number": (ply(corners=with_corner(np.nan)), "1 of 8 vertices are not finite"),
    "ply, a word": (ply(corners=with_corner("x")), "not a readable .ply"),
    "stl of a billion": (stl(count=BILLION), "1000000000 faces announced in a file of"),
    "stl of one more": (stl(count=13), "13 faces announced in a file of"),
    "stl of one less": (stl(count=11), "11 faces announced in a file of"),
    "stl of none": (stl(count=0)[:84], "no faces"),
    "stl, infinite": (stl(corners=with_corner(np.inf)), "vertices are not finite"),
    "stl ascii, a word": (STL_ASCII.replace(b"0.7", b"high", 1), "not a readable .stl"),
    "stl ascii, no end": (STL_ASCII.replace(b"endsolid", b""), "no faces|12 facets"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_meshes_are_refused_with_little_memory(case):
    data, message = REFUSED[case]
    tracemalloc.start()
    try:
        with pytest.raises(ShapeError, match=message):
            read_mesh(data, "." + case.replace(",", "").split()[0])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL


@pytest.mark.parametrize("tenths", range(1, 10))
@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("obj")])
def test_truncated_meshes_are_refused(name, tenths):
    with pytest.raises(ShapeError):
        read_mesh(FILES[name][: len(FILES[name]) * tenths // 10], suffix_of(name))


def test_complete_faces_of_a_truncated_obj_are_read():
    """The format has no counts, so missing faces are not detectable."""
    data = FILES["obj"]
    with pytest.raises(ShapeError, match="no faces"):
        read_mesh(data[: data.index(b"f ") - 1], ".obj")
    cut = data[: data.rindex(b"f ")]
    assert len(read_mesh(cut, ".obj").faces) == len(TRIANGLES) - 1


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-30, 1e30, 1e300])
def test_meshes_of_any_size_are_accepted(scale):
    corners = CORNERS * scale
    mesh = check_mesh(Mesh(corners, np.array(TRIANGLES)))
    np.testing.assert_array_equal(mesh.vertices, corners)


def test_files_of_infinite_extent_are_refused(tmp_path):
    path = tmp_path / "huge.off"
    path.write_bytes(off(corners=CORNERS * 1.7e308))
    with pytest.raises(ShapeError, match="extent is inf, expected"):
        load_mesh(path)


PEAK = 5 * 2**20  # kB of the whole process; TensorFlow takes 0.5 GiB

HEIGHT_FIELD = """
import pathlib, sys, numpy as np
from spherical_cnn.shapes.load import load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid

signal = RayCaster(load_mesh(sys.argv[1])).signal(SphericalGrid(32), Pose())
assert np.isfinite(signal).all() and signal.any()
print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def height_field(path, side):
    """Writes `2 (side - 1)²` triangles as binary STL or OFF."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij")
    vertices = np.stack([x, y, 0.3 * np.sin(5 * x) * np.cos(3 * y)], -1).reshape(-1, 3)
    corner = np.arange(side * side).reshape(side, side)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    with open(path, "wb") as file:
        if path.suffix == ".stl":
            rows = np.zeros(len(faces), [("n", "<f4", 3), ("v", "<f4", (3, 3)), ("", "u2")])
            rows["v"] = vertices[faces]
            file.write(b"".ljust(80) + len(faces).to_bytes(4, "little") + rows.tobytes())
        else:
            file.write(b"OFF\n%d %d 0\n" % (len(vertices), len(faces)))
            np.savetxt(file, vertices, "%.9f")
            np.savetxt(file, np.insert(faces, 0, 3, axis=1), "%d")


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "side"), [(".stl", 1450), (".off", 1500)])
def test_files_of_200_megabytes_are_read(suffix, side, tmp_path, start_python):
    """Four million triangles take at most 5 GiB, and a minute on an idle processor."""
    path = tmp_path / f"field{suffix}"
    height_field(path, side)
    assert path.stat().st_size > 180e6
    assert int(start_python("-c", HEIGHT_FIELD, path).result().stdout.split()[-1]) < PEAK
