"""Hit rates of shapes: a sheet through the center has no valid hits."""

import numpy as np
import pytest

from spherical_cnn.data.records.codec import join_complex, split_complex
from spherical_cnn.shapes.generated.primitives import box
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import (
    MIN_HIT_RATE,
    Mesh,
    Pose,
    compute_hit_rate,
    describe_misses,
    is_blank,
)
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

GRID = SphericalGrid.from_resolution(32)
CORNERS = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) / np.sqrt(2)
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def hit_rates(mesh, rays_per_sample=1):
    """Returns hit rates of a mesh with rotated vertices in rotated poses."""
    rng = np.random.default_rng(0)
    found = []
    for rotation, pose in euler_to_matrix(random_rotations(8, rng)).reshape(4, 2, 3, 3):
        caster = RayCaster(mesh._replace(vertices=mesh.vertices @ rotation.T))
        signal = caster.signal(GRID, Pose(pose), rays_per_sample)
        split = split_complex(join_complex(signal)[..., None]).numpy()
        np.testing.assert_allclose(compute_hit_rate(split), compute_hit_rate(signal), atol=2e-3)
        found.append(compute_hit_rate(signal))
    return np.array(found)


@pytest.mark.parametrize("rays_per_sample", [1, 7])
@pytest.mark.parametrize("height", [0, 1e-8, 1e-7, 1e-6])
def test_no_ray_hits_a_sheet_through_the_center(height, rays_per_sample):
    sheet = Mesh(CORNERS + [0, 0, height], TWO)
    assert (hit_rates(sheet, rays_per_sample) < MIN_HIT_RATE).all()


def test_no_ray_hits_a_plate_without_thickness():
    mesh = normalize(box([0, 0, 0], [1.0, 1.0, 1.0]))[0]
    assert (hit_rates(mesh._replace(vertices=mesh.vertices * [1, 1, 1e-7])) < MIN_HIT_RATE).all()


@pytest.mark.parametrize("height", [1e-3, 1e-2])
def test_half_of_the_rays_hit_a_sheet_beside_the_center(height):
    found = hit_rates(Mesh(CORNERS + [0, 0, height], TWO))
    np.testing.assert_allclose(found, 0.5, atol=0.05)


@pytest.mark.parametrize("scale", [[1, 1, 0.01], [1, 0.01, 0.01], [1, 1, 1]])
def test_all_rays_hit_thin_solids(scale):
    mesh = normalize(box([0, 0, 0], [1.0, 1.0, 1.0]))[0]
    assert (hit_rates(mesh._replace(vertices=mesh.vertices * scale)) > 0.99).all()


def test_edge_on_hits_are_not_valid():
    distant = np.ones((4, 4))
    assert compute_hit_rate(np.stack([distant, distant], -1)) == 0
    assert compute_hit_rate(np.stack([distant, np.nextafter(distant, 0, dtype="f4")], -1)) == 0
    assert compute_hit_rate(np.stack([distant, 0.9 * distant], -1)) == 1


def test_low_hit_rates_are_described():
    assert describe_misses([0.5, MIN_HIT_RATE]) == ""
    assert describe_misses(0.004) == "nearly blank: 0.40% of the rays hit the surface"
    assert describe_misses([0.004, 0, 1]).startswith("nearly blank in 2 of 3 poses: 0.00% of")
    assert describe_misses([0, 1e-4]).startswith("blank: at most 0.01% of the rays from the center")
    assert is_blank([0, 1e-4]) and not is_blank([0, 0.004])
