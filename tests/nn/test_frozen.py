"""Frozen layers keep their statistics and use them, as Keras's batch normalization does."""

import keras
import numpy as np
import pytest
from backends import numpy, recorded
from reference import assert_close

from spherical_cnn.nn import BatchRenormalization, UpAxisChannel
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.global_pooling import GlobalSphericalAveragePooling
from spherical_cnn.nn.normalization import BatchNormalization

NORMALIZATIONS = ["batch", "batch_renorm"]
LAYERS = [BatchNormalization, BatchRenormalization]


@pytest.fixture
def signal(rng):
    return rng.normal(3, 2, size=(4, 8, 8, 2)).astype("float32")


def freeze_block(block):
    block.trainable = False


def freeze_normalization(block):
    block.norm.trainable = False


def reloaded(layer):
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))


@pytest.mark.filterwarnings("ignore:Some donated buffers")  # of JAX with float64
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("freeze", [freeze_block, freeze_normalization])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@recorded()
def test_frozen_statistics_stay_in_training(signal, normalization, freeze, copied, nested):
    block = SphericalBlock(3, 2, normalization)
    freeze(block)
    block = reloaded(block) if copied else block
    inner = keras.Sequential([keras.Input((8, 8, 2)), block]) if nested else block
    model = keras.Sequential(
        [keras.Input((8, 8, 2)), inner, GlobalSphericalAveragePooling(), keras.layers.Dense(2)]
    )
    model.compile("sgd", "mse", run_eagerly=keras.backend.backend() == "tensorflow")
    norm, others = block.norm.get_weights(), block.conv.get_weights()
    model.fit(signal, np.ones((4, 2)), batch_size=2, verbose=0)
    for before, after in zip(norm, block.norm.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    moved = np.abs(block.conv.get_weights()[0] - others[0]).max()
    assert (moved > 0) == (freeze is freeze_normalization)


@pytest.mark.parametrize("make", LAYERS)
def test_training_passed_to_a_frozen_layer_is_inference(signal, make):
    layer, keras_layer = make(), keras.layers.BatchNormalization()
    for each in (layer, keras_layer):
        each.build(signal.shape)
        each.moving_mean.assign([1.0, 2.0])
        each.moving_variance.assign([3.0, 4.0])
        each.trainable = False
    expected = keras_layer(signal, training=True)
    assert_close(layer(signal, training=True), numpy(expected), 1e-6)
    assert_close(layer(signal, training=False), numpy(expected), 1e-6)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_thawed_layers_move_again(signal, normalization):
    block = SphericalBlock(3, 2, normalization, trainable=False)
    block(signal, training=True)
    before = block.norm.get_weights()
    block.trainable = True
    block(signal, training=True)
    assert np.abs(block.norm.get_weights()[1] - before[1]).max() > 0


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "float16"])
def test_a_momentum_of_one_keeps_the_averages(signal, make, policy):
    layer = make(momentum=1, dtype=policy)
    outputs = numpy(layer(signal, training=True))
    expected = (signal - signal.mean((0, 1, 2))) / np.sqrt(signal.var((0, 1, 2)) + 1e-3)
    assert_close(outputs, expected, 1e-5 if policy == "float32" else 2e-3)
    np.testing.assert_array_equal(numpy(layer.moving_mean.value), 0)
    np.testing.assert_array_equal(numpy(layer.moving_variance.value), 1)


@pytest.mark.parametrize("make", LAYERS)
def test_averages_of_half_precision_layers_are_float32(signal, make):
    half, single = make(dtype="float16"), make(dtype="float32")
    for _ in range(30):
        half(signal, training=True)
        single(signal, training=True)
    assert half.moving_mean.dtype == "float32"
    for actual, expected in zip(half.get_weights(), single.get_weights(), strict=True):
        assert_close(actual, expected, 2e-3)


def test_a_frozen_up_axis_channel_is_dropped_in_training_like_keras_dropout():
    layer, signal = UpAxisChannel(seed=1, trainable=False), np.ones((64, 8, 8, 1), "float32")
    kept = numpy(layer(signal, training=True)).any(axis=(1, 2, 3))
    assert 0 < kept.sum() < 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.5}, "momentum must be in 0 … 1. Received: momentum=1.5"),
        ({"momentum": -0.1}, "momentum must be in 0 … 1. Received: momentum=-0.1"),
        ({"epsilon": 0}, "epsilon must be positive. Received: epsilon=0"),
    ],
)
def test_renormalization_refuses_what_has_no_limit(options, message):
    with pytest.raises(ValueError, match=message):
        BatchRenormalization(**options)


@pytest.mark.parametrize("options", [{"axis": 1}, {"renorm": True}])
def test_batch_normalization_refuses_what_its_affine_map_ignores(options):
    with pytest.raises((ValueError, TypeError), match="axis=-1|renorm"):
        BatchNormalization(**options)
