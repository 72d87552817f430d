"""Latitudes and longitudes of files: which grid they are, or why they are none."""

import warnings

import numpy as np
import pytest

from spherical_cnn.sphere import SphericalGrid
from spherical_cnn.sphere.rings import ROWS, colatitudes

EAST = np.arange(0, 360, 2.5)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("count", [3, 16, 73, 180])
@pytest.mark.parametrize("ascending", [False, True])
def test_the_rows_of_every_kind_are_recognized_in_float32(rows, count, ascending):
    latitude = (90 - np.degrees(colatitudes(rows, count))).astype(np.float32)
    latitude = latitude[::-1] if ascending else latitude
    grid = SphericalGrid.from_coordinates(latitude, EAST)
    assert grid == SphericalGrid.equiangular(count, 144, rows, ascending=ascending)


def test_coordinates_rounded_in_a_file_are_recognized():
    latitude = 90 - np.degrees(colatitudes("gauss_legendre", 94))
    grid = SphericalGrid.from_coordinates(latitude.round(3), np.arange(192) * 1.875)
    assert grid == SphericalGrid(94, "gauss_legendre", 94, 192)


@pytest.mark.parametrize("start", [-180.0, 0.5, 180.0, 359.5])
def test_longitudes_start_anywhere_and_may_pass_the_date_line(start):
    longitude = (start + EAST + 180) % 360 - 180
    grid = SphericalGrid.from_coordinates(np.linspace(90, -90, 73), longitude)
    np.testing.assert_allclose(grid.start, start % 360)
    unit = np.exp(1j * np.radians(longitude))
    np.testing.assert_allclose(np.exp(1j * grid.longitude), unit, atol=1e-12)


def test_a_repeated_meridian_is_dropped_with_a_word():
    with pytest.warns(
        UserWarning, match=r"360, repeats the first, 0, and is dropped.*\[..., :-1\]"
    ):
        grid = SphericalGrid.from_coordinates(np.linspace(90, -90, 73), np.linspace(0, 360, 145))
    assert grid == SphericalGrid.equiangular(73, 144)


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        (np.linspace(89, -90, 73), EAST, r"73 values from 89 to -90 fit no grid.*poles \(up to 1°"),
        (np.linspace(60, -60, 49), EAST, r"from 60 to -60 fit no grid of the whole sphere"),
        (np.linspace(90, -90, 73), EAST[::-1], "goes west from 357.5 to 355; .* reverse longitude"),
        (np.linspace(90, -90, 73), EAST[:-1], "143 values 2.5° apart cover 357.5°; expected the"),
        (np.linspace(90, -90, 73), EAST**1.01, "steps between .*; expected equal ones"),
        (
            np.zeros((73, 144)),
            EAST,
            r"latitude must be one axis of degrees.* \(73",
        ),
        (np.linspace(90, -90, 73), [0, np.nan], "longitude must be finite. Received: 1 are not"),
        (np.linspace(0, 180, 73), EAST, "latitude must be in -90 … 90, ascending or descending"),
        ([90, 0, 10, -90], EAST, "latitude must be in -90 … 90, ascending or descending"),
    ],
)
def test_what_fits_nothing_is_refused_with_its_distance(latitude, longitude, message):
    with pytest.raises(ValueError, match=message), warnings.catch_warnings():
        warnings.simplefilter("error")
        SphericalGrid.from_coordinates(latitude, longitude)
