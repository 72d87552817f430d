import itertools

import numpy as np
import pytest
import trimesh
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.mesh import check_mesh
from spherical_cnn.shapes.normalize import bounding_sphere, normalize, normalize_points
from spherical_cnn.shapes.signal import Mesh


def _on_a_sphere(rng, count):
    points = rng.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _on_a_circle(angle):
    return np.stack([np.cos(angle), np.sin(angle), np.full_like(angle, 2)], -1)


CLOUDS = {
    "one point": lambda rng: rng.normal(size=(1, 3)),
    "one point twice": lambda rng: np.tile(rng.normal(size=(1, 3)), (2, 1)),
    "two points": lambda rng: rng.normal(size=(2, 3)),
    "three points": lambda rng: rng.normal(size=(3, 3)),
    "obtuse triangle": lambda rng: np.array([[0, 0, 0], [2, 0, 0], [1, 0.1, 0.0]]),
    "four points": lambda rng: rng.normal(size=(4, 3)),
    "on a line": lambda rng: rng.normal(size=(50, 1)) * rng.normal(size=3) + 0.3,
    "on a plane": lambda rng: rng.normal(size=(200, 2)) @ rng.normal(size=(2, 3)),
    "on a circle": lambda rng: _on_a_circle(rng.uniform(0, 2 * np.pi, 200)),
    "on a sphere": lambda rng: _on_a_sphere(rng, 500),
    "nearly on a sphere": lambda rng: _on_a_sphere(rng, 500) * rng.uniform(1 - 1e-13, 1, (500, 1)),
    "half a sphere": lambda rng: np.abs(_on_a_sphere(rng, 500)),
    "cube": lambda rng: np.array(list(itertools.product((-1.0, 1), repeat=3))),
    "grid": lambda rng: np.stack(np.meshgrid(*[np.arange(6.0)] * 3), -1).reshape(-1, 3),
    "duplicated": lambda rng: np.repeat(rng.normal(size=(30, 3)), 20, axis=0),
    "clusters": lambda rng: rng.normal(size=(100, 3)) * 1e-9 + rng.integers(0, 2, (100, 3)),
    "needle": lambda rng: rng.normal(size=(100, 3)) * (1, 1e-7, 1e-7),
    "far away": lambda rng: rng.normal(size=(100, 3)) + 1e6,
    "1e5 points": lambda rng: rng.normal(size=(100_000, 3)),
    "1e5 on a sphere": lambda rng: _on_a_sphere(rng, 100_000),
}


@pytest.fixture(params=list(CLOUDS))
def cloud(request, rng):
    return CLOUDS[request.param](rng)


def assert_smallest(points, center, radius):
    """Asserts that a sphere is the smallest one that encloses points.

    The sphere encloses all points, and its center is in the convex hull of those on its surface.
    If the center is a convex combination of points at the radius, each other center is farther from
    one of them.
    """
    size = max(np.abs(points - points[0]).max(), 1e-300)
    rounding = 1e-15 * np.abs(points).max() / size
    offsets = (points - center) / size
    distances = np.linalg.norm(offsets, axis=1)
    np.testing.assert_allclose(radius / size, distances.max(), rtol=0, atol=1e-14 + rounding)
    touching = offsets[distances > distances.max() - 1e-9 - rounding]
    _, residual = nnls(np.vstack([touching[:2000].T, np.ones(len(touching[:2000]))]), [0, 0, 0, 1])
    assert residual < 1e-6, f"the center is {residual:.1e} outside the points that it is between"


def test_bounding_sphere_is_the_smallest(cloud):
    assert_smallest(cloud, *bounding_sphere(cloud))


@pytest.mark.parametrize("seed", range(20))
def test_bounding_sphere_of_small_clouds_matches_brute_force(seed):
    """The reference is the smallest enclosing sphere through 2, 3 or 4 points."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(7, 3)) if seed % 2 else rng.integers(-2, 3, (7, 3)).astype(float)
    radii = []
    for size in (2, 3, 4):
        for chosen in itertools.combinations(points, size):
            sides = np.array(chosen[1:]) - chosen[0]
            offset = np.linalg.lstsq(2 * sides, (sides**2).sum(1), rcond=1e-12)[0]
            lengths = np.linalg.norm(points - chosen[0] - offset, axis=1)
            radii.append(lengths.max())  # exceeds the sphere's radius if a point is outside
    center, radius = bounding_sphere(points)
    np.testing.assert_allclose(radius, min(radii), rtol=1e-12)
    assert_smallest(points, center, radius)


def test_bounding_sphere_moves_with_the_points(cloud, rng):
    rotation = Rotation.random(random_state=3).as_matrix()
    offset = rng.normal(size=3)
    moved_center, moved_radius = bounding_sphere(0.1 * cloud @ rotation.T + offset)
    center, radius = bounding_sphere(cloud)
    size = np.abs(cloud).max()
    # In clusters 1e-9 wide, rounding may increase the radius by this amount.
    np.testing.assert_allclose(moved_radius, 0.1 * radius, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(
        moved_center, 0.1 * rotation @ center + offset, rtol=0, atol=1e-6 * max(radius, 1e-9)
    )


@pytest.mark.parametrize(
    ("mesh", "radius"),
    [
        (trimesh.creation.box((2, 4, 4)), 3),
        (trimesh.creation.icosphere(3, 1.5), 1.5),
        (trimesh.creation.cylinder(3, 8, sections=64), 5),
        (trimesh.creation.cone(1, 1, sections=64), 1),
    ],
    ids=["box", "sphere", "cylinder", "cone"],
)
def test_bounding_sphere_of_solids(mesh, radius):
    moved = np.array(mesh.vertices) + (1, 2, 3)
    center, found = bounding_sphere(moved)
    np.testing.assert_allclose(found, radius, rtol=1e-12)
    middle = (1, 2, 3)
    np.testing.assert_allclose(center, middle, rtol=0, atol=1e-7)


TETRAHEDRON = Mesh(
    np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def finer(mesh):
    """Divides one face into many; the new vertices are not on edges of adjacent faces."""
    vertices, faces, _ = mesh
    middle = vertices[faces[0]].mean(0)
    for _ in range(8):
        (a, b, c), new = faces[0], len(vertices)
        vertices = np.concatenate([vertices, [(vertices[[a, b]].sum(0) + middle) / 3]])
        faces = np.concatenate([[[a, b, new], [b, c, new], [c, a, new]], faces[1:]])
        middle = vertices[faces[0]].mean(0)
    return Mesh(vertices, faces)


@pytest.mark.parametrize("center", ["sphere", "area", "volume"])
@pytest.mark.parametrize("scale", [1, 1e-30, 1e30, 1e-300, 1e300])
@pytest.mark.parametrize("offset", [0, 3], ids=["", "offset"])
def test_scale_position_and_tessellation_do_not_matter(center, scale, offset):
    expected = normalize(TETRAHEDRON, center)[0]
    np.testing.assert_allclose(np.linalg.norm(expected.vertices, axis=1).max(), 1, rtol=1e-14)
    for mesh in (TETRAHEDRON, finer(TETRAHEDRON)):
        moved = mesh._replace(vertices=scale * (mesh.vertices + offset))
        found = normalize(moved, center)[0].vertices[:4]
        np.testing.assert_allclose(found, expected.vertices, rtol=0, atol=1e-12)


@pytest.mark.parametrize("center", ["sphere", "area", "volume"])
def test_normals_of_faces_are_kept(center):
    normals = np.eye(3)[[0, 1, 2, 0]]
    mesh = Mesh(np.append(TETRAHEDRON.vertices, [[9, 9, 9]], axis=0), TETRAHEDRON.faces, normals)
    np.testing.assert_array_equal(normalize(check_mesh(mesh), center)[0].normals, normals)


@pytest.mark.parametrize(
    ("center", "middle"),
    [
        # faces of area 1, 1.5, 3 and 3.5
        ("area", np.average([[1, 2, 0], [1, 0, 3], [0, 2, 3], [1, 2, 3]], 0, [1, 1.5, 3, 3.5]) / 3),
        ("volume", (1 / 4, 2 / 4, 3 / 4)),
    ],
)
def test_centers_of_a_tetrahedron(center, middle):
    found = normalize(TETRAHEDRON, center)[0].vertices
    origin = -found[0]  # the middle relative to the vertex at the origin, in units of the radius
    radius = np.linalg.norm(TETRAHEDRON.vertices - middle, axis=1).max()
    np.testing.assert_allclose(origin * radius, middle, rtol=0, atol=1e-12)


def test_centers_of_a_box_are_its_middle_for_any_meshing():
    box = trimesh.creation.box((1, 2, 3))
    box = finer(Mesh(np.array(box.vertices) + 7, np.array(box.faces)))
    for center in ("sphere", "area", "volume"):
        corners = normalize(box, center)[0].vertices[:8]
        np.testing.assert_allclose(corners.mean(0), 0, atol=1e-12)


def test_volume_needs_a_closed_surface():
    opened = TETRAHEDRON._replace(faces=TETRAHEDRON.faces[1:])
    with pytest.raises(ShapeError, match="watertight.*expected center sphere or area"):
        normalize(opened, "volume")
    normalize(opened, "area"), normalize(opened, "sphere")


def test_volume_does_not_need_shared_vertices():
    apart = Mesh(
        TETRAHEDRON.vertices[TETRAHEDRON.faces].reshape(-1, 3), np.arange(12).reshape(4, 3)
    )
    found = normalize(apart, "volume")[0].vertices
    np.testing.assert_allclose(
        found[0], normalize(TETRAHEDRON, "volume")[0].vertices[0], atol=1e-12
    )


@pytest.mark.parametrize("vertices", [np.zeros((3, 3)), np.full((3, 3), 1e300)])
def test_shapes_without_extent_are_refused(vertices):
    with pytest.raises(ShapeError, match="extent is 0, expected"):
        normalize(Mesh(vertices, np.array([[0, 1, 2]])))
    with pytest.raises(ShapeError, match="extent is 0, expected"):
        normalize_points(vertices)


def test_shapes_with_infinite_extent_are_refused():
    vertices = np.array([[-1e308, 0, 0], [1e308, 0, 0], [0, 1e308, 0]])
    with pytest.raises(ShapeError, match="extent is inf, expected"):
        normalize(Mesh(vertices, np.array([[0, 1, 2]])))


@pytest.mark.parametrize("center", ["sphere", "area", "volume"])
def test_slivers_are_normalized_or_refused(center):
    """The square of the area of this face underflows."""
    sliver = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1e-170, 0]]), np.array([[0, 1, 2]]))
    try:
        assert np.isfinite(normalize(sliver, center)[0].vertices).all()
    except ShapeError:
        pass


def test_clouds_are_centered_and_scaled(rng):
    points = rng.normal(size=(100, 3)) + 5
    for center in ("sphere", "area"):
        found = normalize_points(points, center)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1).max(), 1, rtol=1e-14)
        moved = normalize_points(1e30 * points - 1e31, center)
        np.testing.assert_allclose(moved, found, rtol=0, atol=1e-12)
    np.testing.assert_allclose(normalize_points(points, "area").mean(0), 0, atol=1e-14)
    with pytest.raises(ShapeError, match="no volume; expected center sphere or area"):
        normalize_points(points, "volume")
