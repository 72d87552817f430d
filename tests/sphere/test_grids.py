"""Grids of all kinds: the same coefficients from each, exact, in either order of rows."""

import json
import pickle

import numpy as np
import pytest
from backends import numpy
from helpers import GRIDS, all_grids
from reference import assert_close, band_limited, evaluate
from scipy.special import gamma

from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.sphere.alignment import align
from spherical_cnn.sphere.grid import as_grid, grid_by_key, most_bandwidth
from spherical_cnn.sphere.rings import ROWS, colatitudes, exact_degree, ring_weights
from spherical_cnn.sphere.rotation import euler_to_matrix, rotate_signal

ANGLES = np.radians([20.0, 37.0, -110.0])


@all_grids
def test_weights_sum_to_the_area_and_integrate_up_to_the_exact_degree(grid):
    total = grid.nlon * grid.quadrature_weights.sum()
    np.testing.assert_allclose(total, 4 * np.pi, rtol=1e-13)
    x, y, z = np.moveaxis(grid.directions, -1, 0)
    for i, j, k in np.ndindex(6, 6, 6):
        if i + j + k <= grid.exact_degree:
            halves = (np.array([i, j, k]) + 1) / 2
            even = not any(p % 2 for p in (i, j, k))
            integral = even * 2 * np.prod(gamma(halves)) / gamma(halves.sum())
            found = np.sum(grid.quadrature_weights[:, None] * x**i * y**j * z**k)
            np.testing.assert_allclose(found, integral, atol=1e-13, err_msg=f"{i} {j} {k}")


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 33, 180])
def test_rings_are_exact_to_their_degree_and_no_further(rows, count):
    if rows == "poles" and count == 1:
        pytest.skip("both poles are two rings")
    cosine, weights = np.cos(colatitudes(rows, count)), ring_weights(rows, count)
    degree = exact_degree(rows, count)
    moments = [np.sum(weights * np.polynomial.Legendre.basis(l)(cosine)) for l in (0, degree)]
    np.testing.assert_allclose(moments, [2, 2 * (degree == 0)], atol=1e-13)
    beyond = np.polynomial.Legendre.basis(degree + 1)(cosine)
    assert abs(np.sum(weights * beyond)) > 1e-9


@all_grids
@pytest.mark.parametrize("method", ["sep", "naive"])
def test_coefficients_come_back_from_the_samples_of_their_signal(grid, method, rng):
    coefficients = band_limited(rng, grid.bandwidth)
    signal = evaluate(coefficients, grid.directions)
    assert_close(isht(coefficients, grid, method), signal, 1e-12)
    assert_close(sht(signal, grid, method), coefficients, 1e-12)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    ("nlat", "nlon"), [(2, 3), (3, 5), (16, 31), (16, 9), (64, 128), (65, 129)]
)
def test_the_largest_bandwidth_is_determined_and_no_larger_one(rows, nlat, nlon, rng):
    grid = SphericalGrid.equiangular(nlat, nlon, rows)
    coefficients = band_limited(rng, grid.bandwidth, channels=1, batch=1)
    assert_close(sht(isht(coefficients, grid), grid), coefficients, 1e-12)
    assert grid.bandwidth == most_bandwidth(rows, nlat, nlon)
    with pytest.raises(ValueError, match=f"at most {grid.bandwidth} for {nlat} × {nlon} samples"):
        SphericalGrid(grid.bandwidth + 1, rows, nlat, nlon)


def test_a_weather_raster_is_exact_to_degree_71_and_rotates(rng):
    grid = SphericalGrid.from_coordinates(np.linspace(90, -90, 73), np.arange(0, 360, 2.5))
    assert grid.bandwidth == 72 and not grid.by_quadrature
    coefficients = band_limited(rng, 72, channels=1, batch=1)
    signal = numpy(isht(coefficients, grid))
    assert_close(sht(signal, grid), coefficients, 1e-10)
    angles = np.radians([30.0, 37.0, -30.0])  # 37° about an oblique axis
    expected = evaluate(coefficients, grid.directions @ euler_to_matrix(angles))
    assert_close(rotate_signal(signal, angles, grid), expected, 1e-9)


def test_the_same_field_from_the_south_and_from_180_degrees_west_has_the_same_coefficients(rng):
    coefficients = band_limited(rng, 72, channels=1, batch=1)
    grid = SphericalGrid.equiangular(73, 144)
    field = numpy(isht(coefficients, grid))
    other = SphericalGrid.from_coordinates(np.linspace(-90, 90, 73), np.arange(-180, 180, 2.5))
    moved = np.roll(field[:, ::-1], 72, axis=2)
    assert_close(isht(coefficients, other), moved, 1e-11)
    assert_close(sht(moved, other), coefficients, 1e-10)


@all_grids
def test_signals_rotate_and_align_on_every_grid(grid, rng):
    coefficients = band_limited(rng, grid.bandwidth, batch=1)
    signal = evaluate(coefficients, grid.directions)
    matrix = euler_to_matrix(ANGLES)
    rotated = rotate_signal(signal, ANGLES, grid)
    assert_close(rotated, evaluate(coefficients, grid.directions @ matrix), 1e-11)
    found = align(signal, rotated, grid).rotations[0]
    np.testing.assert_allclose(found, matrix, atol=1e-7)


@all_grids
def test_equal_grids_are_one_value_that_survives_as_text(grid):
    copy = as_grid(json.loads(json.dumps(grid.get_config())))
    assert copy == grid and hash(copy) == hash(grid) and copy.key == grid.key
    assert copy.legendre is grid.legendre
    assert pickle.loads(pickle.dumps(grid)) == grid
    assert grid_by_key(grid.key) == grid
    assert as_grid(None) is None


def test_the_facts_of_a_grid_are_in_its_repr():
    assert repr(GRIDS["from the south"]) == (
        "<SphericalGrid of bandwidth 8: 9 × 16 samples, rows 'poles' from south, first column "
        "0.5°; analysis by least squares, weights exact to degree 9>"
    )
    assert "by quadrature, weights exact to degree 13" in repr(GRIDS["gauss_legendre"])
    assert len({*GRIDS.values()}) == len(GRIDS)


def test_the_paper_s_grid_is_one_of_the_others():
    grid = SphericalGrid(6)
    assert SphericalGrid.equiangular(12, 12, "north_pole") == grid and grid.is_driscoll_healy
    assert not any(g.is_driscoll_healy for g in GRIDS.values() if g != grid)
    with pytest.raises(ValueError, match="9 × 16 samples has no one resolution"):
        _ = GRIDS["poles"].resolution


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, "equal"), r"rows must be one of \(.*\). Received: 'equal'"),
        ((4, "poles", 5, 8.0), "nlon must be an integer. Received: 8.0"),
        ((4, "poles", -5, 8), "nlat must be positive. Received: -5"),
        ((4, "poles", 5, 8, float("nan")), "start must be a longitude in degrees. Received: nan"),
    ],
)
def test_arguments_that_make_no_grid_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SphericalGrid(*arguments)


@pytest.mark.parametrize(("bandwidth", "kept"), [(8, None), (8, 4), (8, 1), (7, 3)])
def test_squares_of_signals_are_exact_in_the_degrees_that_are_kept(bandwidth, kept, rng):
    grid = SphericalGrid.for_products(bandwidth, kept)
    kept = kept or bandwidth
    fine = SphericalGrid.gauss_legendre(2 * bandwidth)  # represents all degrees of the square
    coefficients = band_limited(rng, bandwidth)
    squares = [evaluate(coefficients, x.directions) ** 2 for x in (grid, fine)]
    exact = sht(squares[1], fine)[:, :kept, 2 * bandwidth - kept : 2 * bandwidth + kept - 1]
    found = sht(squares[0], grid)[:, :kept, bandwidth - kept : bandwidth + kept - 1]
    assert_close(found, exact, 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 9), "kept must be at most the bandwidth, 8. Received: 9"),
        ((8, 8, 0.5), "row_factor must be at least 1. Received: 0.5"),
        ((8, 8, float("nan")), "row_factor must be at least 1. Received: nan"),
    ],
)
def test_bad_grids_of_products_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SphericalGrid.for_products(*arguments)


def test_more_rows_alias_less(rng):
    shapes, errors = [], []
    coefficients = band_limited(rng, 8)
    coefficients[:, :, np.arange(15) != 7] = 0  # no longitude, so that only rows matter
    fine = SphericalGrid.gauss_legendre(64)
    exact = sht(np.exp(evaluate(coefficients, fine.directions)), fine)[:, :8, 56:71]
    for factor in (1, 1.25, 2):
        grid = SphericalGrid.for_products(8, row_factor=factor)
        shapes.append(grid.shape)
        found = sht(np.exp(evaluate(coefficients, grid.directions)), grid)
        errors.append(np.abs(np.asarray(found - exact)).max())
    assert shapes == [(12, 24), (16, 24), (24, 24)]
    assert errors[0] > errors[1] > errors[2] > 1e-12
