import numpy as np
import pytest
from backends import numpy
from reference import (
    analyze,
    assert_close,
    band_limited,
    complex_harmonics,
    points,
    quadrature,
    synthesize,
)

from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.sphere.sht import from_complex, to_complex

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


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (1, 16, 8, 1), (16, 16, 1), (1, 16, 16)])
def test_signals_off_the_grid_are_refused(shape):
    match = r"signal must be \(batch, 16, 16, channel\) for <SphericalGrid of .* 8: .*>. Received"
    with pytest.raises(ValueError, match=match):
        sht(np.ones(shape), GRID)


@pytest.mark.parametrize("shape", [(1, 4, 7, 1), (1, 8, 16, 1), (8, 15, 1), (1, 15, 8, 1)])
def test_coefficients_of_another_grid_are_refused(shape):
    match = r"coefficients must be \(batch, 8, 15, channel\) for <SphericalGrid of .* 8: .*>. R"
    with pytest.raises(ValueError, match=match):
        isht(np.ones(shape), GRID)


def test_integers_are_refused():
    with pytest.raises(ValueError, match="signal must be of a float dtype. Received: .*int"):
        sht(np.ones((1, 4, 4, 1), np.int32), SphericalGrid(2))
    with pytest.raises(ValueError, match="coefficients must be of a float dtype"):
        isht(np.ones((1, 2, 3, 1), np.int32), SphericalGrid(2))
