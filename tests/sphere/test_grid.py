import dataclasses
import itertools

import numpy as np
import pytest
from reference import points, quadrature, real_harmonics
from scipy.interpolate import RectSphereBivariateSpline
from scipy.spatial import SphericalVoronoi, cKDTree
from scipy.spatial.transform import Rotation
from scipy.special import gamma

from spherical_cnn import SphericalGrid

SAMPLES = ("colatitude", "longitude", "directions", "quadrature_weights", "cell_weights")
TABLES = (
    "fourier",
    "legendre",
    "analysis",
    "legendre_mean",
    "legendre_covariance",
    "harmonics",
)


def test_grids_of_one_bandwidth_are_one_value():
    assert SphericalGrid(4) == SphericalGrid(np.int64(4)) == SphericalGrid.from_resolution(8)
    assert SphericalGrid(4) != SphericalGrid(5)
    assert len({SphericalGrid(4), SphericalGrid(4), SphericalGrid(5)}) == 2
    assert repr(SphericalGrid(np.int64(4))) == (
        "<SphericalGrid of bandwidth 4: 8 × 8 samples, rows 'north_pole'; analysis by quadrature, "
        "weights exact to degree 7>"
    )


def test_grid_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SphericalGrid(4).bandwidth = 5


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_shared_read_only_float64(name):
    table = getattr(SphericalGrid(4), name)
    assert table is getattr(SphericalGrid(4), name)
    assert table.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        table[...] = 0


@pytest.mark.parametrize("name", SAMPLES)
def test_arrays_of_samples_are_float64_and_writing_to_them_changes_no_grid(name):
    values = getattr(SphericalGrid(4), name)
    before = values.copy()
    values[...] = 0
    assert values.dtype == np.float64
    np.testing.assert_array_equal(getattr(SphericalGrid(4), name), before)


def test_arrays_of_samples_work_in_scipy():
    grid = SphericalGrid.gauss_legendre(8)
    field, points = grid.directions[..., 2], grid.directions.reshape(-1, 3)
    rotation = Rotation.from_euler("ZYZ", [0.1, 0.2, 0.3])
    np.testing.assert_allclose(rotation.apply(points), points @ rotation.as_matrix().T, atol=1e-15)
    spline = RectSphereBivariateSpline(grid.colatitude, grid.longitude, field)
    np.testing.assert_allclose(spline.ev(grid.colatitude, grid.longitude[:8]), field[:, 0])
    assert cKDTree(points).query(points)[0].max() == 0
    np.testing.assert_allclose(SphericalVoronoi(points).calculate_areas().sum(), 4 * np.pi)


def test_first_row_is_the_north_pole_and_no_row_the_south_pole():
    grid = SphericalGrid(4)
    np.testing.assert_allclose(grid.colatitude, np.pi * np.arange(8) / 8)
    np.testing.assert_allclose(grid.longitude, 2 * np.pi * np.arange(8) / 8)


@pytest.mark.parametrize("bandwidth", [1, 2, 5, 32])
def test_quadrature_weights_sum_to_the_area_of_the_sphere(bandwidth):
    grid = SphericalGrid(bandwidth)
    total = grid.resolution * grid.quadrature_weights.sum()
    np.testing.assert_allclose(total, 4 * np.pi, rtol=1e-12)
    assert grid.quadrature_weights[0] == 0


def test_quadrature_weights_are_the_only_exact_ones():
    np.testing.assert_allclose(SphericalGrid(8).quadrature_weights, quadrature(8), atol=1e-12)


def test_quadrature_integrates_polynomials_below_twice_the_bandwidth():
    grid = SphericalGrid(3)
    for powers in itertools.product(range(6), repeat=3):
        if sum(powers) < 6:
            values = np.prod(points(3) ** powers, axis=-1)
            halves = (np.array(powers) + 1) / 2
            even = not any(np.mod(powers, 2))
            integral = even * 2 * np.prod(gamma(halves)) / gamma(halves.sum())
            total = grid.quadrature_weights @ values.sum(axis=1)
            np.testing.assert_allclose(total, integral, atol=1e-12, err_msg=str(powers))


def test_cell_weights_are_proportional_to_the_areas_of_the_cells():
    grid = SphericalGrid(8)
    areas = -np.diff(np.cos([*grid.colatitude, np.pi]))
    np.testing.assert_allclose(areas, 2 * np.sin(np.pi / 32) * grid.cell_weights, atol=1e-12)


@pytest.mark.parametrize("bandwidth", [1, 8, 16])
def test_harmonics_are_orthonormal_under_quadrature(bandwidth):
    grid = SphericalGrid(bandwidth)
    products = np.einsum(
        "t,lmtp,kotp->lmko", grid.quadrature_weights, grid.harmonics, grid.harmonics, optimize=True
    )
    degrees, orders = np.arange(bandwidth), np.arange(1 - bandwidth, bandwidth)
    inside = (np.abs(orders) <= degrees[:, None]).ravel()
    np.testing.assert_allclose(products.reshape(inside.size, -1), np.diag(inside), atol=1e-12)


def test_harmonics_of_low_degrees_have_their_closed_forms():
    x, y, z = np.moveaxis(points(3), -1, 0)
    harmonics = SphericalGrid(3).harmonics
    closed = {
        (0, 0): np.sqrt(1 / 4) + 0 * x,
        (1, -1): -np.sqrt(3 / 4) * y,
        (1, 0): np.sqrt(3 / 4) * z,
        (1, 1): -np.sqrt(3 / 4) * x,
        (2, -2): np.sqrt(15 / 4) * x * y,
        (2, -1): -np.sqrt(15 / 4) * y * z,
        (2, 0): np.sqrt(5 / 16) * (3 * z**2 - 1),
        (2, 1): -np.sqrt(15 / 4) * x * z,
        (2, 2): np.sqrt(15 / 16) * (x**2 - y**2),
    }
    for (l, m), values in closed.items():
        np.testing.assert_allclose(
            np.sqrt(np.pi) * harmonics[l, 2 + m], values, atol=1e-14, err_msg=f"{l=} {m=}"
        )


@pytest.mark.parametrize("bandwidth", [1, 2, 9, 16])
def test_harmonics_match_the_oracle(bandwidth):
    expected = real_harmonics(bandwidth, points(bandwidth))
    np.testing.assert_allclose(SphericalGrid(bandwidth).harmonics, expected, atol=1e-12)


@pytest.mark.parametrize("bandwidth", [2.0, "4", None, True])
def test_bandwidth_that_is_no_integer_is_refused(bandwidth):
    with pytest.raises(ValueError, match="bandwidth must be an integer. Received: "):
        SphericalGrid(bandwidth)


@pytest.mark.parametrize("bandwidth", [0, -3])
def test_bandwidth_below_one_is_refused(bandwidth):
    with pytest.raises(ValueError, match=f"must be positive. Received: {bandwidth}"):
        SphericalGrid(bandwidth)


@pytest.mark.parametrize("resolution", [7, 0, -2, 8.0, True])
def test_resolution_that_is_no_even_positive_integer_is_refused(resolution):
    with pytest.raises(ValueError, match=f"even integer, at least 2. Received: {resolution}"):
        SphericalGrid.from_resolution(resolution)
