"""Pixels: what they show is where it is on the sphere, or on the shape."""

import matplotlib
import numpy as np
import pytest
from helpers import all_grids
from scipy.spatial.transform import Rotation

from spherical_cnn.reporting import shading
from spherical_cnn.shapes.generated.primitives import ellipsoid
from spherical_cnn.shapes.generated.procedural import draw_mesh
from spherical_cnn.shapes.load import normalize_upright
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.sphere.grid import SphericalGrid

GRID = SphericalGrid.from_resolution(32)


@pytest.mark.parametrize("view", [(0.0, 0.0), (120.0, 35.0), (250.0, -80.0)])
def test_a_sphere_shows_the_map_from_the_side_of_the_viewpoint(view):
    azimuth, elevation = np.radians(view)
    towards = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)]
    towards = np.array([*towards, np.sin(elevation)])
    np.testing.assert_allclose(shading.view_axes(view)[2], towards, atol=1e-12)
    values = np.exp(8 * (GRID.directions @ towards - 1))
    pixels = shading.sphere_pixels(values, ("cividis", 0, 1), view, 51)
    assert pixels.shape == (51, 51, 4)
    np.testing.assert_allclose(pixels[25, 25], matplotlib.colormaps["cividis"](1.0), atol=0.05)
    assert pixels[0, 0, 3] == 0 and pixels[25, 25, 3] == 1


@all_grids
def test_a_map_on_any_grid_is_where_it_is_on_the_sphere(grid):
    smooth = 0.5 + 0.3 * grid.directions @ [0.6, -0.48, 0.64]
    pixels = shading.sphere_pixels(smooth, ("gray", 0, 1), (30.0, 20.0), 41, grid=grid)
    same = 0.5 + 0.3 * GRID.directions @ [0.6, -0.48, 0.64]
    expected = shading.sphere_pixels(same, ("gray", 0, 1), (30.0, 20.0), 41)
    np.testing.assert_allclose(pixels, expected, atol=0.04)


def test_up_is_up_and_right_is_right():
    values = np.maximum(GRID.directions[..., 2], 0)
    above = shading.sphere_pixels(values, ("gray", 0, 1), (0.0, 0.0), 64)[..., 0]
    assert above[:20].sum() > 10 * above[44:].sum()
    values = np.maximum(GRID.directions[..., 1], 0)  # from +x, with z up, +y is to the right
    right = shading.sphere_pixels(values, ("gray", 0, 1), (0.0, 0.0), 64)[..., 0]
    assert right[:, 44:].sum() > 10 * right[:, :20].sum()


def test_a_ball_is_brightest_where_it_faces_the_viewpoint():
    ball = RayCaster(normalize_upright(ellipsoid([0, 0, 0], [1, 1, 1], sides=64)))
    rotation = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    seen = shading.shape_pixels(ball, rotation, (30.0, 20.0), 40)
    across = 1.01 * ((np.arange(40) + 0.5) / 40 * 2 - 1)
    squared = across[:, None] ** 2 + across**2
    inner = squared < 0.9
    assert not seen[squared > 1, 3].any() and (seen[inner, 3] == 1).all()
    for gray in np.moveaxis(seen[inner, :3], -1, 0):
        np.testing.assert_allclose((gray - 0.25) / 0.65, np.sqrt(1 - squared[inner]), atol=0.1)


def test_a_shape_is_seen_rotated_like_its_signal():
    caster = RayCaster(normalize_upright(draw_mesh("train", 3, 0)))
    quarter = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    one = shading.shape_pixels(caster, quarter, (90.0, 20.0), 60)
    other = shading.shape_pixels(caster, None, (0.0, 20.0), 60)
    assert np.mean(np.abs(one - other)) < 0.01 < np.mean(one[..., 3])


def test_colors_are_around_zero_where_signs_differ():
    assert shading.color_range(np.array([0.0, 2.0])) == ("cividis", 0.0, 2.0)
    assert shading.color_range(np.array([-3.0, 2.0])) == ("PuOr", -3.0, 3.0)
