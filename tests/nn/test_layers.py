import keras
import numpy as np
import pytest
from backends import gradients, numpy
from keras import ops
from reference import (
    analyze,
    assert_close,
    assert_equivariant,
    band_limited,
    convolve,
    interpolate,
    quadrature,
    synthesize,
)

from spherical_cnn import SphericalConv
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.nonlinearities import PReLU, SmoothLeakyReLU

L = 8
both_methods = pytest.mark.parametrize("method", ["sep", "naive"])


def low_passed(signal):
    return synthesize(analyze(signal)[:, : L // 2, L // 2 : L // 2 + L - 1])


@both_methods
@pytest.mark.parametrize("spectral_pooling", [False, True])
def test_convolution_commutes_with_rotations(
    rng, method, spectral_pooling, dtype, rotation_tolerance
):
    layer = SphericalConv(
        3,
        num_anchors=4,
        spectral_pooling=spectral_pooling,
        method=method,
        bias_initializer="ones",
        dtype=dtype,
    )
    assert_equivariant(layer, rng, L, rotation_tolerance)


@both_methods
@pytest.mark.parametrize("num_anchors", [None, 1, 3])
def test_convolution_is_that_of_the_interpolated_anchors(
    rng, method, num_anchors, dtype, tolerance
):
    layer = SphericalConv(
        3, num_anchors, method=method, bias_initializer="random_normal", dtype=dtype
    )
    signal = synthesize(band_limited(rng, L)).astype(dtype)
    output = layer(signal)
    expected = convolve(signal, interpolate(np.asarray(layer.kernel), L)) + np.asarray(layer.bias)
    assert str(np.asarray(output).dtype) == dtype
    assert_close(output, expected, tolerance)


@both_methods
def test_spectral_pooling_is_the_low_passed_convolution(rng, method, dtype, tolerance):
    options = {"num_anchors": 5, "method": method, "dtype": dtype}
    whole, pooled = SphericalConv(3, **options), SphericalConv(3, spectral_pooling=True, **options)
    signal = synthesize(band_limited(rng, L)).astype(dtype)
    whole.build(signal.shape)
    pooled.build(signal.shape)
    pooled.set_weights(whole.get_weights())
    assert_close(pooled(signal), low_passed(whole(signal)), tolerance)


def test_methods_agree(rng, dtype, tolerance):
    signal = rng.normal(size=(2, 2 * L, 2 * L, 3)).astype(dtype)
    separable, naive = (SphericalConv(4, 3, method=m, dtype=dtype) for m in ("sep", "naive"))
    expected = naive(signal)
    separable.build(signal.shape)
    separable.set_weights(naive.get_weights())
    assert_close(separable(signal), expected, tolerance)


@pytest.mark.parametrize(("num_anchors", "learned"), [(None, L), (1, 1), (3, 3), (L + 5, L)])
def test_kernel_has_at_most_one_anchor_per_degree(num_anchors, learned):
    layer = SphericalConv(4, num_anchors)
    layer.build((None, 2 * L, 2 * L, 2))
    assert layer.kernel.shape == (2, learned, 4)
    assert layer.spectra().shape == (L, 2, 4)


def test_one_anchor_is_a_constant_spectrum():
    layer = SphericalConv(4, num_anchors=1)
    layer.build((None, 2 * L, 2 * L, 2))
    constant = np.broadcast_to(np.asarray(layer.kernel).swapaxes(0, 1), (L, 2, 4))
    np.testing.assert_array_equal(layer.spectra(), constant)


def test_bias_is_there_only_if_asked_for():
    with_bias, without = SphericalConv(4), SphericalConv(4, use_bias=False)
    for layer in (with_bias, without):
        layer.build((None, 2 * L, 2 * L, 2))
    assert with_bias.bias.shape == (4,)
    assert without.bias is None
    assert len(without.weights) == 1


def test_l2_regularizer_sees_the_anchors_only():
    layer = SphericalConv(
        4, 3, kernel_regularizer=keras.regularizers.L2(0.1), bias_initializer="ones"
    )
    layer.build((None, 2 * L, 2 * L, 2))
    (penalty,) = layer.losses
    np.testing.assert_allclose(penalty, 0.1 * np.sum(np.square(layer.kernel)), rtol=1e-6)


@pytest.mark.parametrize(("bandwidth", "channels"), [(4, 3), (16, 8)])
def test_anchors_start_truncated_normal(bandwidth, channels):
    layer = SphericalConv(512)
    layer.build((None, 2 * bandwidth, 2 * bandwidth, channels))
    stddev = 1 / (np.pi * np.sqrt(bandwidth * channels))
    kernel = np.asarray(layer.kernel)
    # Cutting a normal distribution at two deviations leaves 0.8796 of the deviation.
    np.testing.assert_allclose(kernel.std(), 0.8796 * stddev, rtol=0.03)
    assert np.abs(kernel).max() <= 2 * stddev


@pytest.mark.parametrize(("bandwidth", "channels"), [(2, 1), (4, 4), (6, 2)])
def test_initial_output_variance_depends_neither_on_bandwidth_nor_channels(
    rng, bandwidth, channels
):
    # Coefficients of variance 1 become signals of variance 4, less the cut of the normal.
    layer = SphericalConv(512, dtype="float64")
    output = layer(synthesize(band_limited(rng, bandwidth, channels, batch=64)))
    variance = np.einsum("t,btpd->", quadrature(bandwidth), np.square(numpy(output))) / (4 * np.pi)
    np.testing.assert_allclose(variance / (64 * 512), 4 * 0.8796**2, rtol=0.1)


def test_two_thirds_of_the_degrees_lower_the_equivariance_error_of_stacks(rng):
    errors = {}
    for degrees in (None, 2 * L // 3):
        for seed in range(4):
            keras.utils.set_random_seed(seed)
            blocks = [SphericalBlock(4, 4, degrees=degrees, dtype="float64") for _ in range(2)]
            last = SphericalConv(4, 4, degrees=degrees, dtype="float64")
            stack = keras.Sequential([*blocks, last])
            errors[degrees, seed] = assert_equivariant(stack, np.random.default_rng(seed), L, 0.2)
    mean = {degrees: np.mean([errors[degrees, seed] for seed in range(4)]) for degrees, _ in errors}
    assert mean[2 * L // 3] < mean[None] / 1.5


@both_methods
@pytest.mark.parametrize("spectral_pooling", [False, True])
@pytest.mark.parametrize("degrees", [1, L // 2 - 1, L // 2 + 1, 2 * L])
def test_filters_have_the_degrees_asked_for(rng, degrees, method, spectral_pooling):
    layer = SphericalConv(*(3, 4, False, spectral_pooling, degrees), method=method, dtype="float64")
    signal = synthesize(band_limited(rng, L))
    output = layer(signal)
    spectrum = np.zeros((L, 2, 3))
    inside = min(degrees, L)
    spectrum[:inside] = interpolate(np.asarray(layer.kernel), inside)
    expected = convolve(signal, spectrum)
    assert layer.kernel.shape[1] == min(4, inside)
    assert_close(output, low_passed(expected) if spectral_pooling else expected, 1e-10)
    assert SphericalConv.from_config(layer.get_config()).degrees == degrees


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters must be positive. Received: filters=0"),
        ({"num_anchors": 0}, "num_anchors must be positive or None. Received: num_anchors=0"),
        ({"degrees": 0}, "degrees must be positive or None. Received: degrees=0"),
        ({"method": "fft"}, r"method must be one of .* Received: method='fft'"),
        ({"kernel_initializer": "nope"}, "nope"),
    ],
)
def test_convolution_refuses_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        SphericalConv(**{"filters": 4} | options)


@pytest.mark.parametrize(
    "shape", [(1, 7, 7, 1), (1, 8, 16, 1), (1, None, None, 1), (1, 8, 8, None)]
)
def test_convolution_refuses_shapes_off_the_grid(shape):
    with pytest.raises(ValueError, match="SphericalConv takes .* Received: input_shape="):
        SphericalConv(4).build(shape)


def test_convolution_refuses_signals_without_batch():
    with pytest.raises(
        ValueError, match="takes .batch, 2L, 2L, channels.*Received: input_shape=.8, 8, 1"
    ):
        SphericalConv(4)(np.ones((8, 8, 1)))


@both_methods
@pytest.mark.parametrize("make", [SphericalConv, SphericalBlock])
def test_several_signals_are_convolved_as_their_concatenation(rng, make, method, dtype, tolerance):
    signals = [rng.normal(size=(2, 2 * L, 2 * L, c)).astype(dtype) for c in (1, 3)]
    several, one = (make(4, 3, method=method, dtype=dtype) for _ in range(2))
    output = several(signals)
    one.build((2, 2 * L, 2 * L, 4))
    one.set_weights(several.get_weights())
    assert several.compute_output_shape([x.shape for x in signals]) == output.shape
    assert_close(output, one(np.concatenate(signals, axis=-1)), tolerance)


@pytest.mark.parametrize("make", [SphericalConv, SphericalBlock])
def test_built_layers_refuse_other_signals(make):
    layer = make(4)
    layer.build((None, 16, 16, 2))
    with pytest.raises(ValueError, match=r"signal must be \(batch, 16, 16, channel\)"):
        layer(np.ones((1, 32, 32, 2), "float32"))
    with pytest.raises(ValueError, match=r"built for 2 channels. Received: .*\(1, 16, 16, 3\)"):
        layer(np.ones((1, 16, 16, 3), "float32"))


def test_several_signals_must_have_one_resolution():
    with pytest.raises(ValueError, match=r"one resolution. Received: .*\(1, 8, 8, 2\)"):
        SphericalConv(4).build([(1, 16, 16, 2), (1, 8, 8, 2)])


def test_spectral_pooling_refuses_odd_bandwidths():
    with pytest.raises(ValueError, match=r"divisible by 4. Received: input_shape=\(1, 6, 6, 1\)"):
        SphericalConv(4, spectral_pooling=True).build((1, 6, 6, 1))


@pytest.mark.parametrize("nonlinearity", ["prelu", "relu"])
@pytest.mark.parametrize("normalization", [None, "batch", "batch_renorm"])
def test_block_is_convolution_normalization_nonlinearity(rng, normalization, nonlinearity):
    block = SphericalBlock(4, 3, normalization, nonlinearity, dtype="float64")
    signal = rng.normal(size=(3, 2 * L, 2 * L, 2))
    output = block(signal, training=True)
    expected = np.asarray(block.conv(signal))
    assert (block.conv.bias is None) == (normalization is not None)
    if normalization is not None:
        variance = expected.var(axis=(0, 1, 2)) + 1e-3
        expected = (expected - expected.mean(axis=(0, 1, 2))) / np.sqrt(variance)
    slope = {"prelu": 0.1, "relu": 0.0}[nonlinearity]
    assert_close(output, np.where(expected > 0, expected, slope * expected), 1e-8)


@pytest.mark.parametrize("normalization", ["batch", "batch_renorm"])
def test_block_normalizes_with_momentum_and_without_scale(rng, normalization):
    block = SphericalBlock(4, normalization=normalization, dtype="float64")
    signal = rng.normal(size=(3, 2 * L, 2 * L, 2))
    block(signal, training=True)
    assert [weight.name for weight in block.norm.trainable_weights] == ["beta"]
    mean = np.mean(numpy(block.conv(signal)), axis=(0, 1, 2))
    assert_close(block.norm.moving_mean, 0.01 * mean, 1e-10)


@pytest.mark.parametrize(("shape", "shared"), [((3, 8, 8, 4), (1, 2)), ((3, 5), None)])
def test_prelu_has_the_values_and_gradients_of_keras(rng, shape, shared):
    x, weights, results = rng.normal(size=shape), rng.normal(size=shape), []
    for make in (PReLU, keras.layers.PReLU):
        layer = make("random_normal", shared_axes=shared, dtype="float64")
        layer.build(shape)
        slopes = np.linspace(-0.5, 1.5, layer.alpha.shape[-1])
        layer.alpha.assign(slopes + 0 * numpy(layer.alpha.value))

        def total(x, alpha, layer=layer):
            output, _ = layer.stateless_call([alpha], [], x)
            return ops.sum(output * ops.convert_to_tensor(weights))

        alpha = ops.convert_to_numpy(layer.alpha)
        results.append([ops.convert_to_numpy(layer(x)), *gradients(total, x, alpha)])
    for actual, expected in zip(*results, strict=True):
        assert_close(actual, expected, 1e-12)


def test_smooth_leaky_relu_joins_two_lines_by_a_parabola_with_equal_slopes():
    x = np.linspace(-4, 4, 160)[None]
    slope = 0.25
    layer = SmoothLeakyReLU(slope, beta=1.5, dtype="float64")
    lines = np.where(x > 0, x, slope * x)
    parabola = slope * x + (1 - slope) * (x + 1.5) ** 2 / 6
    assert_close(layer(x), np.where(np.abs(x) < 1.5, parabola, lines), 1e-12)
    slopes = gradients(lambda x: ops.sum(layer(x)), x)[0]
    assert_close(slopes, slope + (1 - slope) * np.clip((x + 1.5) / 3, 0, 1), 1e-12)


def test_a_parabola_without_width_is_refused():
    with pytest.raises(ValueError, match="beta must be positive. Received: 0"):
        SmoothLeakyReLU(beta=0)


def test_prelu_learns_one_slope_per_channel():
    block = SphericalBlock(4)
    block.build((None, 2 * L, 2 * L, 2))
    (alpha,) = block.activation.weights
    np.testing.assert_array_equal(ops.reshape(alpha, (-1,)), np.full(4, 0.1, "float32"))


def test_block_passes_its_options_to_the_convolution():
    block = SphericalBlock(
        4,
        num_anchors=3,
        spectral_pooling=True,
        method="naive",
        kernel_initializer="zeros",
        kernel_regularizer="l2",
    )
    assert (block.conv.num_anchors, block.conv.method) == (3, "naive")
    assert block(np.ones((1, 16, 16, 2))).shape == (1, 8, 8, 4)
    assert not np.any(block.conv.kernel)
    assert len(block.losses) == 1


@pytest.mark.parametrize("nonlinearity", ["prelu", "relu", "smooth_leaky_relu"])
def test_block_commutes_approximately_with_rotations(rng, nonlinearity):
    # A pointwise nonlinearity gives a signal of unbounded degree; what lies above the grid's
    # bandwidth aliases, most of it onto the upper half of the degrees. Measured below: 3 %.
    block = SphericalBlock(4, num_anchors=4, nonlinearity=nonlinearity, dtype="float64")
    error = assert_equivariant(block, rng, L, tolerance=0.08, degrees=L // 2)
    assert error > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"normalization": "layer"},
            "'batch', 'batch_renorm' or a Keras layer. Received: .*'layer'",
        ),
        ({"nonlinearity": "nope"}, "nope"),
        ({"method": "fft"}, "method must be one of"),
    ],
)
def test_block_refuses_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        SphericalBlock(4, **options)
