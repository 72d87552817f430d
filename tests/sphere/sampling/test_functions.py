"""Functions sampled on grids."""

import numpy as np
import pytest
from helpers import all_grids

from spherical_cnn import SphericalGrid, sample_function


@all_grids
def test_functions_of_directions_and_of_angles_give_the_same_signal(grid):
    def of_directions(u):
        return np.stack([u[..., 0] * u[..., 2], u[..., 1]], -1)

    def of_angles(theta, phi):
        height, horizontal = np.cos(theta), np.sin(theta)
        return np.stack([horizontal * np.cos(phi) * height, horizontal * np.sin(phi)], -1)

    found = sample_function(of_directions, grid)
    assert found.shape == (*grid.shape, 2)
    np.testing.assert_allclose(sample_function(of_angles, grid, "angles"), found, atol=1e-15)
    height = sample_function(lambda u: u[..., 2].astype("float32"), grid)
    assert height.shape == (*grid.shape, 1) and height.dtype == "float32"
    expected = np.cos(grid.colatitude)[:, None, None] * np.ones((1, grid.nlon, 1))
    np.testing.assert_allclose(height, expected, atol=1e-7)


def test_other_results_and_coordinates_are_refused():
    grid = SphericalGrid(4)
    with pytest.raises(ValueError, match=r"\(8, 8\) or .* samples at a time. Received: shape=\(3,"):
        sample_function(lambda u: u[0, 0], grid)
    with pytest.raises(ValueError, match="one of .*angles.* Received: 'degrees'"):
        sample_function(lambda u: u, grid, "degrees")
