import io
import tracemalloc
import zipfile

import numpy as np
import pytest
import trimesh

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats import safe_read as files
from spherical_cnn.shapes.load import array_to_mesh, load_mesh, read_shape
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.shapes.voxels import MAX_SIDE, extract_surface, read_binvox
from spherical_cnn.sphere.grid import SphericalGrid

GRID = SphericalGrid(8)
SMALL = 8 * 2**20  # maximum memory in bytes for a file of a few kB
WEDGE = np.zeros((7, 6, 5), bool)  # all axes differ
WEDGE[1:6, 1:3, 1:3] = WEDGE[1:3, 1:5, 1:4] = True


def binvox(volume, dims=None):
    """Encodes the format of Patrick Min: runs of up to 255 cells, y fastest, then z, then x."""
    cells = np.asarray(volume).transpose(0, 2, 1).ravel()
    starts = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
    runs = bytearray()
    for start, stop in zip(starts, [*starts[1:], len(cells)], strict=True):
        for first in range(start, stop, 255):
            runs += bytes([int(cells[start]), min(255, stop - first)])
    dims = " ".join(map(str, dims or np.shape(volume)))
    return f"#binvox 1\ndim {dims}\ntranslate 0 0 0\nscale 1\ndata\n".encode() + bytes(runs)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **options)
    return file.getvalue()


def header(shape, dtype="'|b1'"):
    """Returns an `.npy` file that has a header and no data."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def npz(*members, compression=zipfile.ZIP_DEFLATED, names=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for number, data in enumerate(members):
            name = names[number] if names else f"array{number}"
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


ENCODERS = {
    "npy": npy,
    "npy by column": lambda volume: npy(np.asfortranarray(volume)),
    "npy of format 2.0": lambda volume: npy(volume, version=(2, 0)),
    "npz": lambda volume: npz(npy(volume)),
    "npz of named arrays": lambda volume: npz(
        npy([1.0]), npy(volume), names=["scale", "Occupancy"]
    ),
    "npz stored": lambda volume: npz(npy(volume), compression=zipfile.ZIP_STORED),
    "binvox": binvox,
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_volumes_are_read_from_all_formats(encoder):
    found = read_shape(ENCODERS[encoder](WEDGE), "." + encoder.split()[0], "voxels")
    expected = extract_surface(WEDGE)
    np.testing.assert_array_equal(found.vertices, expected.vertices)
    np.testing.assert_array_equal(found.faces, expected.faces)


def test_binvox_may_have_a_side_of_one_cell():
    np.testing.assert_array_equal(read_binvox(binvox(WEDGE[:, 1:2])), WEDGE[:, 1:2])


LINES = [b"dim 7 6 5", b"translate -0.5 0 2.5", b"scale 3.5", b"data"]
HEADERS = {
    "a comment": [b"# by trimesh", *LINES],
    "comments in Latin-1": [*LINES[:2], b"# K\xf6ln", b"", *LINES[2:]],
    "dim last": [*LINES[1:3], LINES[0], b"data"],
    "an unknown keyword": [b"units mm", *LINES],
    "nothing but dim": [LINES[0], b"data"],
    "blanks": [b" dim\t7  6 5 \t", b"data  "],
    "CR LF": [line + b"\r" for line in LINES],
}


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b" \n\n", b"\0\0"])
@pytest.mark.parametrize("case", HEADERS)
def test_binvox_headers_of_other_programs_are_read(case, tail):
    runs = binvox(WEDGE).partition(b"data\n")[2]
    data = b"\n".join([b"#binvox 1", *HEADERS[case], runs + tail])
    np.testing.assert_array_equal(read_binvox(data), WEDGE)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_signals_of_files_are_those_of_the_array(encoder, tmp_path):
    path = tmp_path / f"wedge.{encoder.split()[0].upper()}"
    path.write_bytes(ENCODERS[encoder](WEDGE))
    expected = RayCaster(array_to_mesh(WEDGE)).signal(GRID, Pose())
    for kind in ("auto", "voxels"):
        np.testing.assert_array_equal(
            RayCaster(load_mesh(path, kind)).signal(GRID, Pose()), expected
        )


@pytest.mark.parametrize(
    ("dtype", "occupied"),
    [(bool, 1), ("u1", 1), ("u1", 255), ("i8", -3), ("u8", 2**63), ("f2", 1), (">f8", 0.51)],
)
def test_occupied_cells_are_nonzero_or_above_one_half(dtype, occupied):
    cells = np.zeros(WEDGE.shape, dtype)
    cells[WEDGE != 0] = occupied
    found, expected = extract_surface(cells), extract_surface(WEDGE)
    np.testing.assert_array_equal(found.vertices, expected.vertices)
    np.testing.assert_array_equal(found.faces, expected.faces)


def test_cells_of_one_half_are_empty():
    with pytest.raises(ShapeError, match="empty"):
        extract_surface(np.full((3, 3, 3), 0.5))


@pytest.mark.parametrize("volume", [WEDGE, np.ones((1, 1, 1)), np.indices((4, 4, 4)).sum(0) % 2])
def test_surface_is_watertight_and_encloses_the_cells(volume):
    vertices, faces, _ = extract_surface(volume)
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight
    cells = np.argwhere(volume) + 1  # the surface has an offset of one cell
    np.testing.assert_array_equal(vertices.min(0), cells.min(0) - 0.5)
    np.testing.assert_array_equal(vertices.max(0), cells.max(0) + 0.5)


@pytest.mark.parametrize("side", [17, 32])
def test_surface_of_a_ball_of_cells_is_a_sphere(side):
    radius = side / 2 - 1
    ball = np.linalg.norm(np.indices((side,) * 3) - (side - 1) / 2, axis=0) <= radius
    distance = RayCaster(array_to_mesh(ball)).signal(GRID, Pose())[..., 0]
    np.testing.assert_allclose(distance, 1, rtol=0, atol=1 / radius)
    vertices = extract_surface(ball).vertices
    found = np.linalg.norm(vertices - (side + 1) / 2, axis=1)
    np.testing.assert_allclose(found, radius, rtol=0, atol=1)


@pytest.mark.parametrize("axis", range(3))
def test_axes_of_the_mesh_are_those_of_the_array(axis):
    """The distances of a long rod are large along its axis only."""
    rod = np.ones(np.where(np.arange(3) == axis, 20, 2))
    distance = RayCaster(array_to_mesh(rod)).signal(GRID, Pose())[..., 0]
    far = GRID.directions[distance > 0.9]
    assert len(far) and (np.abs(far).argmax(1) == axis).all()


ONE = npy(WEDGE)
BILLION = 10**9
REFUSED = {
    "no array": (".npy", b"#binvox 1\n", "not a readable .npy"),
    "no archive": (".npz", ONE, "not a readable .npz"),
    "no binvox": (".binvox", ONE, "expected a header of lines: #binvox 1, dim, data; found"),
    "empty archive": (".npz", npz(), "0 arrays in the file, expected 1"),
    "two arrays": (
        ".npz",
        npz(ONE, ONE),
        r"found arrays array0 \(7, 6, 5\) bool, array1 .* one of them named voxels, volume",
    ),
    "1001 arrays": (".npz", npz(*[b""] * 1001), "1001 arrays"),
    "flat": (".npy", npy(np.ones((3, 3))), r"\(3, 3\), expected three sides of 1 … 512"),
    "four axes": (".npy", npy(np.ones((2, 2, 2, 2))), "expected three sides"),
    "513 a side": (".npy", npy(np.ones((1, 1, MAX_SIDE + 1))), r"\(1, 1, 513\), expected"),
    "no cells": (".npy", npy(np.ones((0, 2, 2))), r"\(0, 2, 2\), expected three sides"),
    "not occupied": (".npy", npy(np.zeros((4, 5, 6))), "empty: none of 4 × 5 × 6 cells"),
    "not a number": (".npy", npy(np.full((2, 2, 2), np.nan)), "not finite"),
    "infinite": (".npy", npy(np.full((2, 2, 2), np.inf)), "not finite"),
    "text": (".npy", npy(np.full((2, 2, 2), "solid")), "<U5"),
    "complex": (".npy", npy(np.ones((2, 2, 2), complex)), "complex128, expected numbers"),
    "record": (".npy", npy(np.zeros((2, 2, 2), "f4,f4")), "expected numbers"),
    "objects": (".npy", npy(np.full((2, 2, 2), None)), "dtype object, expected numbers"),
    "archived objects": (".npz", npz(npy(np.full((2, 2, 2), None))), "dtype object, expected"),
    "a billion cells": (".npy", header((1000, 1000, 1000)), r"\(1000, 1000, 1000\) of bool in a"),
    "a long side": (".npy", header((10**30, 1, 1)), "in a file of"),
    "a long text": (".npy", header((1, 1, 1), "'<U500000000'"), "in a file of"),
    "a negative side": (".npy", header((-(10**30), 1, 1)), "-1000000"),
    "no side and a long one": (".npy", header((10**30, 0, 1)), "not a readable|in a file of"),
    "open bracket": (".npy", header("(1, 1, 1"), "not a readable .npy"),
    "no dtype": (".npy", header((1, 1, 1), "('<f8',)"), "not a readable .npy"),
    "no keys": (".npy", b"\x93NUMPY\x01\x00\x07\x00{[]: 1}", "not a readable .npy"),
    "Python 2": (
        ".npy",
        header("(9L, 9L, 9L)"),
        r"0 bytes of data|\(9, 9, 9\) of bool in a file of",
    ),
    "format 3.0": (".npy", npy(WEDGE, version=(3, 0)), "version 3.0, expected 1.0 or 2.0; save"),
    "sides of a billion": (".binvox", binvox(WEDGE, [BILLION] * 3), "sides .*1000000000.* at most"),
    "side of 5000 digits": (".binvox", binvox(WEDGE, ["9" * 5000, 1, 1]), "expected"),
    "other sides": (".binvox", binvox(WEDGE, [7, 6, 6]), "runs of 210 cells; expected"),
    "too few sides": (
        ".binvox",
        binvox(WEDGE, [7, 6]),
        "expected .* dim and three sides; found .* dim 7 6$",
    ),
    "sides twice": (
        ".binvox",
        binvox(WEDGE).replace(b"data", b"dim 9000 9000 9000\ndata"),
        "found lines of dim: dim 7 6 5; dim 9000 9000 9000",
    ),
    "more runs": (
        ".binvox",
        binvox(WEDGE) + b"\1\1",
        "2 bytes behind the runs that fill the sides .7, 6, 5.; expected none",
    ),
    "half a run": (".binvox", binvox(WEDGE) + b"\1", "1 bytes behind the runs that fill the sides"),
    "cut runs": (".binvox", binvox(WEDGE)[:-1], r"210 cells, runs of \d+ cells; .* cut short"),
    "no dim": (".binvox", binvox(WEDGE).replace(b"dim", b"din"), "found lines of dim: none"),
    "two arrays in a row": (".npy", ONE + ONE, "a second array behind the first, expected one"),
    "cut data": (".npy", ONE[:-1], "in a file of 337 bytes; expected a whole file|cut short"),
    "no text": (".npy", header((1, 1, 1), "'<U0'"), "dtype <U0, expected numbers"),
    "40 axes": (".npy", header((1,) * 40), "in a file of"),
    "two volumes": (".npz", npz(ONE, ONE, names=["volume", "voxels"]), "volume .*, voxels .*; exp"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_volumes_are_refused_with_little_memory(case, tmp_path):
    suffix, data, message = REFUSED[case]
    path = tmp_path / f"volume{suffix}"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ShapeError, match=message):
            load_mesh(path, "voxels")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("tenths", range(1, 10))
def test_truncated_volumes_are_refused(encoder, tenths):
    data = ENCODERS[encoder](WEDGE)
    with pytest.raises(ShapeError):
        read_shape(data[: len(data) * tenths // 10], "." + encoder.split()[0], "voxels")


def test_objects_are_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.setattr("pickle.load", lambda *args, **kwargs: pytest.fail("unpickled"))
    monkeypatch.setattr("pickle.loads", lambda *args, **kwargs: pytest.fail("unpickled"))
    for suffix, data in ((".npy", npy([None])), (".npz", npz(npy([None])))):
        with pytest.raises(ShapeError, match="dtype object, expected numbers"):
            read_shape(data, suffix, "voxels")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("honest", [True, False], ids=["honest", "lying"])
def test_zip_bombs_are_refused_with_little_memory(method, honest, monkeypatch):
    """The archives hold 16 MB of zeros in a few kB; lying archives announce less."""
    size = 16 * 2**20
    data = npz(header((size, 1, 1)) + bytes(size), compression=method)
    assert len(data) < 20_000
    if honest:
        monkeypatch.setattr(files, "_MAX_UNPACKED", 2**20)
    else:
        true_size = (size + len(header((size, 1, 1)))).to_bytes(4, "little")
        assert data.count(true_size) == 2
        data = data.replace(true_size, (1000).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(ShapeError):
            read_shape(data, ".npz", "voxels")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SMALL
