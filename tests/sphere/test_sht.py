import numpy as np
import pytest
from backends import numpy
from reference import (
    analyze,
    assert_close,
    assert_equivariant,
    band_limited,
    complex_harmonics,
    convolve,
    points,
    quadrature,
    synthesize,
)

from spherical_cnn.sphere import (
    SphericalGrid,
    from_complex,
    isht,
    sht,
    to_complex,
    truncate,
    zonal_convolution,
    zonal_product,
)

L = 8
GRID = SphericalGrid(L)
both_methods = pytest.mark.parametrize("method", ["sep", "naive"])


def dtype_of(tensor):
    return str(np.asarray(tensor).dtype)


@both_methods
def test_sht_is_the_double_sum(rng, method, dtype, tolerance):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    coefficients = sht(signal, GRID, method)
    assert dtype_of(coefficients) == dtype
    assert_close(coefficients, analyze(signal), tolerance)


@both_methods
def test_isht_is_the_sum_of_harmonics(rng, method, dtype, tolerance):
    coefficients = band_limited(rng, L).astype(dtype)
    signal = isht(coefficients, GRID, method)
    assert dtype_of(signal) == dtype
    assert_close(signal, synthesize(coefficients), tolerance)


@both_methods
@pytest.mark.parametrize("bandwidth", [1, 2, 5, 16])
def test_sht_inverts_isht(rng, method, dtype, tolerance, bandwidth):
    grid = SphericalGrid(bandwidth)
    coefficients = band_limited(rng, bandwidth).astype(dtype)
    assert_close(sht(isht(coefficients, grid, method), grid, method), coefficients, tolerance)


@both_methods
def test_round_trips_do_not_accumulate_error(rng, method, dtype, tolerance):
    signal = first = synthesize(band_limited(rng, L)).astype(dtype)
    for _ in range(16):
        signal = isht(sht(signal, GRID, method), GRID, method)
    assert_close(signal, first, tolerance)


@both_methods
def test_power_of_coefficients_is_the_integral_of_the_squared_signal(rng, method, dtype, tolerance):
    signal = synthesize(band_limited(rng, L)).astype(dtype)
    power = np.sum(np.square(numpy(sht(signal, GRID, method))), axis=(1, 2))
    integral = np.einsum("t,btpc->bc", quadrature(L), np.square(signal, dtype=np.float64))
    np.testing.assert_allclose(power, integral, rtol=tolerance)


@both_methods
def test_entries_outside_the_triangle_are_ignored_and_zero(rng, method):
    coefficients = band_limited(rng, L)
    outside = np.where(coefficients == 0, 1.0, 0.0)
    signal = isht(coefficients, GRID, method)
    assert_close(isht(coefficients + outside, GRID, method), signal, 1e-14)
    assert not np.any(np.asarray(sht(signal, GRID, method)) * outside)


@pytest.mark.parametrize("transform", [sht, isht])
def test_low_precision_is_kept(transform):
    shape = {sht: (1, 2 * L, 2 * L, 1), isht: (1, L, 2 * L - 1, 1)}[transform]
    assert dtype_of(transform(np.ones(shape, "float16"), GRID)) == "float16"


def test_truncate_keeps_low_degrees(rng):
    coefficients = band_limited(rng, L)
    kept = np.asarray(truncate(coefficients, L // 2))
    np.testing.assert_array_equal(
        kept, coefficients[:, : L // 2, L // 2 : L // 2 + L - 1], strict=True
    )
    np.testing.assert_array_equal(truncate(coefficients, L), coefficients)


def test_truncated_coefficients_give_the_low_passed_signal_on_the_coarse_grid(rng):
    coefficients = band_limited(rng, L)
    coefficients[:, L // 2 :] = 0
    coarse = isht(truncate(coefficients, L // 2), SphericalGrid(L // 2))
    assert_close(coarse, synthesize(coefficients)[:, ::2, ::2], 1e-12)


@pytest.mark.parametrize("bandwidth", [0, L + 1])
def test_truncate_refuses_other_bandwidths(rng, bandwidth):
    with pytest.raises(ValueError, match=f"must be in 1…{L}. Received: {bandwidth}"):
        truncate(band_limited(rng, L), bandwidth)


def test_zonal_product_scales_each_degree_and_sums_channels(rng):
    coefficients, spectrum = band_limited(rng, 4, channels=2), rng.normal(size=(4, 2, 3))
    product = np.asarray(zonal_product(coefficients, spectrum))
    for l in range(4):
        scaled = 2 * np.pi * np.sqrt(4 * np.pi / (2 * l + 1)) * spectrum[l]
        assert_close(product[:, l], coefficients[:, l] @ scaled, 1e-13)


@both_methods
def test_zonal_convolution_is_the_integral_that_defines_it(rng, method, dtype, tolerance):
    signal = synthesize(band_limited(rng, 5, channels=2)).astype(dtype)
    spectrum = rng.normal(size=(5, 2, 3)).astype(dtype)
    output = zonal_convolution(signal, spectrum, SphericalGrid(5), method)
    assert dtype_of(output) == dtype
    assert_close(output, convolve(signal, spectrum), tolerance)


@both_methods
@pytest.mark.parametrize("kept", [1, 3, 4, L])
def test_zonal_convolution_is_the_composition_of_its_steps(rng, method, dtype, tolerance, kept):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    spectrum = rng.normal(size=(kept, 3, 4)).astype(dtype)
    product = zonal_product(truncate(sht(signal, GRID), kept), spectrum)
    output = zonal_convolution(signal, spectrum, GRID, method)
    assert_close(output, isht(product, SphericalGrid(kept)), tolerance)


@both_methods
@pytest.mark.parametrize("kept", [3, L])
def test_zonal_convolution_commutes_with_rotations(rng, method, kept):
    spectrum = rng.normal(size=(kept, 2, 3))
    assert_equivariant(lambda f: zonal_convolution(f, spectrum, GRID, method), rng, L, 1e-11)


def test_complex_coefficients_are_those_of_the_complex_harmonics(rng):
    coefficients = band_limited(rng, L)
    harmonics = np.conj(complex_harmonics(L, points(L)))
    expected = np.einsum("t,lmtp,btpc->blmc", quadrature(L), harmonics, synthesize(coefficients))
    converted = to_complex(coefficients)
    assert_close(converted[:, 0].real, expected[:, :, :L].real, 1e-12)
    assert_close(converted[:, 0].imag, expected[:, :, :L].imag, 1e-12)
    negative = np.flip(expected[:, :, L:], axis=2)
    assert_close(converted[:, 1, :, 1:].real, negative.real, 1e-12)
    assert_close(converted[:, 1, :, 1:].imag, negative.imag, 1e-12)
    assert not converted[:, 1, :, 0].any()


def test_from_complex_inverts_to_complex_and_reads_only_positive_orders(rng):
    coefficients = band_limited(rng, L)
    converted = to_complex(coefficients)
    assert_close(from_complex(converted), coefficients, 1e-15)
    assert_close(from_complex(converted[:, :1]), coefficients, 1e-15)
    outside = np.triu(np.ones((L, L)), 1)[:, :, None]
    assert_close(from_complex(converted + outside), coefficients, 1e-15)
    single = to_complex(coefficients.astype("float32"))
    assert single.dtype == "complex128"
    assert from_complex(single.astype("complex64")).dtype == "float64"


def test_unknown_methods_are_refused(rng):
    coefficients = band_limited(rng, L)
    signal = synthesize(coefficients)
    match = r"method must be one of \('sep', 'naive'\). Received: method='fft'"
    with pytest.raises(ValueError, match=match):
        sht(signal, GRID, "fft")
    with pytest.raises(ValueError, match=match):
        isht(coefficients, GRID, "fft")
    with pytest.raises(ValueError, match=match):
        zonal_convolution(signal, np.ones((L, 2, 1)), GRID, "fft")


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (1, 16, 8, 1), (16, 16, 1), (1, 16, 16)])
def test_signals_off_the_grid_are_refused(shape):
    match = r"signal must be \(batch, 16, 16, channel\) for SphericalGrid\(bandwidth=8\). Received"
    with pytest.raises(ValueError, match=match):
        sht(np.ones(shape), GRID)
    with pytest.raises(ValueError, match=match):
        zonal_convolution(np.ones(shape), np.ones((L, 1, 1)), GRID)


@pytest.mark.parametrize("shape", [(1, 8, 16, 1), (8, 15, 1), (1, 15, 8, 1)])
def test_arrays_that_are_no_coefficients_are_refused(shape):
    match = r"must be \(batch, L, 2L-1, channel\). Received: coefficients.shape="
    for function in (
        lambda array: isht(array, GRID),
        lambda array: truncate(array, 1),
        lambda array: zonal_product(array, np.ones((L, 1, 1))),
    ):
        with pytest.raises(ValueError, match=match):
            function(np.ones(shape))


def test_coefficients_of_another_bandwidth_are_refused():
    with pytest.raises(ValueError, match=r"\(batch, 8, 15, channel\) for SphericalGrid"):
        isht(np.ones((1, 4, 7, 1)), GRID)


@pytest.mark.parametrize("shape", [(L + 1, 2, 1), (L, 3, 1)])
def test_spectra_that_do_not_fit_the_signal_are_refused(shape):
    match = r"spectrum must be \(degrees ≤ 8, 2, filter\) for this signal. Received"
    with pytest.raises(ValueError, match=match):
        zonal_convolution(np.ones((1, 16, 16, 2)), np.ones(shape), GRID)


def test_integers_are_refused():
    with pytest.raises(ValueError, match="signal must be of a float dtype. Received: .*int"):
        sht(np.ones((1, 4, 4, 1), np.int32), SphericalGrid(2))
    with pytest.raises(ValueError, match="coefficients must be of a float dtype"):
        isht(np.ones((1, 2, 3, 1), np.int32), SphericalGrid(2))
