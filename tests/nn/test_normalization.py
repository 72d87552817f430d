import keras
import numpy as np
import pytest
from backends import gradients as gradients_of
from backends import numpy
from keras import ops
from reference import assert_close

from spherical_cnn.nn import BatchRenormalization, SphericalBlock
from spherical_cnn.nn.normalization import BatchNormalization, moments_of_maps

MOMENTUM, EPSILON = 0.9, 1e-3


def batches(rng, count):
    return [rng.normal(i, i + 1, size=(4, 6, 6, 3)) for i in range(count)]


def transcription(steps):
    """Outputs of training on `steps`, then the moving mean and variance, one line per formula."""
    weight = mean_sum = stddev_sum = moving_mean = 0.0
    moving_variance, outputs = 1.0, []
    for x in steps:
        mean = x.mean(axis=(0, 1, 2))
        stddev = np.sqrt(x.var(axis=(0, 1, 2)) + EPSILON)
        renorm_mean = mean_sum + (1 - weight) * mean
        renorm_stddev = stddev_sum + (1 - weight) * stddev
        r, d = stddev / renorm_stddev, (mean - renorm_mean) / renorm_stddev
        outputs.append((x - mean) / stddev * r + d)
        weight = MOMENTUM * weight + (1 - MOMENTUM)
        mean_sum = MOMENTUM * mean_sum + (1 - MOMENTUM) * mean
        stddev_sum = MOMENTUM * stddev_sum + (1 - MOMENTUM) * stddev
        moving_mean = MOMENTUM * moving_mean + (1 - MOMENTUM) * mean_sum / weight
        variance = (stddev_sum / weight) ** 2 - EPSILON
        moving_variance = MOMENTUM * moving_variance + (1 - MOMENTUM) * variance
    return outputs, moving_mean, moving_variance


def test_first_step_is_batch_normalization(rng, dtype, tolerance):
    (x,) = batches(rng, 1)
    options = {"momentum": MOMENTUM, "epsilon": EPSILON, "dtype": dtype}
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + EPSILON)
    assert_close(BatchRenormalization(**options)(x, training=True), expected, tolerance)


def test_training_follows_the_transcription(rng, dtype, tolerance):
    steps = batches(rng, 5)
    layer = BatchRenormalization(MOMENTUM, EPSILON, dtype=dtype)
    outputs, moving_mean, moving_variance = transcription(steps)
    for x, expected in zip(steps, outputs, strict=True):
        assert_close(layer(x, training=True), expected, tolerance)
    assert_close(layer.moving_mean, moving_mean, tolerance)
    assert_close(layer.moving_variance, moving_variance, tolerance)


def test_inference_uses_moving_statistics_and_keeps_them(rng, dtype, tolerance):
    *steps, x = batches(rng, 4)
    layer = BatchRenormalization(MOMENTUM, EPSILON, dtype=dtype)
    for step in steps:
        layer(step, training=True)
    layer.beta.assign([1.0, 2.0, 3.0])
    before = layer.get_weights()
    _, mean, variance = transcription(steps)
    expected = (x - mean) / np.sqrt(variance + EPSILON) + [1.0, 2.0, 3.0]
    assert_close(layer(x), expected, tolerance)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_no_gradient_flows_through_the_renormalization(rng):
    *steps, x = batches(rng, 3)
    options = {"momentum": MOMENTUM, "epsilon": EPSILON, "dtype": "float64"}
    renorm = BatchRenormalization(**options)
    plain = BatchNormalization(scale=False, **options)
    for step in steps:
        renorm(step, training=True)
    upstream = rng.normal(size=x.shape)
    outputs, gradients = [], []
    for layer in (renorm, plain):
        before = layer.get_weights() if layer.built else None

        def loss(inputs, layer=layer):
            return ops.sum(layer(inputs, training=True) * ops.convert_to_tensor(upstream))

        gradients += gradients_of(loss, x)
        if before:
            layer.set_weights(before)
        outputs.append(ops.convert_to_numpy(layer(x, training=True)))
    # With r and d held fixed the layer is r times batch normalization, plus a constant.
    r = np.std(outputs[0], axis=(0, 1, 2)) / np.std(outputs[1], axis=(0, 1, 2))
    assert np.all(np.abs(r - 1) > 0.05)
    assert_close(gradients[0], r * gradients[1], 1e-10)


def test_only_the_shift_is_trained():
    layer = BatchRenormalization()
    layer.build((None, 6, 6, 3))
    assert [weight.name for weight in layer.trainable_weights] == ["beta"]
    assert len(layer.non_trainable_weights) == 5


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        BatchRenormalization,
        BatchNormalization,
        lambda **options: BatchNormalization(scale=False, **options),
        lambda **options: BatchNormalization(center=False, **options),
    ],
)
def test_affine_map_is_what_the_layer_computes(rng, make, training):
    steps, whole, other = batches(rng, 3), make(dtype="float64"), make(dtype="float64")
    whole.build(steps[0].shape)
    other.build(steps[0].shape)
    for weight in whole.trainable_weights:
        weight.assign([1.0, 2.0, 3.0])
    other.set_weights(whole.get_weights())
    for x in steps:
        scale, offset = other.affine(
            lambda x=x: moments_of_maps(ops.convert_to_tensor(x)), training
        )
        assert_close(numpy(scale) * x + numpy(offset), whole(x, training=training), 1e-12)
    for ours, theirs in zip(other.weights, whole.weights, strict=True):
        assert_close(ours, theirs, 1e-12)


@pytest.mark.parametrize("make", [BatchNormalization, keras.layers.BatchNormalization])
def test_a_block_takes_a_layer_of_normalization_with_its_momentum(rng, make):
    signal = rng.normal(size=(3, 8, 8, 2)).astype("float32")
    outputs, statistics = [], []
    for normalization in ("batch", make(momentum=0.5, epsilon=1e-3, scale=False)):
        keras.utils.set_random_seed(1)
        block = SphericalBlock(4, normalization=normalization)
        outputs.append(numpy(block(signal, training=True)))
        statistics.append(numpy(ops.convert_to_tensor(block.norm.moving_mean)))
    assert_close(outputs[1], outputs[0], 1e-5)
    assert_close(statistics[1] / 0.5, statistics[0] / 0.01, 1e-4)
    assert block.normalization is block.norm and block.conv.bias is None


def test_layers_that_are_none_or_in_use_are_refused():
    used = keras.layers.BatchNormalization()
    used.build((None, 8, 8, 4))
    with pytest.raises(ValueError, match="of this block only.*Received: normalization=<Batch"):
        SphericalBlock(4, normalization=used)
    with pytest.raises(ValueError, match="or a Keras layer. Received: normalization=1"):
        SphericalBlock(4, normalization=1)
