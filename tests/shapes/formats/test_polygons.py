import numpy as np
import pytest
import trimesh

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons, triangulate
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations


def star(points):
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, 1, 0.3)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


L = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
U = [[0, 0], [3, 0], [3, 3], [2, 3], [2, 1], [1, 1], [1, 3], [0, 3]]
PLANE = {  # counterclockwise corners, area
    "square": ([[0, 0], [1, 0], [1, 1], [0, 1]], 1),
    "arrow": ([[0, 0], [2, 1], [0, 2], [1, 1]], 1),
    "L": (L, 3),
    "L, a corner twice": ([*L[:3], L[2], *L[3:]], 3),
    "U": (U, 7),
    "U, corners on its edges": (
        [*U[:2], [3, 1], [3, 2], *U[2:4], [2, 2], *U[4:5], [1.5, 1], *U[5:], [0, 1]],
        7,
    ),
    "comb": ([[0, 0], [9, 0], *[[9 - k / 2, 1 + 3 * (k % 2)] for k in range(19)]], 22.5),
    "square with a hole, cut open": (
        [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1]],
        12,
    ),
    "star": (star(5), 5 * 0.3 * np.sin(np.pi / 5)),
    "star of 400 corners": (star(200), 200 * 0.3 * np.sin(np.pi / 200)),
}


def flat(corners):
    return np.pad(np.asarray(corners, float), [(0, 0), (0, 1)])


def doubled_areas(vertices, faces):
    a, b, c = vertices[faces].swapaxes(0, 1)
    return np.cross(b - a, c - a)


@pytest.mark.parametrize("name", PLANE)
@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e12])
def test_triangles_cover_a_polygon_once_with_its_orientation(name, scale, rng):
    corners, area = PLANE[name]
    rotation = euler_to_matrix(random_rotations(1, rng)[0])
    vertices = flat(corners) @ rotation.T
    normal = rotation[:, 2]
    for first in range(0, len(vertices), max(1, len(vertices) // 8)):
        order = np.roll(np.arange(len(vertices)), -first)
        for sign, row in ((1, order), (-1, order[::-1])):
            faces = triangulate(scale * vertices, Polygons.from_rows([row.tolist()]))
            signed = doubled_areas(vertices, faces) @ normal / 2
            np.testing.assert_allclose(signed.sum(), sign * area, rtol=1e-9)
            np.testing.assert_allclose(np.abs(signed).sum(), area, rtol=1e-9)


def test_polygons_of_mixed_lengths_keep_their_order():
    vertices = flat([*U, *L])
    rows = [[8, 9, 10], range(8, 14), [0, 1], [0, 1, 4, 5], range(8)]
    faces = triangulate(vertices, Polygons.from_rows(rows))
    assert faces.dtype == np.int64
    assert faces.min(axis=1).tolist() == sorted(faces.min(axis=1).tolist(), key=lambda k: k < 8)
    areas = [doubled_areas(vertices, part)[:, 2].sum() / 2 for part in np.split(faces, [1, 5, 7])]
    np.testing.assert_allclose(areas, [1, 3, 2, 7])


def test_convex_polygons_are_fans_of_their_first_corner():
    angle = np.arange(7) * 2 * np.pi / 7
    vertices = flat(np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    faces = triangulate(vertices, Polygons.from_rows([[3, 4, 5, 6, 0, 1, 2]]))
    np.testing.assert_array_equal(faces, [[3, 4, 5], [3, 5, 6], [3, 6, 0], [3, 0, 1], [3, 1, 2]])


def test_collinear_corners_are_kept():
    """The walls of a prism share these corners, so the prism is watertight and has volume 7."""
    corners, _ = PLANE["U, corners on its edges"]
    count = len(corners)
    vertices = np.concatenate([flat(corners), flat(corners) + [0, 0, 1]])
    ring = [(k, (k + 1) % count) for k in range(count)]
    walls = [[a, b, b + count, a + count] for a, b in ring]
    rows = [range(count)[::-1], range(count, 2 * count), *walls]
    solid = trimesh.Trimesh(vertices, triangulate(vertices, Polygons.from_rows(rows)))
    assert solid.is_watertight
    np.testing.assert_allclose(solid.volume, 7)


def test_nonplanar_polygon_is_cut_in_its_best_plane(rng):
    vertices = flat(U) + [0, 0, 1] * rng.normal(scale=0.05, size=(8, 1))
    faces = triangulate(vertices, Polygons.from_rows([range(8)]))
    normals = doubled_areas(vertices, faces)
    assert (normals[:, 2] > 0).all()
    np.testing.assert_allclose(normals[:, 2].sum() / 2, 7)


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [1, 0], [2, 0], [3, 0], [1, 0]],  # on a line
        [[1, 1]] * 5,
        [[0, 0], [1, 1], [1, 0], [0, 1]],  # intersects itself, the signed areas cancel
        star(5)[[1, 5, 9, 3, 7]],  # a pentagram
        [[0, 0], [1, 0], [np.nan, 1], [0, 1]],
        [[0, 0], [1, 0], [np.inf, 1], [0.5, 0.5], [0, 1]],
    ],
)
def test_polygons_without_an_inside_become_fans(corners):
    faces = triangulate(flat(corners), Polygons.from_rows([range(len(corners))]))
    assert len(faces) == len(corners) - 2
    assert (faces[:, 0] == 0).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [([0, 1, 2, 4], "0 … 4, expected 0 … 3"), ([0, -1, 2, 3], "-1 … 3"), ([], "face 2 has no")],
)
def test_invalid_polygons_are_refused(row, message):
    with pytest.raises(ShapeError, match=message):
        triangulate(flat(L[:4]), Polygons.from_rows([[0, 1, 2], row]))
