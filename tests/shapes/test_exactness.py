"""Both casters against an exact float64 caster, on shapes with sheets, needles and slivers."""

import numpy as np
import pytest
from helpers import DISTANCE, channels
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes import devicecast, pairs
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose, drop_slivers
from spherical_cnn.sphere.grid import SphericalGrid

NEAR = 1e-4  # distance from an edge within which a ray may hit either side of it
AZIMUTH = 2 * np.pi * 3 / 16
# Right-handed axes of sheets: two in coordinate planes, one upright at an azimuth of the grid.
FRAMES = [
    np.roll(np.eye(3), 1, axis=0),
    np.eye(3),
    np.array(
        [[np.cos(AZIMUTH), np.sin(AZIMUTH), 0], [0, 0, 1], [np.sin(AZIMUTH), -np.cos(AZIMUTH), 0]]
    ),
]


def exact_distances(mesh, rays):
    """Returns distances `(k,)` of the farthest hits of rays `(k, 3)`, 0 for rays without a hit."""
    a, b, c = mesh.vertices[mesh.faces].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    facing = rays @ normals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.einsum("fi,fi->f", a, normals) / facing
        inside = np.isfinite(length) & (length > 1e-6)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= rays @ np.cross(start, end).T * np.sign(facing) >= 0
    return np.where(inside, length, 0).max(1)


def near_edges(mesh, rays):
    """Returns whether rays `(k, 3)` from the origin pass within `NEAR` of an edge, `(k,)`."""
    edges = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    start, end = mesh.vertices[np.unique(edges, axis=0)].swapaxes(0, 1)
    side = end - start
    squared = (side * side).sum(1)
    along, across, shift = rays @ side.T, rays @ start.T, (start * side).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num((along * across - shift) / (squared - along**2), posinf=0, neginf=0)
        for _ in range(2):  # alternate between the nearest points of a ray and a segment
            length = np.maximum(across + np.clip(share, 0, 1) * along, 0)
            share = np.nan_to_num((length * along - shift) / squared, posinf=0, neginf=0)
    point = start + np.clip(share, 0, 1)[..., None] * side
    return (np.linalg.norm(length[..., None] * rays[:, None] - point, axis=-1) < NEAR).any(1)


def draw_shape(rng, star):
    """Draws a convex or star-shaped hull with sheets near the center, needles, repeated faces."""
    hull = rng.normal(size=(rng.integers(20, 100), 3))
    hull /= np.linalg.norm(hull, axis=1, keepdims=True)
    parts = [
        Mesh(
            hull * rng.uniform(0.2 if star else 0.9, 1, (len(hull), 1)), ConvexHull(hull).simplices
        )
    ]
    for _ in range(rng.integers(1, 6)):
        frame = [*FRAMES, Rotation.random(random_state=rng.integers(2**31)).as_matrix()][
            rng.integers(4)
        ]
        height = rng.normal() * rng.choice([0, 0, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1])
        corners = rng.uniform(0.1, 1, (4, 1)) * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
        parts.append(
            Mesh(corners @ frame[:2] + height * frame[2], np.array([[0, 1, 2], [0, 2, 3]]))
        )
    for _ in range(rng.integers(0, 20)):
        one = rng.normal(size=3) / 3
        other = one * rng.uniform(0.1, 2) if rng.random() < 0.5 else one + rng.normal(size=3) / 4
        aside = (one + other) / 2 + 10 ** rng.uniform(-8, -1) * rng.normal(size=3)
        parts.append(Mesh(np.array([one, other, aside]), np.array([[0, 1, 2]])))
    first = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([part.faces + i for part, i in zip(parts, first, strict=False)])
    twice = faces[rng.integers(len(faces), size=(2, 10))]
    faces = np.concatenate([faces, twice[0], twice[1][:, ::-1]])
    return normalize(Mesh(np.concatenate([part.vertices for part in parts]), faces))[0]


def draw_pose(rng):
    rotated, moved = rng.random(2) < 0.5
    return Pose(
        Rotation.random(random_state=rng.integers(2**31)).as_matrix() if rotated else np.eye(3),
        center=rng.uniform(-0.1, 0.1, 3) if moved else np.zeros(3),
    )


def assert_exact(distance, mesh, pose, grid):
    """Asserts that distances `(n, n)` are exact and do not exceed that of the farthest vertex."""
    posed = mesh._replace(vertices=pose.apply(np.float64(mesh.vertices)))
    rays = grid.directions.reshape(-1, 3)
    away = ~near_edges(posed, rays)
    assert away.mean() > 0.5
    expected = exact_distances(posed, rays)
    np.testing.assert_allclose(distance.ravel()[away], expected[away], rtol=0, atol=DISTANCE)
    assert distance.max() <= np.linalg.norm(posed.vertices, axis=1).max() * (1 + 1e-6)


@pytest.mark.parametrize("star", [False, True], ids=["convex", "star"])
@pytest.mark.parametrize("seed", range(20))
def test_embree_is_exact_away_from_edges(seed, star):
    rng = np.random.default_rng([seed, star])
    mesh, pose, grid = draw_shape(rng, star), draw_pose(rng), SphericalGrid(16)
    assert_exact(RayCaster(mesh).signal(grid, pose)[..., 0], mesh, pose, grid)


def test_the_device_is_exact_away_from_edges(rng):
    grid, meshes, poses = SphericalGrid(8), [], []
    for number in range(40):
        mesh, pose = draw_shape(rng, number % 2), draw_pose(rng)
        meshes.append(mesh._replace(vertices=mesh.vertices.astype("f4")))
        poses.append(
            Pose(np.float64(np.float32(pose.rotation)), center=np.float64(np.float32(pose.center)))
        )
    posed = (np.float32([getattr(pose, name) for pose in poses]) for name in ("matrix", "center"))
    signals = devicecast.build_casting_model(grid).predict_on_batch(
        [*devicecast.pack_meshes(meshes), *posed]
    )
    for mesh, pose, signal in zip(meshes, poses, np.asarray(signals), strict=True):
        assert_exact(signal[..., 0], mesh, pose, grid)


@pytest.mark.parametrize("frame", FRAMES, ids=["upright", "level", "oblique"])
@pytest.mark.parametrize("height", [0, 1e-8, -3e-6, 2e-5])
def test_edge_on_sheet_does_not_hide_the_walls(frame, height):
    grid = SphericalGrid(16)
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
    hull = ConvexHull(corners)
    sheet = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) @ frame[:2] * 0.6 + height * frame[2]
    faces = np.concatenate([hull.simplices, np.array([[0, 1, 2], [0, 2, 3]]) + 8])
    mesh = Mesh(np.concatenate([corners, sheet]), faces)
    distance = RayCaster(mesh).signal(grid, Pose())[..., 0]
    np.testing.assert_allclose(distance, 1 / np.abs(grid.directions).max(-1), atol=DISTANCE)


def test_distances_of_a_thin_star_do_not_exceed_its_radius():
    grid = SphericalGrid(32)
    angles = grid.longitude[::4]
    tips = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], -1)
    wide = np.roll(tips, len(tips) // 4, axis=0) * 1e-3
    corners = np.concatenate([tips, wide, -wide, wide[:, [2, 2, 0]] + [0, 0, 1e-3]])
    count = np.arange(len(tips))
    faces = np.stack([count, count + len(tips), count + 3 * len(tips)], -1)
    mesh, _ = normalize(Mesh(corners, np.concatenate([faces, faces + [0, len(tips), 0]])))
    for pose in (Pose(), Pose(Rotation.from_euler("x", 1e-6).as_matrix())):
        distance = RayCaster(mesh).signal(grid, pose)[..., 0]
        assert distance.max() <= 1 + 1e-6
        posed = mesh._replace(vertices=pose.apply(mesh.vertices))
        away = ~near_edges(posed, grid.directions.reshape(-1, 3))
        assert not distance.ravel()[away].any()


LINE = 0.1 * np.arange(1, 5)[:, None] + [0, 0.1, 0.2]


@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_collinear_faces_are_dropped(dtype, size):
    """The corners are collinear up to the rounding of their coordinates."""
    line = np.float64((size * LINE).astype(dtype))
    flat = np.array([[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 0, 3], [2, 2, 2]])
    with pytest.raises(ShapeError, match="zero area: all 5 faces"):
        normalize(Mesh(line, flat))
    hull = np.concatenate([size * np.concatenate([np.eye(3), -np.eye(3)]), line])
    whole = ConvexHull(hull[:6]).simplices
    mesh = normalize(Mesh(hull, np.concatenate([whole, flat + 6])))[0]
    np.testing.assert_array_equal(np.sort(mesh.faces, axis=0), np.sort(whole, axis=0))


def test_small_and_thin_faces_are_kept():
    thin = np.array([[0, 0, 0], [1, 0, 0], [0.5, 1e-5, 0]])
    small = 1e-5 * np.eye(3)
    mesh = Mesh(np.concatenate([thin, small]), np.arange(6).reshape(2, 3))
    assert drop_slivers(mesh) is mesh


def test_pairs_have_twice_the_digits(rng):
    a, b = rng.normal(size=(2, 3, 1000)) * 10.0 ** rng.integers(-3, 4, (2, 3, 1000))
    split = [[pairs.split_float64(row) for row in vector] for vector in (a, b)]
    for found, expected in (
        (pairs.add(split[0][0], split[1][0]), a[0] + b[0]),
        (pairs.subtract(split[0][0], split[1][0]), a[0] - b[0]),
        (pairs.multiply(split[0][0], split[1][0]), a[0] * b[0]),
    ):
        size = np.abs(a[0]) + np.abs(b[0]) + np.abs(a[0] * b[0])
        assert (np.abs(np.float64(found[0]) + found[1] - expected) / size).max() < 1e-13
    dot = pairs.dot(*split)
    np.testing.assert_allclose(
        np.float64(dot[0]) + dot[1], (a * b).sum(0), rtol=0, atol=1e-12 * np.abs(a * b).sum(0).max()
    )
    cross = [np.float64(high) + low for high, low in pairs.cross(*split)]
    expected = np.cross(a, b, axis=0)
    assert (np.abs(cross - expected) / np.abs(a * b[::-1]).max()).max() < 1e-12


def test_given_normals_change_the_angle_and_not_the_distance(rng):
    """The normals are those of a ball, half of them reversed, under a pose that stretches."""
    grid, poses = SphericalGrid(8), []
    points = rng.normal(size=(60, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    flat = normalize(Mesh(points, ConvexHull(points).simplices))[0]
    normals = flat.vertices[flat.faces].mean(1)
    normals *= rng.choice([-1, 1], (len(normals), 1)) / np.linalg.norm(normals, axis=1)[:, None]
    smooth = flat._replace(normals=normals)
    for scale in (np.ones(3), np.array([0.7, 1, 1.3])):
        rotation = Rotation.random(random_state=5).as_matrix()
        poses.append(Pose(rotation, scale, center=np.array([0.1, 0, -0.2])))
    posed = (np.float32([getattr(pose, name) for pose in poses]) for name in ("matrix", "center"))
    arrays = devicecast.pack_meshes([smooth, smooth])
    signals = np.asarray(devicecast.build_casting_model(grid).predict_on_batch([*arrays, *posed]))
    for pose, signal in zip(poses, signals, strict=True):
        distance, sine = channels(RayCaster(smooth).signal(grid, pose))
        np.testing.assert_array_equal(
            distance > 0.1, RayCaster(flat).signal(grid, pose)[..., 0] > 0.1
        )
        hits = pose.center + distance[..., None] * grid.directions @ pose.inverse.T
        expected = _outward(flat, normals, hits) @ pose.inverse
        cosine = (expected * grid.directions).sum(-1) / np.linalg.norm(expected, axis=-1)
        edges = near_edges(
            flat._replace(vertices=pose.apply(flat.vertices)), grid.directions.reshape(-1, 3)
        )
        away = ~edges.reshape(cosine.shape)
        expected_sine = np.sqrt(np.maximum(1 - cosine**2, 0))
        np.testing.assert_allclose(sine[away], expected_sine[away], atol=1e-5)
        np.testing.assert_allclose(signal[..., 0], distance, atol=DISTANCE)
        np.testing.assert_allclose(signal[..., 1][away], sine[away], atol=1e-5)


def _outward(mesh, normals, points):
    """Returns the normal of the face of a convex mesh that contains each point `(..., 3)`."""
    own = mesh.face_normals()
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    middles = mesh.vertices[mesh.faces].mean(1)
    off = np.abs(np.einsum("...i,fi->...f", points, own) - (own * middles).sum(1))
    near = np.linalg.norm(points[..., None, :] - middles, axis=-1) > 1.5
    return normals[(off + near).argmin(-1)]
