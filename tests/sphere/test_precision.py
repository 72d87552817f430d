"""Transforms and convolutions compute in the dtype of their input, on every backend."""

import keras
import numpy as np
import pytest
import reference
from backends import BACKEND, HAS_FLOAT64, needs_float64, numpy
from keras import ops
from reference import assert_close, band_limited, convolve

from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.sphere.spectral import analyze, mix, synthesize, to_batch_first, to_order_first

L = 6
GRID = SphericalGrid(L)
SPECTRUM = np.random.default_rng(7).normal(size=(L, 2, 3))
COEFFICIENTS = band_limited(np.random.default_rng(8), L)
SIGNAL = reference.synthesize(COEFFICIENTS)


def convolution(signal, spectrum):
    """What `SphericalConv` computes without a bias, of the filters of a spectrum."""
    signal = to_order_first(ops.convert_to_tensor(signal))
    mixed = mix([analyze(signal, GRID, L)], ops.convert_to_tensor(spectrum))
    return to_batch_first(synthesize(mixed, GRID))


CASES = {
    "sht": (lambda x: sht(x, GRID), SIGNAL, reference.analyze(SIGNAL)),
    "sht naive": (lambda x: sht(x, GRID, "naive"), SIGNAL, reference.analyze(SIGNAL)),
    "isht": (lambda x: isht(x, GRID), COEFFICIENTS, SIGNAL),
    "isht naive": (lambda x: isht(x, GRID, "naive"), COEFFICIENTS, SIGNAL),
    "convolution": (lambda x: convolution(x, SPECTRUM), SIGNAL, convolve(SIGNAL, SPECTRUM)),
}
every_case = pytest.mark.parametrize("name", CASES)


@every_case
@pytest.mark.parametrize("floatx", ["float32", "float64", "float16"])
@pytest.mark.parametrize("given", [lambda x: x, ops.convert_to_tensor], ids=["array", "tensor"])
def test_float64_stays_float64(name, given, floatx, keras_config):
    keras_config.set_floatx(floatx)
    function, values, expected = CASES[name]
    result = numpy(function(given(values)))
    # JAX has no float64 without jax_enable_x64.
    assert result.dtype == ("float64" if HAS_FLOAT64 else "float32")
    assert_close(result, expected, 1e-12 if HAS_FLOAT64 else 1e-5)


@every_case
@pytest.mark.parametrize(
    ("low", "tolerance"), [("float32", 1e-5), ("float16", 2e-2), ("bfloat16", 0.1)]
)
def test_lower_precision_is_kept(name, low, tolerance):
    function, values, expected = CASES[name]
    result = function(ops.cast(ops.convert_to_tensor(values), low))
    assert keras.backend.standardize_dtype(result.dtype) == low
    assert_close(numpy(ops.cast(result, "float32")), expected, tolerance)


@needs_float64
def test_a_float32_spectrum_does_not_lower_the_precision_of_a_signal():
    spectrum = SPECTRUM.astype("float32")
    result = numpy(convolution(SIGNAL, spectrum))
    assert_close(result, convolve(SIGNAL, spectrum.astype("float64")), 1e-12)


@pytest.mark.skipif(BACKEND != "torch", reason="of torch's compiler")
@pytest.mark.slow
def test_the_compiler_of_torch_takes_transforms_whole():
    import torch

    round_trip = torch.compile(lambda x: isht(sht(x, GRID), GRID), fullgraph=True)
    for x in (torch.as_tensor(SIGNAL), torch.as_tensor(SIGNAL[:1])):
        assert_close(numpy(round_trip(x)), numpy(x), 1e-12)
