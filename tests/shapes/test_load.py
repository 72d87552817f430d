import os
import threading

import numpy as np
import pytest
import trimesh

from spherical_cnn.choices import KINDS, UP_AXES
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.load import (
    SUFFIXES,
    array_to_mesh,
    load_mesh,
    normalize_upright,
)
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose
from spherical_cnn.sphere.grid import SphericalGrid

GRID = SphericalGrid(8)
HULL = trimesh.convex.convex_hull(np.random.default_rng(1).normal(size=(12, 3)) * (1, 0.8, 0.5))
MESH = Mesh(np.array(HULL.vertices, np.float64), np.array(HULL.faces))
CLOUD = np.random.default_rng(0).normal(size=(500, 3)) * (1, 0.5, 0.3)
VOLUME = np.linalg.norm(np.indices((5, 6, 7)) - 2.4, axis=0) < 2.3


def signal(mesh):
    return RayCaster(mesh).signal(GRID, Pose())


def written(path, array):
    (np.savez if path.suffix == ".npz" else np.save)(path, array)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(("kind", "array"), [("voxels", VOLUME), ("points", CLOUD)])
def test_shape_of_an_array_determines_its_kind(kind, array, suffix, tmp_path):
    expected = signal(array_to_mesh(array, kind))
    assert expected.any()
    path = written(tmp_path / f"shape{suffix}", array)
    for given in ("auto", kind):
        np.testing.assert_array_equal(signal(load_mesh(path, given)), expected)
        np.testing.assert_array_equal(signal(array_to_mesh(array, given)), expected)


NORMALS = CLOUD / np.linalg.norm(CLOUD, axis=1, keepdims=True)
SIX = np.concatenate([CLOUD, NORMALS], axis=1)


def text(path, separator):
    np.savetxt(path, SIX, delimiter=separator)


WRITERS = {
    "cloud.npy": lambda path: np.save(path, SIX),
    "one.npz": lambda path: np.savez(path, SIX),
    "named.npz": lambda path: np.savez(path, points=CLOUD, normals=NORMALS, scale=2.0),
    "other.npz": lambda path: np.savez(path, XYZ=CLOUD, Normal=NORMALS, colors=CLOUD),
    "alone.npz": lambda path: np.savez(path, a=CLOUD, normals=NORMALS),
    "cloud.txt": lambda path: text(path, ","),
    "cloud.xyz": lambda path: text(path, " "),
}


@pytest.mark.parametrize("kind", ["auto", "points"])
@pytest.mark.parametrize("name", WRITERS)
def test_normals_of_files_are_read(name, kind, tmp_path):
    WRITERS[name](tmp_path / name)
    found = load_mesh(tmp_path / name, kind)
    expected = array_to_mesh(CLOUD, normals=NORMALS)
    np.testing.assert_array_equal(found.faces, expected.faces)
    np.testing.assert_allclose(found.normals, expected.normals, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [">f4", "f2", "i2", "u1", "F"])
def test_points_may_have_any_dtype_and_order(dtype, tmp_path):
    cloud = np.asfortranarray(CLOUD) if dtype == "F" else (50 * CLOUD + 128).astype(dtype)
    np.save(tmp_path / "a.npy", cloud)
    expected = array_to_mesh(cloud.astype(float))
    np.testing.assert_array_equal(load_mesh(tmp_path / "a.npy").vertices, expected.vertices)


@pytest.mark.parametrize("shape", [(1, 5, 6, 7), (5, 6, 7, 1)])
def test_volumes_may_have_one_channel(shape):
    found = array_to_mesh(VOLUME.reshape(shape))
    np.testing.assert_array_equal(found.vertices, array_to_mesh(VOLUME).vertices)


MANY = np.stack([CLOUD, CLOUD])


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        (dict(a=CLOUD, b=CLOUD), "auto", r"found arrays a \(500, 3\) float64, b .* named points,"),
        (dict(points=CLOUD, voxels=VOLUME), "auto", "found arrays points .* voxels .* bool; exp"),
        (dict(points=CLOUD, vertices=CLOUD), "points", "found arrays points .* vertices"),
        (dict(vertices=CLOUD, faces=MESH.faces), "auto", "a mesh; expected it as .off .obj"),
        (dict(points=CLOUD, occupancies=CLOUD), "auto", "samples of space, inside and outside"),
        (
            dict(points=CLOUD, normals=CLOUD[1:]),
            "auto",
            r"normals of shape \(499, 3\), .* \(500, 3",
        ),
        (dict(normals=CLOUD), "auto", r"found arrays normals \(500, 3\) float64; expected one"),
        (dict(points=MANY), "auto", "several clouds: save each in a file"),
        (dict(a=MANY), "auto", "with negative numbers: several clouds or one volume; expected"),
        (dict(a=CLOUD.T), "auto", r"array of shape \(3, 500\), .*; transpose it"),
        (dict(a=SIX.T), "points", r"array of shape \(6, 500\), .*; transpose it"),
        (dict(a=SIX[:, :4]), "auto", "four columns may be homogeneous coordinates"),
        (dict(a=CLOUD.astype([("x", "f8")])), "auto", "structured_to_unstructured"),
    ],
)
def test_ambiguous_arrays_are_refused_by_name(arrays, kind, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ShapeError, match=message):
        load_mesh(tmp_path / "a.npz", kind)


def test_kind_points_reads_the_vertices_of_a_mesh(tmp_path):
    np.savez(tmp_path / "a.npz", vertices=CLOUD, faces=MESH.faces)
    found = load_mesh(tmp_path / "a.npz", "points")
    np.testing.assert_array_equal(found.vertices, array_to_mesh(CLOUD).vertices)


@pytest.mark.parametrize("up", UP_AXES)
def test_normals_are_rotated_with_their_shape(up):
    own = MESH.face_normals()
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    ball = array_to_mesh(NORMALS, up=up, normals=NORMALS)
    for mesh, least in (
        (normalize_upright(MESH._replace(normals=own), up=up), 1 - 1e-9),
        (ball, 0.95),
    ):
        found = mesh.face_normals()
        cosine = (found * mesh.normals).sum(1) / np.linalg.norm(found, axis=1)
        assert np.median(np.abs(cosine)) > least


def test_ply_is_a_mesh_unless_the_kind_is_points(tmp_path):
    path = tmp_path / "cloud.ply"
    trimesh.PointCloud(CLOUD).export(path)
    with pytest.raises(ShapeError, match="no faces.*kind points"):
        load_mesh(path)
    found = signal(load_mesh(path, "points"))
    off = np.abs(found - signal(array_to_mesh(CLOUD, "points"))) > 1e-3
    assert off.any(-1).mean() < 0.05


@pytest.mark.parametrize("up", UP_AXES)
def test_up_axis_is_rotated_to_z(up, tmp_path):
    """The rotation is cyclic: it maps the axis to z and the next axis to x."""
    axis = UP_AXES.index(up)
    rotated = MESH.vertices[:, [(axis + 1) % 3, (axis + 2) % 3, axis]]
    expected = signal(normalize_upright(Mesh(rotated, MESH.faces)))
    np.testing.assert_allclose(signal(normalize_upright(MESH, up=up)), expected, rtol=0, atol=1e-6)
    path = tmp_path / "hull.off"
    trimesh.Trimesh(*MESH, process=False).export(path)
    np.testing.assert_allclose(signal(load_mesh(path, up=up)), expected, rtol=0, atol=1e-5)


def test_up_axis_of_arrays_is_rotated_to_z():
    for kind, array in (("voxels", np.ones((2, 12, 2))), ("points", CLOUD[:, [1, 0, 2]])):
        distance = signal(array_to_mesh(array, kind, up="y"))[..., 0]
        assert distance[0].mean() > 0.9 * distance.max()  # the long axis y points to the pole


@pytest.mark.parametrize("center", ["sphere", "area", "volume"])
def test_center_applies_to_files(center, tmp_path):
    path = tmp_path / "hull.off"
    trimesh.Trimesh(*MESH, process=False).export(path)
    found = signal(load_mesh(path, center=center))
    np.testing.assert_allclose(found, signal(normalize_upright(MESH, center)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.off", "points"), ("a.npy", "mesh"), ("a.xyz", "voxels")]
)
def test_suffix_of_another_kind_is_refused(name, kind, tmp_path):
    (tmp_path / name).write_bytes(b"OFF")
    with pytest.raises(ShapeError, match=rf"found suffix '\{name[1:]}', expected \.\w+") as error:
        load_mesh(tmp_path / name, kind)
    assert name[1:] not in str(error.value).split("expected")[1].split()


@pytest.mark.parametrize("name", ["a", "a.", "a.pcd", ".off", "a.off.gz"])
def test_unknown_suffix_is_refused(name, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_mesh(tmp_path / name)
    (tmp_path / name).touch()
    with pytest.raises(ShapeError, match="found suffix .*, expected") as error:
        load_mesh(tmp_path / name)
    assert all(suffix in str(error.value) for suffix in SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file_is_refused(suffix, tmp_path):
    path = tmp_path / f"empty{suffix}"
    path.touch()
    with pytest.raises(ShapeError, match="^0 bytes, expected 1 … "):
        load_mesh(path)


def test_large_file_is_refused(tmp_path):
    path = tmp_path / "hull.off"
    trimesh.Trimesh(*MESH, process=False).export(path)
    size = path.stat().st_size
    load_mesh(path, limit=size)
    with pytest.raises(ShapeError, match=f"^{size} bytes, expected 1 … {size - 1}$"):
        load_mesh(path, limit=size - 1)
    with open(path, "r+b") as file:  # a sparse file takes no disk space
        file.truncate(2**40)
    with pytest.raises(ShapeError, match=f"^{2**40} bytes, expected"):
        load_mesh(path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_folders_and_pipes_are_refused_without_blocking(make, tmp_path):
    path = tmp_path / "a.off"
    make(path)
    result = []

    def read():
        try:
            load_mesh(path)
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=read, daemon=True)  # a pipe may block it forever
    before = len(os.listdir("/proc/self/fd"))
    thread.start()
    thread.join(10)
    assert result, "blocked"
    with pytest.raises(ShapeError, match="not a regular file"):
        raise result[0]
    assert len(os.listdir("/proc/self/fd")) == before


def test_missing_file_raises_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="a.off"):
        load_mesh(tmp_path / "a.off")


@pytest.mark.parametrize(
    ("array", "kind", "message"),
    [
        (np.zeros((4, 4)), "auto", r"shape \(4, 4\), float64; expected \(n, 3\) points"),
        (np.zeros(3), "auto", r"expected \(n, 3\) points, .* or \(a, b, c\) voxels"),
        (np.float64(1), "auto", r"shape \(\), float64; expected"),
        (np.zeros((4, 4, 4, 4)), "auto", r"shape \(4, 4, 4, 4\), float64; expected"),
        (np.zeros((9, 3), bool), "auto", r"\(9, 3\), bool; expected"),
        (np.zeros((9, 3), "U1"), "points", "<U1; expected"),
        (np.zeros((3, 3, 3), "U1"), "voxels", "<U1"),
        (np.zeros((9, 3)), "voxels", r"\(9, 3\), expected three sides"),
        (np.zeros((9, 9, 3)), "points", r"\(9, 9, 3\), float64; expected"),
        (np.full((99, 3), np.nan), "auto", "not finite"),
        (np.full((99, 3), np.inf, "f2"), "auto", "not finite"),
        (np.full((99, 3), np.longdouble("1e4000")), "auto", "not finite"),
        (np.zeros((0, 3)), "auto", "expected|needs"),
        (np.zeros((99, 3)), "auto", "extent is 0, expected a positive"),
        (np.eye(3), "auto", "64 distinct points"),
    ],
)
def test_bad_arrays_are_refused(array, kind, message):
    with pytest.raises(ShapeError, match=message):
        array_to_mesh(array, kind)


def test_kinds_and_suffixes_are_those_of_the_documentation():
    assert KINDS == ("mesh", "voxels", "points") and UP_AXES == ("x", "y", "z")
    meshes, text = (
        (".obj", ".off", ".ply", ".stl"),
        (".asc", ".csv", ".pts", ".txt", ".xyz", ".xyzn"),
    )
    assert sorted(SUFFIXES) == sorted((".binvox", ".npy", ".npz", *meshes, *text))
