import numpy as np
import pytest
from reference import (
    analyze,
    assert_close,
    assert_equivariant,
    band_limited,
    rotate,
    synthesize,
)
from scipy.spatial.transform import Rotation

from spherical_cnn import SphericalPooling
from spherical_cnn.choices import POOLS
from spherical_cnn.nn import SphericalResampling
from spherical_cnn.nn.global_pooling import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
)

L = 8


def area(resolution, row):
    return np.sin(np.pi * row / resolution + np.pi / (2 * resolution))


def windows(signal, size):
    """The coarse row, coarse column and samples of each window."""
    for t in range(0, signal.shape[1], size):
        for p in range(0, signal.shape[2], size):
            yield t // size, p // size, signal[:, t : t + size, p : p + size]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("pool", ["wap", "avg", "max"])
def test_pools_reduce_each_window(rng, pool, size, dtype, tolerance):
    n, coarse = 2 * L, 2 * L // size
    signal = rng.normal(size=(2, n, n, 3)).astype(dtype)
    expected = np.zeros((2, coarse, coarse, 3))
    for t, p, window in windows(signal, size):
        if pool == "wap":
            weights = area(n, size * t + np.arange(size))[:, None, None]
            expected[:, t, p] = (weights * window).mean(axis=(1, 2)) / area(coarse, t)
        else:
            reduce = {"avg": np.mean, "max": np.max}[pool]
            expected[:, t, p] = reduce(window, axis=(1, 2))
    pooled = SphericalPooling(pool, pool_size=size, dtype=dtype)(signal)
    assert str(np.asarray(pooled).dtype) == dtype
    assert_close(pooled, expected, tolerance)


@pytest.mark.parametrize("size", [2, 4])
def test_lowpass_samples_the_low_degrees(rng, size, dtype, tolerance):
    coefficients = band_limited(rng, L)
    kept, dropped = L // size, L - L // size
    low = coefficients[:, :kept, dropped:-dropped]
    pooled = SphericalPooling("lowpass", size, dtype=dtype)(synthesize(coefficients).astype(dtype))
    assert str(np.asarray(pooled).dtype) == dtype
    assert_close(pooled, synthesize(low), tolerance)


def test_lowpass_commutes_with_rotations_and_the_others_do_not(rng):
    for pool in POOLS:
        layer = SphericalPooling(pool, dtype="float64")
        if pool == "lowpass":
            assert_equivariant(layer, rng, L, 1e-12)
        else:
            with pytest.raises(AssertionError, match="at ZYZ angles"):
                assert_equivariant(layer, rng, L, 0.05)


@pytest.mark.parametrize("bandwidth", [2, 8, 32])
def test_wap_scales_a_constant_by_a_cosine(bandwidth):
    n = 2 * bandwidth
    pooled = SphericalPooling("wap", dtype="float64")(np.ones((1, n, n, 1)))
    np.testing.assert_allclose(pooled, np.full((1, bandwidth, bandwidth, 1), np.cos(np.pi / 2 / n)))


@pytest.mark.parametrize("resolution", [L, 2 * L, 3 * L])
def test_resampling_samples_the_band_limited_signal(rng, resolution, dtype, tolerance):
    coefficients, other = band_limited(rng, L), resolution // 2
    kept = min(L, other)
    padded = np.zeros((2, other, 2 * other - 1, 2))
    inside = slice(other - kept, other + kept - 1)
    padded[:, :kept, inside] = coefficients[:, :kept, L - kept : L + kept - 1]
    layer = SphericalResampling(resolution, dtype=dtype)
    assert_close(layer(synthesize(coefficients).astype(dtype)), synthesize(padded), tolerance)
    assert layer.compute_output_shape((2, 16, 16, 2)) == (2, resolution, resolution, 2)
    assert SphericalResampling.from_config(layer.get_config()).resolution == resolution


def test_pooling_refuses_resolutions_without_even_half():
    with pytest.raises(ValueError, match=r"pooling by 2 .* divisible by 4. .*=\(1, 6, 6, 1\)"):
        SphericalPooling().build((1, 6, 6, 1))
    with pytest.raises(ValueError, match=r"pooling by 4 .* divisible by 8. .*=\(1, 12, 12, 1\)"):
        SphericalPooling(pool_size=4).build((1, 12, 12, 1))


@pytest.mark.parametrize(
    "layer", [SphericalPooling, AreaWeighting, GlobalSphericalAveragePooling, DegreePower]
)
@pytest.mark.parametrize("shape", [(1, 7, 7, 1), (1, 8, 16, 1), (1, None, None, 1), (8, 8, 1)])
def test_layers_refuse_shapes_off_the_grid(layer, shape):
    with pytest.raises(ValueError, match=f"{layer.__name__} takes .* Received: input_shape="):
        layer().build(shape)


def test_pooling_refuses_unknown_options():
    with pytest.raises(ValueError, match="pool must be one of .* Received: pool='sum'"):
        SphericalPooling("sum")
    with pytest.raises(ValueError, match="pool_size must be at least 2. Received: pool_size=1"):
        SphericalPooling(pool_size=1)


def test_area_weighting_weighs_each_row(rng, dtype, tolerance):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    weights = area(2 * L, np.arange(2 * L))[:, None, None]
    assert_close(AreaWeighting(dtype=dtype)(signal), weights * signal, tolerance)


def test_average_pooling_is_the_mean_of_the_samples_weighted_by_area(rng, dtype, tolerance):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    weighted = area(2 * L, np.arange(2 * L))[:, None, None] * signal
    average = GlobalSphericalAveragePooling("area", dtype=dtype)(signal)
    assert_close(average, weighted.mean(axis=(1, 2)), tolerance)


def test_average_pooling_without_weights_is_the_mean(rng, dtype, tolerance):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    average = GlobalSphericalAveragePooling("grid", dtype=dtype)(signal)
    assert_close(average, signal.mean(axis=(1, 2)), tolerance)


def test_quadrature_averages_over_the_sphere_however_a_signal_is_rotated(rng, dtype, tolerance):
    coefficients = band_limited(rng, L)
    layer = GlobalSphericalAveragePooling("quadrature", dtype=dtype)
    expected = coefficients[:, 0, L - 1] / np.sqrt(4 * np.pi)
    assert_close(layer(synthesize(coefficients).astype(dtype)), expected, tolerance)
    rotated = rotate(coefficients, Rotation.random(rng=rng).as_matrix())
    assert_close(layer(synthesize(rotated).astype(dtype)), expected, tolerance)


def test_average_of_a_constant_is_the_mean_weight():
    average = GlobalSphericalAveragePooling("area", dtype="float64")(np.ones((1, 64, 64, 1)))
    np.testing.assert_allclose(average, [[1 / (64 * np.sin(np.pi / 128))]], rtol=1e-12)


def test_degree_power_sums_the_squares_of_each_degree(rng, dtype, tolerance):
    signal = synthesize(band_limited(rng, L)).astype(dtype)
    power = np.square(analyze(signal)).sum(axis=2).reshape(2, -1)
    assert_close(DegreePower(dtype=dtype)(signal), power, tolerance)


def test_degree_power_is_invariant_under_rotation(rng, dtype, rotation_tolerance):
    coefficients, layer = band_limited(rng, L), DegreePower(dtype=dtype)
    for rotation in Rotation.random(3, rng=rng):
        rotated = synthesize(rotate(coefficients, rotation.as_matrix()))
        assert_close(layer(rotated), layer(synthesize(coefficients)), rotation_tolerance)
