"""Batches of no or one sample: what a replica of a distribution strategy may get."""

import keras
import numpy as np
import pytest
from backends import gradients, numpy
from helpers import LAYERS, SHAPE, every_layer
from keras import ops

from spherical_cnn.nn.blocks import SphericalBlock, normalization_layer

NORMALIZATIONS = ["batch", "batch_renorm"]

MIRRORED = """
import sys
import numpy as np
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import spherical_cnn as scnn
from spherical_cnn.nn import TripletSemiHardLoss
from spherical_cnn.nn.blocks import normalization_layer
from spherical_cnn.nn.nonlinearities import PReLU

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(5, 8, 8, 2)).astype("float32"), np.array([0, 1, 0, 1, 0])
for normalization in (None, "batch", "batch_renorm"):
    for apart in (False, True) if normalization else (False,):
        for synchronized in (False, True):
            if synchronized and normalization != "batch":
                continue
            with strategy.scope():
                signal = keras.Input((8, 8, 2))
                if apart:
                    layers = [scnn.SphericalConv(3), normalization_layer(normalization), PReLU()]
                else:
                    layers = [scnn.SphericalBlock(3, 2, normalization)]
                pooled = scnn.GlobalSphericalAveragePooling()
                model = keras.Sequential([signal, *layers, pooled])
                for layer in model._flatten_layers():
                    if isinstance(layer, keras.layers.BatchNormalization):
                        layer.synchronized = synchronized
                model.compile("sgd", TripletSemiHardLoss())
            history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
            scores = [history["loss"], model.evaluate(x, y, batch_size=4, verbose=0)]
            results = [*scores, model.predict(x, batch_size=4, verbose=0), *model.get_weights()]
            bad = [i for i, values in enumerate(results) if not np.isfinite(values).all()]
            assert not bad, (normalization, apart, synchronized, bad)
            if synchronized and not apart:
                # A sample that is alone in its batch is normalized as without replicas.
                alone = scnn.SphericalBlock(3, 2, normalization)
                alone(x[:1])
                alone.set_weights(layers[0].get_weights())
                model.train_on_batch(x[4:], y[4:])
                alone(x[4:], training=True)
                for ours, other in zip(
                    alone.norm.get_weights()[1:], layers[0].norm.get_weights()[1:]
                ):
                    np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-6)
print("finite")
"""


@every_layer
@pytest.mark.parametrize("training", [False, True])
def test_layers_take_empty_batches_and_keep_their_statistics(name, training, rng):
    if name == "block_layer" and training:
        pytest.skip("Keras's own batch normalization takes no empty batches in training")
    layer = LAYERS[name]()
    layer(rng.normal(size=SHAPE).astype("float32"), training=True)
    before = layer.get_weights()
    output = numpy(layer(np.zeros((0, *SHAPE[1:]), "float32"), training=training))
    assert output.shape == layer.compute_output_shape((0, *SHAPE[1:]))
    moving = [i for i, w in enumerate(layer.weights) if "seed" not in w.path]
    for i in moving:
        np.testing.assert_array_equal(layer.get_weights()[i], before[i])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_first_batch_may_be_empty(normalization, rng):
    signal = rng.normal(size=(2, 8, 8, 2)).astype("float32")
    outputs = []
    for first in ([], [signal[:0]]):
        keras.utils.set_random_seed(0)
        block = SphericalBlock(3, 2, normalization)
        for x in (*first, signal, signal + 1):
            output = numpy(block(x, training=True))
        outputs.append([output, *block.get_weights()])
    for without, with_empty in zip(*outputs, strict=True):
        np.testing.assert_array_equal(with_empty, without)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_sample_alone_has_finite_outputs_and_gradients(normalization, rng):
    for signal in (rng.normal(size=(1, 8, 8, 2)), np.zeros((1, 8, 8, 2)), np.ones((1, 8, 8, 2))):
        block = SphericalBlock(3, 2, normalization)
        block.build(signal.shape)
        signal = signal.astype("float32")
        (gradient,) = gradients(
            lambda x, block=block: ops.sum(ops.square(block(x, training=True))), signal
        )
        assert np.isfinite(gradient).all()
        assert np.isfinite(numpy(block(signal, training=True))).all()


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_channels_without_variance_have_the_gradient_of_their_mean(normalization, rng):
    layer = normalization_layer(normalization)
    signal, weights = np.zeros((2, 4, 4, 3), "float32"), rng.normal(size=(2, 4, 4, 3))
    layer.build(signal.shape)
    weights = weights.astype("float32")
    (gradient,) = gradients(
        lambda x: ops.sum(layer(x, training=True) * ops.convert_to_tensor(weights)), signal
    )
    expected = (weights - weights.mean(axis=(0, 1, 2))) / np.sqrt(1e-3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a strategy of TensorFlow")
def test_replicas_without_samples_leave_everything_finite(start_python):
    assert start_python("-c", MIRRORED).result().stdout.strip() == "finite"
