"""Transforms and convolutions compute in the dtype of their input, on every backend."""

import keras
import numpy as np
import pytest
import reference
from backends import BACKEND, HAS_FLOAT64, needs_float64, numpy
from keras import ops
from reference import assert_close, band_limited, convolve

from spherical_cnn.sphere import SphericalGrid, isht, sht, spectral
from spherical_cnn.sphere.operations import full_float32, set_tf32
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


def allowed():
    """Whether products of float32 may be rounded to TensorFloat-32 here."""
    if BACKEND == "jax":
        import jax

        return jax.config.jax_default_matmul_precision == "tensorfloat32"
    if BACKEND == "torch":
        import torch

        return torch.get_float32_matmul_precision() != "highest"
    import tensorflow as tf

    return tf.config.experimental.tensor_float_32_execution_enabled()


@pytest.fixture
def with_tf32():
    before = allowed()
    set_tf32(True)
    yield
    set_tf32(before)


def test_full_float32_holds_in_its_context_only(with_tf32):
    assert allowed()
    with full_float32():
        assert not allowed()
    assert allowed()


@pytest.mark.parametrize("transform", [sht, isht])
def test_transforms_ask_for_full_float32(transform, with_tf32, monkeypatch):
    seen = []

    def product(*arguments):
        seen.append(allowed())
        return ops.matmul(*arguments)

    monkeypatch.setattr(spectral, "matmul", product)
    transform({sht: SIGNAL, isht: COEFFICIENTS}[transform].astype("float32"), GRID)
    assert seen and not any(seen)
