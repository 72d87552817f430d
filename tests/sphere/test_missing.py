"""NaN in signals: found and counted on request, and filled without a shift."""

import numpy as np
import pytest

from spherical_cnn import fill_missing
from spherical_cnn.sphere import SphericalGrid, sht

GRID = SphericalGrid.equiangular(9, 16)


@pytest.fixture
def field(rng):
    field = rng.normal(size=(2, 9, 16, 3)).astype("float32")
    field[1, 2:5, 4:9, 1] = np.nan
    return field


def test_missing_samples_are_counted_and_located(field):
    match = (
        r"15 of 864 samples are not, the first in image 1, channel 1, row 2 \(latitude 45°\), "
        r"column 4 \(longitude 90°\); fill them"
    )
    with pytest.raises(ValueError, match=match):
        sht(field, GRID, check=True)
    assert np.isnan(np.asarray(sht(field, GRID))[1, :, :, 1]).any()


def test_complete_signals_pass_the_check(rng):
    signal = rng.normal(size=(1, 9, 16, 1))
    np.testing.assert_array_equal(sht(signal, GRID, check=True), sht(signal, GRID))


def test_gaps_get_the_mean_of_what_is_present(field):
    filled, mask = fill_missing(field, GRID)
    assert filled.dtype == mask.dtype == "float32" and np.isfinite(filled).all()
    np.testing.assert_array_equal(mask, np.isfinite(field))
    np.testing.assert_array_equal(filled[mask == 1], field[mask == 1])
    area = GRID.quadrature_weights[:, None] * mask[1, ..., 1]
    mean = np.sum(area * np.nan_to_num(field[1, ..., 1])) / area.sum()
    np.testing.assert_allclose(filled[1, 3, 6, 1], mean, rtol=1e-5)


def test_a_channel_without_samples_is_zero_and_other_signals_are_refused(field):
    field[0, ..., 2] = np.inf
    filled, mask = fill_missing(field, GRID)
    assert not filled[0, ..., 2].any() and not mask[0, ..., 2].any()
    with pytest.raises(ValueError, match=r"floats \(batch, 9, 16, channel\).*\(9, 16\), float32"):
        fill_missing(field[0, ..., 0], GRID)
