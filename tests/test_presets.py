"""Trained networks of the package: what their table says, and how they are used."""

import json
import os
import re
import shutil

import keras
import numpy as np
import pytest
from helpers import ROOT, box, write_off
from keras import ops

import spherical_cnn as scnn
from spherical_cnn.cli import dispatch
from spherical_cnn.errors import ConfigError
from spherical_cnn.presets import DEFAULT, PRESETS, find_run, is_run

MOST_NETWORKS, MOST_BYTES = 2, 3_000_000
ALONE = """
import json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))  # None: importing them fails
import keras, numpy as np, spherical_cnn as scnn
run = scnn.from_preset(sys.argv[2])
samples = np.random.default_rng(0).normal(size=(2, *run.model.input_shape[1:])) / 4
model = keras.Sequential([run.descriptor, keras.layers.Dense(3)])
print(json.dumps([len(run.class_names), model.predict(samples, verbose=0).shape]))
"""
OPTIONAL = ("embreex", "mapbox_earcut", "matplotlib", "PIL", "skimage", "tqdm", "trimesh")
every_preset = pytest.mark.parametrize("name", PRESETS)


@pytest.fixture(scope="module")
def loaded():
    return {name: scnn.from_preset(name) for name in PRESETS}


@every_preset
def test_the_table_says_what_the_network_is(name, loaded):
    preset, run = PRESETS[name], loaded[name]
    assert run.model.count_params() == preset.num_parameters
    assert run.model.input_shape[1:] == preset.input_shape
    assert len(run.class_names) == run.config.n_classes == preset.num_classes
    count, shape = f"{preset.num_parameters:,}", " × ".join(map(str, preset.input_shape))
    facts = f"{name}: {run.config.model} of {count} parameters, {shape} → {preset.num_classes}"
    assert repr(run) == f"Run({facts} classes)"
    card = (ROOT / "weights" / name / "README.md").read_text("utf-8")
    (figure,) = re.findall(r"^[\d.]+(?= %)", preset.accuracy)
    assert figure in card and f"{count} weights" in card


def test_the_folder_holds_the_networks_of_the_table_and_they_are_small():
    assert sorted(os.listdir(ROOT / "weights")) == sorted(PRESETS) and DEFAULT in PRESETS
    assert len(PRESETS) <= MOST_NETWORKS
    assert all(preset.num_bytes <= MOST_BYTES for preset in PRESETS.values())


@every_preset
def test_outputs_have_the_shapes_of_their_documentation(name, loaded, rng):
    run = loaded[name]
    samples = rng.normal(size=(2, *run.model.input_shape[1:])).astype("float32") / 4
    outputs = run.model.predict_on_batch(samples)
    assert outputs["logits"].shape == (2, len(run.class_names))
    descriptor = run.descriptor.predict_on_batch(samples)
    np.testing.assert_allclose(descriptor, outputs["descriptor"], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@every_preset
def test_a_head_on_the_descriptor_is_trained(name, rng):
    keras.utils.set_random_seed(0)
    backbone = scnn.from_preset(name).descriptor
    backbone.trainable = False
    model = keras.Sequential([backbone, keras.layers.Dense(2, name="head")])
    samples = rng.normal(size=(8, *backbone.input_shape[1:])).astype("float32") / 4
    before = [ops.convert_to_numpy(weight) for weight in backbone.weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss)
    history = model.fit(samples, np.arange(8) % 2, epochs=25, verbose=0).history["loss"]
    assert min(history) < history[0] / 2
    for weight, values in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), values)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_backend_numpy_and_scipy_are_all_that_it_needs(backend, start_python):
    pytest.importorskip(backend)
    without = json.dumps([*OPTIONAL, *{"tensorflow", "jax", "torch"} - {backend}])
    done = start_python("-c", ALONE, without, DEFAULT, KERAS_BACKEND=backend).result()
    assert json.loads(done.stdout) == [PRESETS[DEFAULT].num_classes, [2, 3]]


def test_other_names_are_refused(tmp_path):
    message = f"from_preset: expected {DEFAULT}.* Received: 'runs/mine'; load_run opens"
    with pytest.raises(ConfigError, match=message):
        scnn.from_preset("runs/mine")


def test_a_run_is_a_folder_or_a_preset_and_the_folder_is_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_run(DEFAULT) and find_run(DEFAULT) == PRESETS[DEFAULT].folder
    assert not is_run("mine") and find_run("mine") == "mine"
    shutil.copytree(PRESETS[DEFAULT].folder, tmp_path / DEFAULT)
    assert is_run(DEFAULT) and find_run(DEFAULT) == DEFAULT
    os.remove(tmp_path / DEFAULT / "config.json")
    assert is_run(DEFAULT)  # so that its command says what is missing
    shutil.rmtree(tmp_path / DEFAULT / "checkpoints")
    assert not is_run(DEFAULT)


def test_the_command_lists_them(capsys):
    dispatch(["presets"])
    text = capsys.readouterr().out
    for preset in PRESETS.values():
        for fact in (preset.name, preset.takes, f"{preset.num_parameters:,}", preset.accuracy):
            assert fact in text
        assert preset.split in text and preset.license in text
        (size,) = re.findall(r"size +([\d.]+) MB", text.split(preset.name)[1])
        assert float(size) == pytest.approx(preset.num_bytes / 1e6, abs=0.05)
    dispatch(["presets", "--json"])
    (first, *_) = json.loads(capsys.readouterr().out)
    preset = PRESETS[first["name"]]
    assert first["num_bytes"] == preset.num_bytes and tuple(first["input_shape"]) == (
        preset.input_shape
    )


@pytest.mark.slow
def test_the_device_casts_in_place_of_embree(tmp_path, capsys):
    write_off(tmp_path / "box.off", *box((1, 2, 3.5)))
    found = {}
    for caster in ("embree", "device"):
        dispatch(["predict", str(tmp_path / "box.off"), "--json", "--caster", caster])
        (found[caster],) = json.loads(capsys.readouterr().out)
    assert found["device"]["classes"] == found["embree"]["classes"]
    np.testing.assert_allclose(*(one["probabilities"] for one in found.values()), atol=0.02)
