"""Layers compute the same whatever Keras's global settings are."""

import keras
import numpy as np
import pytest
from backends import needs_float64, numpy
from helpers import LAYERS, SHAPE
from keras import ops
from reference import assert_close

from spherical_cnn import two_branch
from spherical_cnn.nn import SphericalPooling, TripletSemiHardLoss
from spherical_cnn.nn.blocks import normalization_layer
from spherical_cnn.nn.global_pooling import GlobalSphericalAveragePooling
from spherical_cnn.nn.nonlinearities import PReLU, nonlinearity_layer


def network(**options):
    return two_branch(8, 3, (4, 4), (1, 0), (0, 1), num_anchors=2, **options)


MODELS = {
    **LAYERS,
    "avg": lambda: SphericalPooling("avg"),
    "lowpass": lambda: SphericalPooling("lowpass"),
    "quadrature": lambda: GlobalSphericalAveragePooling("quadrature"),
    "weighted": lambda: GlobalSphericalAveragePooling(),
    "prelu": lambda: PReLU("random_normal", shared_axes=(1, 2)),
    "relu": lambda: nonlinearity_layer("relu"),
    "smooth_leaky_relu": lambda: nonlinearity_layer("smooth_leaky_relu"),
    "batch": lambda: normalization_layer("batch"),
    "planar": lambda: network(planar=True, normalization="batch", final_pool="max"),
    "all pools": lambda: network(normalization="batch_renorm", final_pool="all"),
    "dealiased": lambda: network(
        dealias=True, pool="lowpass", up_channel="on", global_average="quadrature"
    ),
    "smooth": lambda: network(
        dealias=True,
        map_grid="gauss_legendre",
        nonlinearity="smooth_leaky_relu",
        pool="lowpass",
        up_channel="on",
        final_pool="all",
    ),
    "spectral": lambda: network(spectral_pooling=True, extra_logits=True),
}
SETTINGS = [
    ("image_data_format", "channels_first", 1e-6),
    ("epsilon", 0.1, 1e-6),
    pytest.param("floatx", "float64", 1e-5, marks=needs_float64),
    ("floatx", "float16", 0.02),
    ("dtype_policy", "mixed_float16", 0.02),
    ("dtype_policy", "mixed_bfloat16", 0.15),
]


def outputs_of(model, signal):
    """In inference, after a step of training that moves the statistics."""
    model(signal, training=True)
    return [x.astype("float64") for x in keras.tree.flatten(numpy(model(signal)))]


@pytest.mark.parametrize(("setting", "value", "tolerance"), SETTINGS)
@pytest.mark.parametrize("name", MODELS)
def test_layers_compute_the_same(keras_config, rng, name, setting, value, tolerance):
    plain = MODELS[name]()
    channels = SHAPE[3] if isinstance(plain, keras.layers.Layer) and not plain.built else 2
    signal = rng.normal(size=(4, 8, 8, channels)).astype("float32")
    plain(signal)
    weights = plain.get_weights()
    expected = outputs_of(plain, signal)
    getattr(keras_config, f"set_{setting}")(value)
    if setting == "floatx":
        keras_config.set_dtype_policy(value)
    model = MODELS[name]()
    model(signal)
    model.set_weights(weights)
    for actual, values in zip(outputs_of(model, signal), expected, strict=True):
        assert_close(actual, values, tolerance)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "policy", ["float32", "mixed_bfloat16", pytest.param("float64", marks=needs_float64)]
)
def test_weights_and_outputs_have_the_dtypes_of_the_policy(keras_config, rng, name, policy):
    keras_config.set_dtype_policy(policy)
    model, signal = MODELS[name](), rng.normal(size=(2, 8, 8, 2))
    outputs = keras.tree.flatten(model(signal, training=True))
    network = isinstance(model, keras.Model)  # whose outputs are those of a loss
    expected = model.variable_dtype if network else model.compute_dtype
    assert {keras.backend.standardize_dtype(x.dtype) for x in outputs} == {expected}
    for weight in model.weights:
        held = keras.backend.standardize_dtype(ops.convert_to_tensor(weight.value).dtype)
        assert held == weight.dtype
        assert weight.dtype in (model.variable_dtype, "uint32", "int64"), weight.path


@pytest.mark.parametrize(("setting", "value", "tolerance"), SETTINGS)
def test_the_loss_computes_the_same(keras_config, rng, setting, value, tolerance):
    # Labels that float16 and bfloat16 cannot tell apart.
    labels, descriptors = np.array([2048, 2049] * 4), rng.normal(size=(8, 4)).astype("float32")
    expected = float(TripletSemiHardLoss()(labels, descriptors))
    getattr(keras_config, f"set_{setting}")(value)
    assert_close(float(TripletSemiHardLoss()(labels, descriptors)), expected, tolerance)
    np.testing.assert_allclose(
        float(TripletSemiHardLoss()(labels, descriptors.astype("float16"))), expected, rtol=0.01
    )
