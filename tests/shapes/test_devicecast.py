"""Ray casting on the device against Embree and closed forms."""

import functools

import numpy as np
import pytest
from helpers import DISTANCE, GRAZING, box, channels, icosphere

from spherical_cnn.shapes import devicecast
from spherical_cnn.shapes.generated.procedural import draw_mesh
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

GRID = SphericalGrid.from_resolution(16)
SINE = 2e-3  # near 0 the sine is the root of a difference, which loses half of the digits
SHAPES = [normalize(draw_mesh("train", index, 0))[0] for index in range(10)]


cached_model = functools.cache(devicecast.build_casting_model)


def cast(meshes, poses=None, rays_per_sample=1, vertices=2_000, faces=4_000):
    """Casts meshes in a batch of ten."""
    meshes = [*meshes, *[meshes[-1]] * (len(SHAPES) - len(meshes))]
    poses = poses or [Pose()] * len(meshes)
    posed = (np.float32([getattr(pose, name) for pose in poses]) for name in ("matrix", "center"))
    packed = devicecast.pack_meshes(meshes, vertices, faces)
    return np.asarray(cached_model(GRID, rays_per_sample).predict_on_batch([*packed, *posed]))


@pytest.mark.parametrize("rays_per_sample", [1, 19])
def test_signals_are_those_of_embree(rays_per_sample, rng):
    rotations = euler_to_matrix(random_rotations(len(SHAPES), rng))
    poses = [Pose(r, rng.uniform(0.75, 1.25, 3), rng.uniform(-0.1, 0.1, 3)) for r in rotations]
    found = cast(SHAPES, poses, rays_per_sample)
    for mesh, pose, signal in zip(SHAPES, poses, found, strict=True):
        distance, sine = channels(RayCaster(mesh).signal(GRID, pose, rays_per_sample))
        assert np.mean(np.abs(signal[..., 0] - distance) > DISTANCE) <= GRAZING
        assert np.mean(np.abs(signal[..., 1] - sine) > SINE) <= GRAZING


def test_meshes_of_a_batch_and_padding_are_independent(rng):
    together = cast(SHAPES[:4], vertices=5_000, faces=9_000)
    for mesh, signal in zip(SHAPES[:4], together, strict=False):
        np.testing.assert_array_equal(cast([mesh])[0], signal)


def test_signal_of_a_sphere_is_its_radius_and_sine_0():
    distance, sine = np.moveaxis(cast([Mesh(*icosphere(0.7))])[0], -1, 0)
    np.testing.assert_allclose(distance, 0.7, atol=5e-3)  # facets lie inside the sphere
    assert sine.max() < 0.1


def test_rays_hit_edges_and_corners():
    vertices, faces = box()
    distance = cast([Mesh(vertices, faces)])[0, ..., 0]
    expected = 1 / np.abs(GRID.directions).max(-1)
    np.testing.assert_allclose(distance, expected, rtol=1e-5)


def test_rays_measure_the_farthest_surface_or_0():
    inner, outer = box((0.2, 0.2, 0.2)), box((0.1, 1, 1), (0.5, 0, 0))
    faces = np.concatenate([inner[1], outer[1] + len(inner[0])])
    mesh = Mesh(np.concatenate([inner[0], outer[0]]), faces)
    distance, sine = np.moveaxis(cast([mesh])[0], -1, 0)
    assert distance[8, 0] == pytest.approx(0.6)  # along +x the far side of the outer box
    assert distance[8, 8] == pytest.approx(0.2)  # along -x the inner box
    alone = cast([Mesh(*outer)])[0]
    assert not alone[8, 8].any()


def test_flat_and_edge_on_triangles_are_not_hit():
    through = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.3, 0.3]], float)
    mesh = Mesh(through, np.array([[0, 1, 2], [1, 1, 2], [3, 3, 3]]))
    assert not cast([mesh]).any()
