import numpy as np
import pytest

pytest.importorskip("embreex")

from spherical_cnn.signals.points import LEAST_POINTS, MOST_POINTS, surface
from spherical_cnn.signals.raycast import RayCaster
from spherical_cnn.signals.signal import Pose, ShapeError
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

GRID = SphericalGrid(16)
HALF = np.array([0.3, 0.4, 0.5])


def signal_of(points, pose=None):
    return RayCaster(surface(points)).signal(GRID, pose or Pose())


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
    """Distance to the box of half sides `HALF`, and sine to its normal."""
    share = np.abs(GRID.directions) / HALF
    cosine = np.take_along_axis(np.abs(GRID.directions), share.argmax(-1)[..., None], -1)[..., 0]
    return 1 / share.max(-1), np.sqrt(1 - cosine**2)


def channels(signal):
    return np.abs(signal), np.sin(np.angle(signal))


def rotation(rng):
    return euler_to_matrix(random_rotations(1, rng))[0]


@pytest.mark.parametrize(("count", "bound"), [(1024, 0.03), (16384, 0.002)])
def test_sphere(count, bound, rng):
    """Triangles between the points of a sphere lie inside it, by the square of the spacing."""
    distance, sine = channels(signal_of(sphere_points(count, rng)))
    assert distance.max() <= 1 + 1e-6
    np.testing.assert_allclose(distance, 1, atol=bound)
    assert sine.mean() < 0.4 * np.sqrt(bound)


@pytest.mark.parametrize(
    ("count", "bound", "sine_bound"), [(1024, 1e-3, 0.02), (16384, 5e-5, 5e-3)]
)
def test_box(count, bound, sine_bound, rng):
    """Exact on the faces; edges are cut, by the spacing of the points."""
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


def test_rays_between_surfaces_meet_nothing(rng):
    """Two plates above and below the centre: rays to the sides are free, 0 exactly."""
    plates = rng.uniform(-0.5, 0.5, (2048, 3))
    plates[:, 2] = np.where(plates[:, 2] < 0, -0.5, 0.5)
    hit = signal_of(plates) != 0
    x, y, z = np.moveaxis(np.abs(GRID.directions), -1, 0)
    share = np.maximum(x, y) / np.maximum(z, 1e-9)
    np.testing.assert_array_equal(hit[share < 0.9], True)
    np.testing.assert_array_equal(hit[share > 1.01], False)


def test_farthest_surface_counts(rng):
    inner = 0.5 * sphere_points(2048, rng)
    outer = sphere_points(2048, rng)
    np.testing.assert_allclose(channels(signal_of(np.concatenate([outer, inner])))[0], 1, atol=0.02)


def test_pose_is_the_cloud_moved(rng):
    """The triangles move with the cloud: rotated and shifted, to the rounding of float32."""
    points = box_points(2048, rng)
    pose = Pose(rotation=rotation(rng), centre=np.array([0.1, -0.1, 0.2]))
    posed, moved = signal_of(points, pose), signal_of(pose.apply(points))
    off = np.abs(posed - moved) > 1e-4
    assert off.mean() < 0.01  # rays along an edge between two triangles


def test_scaled_pose_is_nearly_the_cloud_scaled(rng):
    """Approximate: spacing is measured before scaling, so other triangles are left out."""
    points = box_points(4096, rng)
    pose = Pose(rotation(rng), scale=np.array([0.8, 1.0, 1.2]), centre=np.array([0.1, 0, -0.1]))
    (distance, sine), (moved, moved_sine) = (
        channels(signal) for signal in (signal_of(points, pose), signal_of(pose.apply(points)))
    )
    assert np.abs(distance - moved).mean() < 5e-4
    assert np.abs(sine - moved_sine).mean() < 5e-3


def test_same_bytes_twice_in_any_order_with_repeats(rng):
    points = box_points(1024, rng)
    expected = signal_of(points).tobytes()
    assert signal_of(points).tobytes() == expected
    repeated = rng.permutation(np.concatenate([points, points, points[:100]]))
    assert signal_of(repeated).tobytes() == expected


@pytest.mark.slow
def test_large_clouds_are_thinned(rng):
    points = sphere_points(2 * MOST_POINTS, rng)
    mesh = surface(points)
    assert mesh.vertices.shape == (MOST_POINTS, 3)
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
        (lambda rng: np.full((500, 3), np.nan), "finite"),
        (lambda rng: rng.uniform(-1, 1, (500, 2)), r"\(500, 2\)"),
    ],
)
def test_refused(cloud, match, rng):
    with pytest.raises(ShapeError, match=match):
        surface(cloud(rng))


def _plane(rng):
    return rng.uniform(-0.7, 0.7, (1024, 3)) * [1, 1, 0]


def _tilted_plane(rng):
    return _plane(rng) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]


def _lattice(rng):
    return np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 10)] * 3), -1).reshape(-1, 3)


def _circle(rng):
    angle = rng.uniform(0, 2 * np.pi, 500)
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)


def _with_centre(rng):
    return np.concatenate([np.zeros((10, 3)), rng.uniform(-0.5, 0.5, (1024, 3))])


def _nearly_repeated(rng):
    points = np.repeat(sphere_points(256, rng), 20, axis=0)
    return points + rng.normal(0, 1e-10, points.shape)


@pytest.mark.parametrize(
    "cloud", [_plane, _tilted_plane, _lattice, _circle, _with_centre, _nearly_repeated]
)
@pytest.mark.parametrize("centre", [0.0, 0.1])
def test_degenerate_clouds_give_finite_signals(cloud, centre, rng):
    points = cloud(rng)
    signal = signal_of(points, Pose(centre=np.full(3, centre)))
    assert np.isfinite(signal).all()
    assert np.abs(signal).max() <= 2
