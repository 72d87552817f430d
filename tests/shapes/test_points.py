import numpy as np
import pytest
from helpers import channels

pytest.importorskip("embreex")

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.load import array_to_mesh
from spherical_cnn.shapes.points import LEAST_POINTS, MOST_POINTS, reconstruct_surface
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

GRID = SphericalGrid(16)
HALF = np.array([0.3, 0.4, 0.5])


def signal_of(points, pose=None):
    return RayCaster(reconstruct_surface(points)).signal(GRID, pose or Pose())


def sphere_points(count, rng):
    points = rng.normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def box_points(count, rng):
    points = rng.uniform(-1, 1, (count, 3))
    area = np.prod(HALF) / HALF
    axis = rng.choice(3, count, p=area / area.sum())
    points[np.arange(count), axis] = rng.choice([-1, 1], count)
    return points * HALF


def box_signal():
    """Returns distance and sine of the box with half sides `HALF`."""
    share = np.abs(GRID.directions) / HALF
    cosine = np.take_along_axis(np.abs(GRID.directions), share.argmax(-1)[..., None], -1)[..., 0]
    return 1 / share.max(-1), np.sqrt(1 - cosine**2)


def rotation(rng):
    return euler_to_matrix(random_rotations(1, rng))[0]


@pytest.mark.parametrize(("count", "bound"), [(1024, 0.03), (16384, 0.002)])
def test_signal_of_sphere_points_is_nearly_that_of_the_sphere(count, bound, rng):
    """The triangles lie inside the sphere; the error is the square of the spacing."""
    distance, sine = channels(signal_of(sphere_points(count, rng)))
    assert distance.max() <= 1 + 1e-6
    np.testing.assert_allclose(distance, 1, atol=bound)
    assert sine.mean() < 0.4 * np.sqrt(bound)


@pytest.mark.parametrize(
    ("count", "bound", "sine_bound"), [(1024, 1e-3, 0.02), (16384, 5e-5, 5e-3)]
)
def test_signal_of_box_points_is_nearly_that_of_the_box(count, bound, sine_bound, rng):
    """The surface is exact on the faces. The error at edges depends on the spacing."""
    distance, sine = channels(signal_of(box_points(count, rng)))
    expected_distance, expected_sine = box_signal()
    assert np.abs(distance - expected_distance).mean() < bound
    assert np.abs(sine - expected_sine).mean() < sine_bound
    assert np.median(np.abs(distance - expected_distance)) < 1e-6


def test_error_falls_with_density(rng):
    expected = box_signal()
    errors = [
        [
            np.abs(found - true).mean()
            for found, true in zip(channels(signal_of(box_points(n, rng))), expected, strict=True)
        ]
        for n in (256, 1024, 4096, 16384)
    ]
    assert (np.diff(errors, axis=0) < 0).all(), errors


def test_rays_between_surfaces_hit_nothing(rng):
    """Rays to the sides of two plates, above and below the center, give exactly 0."""
    plates = rng.uniform(-0.5, 0.5, (2048, 3))
    plates[:, 2] = np.where(plates[:, 2] < 0, -0.5, 0.5)
    hit = signal_of(plates).any(-1)
    x, y, z = np.moveaxis(np.abs(GRID.directions), -1, 0)
    share = np.maximum(x, y) / np.maximum(z, 1e-9)
    np.testing.assert_array_equal(hit[share < 0.9], True)
    np.testing.assert_array_equal(hit[share > 1.01], False)


def test_distance_is_that_of_the_farthest_surface(rng):
    inner = 0.5 * sphere_points(2048, rng)
    outer = sphere_points(2048, rng)
    np.testing.assert_allclose(channels(signal_of(np.concatenate([outer, inner])))[0], 1, atol=0.02)


def test_pose_moves_the_cloud(rng):
    """The triangles rotate and shift with the cloud, up to float32 rounding."""
    points = box_points(2048, rng)
    pose = Pose(rotation=rotation(rng), center=np.array([0.1, -0.1, 0.2]))
    posed, moved = signal_of(points, pose), signal_of(pose.apply(points))
    off = (np.abs(posed - moved) > 1e-4).any(-1)
    assert off.mean() < 0.01  # rays along an edge between two triangles


def test_pose_nearly_scales_the_cloud(rng):
    """The result is approximate, because the spacing is that before scaling."""
    points = box_points(4096, rng)
    pose = Pose(rotation(rng), scale=np.array([0.8, 1.0, 1.2]), center=np.array([0.1, 0, -0.1]))
    (distance, sine), (moved, moved_sine) = (
        channels(signal) for signal in (signal_of(points, pose), signal_of(pose.apply(points)))
    )
    assert np.abs(distance - moved).mean() < 5e-4
    assert np.abs(sine - moved_sine).mean() < 5e-3


def test_order_and_repeats_of_points_do_not_matter(rng):
    points = box_points(1024, rng)
    expected = signal_of(points).tobytes()
    assert signal_of(points).tobytes() == expected
    repeated = rng.permutation(np.concatenate([points, points, points[:100]]))
    assert signal_of(repeated).tobytes() == expected


def box_normals(points):
    """Returns normals of the box with half sides `HALF`, of any length and sign."""
    axis = np.abs(np.abs(points) / HALF - 1).argmin(1)
    signs = np.where(np.arange(len(points)) % 2, -1, 3)
    return np.eye(3)[axis] * signs[:, None]


def test_triangles_have_the_normals_of_the_points(rng):
    """Triangles across an edge of the box have the normal of one of its sides."""
    points = box_points(1024, rng)
    mesh = reconstruct_surface(points, box_normals(points))
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, rtol=1e-12)
    own = np.abs(reconstruct_surface(points).face_normals())
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    between = own.max(1) < 0.999
    assert between.mean() > 0.05 and reconstruct_surface(points).normals is None
    error = np.sqrt(np.maximum(0, 1 - np.abs(mesh.normals).max(1) ** 2))
    own_error = np.sqrt(np.maximum(0, 1 - own.max(1) ** 2))
    np.testing.assert_allclose(error[~between], 0, atol=0.05)
    assert error[between].mean() < 0.5 * own_error[between].mean()
    np.testing.assert_array_equal(mesh.faces, reconstruct_surface(points).faces)


def test_given_normals_of_a_sphere_are_better_than_those_of_triangles(rng):
    points = sphere_points(1024, rng)
    mesh = reconstruct_surface(points, points)
    middles = mesh.vertices[mesh.faces].mean(1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    own = mesh.face_normals() / np.linalg.norm(mesh.face_normals(), axis=1, keepdims=True)
    errors = [np.median(1 - np.abs((n * middles).sum(1))) for n in (mesh.normals, own)]
    assert errors[0] < 0.2 * errors[1]


@pytest.mark.parametrize("nothing", [0, np.nan, np.inf, -np.inf])
def test_unknown_normals_are_those_of_the_triangles(nothing, rng):
    points = sphere_points(512, rng)
    mesh = reconstruct_surface(points, np.full((512, 3), nothing))
    own = mesh.face_normals()
    cosine = (own * mesh.normals).sum(1) / np.linalg.norm(own, axis=1)
    np.testing.assert_allclose(np.abs(cosine), 1, rtol=1e-9)
    some = reconstruct_surface(points, np.where(np.arange(512)[:, None] % 2, nothing, points))
    assert np.isfinite(some.normals).all()
    np.testing.assert_allclose(np.linalg.norm(some.normals, axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e300, -1])
def test_lengths_and_signs_of_normals_do_not_matter(scale, rng):
    points = box_points(512, rng)
    normals = sphere_points(512, rng)
    expected = reconstruct_surface(points, normals).normals
    found = reconstruct_surface(points, scale * normals).normals
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_normals_follow_their_points(rng):
    """The order does not matter. Of equal points, one with a normal is kept."""
    points = sphere_points(512, rng)
    expected = reconstruct_surface(points, points)
    order = rng.permutation(1024)
    twice = np.concatenate([points, points])[order]
    normals = np.concatenate([points, np.full_like(points, np.nan)])[order]
    found = reconstruct_surface(twice, normals)
    np.testing.assert_array_equal(found.faces, expected.faces)
    np.testing.assert_array_equal(found.normals, expected.normals)


@pytest.mark.parametrize("normals", [np.ones((64, 3)), np.ones(500), np.full((500, 3), "a")])
def test_normals_of_another_shape_are_refused(normals, rng):
    with pytest.raises(ShapeError, match=r"normals of shape .*; expected \(500, 3\) numbers, one"):
        array_to_mesh(sphere_points(500, rng), normals=normals)


@pytest.mark.slow
def test_large_clouds_are_subsampled(rng):
    points = sphere_points(2 * MOST_POINTS, rng)
    mesh = reconstruct_surface(points, points)
    assert mesh.vertices.shape == (MOST_POINTS, 3)
    middles = mesh.vertices[mesh.faces].mean(1)
    assert np.median(np.abs((mesh.normals * middles).sum(1))) > 0.999
    assert mesh.vertices.dtype == np.float64


def _line(rng):
    return rng.uniform(-1, 1, (500, 1)) * [0.3, 0.4, 0.5]


def _few(rng):
    return np.repeat(sphere_points(LEAST_POINTS - 1, rng), 20, axis=0)


@pytest.mark.parametrize(
    ("cloud", "match"),
    [
        (_line, "span no triangle"),
        (_few, f"{LEAST_POINTS} distinct points. Received: {LEAST_POINTS - 1}"),
        (lambda rng: np.full((500, 3), 0.3), "Received: 1$"),
        (lambda rng: np.empty((0, 3)), "Received: 0$"),
    ],
)
def test_clouds_without_a_surface_are_refused(cloud, match, rng):
    with pytest.raises(ShapeError, match=match):
        reconstruct_surface(cloud(rng))


@pytest.mark.parametrize(
    ("cloud", "match"), [(np.full((500, 3), np.nan), "finite"), (np.ones((500, 2)), r"\(500, 2\)")]
)
def test_arrays_without_points_are_refused(cloud, match):
    with pytest.raises(ShapeError, match=match):
        array_to_mesh(cloud, "points")


def _plane(rng):
    return rng.uniform(-0.7, 0.7, (1024, 3)) * [1, 1, 0]


def _tilted_plane(rng):
    return _plane(rng) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]


def _lattice(rng):
    return np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 10)] * 3), -1).reshape(-1, 3)


def _circle(rng):
    angle = rng.uniform(0, 2 * np.pi, 500)
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)


def _with_center(rng):
    return np.concatenate([np.zeros((10, 3)), rng.uniform(-0.5, 0.5, (1024, 3))])


def _nearly_repeated(rng):
    points = np.repeat(sphere_points(256, rng), 20, axis=0)
    return points + rng.normal(0, 1e-10, points.shape)


@pytest.mark.parametrize(
    "cloud", [_plane, _tilted_plane, _lattice, _circle, _with_center, _nearly_repeated]
)
@pytest.mark.parametrize("center", [0.0, 0.1])
def test_degenerate_clouds_give_finite_signals(cloud, center, rng):
    points = cloud(rng)
    signal = signal_of(points, Pose(center=np.full(3, center)))
    assert np.isfinite(signal).all()
    assert np.abs(signal).max() <= 2
