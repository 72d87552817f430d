"""Images on other grids: weighted means of samples."""

import keras
import numpy as np
import pytest
from backends import compiled, gradients, numpy, recorded
from helpers import GRIDS, all_grids
from keras import ops
from reference import assert_close

from spherical_cnn import SphericalGrid, SphericalResampling, sample_function
from spherical_cnn.sphere.rings import band_edges

KINDS = ("bilinear", "area")
OTHERS = [GRIDS[name] for name in ("driscoll_healy", "cells", "from the south")]
every_kind = pytest.mark.parametrize("kind", KINDS)


def resampled(signal, grid, other, kind):
    layer = SphericalResampling(
        grid=grid, out_grid=other, interpolation=kind, dtype=str(signal.dtype)
    )
    return numpy(layer(signal[None]))[0]


def areas(grid):
    """Areas of the parts of the sphere that are nearest to the samples of each row."""
    return np.abs(np.diff(np.cos(band_edges(grid.colatitude)))) * 2 * np.pi / grid.nlon


def smooth(u):
    return np.stack([u[..., 0] * u[..., 2] + 0.3 * u[..., 1], np.ones(u.shape[:2])], -1)


@every_kind
@all_grids
def test_a_grid_is_resampled_onto_itself_and_constants_onto_all(grid, kind, rng, dtype, tolerance):
    signal = rng.normal(size=(*grid.shape, 2)).astype(dtype)
    assert_close(resampled(signal, grid, grid, kind), signal, tolerance)
    ones = np.ones((*grid.shape, 1), dtype)
    for other in OTHERS:
        assert_close(resampled(ones, grid, other, kind), np.ones((*other.shape, 1)), tolerance)


@all_grids
def test_means_over_areas_keep_the_integral(grid, rng):
    signal = rng.normal(size=(*grid.shape, 1)).astype("float32")
    for other in OTHERS:
        found = resampled(signal, grid, other, "area")
        before = np.einsum("t,tpc->", areas(grid), signal)
        after = np.einsum("t,tpc->", areas(other), found)
        np.testing.assert_allclose(after, before, atol=1e-4)


@all_grids
def test_smooth_functions_are_found_again_the_better_the_finer_the_grid(grid):
    expected = sample_function(smooth, grid)
    errors = []
    for size in (32, 64):
        image = SphericalGrid.equiangular(size, 2 * size, "cells", bandwidth=1)
        signal = sample_function(smooth, image).astype("float32")
        errors.append(np.abs(resampled(signal, image, grid, "bilinear") - expected).max())
    assert errors[1] < 2e-3 and errors[1] < 0.5 * errors[0], errors


def test_values_between_samples_are_weighted_by_their_distances():
    grid = SphericalGrid.equiangular(3, 4, "poles", bandwidth=1)  # rows at 0, 90 and 180 degrees
    signal = np.arange(12, dtype="float32").reshape(3, 4, 1)
    other = SphericalGrid.equiangular(2, 4, "cells", start=22.5, bandwidth=1)  # 45 and 135 degrees
    found = resampled(signal, grid, other, "bilinear")[..., 0]
    np.testing.assert_allclose(found[0], [2.25, 3.25, 4.25, 4.25], atol=1e-5)
    mirrored = SphericalGrid.equiangular(2, 4, "cells", start=22.5, ascending=True, bandwidth=1)
    same = resampled(signal, grid, mirrored, "bilinear")[..., 0]
    np.testing.assert_allclose(same[::-1], found, atol=1e-5)


def test_beyond_the_last_ring_values_tend_to_its_mean():
    grid = SphericalGrid.equiangular(2, 4, "cells", bandwidth=1)  # rows at 45 and 135 degrees
    signal = np.array([[1, 2, 3, 6], [0, 0, 0, 0.0]], "float32")[..., None]
    poles = SphericalGrid.equiangular(3, 4, "poles", bandwidth=1)
    found = resampled(signal, grid, poles, "bilinear")[..., 0]
    np.testing.assert_allclose(found, [[3] * 4, [0.5, 1, 1.5, 3], [0] * 4], atol=1e-6)


def test_an_image_of_bytes_is_reduced_to_the_means_of_its_parts(rng):
    image = rng.integers(0, 256, (16, 32, 3)).astype("uint8")
    panorama = SphericalGrid.equiangular(16, 32, "cells")
    start = 180 / 32 * 1.5  # so that four columns have their centers around one of the new ones
    other = SphericalGrid.equiangular(4, 8, "cells", start=2 * start)
    layer = SphericalResampling(grid=panorama, out_grid=other, interpolation="area")
    found = numpy(layer(image[None]))[0]
    weights = areas(panorama).reshape(4, 4, 1, 1, 1)
    cells = image.reshape(4, 4, 8, 4, 3).astype(float) * weights
    assert_close(found, cells.sum((1, 3)) / (4 * weights.sum((1, 3))), 1e-5)


@every_kind
@recorded()
def test_it_is_linear_compiled_and_saved_with_its_kind(kind, rng, tmp_path):
    grid, other = GRIDS["poles"], GRIDS["cells"]
    layer = SphericalResampling(grid=grid, out_grid=other, interpolation=kind)
    signal = rng.normal(size=(2, *grid.shape, 2)).astype("float32")
    expected = numpy(layer(signal))
    assert_close(numpy(compiled(lambda x: layer(x))(ops.convert_to_tensor(signal))), expected, 1e-5)
    (found,) = gradients(lambda x: ops.sum(ops.square(layer(x))), signal)
    np.testing.assert_allclose(np.sum(found * signal), 2 * np.sum(expected**2), rtol=1e-4)
    inputs = keras.Input(signal.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[-1].interpolation == kind
    assert_close(again.predict(signal, verbose=0), expected, 1e-6)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="one of .*harmonic.*area.* Received: 'nearest'"):
        SphericalResampling(8, interpolation="nearest")
