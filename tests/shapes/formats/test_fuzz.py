"""Damaged and hostile files: each reader returns a shape or raises `ShapeError`.

The tests flip, remove, add, cut and swap bytes of valid files. They replace numbers by huge,
negative and infinite numbers. They also damage arrays inside an intact archive. The fast tests use
60 examples per reader and format, the slow tests 1,000.
"""

import datetime
import io
import re
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.load import load_mesh, read_shape
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid

FAST, SLOW = 60, 1000
CHANGES = ("flip", "remove", "insert", "cut", "number", "number", "word", "swap")
MEMORY = 64 * 2**20  # exceeds what any example needs; trust in a wrong count takes gigabytes
DEADLINE = datetime.timedelta(seconds=20)  # an example takes milliseconds

CUBE = trimesh.creation.box((1, 0.7, 0.5))
CLOUD = np.random.default_rng(0).normal(size=(80, 3))
BALL = np.linalg.norm(np.indices((6, 6, 6)) - 2.5, axis=0) < 2.6

NUMBERS = [
    *(b"nan", b"inf", b"-1", b"-inf", b"0", b"1e999", b"1e308", b"1e-320", b"1000000000", b"x"),
    *(b"99999999999999999999", b"9" * 5000, b"+7", b"1_0", b"-9223372036854775808", b"0.5", b""),
]
WORDS = [
    *(struct.pack("<f", np.nan), struct.pack("<f", np.inf), struct.pack("<d", -np.inf)),
    *(b"\xff" * 4, b"\x00" * 4, b"\x80" * 8, b"\x00\xca\x9a\x3b"),  # the last one is a billion
]


# An L and three more polygons: mixed lengths, not all convex.
L = [[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0], [1, 2, 0], [0, 2, 0], [0, 0, 1], [2, 0, 1]]
SIDES = [[0, 5, 4, 3, 2, 1], [0, 1, 7, 6], [0, 6, 5], [1, 2, 7]]


def polygons(suffix):
    """Returns files with the polygons of an L and its sides."""
    text = {
        start: "".join(f"{start}{' '.join(map(str, corner))}\n" for corner in L)
        for start in ("", "v ")
    }
    faces = "".join(f"{len(side)} {' '.join(map(str, side))}\n" for side in SIDES)
    if suffix == ".off":
        return [f"OFF\n8 4 0\n{text['']}{faces}".encode()]
    if suffix == ".obj":
        continued = "".join(f"f {' '.join(str(k - 8) for k in side)}\n" for side in SIDES)
        return [(text["v "] + continued.replace(" ", " \\\n", 3)).encode()]
    if suffix == ".stl":
        return []
    head = (
        "ply\nformat {} 1.0\nelement vertex 8\nproperty float x\nproperty float y\n"
        "property float z\nelement {} 4\nproperty list uchar int vertex_indices\nend_header\n"
    )
    packed = np.array(L, "<f4").tobytes()
    packed += b"".join(struct.pack(f"<B{len(side)}i", len(side), *side) for side in SIDES)
    return [
        (head.format("ascii", "face") + text[""] + faces).encode(),
        (head.format("ascii", "tristrips") + text[""] + faces).encode(),
        head.format("binary_little_endian", "face").encode() + packed,
    ]


def encoded(mesh, suffix):
    """Returns text and binary files of a mesh."""
    if suffix == ".ply":
        return [mesh.export(file_type="ply", encoding=kind) for kind in ("ascii", "binary")]
    if suffix == ".stl":
        return [_bytes(mesh.export(file_type=kind)) for kind in ("stl", "stl_ascii")]
    return [_bytes(mesh.export(file_type=suffix[1:]))]


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def array_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:  # without a date: reproducible bytes
        members.writestr(zipfile.ZipInfo("shape.npy"), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def binvox(volume):
    cells = volume.transpose(0, 2, 1).ravel().astype(np.uint8)
    dims = " ".join(map(str, volume.shape))
    runs = np.stack([cells, np.ones_like(cells)], axis=-1).tobytes()
    return f"#binvox 1\ndim {dims}\ntranslate 0 0 0\nscale 1\ndata\n".encode() + runs


ARRAYS = {"voxels": [BALL, BALL.astype("f4")], "points": [CLOUD, CLOUD.astype(">f4").T.copy().T]}
XYZ = b"\n".join(b"%.6f %.6f %.6f" % tuple(point) for point in CLOUD)
FILES = {
    **{
        ("mesh", suffix): encoded(CUBE, suffix) + polygons(suffix)
        for suffix in (".off", ".obj", ".ply", ".stl")
    },
    **{(kind, ".npy"): [array_file(array) for array in ARRAYS[kind]] for kind in ARRAYS},
    **{(kind, ".npz"): [array_file(array) for array in ARRAYS[kind]] for kind in ARRAYS},
    ("voxels", ".binvox"): [binvox(BALL)],
    ("points", ".xyz"): [XYZ],
    ("points", ".csv"): [b"x,y,z\n" + XYZ.replace(b" ", b","), b"80\n" + XYZ.replace(b" ", b";")],
    ("points", ".ply"): encoded(trimesh.PointCloud(CLOUD), ".ply"),
}
IDS = [kind + suffix for kind, suffix in FILES]


@st.composite
def damaged(draw, files):
    """Draws one of the files after one to four changes, or random bytes."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(files))
    for _ in range(draw(st.integers(1, 4))):
        start, stop = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        change = draw(st.sampled_from(CHANGES))
        if change == "flip":
            flipped = bytes(byte ^ draw(st.integers(1, 255)) for byte in data[start : start + 1])
            data = data[:start] + flipped + data[start + 1 :]
        elif change == "remove":
            data = data[:start] + data[min(stop, start + 40) :]
        elif change == "insert":
            data = data[:start] + draw(st.binary(max_size=8)) + data[start:]
        elif change == "cut":
            data = data[:stop]
        elif change == "swap":
            data = data[:start] + data[stop:] + data[start:stop]
        elif change == "word":
            word = draw(st.sampled_from(WORDS))
            data = data[:start] + word + data[start + len(word) :]
        else:  # a number, in half of the cases of the header
            places = [match.span() for match in re.finditer(rb"[-+]?\d[\d.]*(e[-+]?\d+)?", data)]
            if places:
                last = min(8, len(places)) if draw(st.booleans()) else len(places)
                start, stop = places[draw(st.integers(0, last - 1))]
                data = data[:start] + draw(st.sampled_from(NUMBERS)) + data[stop:]
    return data


@st.composite
def damaged_file(draw, kind, suffix):
    """Draws a damaged file; an archive is damaged itself or holds a damaged array."""
    files = FILES[kind, suffix]
    if suffix != ".npz":
        return draw(damaged(files))
    if draw(st.booleans()):
        return archive(draw(damaged(files)))
    return draw(damaged([archive(data) for data in files]))


def read(kind, suffix, data):
    """Asserts that a file gives a finite shape, or a `ShapeError` with a message."""
    try:
        shape = read_shape(data, suffix, kind)
    except ShapeError as error:
        assert str(error)
        return
    if kind == "points":
        assert isinstance(shape.points, np.ndarray)
        return
    vertices, faces, _ = shape
    assert vertices.dtype == np.float64 and np.isfinite(vertices).all()
    assert len(faces) and faces.min() >= 0 and faces.max() < len(vertices)


def watched(function, *args):
    """Calls a function and asserts that it neither warns nor allocates `MEMORY`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracemalloc.start()
        try:
            function(*args)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert not caught, [str(warning.message) for warning in caught]
    assert peak < MEMORY


def fuzz(function, files, examples):
    """Calls `function` with reproducible examples of the files."""

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=DEADLINE,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(files)
    def survives(data):
        watched(function, data)

    survives()


@pytest.mark.parametrize(("kind", "suffix"), FILES, ids=IDS)
def test_damaged_files_are_read_or_refused(kind, suffix):
    fuzz(lambda data: read(kind, suffix, data), damaged_file(kind, suffix), FAST)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "suffix"), FILES, ids=IDS)
def test_many_damaged_files_are_read_or_refused(kind, suffix):
    fuzz(lambda data: read(kind, suffix, data), damaged_file(kind, suffix), SLOW)


def cast(folder, kind, suffix, data):
    """Asserts that a file gives a finite signal, or a `ShapeError`."""
    path = folder / f"damaged{suffix}"
    path.write_bytes(data)
    try:
        caster = RayCaster(load_mesh(path, kind))
    except ShapeError as error:
        assert str(error)
        return
    signal = caster.signal(SphericalGrid(4), Pose())
    assert signal.shape == (8, 8, 2) and np.isfinite(signal).all()
    assert np.abs(signal).max() < 1 + 1e-5


@pytest.mark.parametrize(("kind", "suffix"), FILES, ids=IDS)
def test_signals_of_damaged_files_are_finite(kind, suffix, tmp_path):
    files = damaged_file(kind, suffix)
    fuzz(lambda data: cast(tmp_path, kind, suffix, data), files, 10)
