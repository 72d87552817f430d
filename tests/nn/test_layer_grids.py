"""Layers on grids of all kinds: exact rotation, and the same coefficients from each."""

import keras
import numpy as np
import pytest
from backends import numpy
from helpers import GRIDS, all_grids
from reference import assert_close, band_limited, evaluate

from spherical_cnn.nn import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
    SphericalBlock,
    SphericalConv,
    SphericalPooling,
    SphericalResampling,
    UpAxisChannel,
)
from spherical_cnn.sphere import SphericalGrid, sht
from spherical_cnn.sphere.rotation import rotate_coefficients

ANGLES = np.radians([20.0, 37.0, -110.0])
L = 6  # degrees that every grid represents but "few degrees", which has 4


def drawn(rng, grid, degrees=L):
    """Coefficients of signals that `grid` represents."""
    kept = min(degrees, grid.bandwidth)
    coefficients = np.zeros((2, grid.bandwidth, 2 * grid.bandwidth - 1, 2))
    inside = slice(grid.bandwidth - kept, grid.bandwidth + kept - 1)
    coefficients[:, :kept, inside] = band_limited(rng, kept)
    return coefficients


@all_grids
@pytest.mark.parametrize("method", ["sep", "naive"])
def test_convolution_commutes_with_rotations(grid, method, rng, dtype, rotation_tolerance):
    out_grid = GRIDS["gauss_legendre"]
    layer = SphericalConv(
        3, 4, bias_initializer="ones", method=method, grid=grid, out_grid=out_grid, dtype=dtype
    )
    coefficients = drawn(rng, grid)
    rotated = rotate_coefficients(coefficients, ANGLES)
    outputs = [
        numpy(sht(numpy(layer(evaluate(c, grid.directions).astype(dtype))), out_grid))
        for c in (coefficients, rotated)
    ]
    expected = rotate_coefficients(outputs[0], ANGLES)
    error = np.linalg.norm(outputs[1] - expected) / np.linalg.norm(expected)
    assert error < rotation_tolerance


@all_grids
def test_the_output_of_a_convolution_does_not_depend_on_the_grid(grid, rng, tolerance, dtype):
    coefficients = drawn(rng, GRIDS["few degrees"])
    outputs = []
    for one in (grid, SphericalGrid(L)):
        keras.utils.set_random_seed(0)
        layer = SphericalConv(3, 2, degrees=4, grid=one, out_grid=GRIDS["cells"], dtype=dtype)
        outputs.append(layer(evaluate(coefficients, one.directions).astype(dtype)))
        assert outputs[-1].shape == layer.compute_output_shape((2, *one.shape, 2))
    assert_close(outputs[0], outputs[1], tolerance)


def test_fewer_degrees_pool_exactly(rng):
    """A convolution of fewer degrees on a coarse grid is the low-passed one, sampled there."""
    fine, coarse = GRIDS["gauss_legendre"], SphericalGrid.gauss_legendre(3)
    signal = evaluate(drawn(rng, fine), fine.directions)
    pooled = SphericalConv(3, 2, degrees=3, grid=fine, out_grid=coarse, dtype="float64")
    whole = SphericalConv(3, 2, degrees=3, grid=fine, dtype="float64")
    output = pooled(signal)
    whole.build(signal.shape)
    whole.set_weights(pooled.get_weights())
    resampled = SphericalResampling(grid=fine, out_grid=coarse, dtype="float64")(whole(signal))
    assert_close(output, resampled, 1e-12)


@all_grids
def test_blocks_normalize_over_the_area_of_the_sphere(grid, rng):
    block = SphericalBlock(
        3, normalization="batch", nonlinearity="linear", grid=grid, dtype="float64"
    )
    maps = numpy(block(evaluate(drawn(rng, grid), grid.directions), training=True))
    weights = grid.quadrature_weights[:, None, None] / (4 * np.pi * len(maps))
    if grid.is_driscoll_healy:  # as the original: over samples
        weights = 1 / (len(maps) * grid.nlat * grid.nlon)
    np.testing.assert_allclose(np.sum(weights * maps, axis=(0, 1, 2)), 0, atol=1e-6)
    if grid.exact_degree >= 2 * (grid.bandwidth - 1):
        variance = np.sum(weights * maps**2, axis=(0, 1, 2))
        assert (variance <= 1).all() and (variance > 0.9).all()  # 1 but for epsilon


@all_grids
def test_global_averages_and_power_do_not_depend_on_rotation(grid, rng):
    coefficients = drawn(rng, grid)
    vectors = []
    for one in (coefficients, rotate_coefficients(coefficients, ANGLES)):
        signal = evaluate(one, grid.directions)
        average = GlobalSphericalAveragePooling(grid=grid, dtype="float64")(signal)
        vectors.append(np.concatenate([average, DegreePower(grid, dtype="float64")(signal)], -1))
    assert_close(vectors[1], vectors[0], 1e-11)
    assert_close(
        vectors[0][:, :2], coefficients[:, 0, grid.bandwidth - 1] / 4**0.5 / np.pi**0.5, 1e-12
    )


@all_grids
def test_resampling_keeps_the_signal_and_the_up_axis_is_the_cosine(grid, rng):
    coefficients = drawn(rng, GRIDS["few degrees"])
    layer = SphericalResampling(grid=GRIDS["few degrees"], out_grid=grid, dtype="float64")
    signal = evaluate(coefficients, GRIDS["few degrees"].directions)
    assert_close(layer(signal), evaluate(coefficients, grid.directions), 1e-12)
    up = UpAxisChannel(grid=grid, dtype="float64")(np.ones((2, *grid.shape, 1)))
    assert_close(up, np.repeat(grid.directions[None, ..., 2:], 2, axis=0), 1e-15)


def test_shapes_of_another_grid_are_refused():
    grid = GRIDS["poles"]
    match = r"SphericalConv takes \(batch, 9, 16, channels\), the shape of its grid.*\(1, 8, 8, 1\)"
    with pytest.raises(ValueError, match=match):
        SphericalConv(3, grid=grid)(np.ones((1, 8, 8, 1), "float32"))
    with pytest.raises(ValueError, match=r"\(batch, 2L, 2L, channels\).*or another shape with its"):
        SphericalConv(3)(np.ones((1, 9, 16, 1), "float32"))


def test_what_only_the_paper_s_grid_has_is_refused_elsewhere():
    grid, signal = GRIDS["poles"], np.ones((1, 9, 16, 1), "float32")
    for layer in (GlobalSphericalAveragePooling("area", grid), AreaWeighting(grid)):
        with pytest.raises(ValueError, match="areas of cells are those of the paper's grid"):
            layer(signal)
    with pytest.raises(ValueError, match="spectral_pooling is for the paper's grid"):
        SphericalConv(3, spectral_pooling=True, grid=grid)
    with pytest.raises(ValueError, match="either resolution or out_grid"):
        SphericalResampling(grid=grid)
    with pytest.raises(TypeError, match="grid"):
        SphericalPooling(grid=grid)
