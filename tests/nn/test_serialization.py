import inspect
import json
import zipfile

import keras
import numpy as np
import pytest
from helpers import LAYERS, SHAPE, every_layer, saved_models
from reference import assert_close

import spherical_cnn.nn
from spherical_cnn.nn import TripletSemiHardLoss, UpAxisChannel
from spherical_cnn.nn.global_pooling import GlobalSphericalAveragePooling

LOAD = """
import sys
import numpy as np
import keras

folder, how = sys.argv[1:]
for name in ("layers", "network"):
    model = keras.models.load_model(f"{folder}/{name}.keras")
    outputs = model(np.load(f"{folder}/{name}.npy"))
    np.savez(f"{folder}/{name}_{how}.npz", **outputs)
print(model.loss["descriptor"].margin)
"""
SERVE = """
import sys
import numpy as np
import tensorflow as tf

folder, how = sys.argv[1:]
for name in ("layers", "network"):
    model = tf.saved_model.load(f"{folder}/{name}_exported")
    outputs = model.serve(np.load(f"{folder}/{name}.npy"))
    np.savez(f"{folder}/{name}_{how}.npz", **outputs)
print("spherical_cnn" in sys.modules)
"""
SCRIPTS = {
    "loaded": "import spherical_cnn.nn" + LOAD,  # registers the layers
    "loaded_after_keras": "import keras, spherical_cnn" + LOAD,  # and so does this order
    "served": SERVE,
}


@pytest.fixture
def signal(rng):
    return rng.normal(size=SHAPE).astype("float32")


def test_every_public_layer_is_tested_here():
    public = {getattr(spherical_cnn.nn, name) for name in spherical_cnn.nn.__all__}
    layers = {c for c in public if inspect.isclass(c) and issubclass(c, keras.layers.Layer)}
    layers = {c for c in layers if not c.__module__.startswith("spherical_cnn.nn.points.")}
    assert {type(make()) for make in LAYERS.values()} == layers


@every_layer
def test_config_names_every_argument_and_survives_json(name):
    layer = LAYERS[name]()
    config = json.loads(json.dumps(layer.get_config()))
    arguments = set(inspect.signature(type(layer)).parameters) - {"args", "kwargs"}
    assert arguments <= set(config)
    assert type(layer).from_config(config).get_config() == layer.get_config()


@every_layer
def test_layer_made_from_its_serialized_form_does_the_same(name, signal):
    layer = LAYERS[name]()
    expected = layer(signal)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    copy(signal)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(signal), expected)
    assert len(copy.losses) == len(layer.losses)


@every_layer
def test_output_shape_is_the_computed_one(name, signal):
    layer = LAYERS[name]()
    unbuilt = layer.compute_output_shape(SHAPE)
    assert layer(signal).shape == unbuilt == layer.compute_output_shape(SHAPE)
    assert layer.compute_output_shape((None, *SHAPE[1:])) == (None, *unbuilt[1:])
    symbolic = LAYERS[name]()(keras.KerasTensor((None, *SHAPE[1:])))
    assert symbolic.shape == (None, *unbuilt[1:])


@every_layer
def test_layer_takes_batches_of_any_size_in_a_model(name, signal):
    inputs = keras.Input(SHAPE[1:])
    layer = LAYERS[name]()
    model = keras.Model(inputs, layer(inputs))
    one_by_one = np.concatenate([model(signal[:1]), model(signal[1:])])
    assert_close(one_by_one, layer(signal), 1e-6)


def test_loss_survives_its_config():
    loss = TripletSemiHardLoss(margin=0.3, name="triplet")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (type(copy), copy.margin, copy.name) == (TripletSemiHardLoss, 0.3, "triplet")


def of_an_earlier_version(node):
    """The config of a saved model with the names that earlier versions of the package wrote."""
    if isinstance(node, list):
        return [of_an_earlier_version(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {key: of_an_earlier_version(part) for key, part in node.items()}
    if node.get("class_name") == "GlobalSphericalAveragePooling":
        node |= {"class_name": "SphericalAveragePooling"}
        node["registered_name"] = "spherical_cnn>SphericalAveragePooling"
    if node.get("class_name") == "UpAxisChannel":
        node |= {"class_name": "Height", "module": "spherical_cnn.nn.height"}
        node["registered_name"] = "spherical_cnn>Height"
        for new, old in (("known", "told"), ("dropout_rate", "withheld")):
            node["config"][old] = node["config"].pop(new)
    return node


def test_models_of_an_earlier_version_load_under_the_present_names(tmp_path, signal):
    inputs = keras.Input(SHAPE[1:])
    channels = [
        UpAxisChannel(known=known, dropout_rate=0.25, seed=3, name=f"up{known}")(inputs)
        for known in (True, False)
    ]
    maps = keras.layers.Concatenate()([inputs, *channels])
    average = GlobalSphericalAveragePooling("grid", name="gap")(maps)
    model = keras.Model(inputs, keras.layers.Dense(3)(average))
    model.save(tmp_path / "new.keras")
    with (
        zipfile.ZipFile(tmp_path / "new.keras") as new,
        zipfile.ZipFile(tmp_path / "old.keras", "w") as old,
    ):
        for name in new.namelist():
            data = new.read(name)
            if name == "config.json":
                text = json.dumps(of_an_earlier_version(json.loads(data)))
                assert '"Height"' in text and '"SphericalAveragePooling"' in text
                assert '"UpAxisChannel"' not in text and '"dropout_rate"' not in text
                data = text.encode()
            old.writestr(name, data)
    loaded = keras.models.load_model(tmp_path / "old.keras")
    assert_close(loaded(signal), model(signal), 1e-6)
    for name in ("upTrue", "upFalse", "gap"):
        expected, found = model.get_layer(name), loaded.get_layer(name)
        assert type(found) is type(expected) and found.get_config() == expected.get_config()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, start_python):
    """Models saved in a folder, their outputs, and fresh interpreters that run them again."""
    folder = tmp_path_factory.mktemp("models")
    models, outputs = saved_models(folder, np.random.default_rng(2018))
    for name, model in models.items():
        model.export(folder / f"{name}_exported", verbose=False)
    return folder, outputs, {how: start_python("-c", SCRIPTS[how], folder, how) for how in SCRIPTS}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel")
@pytest.mark.parametrize(
    ("how", "printed"), [("loaded", "0.3"), ("loaded_after_keras", "0.3"), ("served", "False")]
)
def test_saved_models_do_the_same_in_a_fresh_interpreter(elsewhere, how, printed):
    folder, outputs, interpreters = elsewhere
    assert interpreters[how].result().stdout.strip() == printed
    for model, expected in outputs.items():
        with np.load(folder / f"{model}_{how}.npz") as actual:
            assert set(actual) == set(expected)
            for name, values in expected.items():
                assert_close(actual[name], values, 1e-6)
