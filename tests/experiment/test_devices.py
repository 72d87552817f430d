"""Several devices train as one does: the same losses, whatever the number, before and after."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from test_scripts import assert_fails, script

from spherical_cnn.experiment.config import Config, argument_parser
from spherical_cnn.experiment.devices import Devices

ROOT = pathlib.Path(__file__).parents[2]

TWO_DEVICES = """
import sys
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    processor = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)
from spherical_cnn.experiment.config import argument_parser
from spherical_cnn.experiment.training import run_experiment
run_experiment(vars(argument_parser("").parse_args(sys.argv[1:])))
"""


@pytest.fixture
def exact(flags):
    """Command line of a run without chance in its layers, in full batches."""
    return [*(flag for flag in flags if flag != "--dropout"), "--round_batches"]


def train(backend, arguments):
    environment = {
        **os.environ,
        **{"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", TWO_DEVICES, *map(str, arguments)]
    subprocess.run(command, check=True, env=environment, capture_output=True)


def history(folder):
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name not in ("seconds", "epoch")]
    return np.array([[float(row[name]) for name in columns] for row in rows])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one(exact, tmp_path, backend):
    if backend == "jax":
        pytest.importorskip("jax")
    folders = {count: tmp_path / f"run{count}" for count in ("1", "2", "all")}
    for count, folder in folders.items():
        long = ["--n_epochs=8", f"--logdir={folder}", f"--devices={count}"]
        if count == "all":  # stopped after three epochs, and continued on one device
            train(backend, [*exact, *long[1:], "--n_epochs=3"])
            long[2] = "--devices=1"
        train(backend, [*exact, *long])
    one = history(folders["1"])
    assert len(one) == 8  # of two and three steps
    for count in ("2", "all"):
        np.testing.assert_allclose(history(folders[count]), one, rtol=1e-5, atol=1e-6)
    results = [json.loads((f / "metrics.json").read_text()) for f in folders.values()]
    assert results[0]["confusion"] == results[1]["confusion"] == results[2]["confusion"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--devices=two"], "--devices: expected a number or all. Received: two"),
        (["--devices=0"], "--devices: expected a number or all. Received: 0"),
        (["--devices=9"], "--devices: expected at most [1-8], as many as .* has .*Received: 9"),
    ],
)
def test_numbers_of_devices_are_checked(flags, tmp_path, capsys, change, message):
    assert_fails(capsys, 2, message, script("train"), [*flags, *change])
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="refused on TensorFlow only")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "--devices: needs --round_batches: a full batch for every step. Received: 2"),
        (["--round_batches", "--train_bsize=7"], "expected a divisor of --train_bsize 7"),
        (["--round_batches", "--triplet_loss"], "--triplet_loss and --batch_renorm look at the"),
        (["--round_batches", "--batch_renorm"], "--triplet_loss and --batch_renorm look at the"),
        (["--round_batches", "--jit_compile"], "XLA over several devices is JAX's"),
    ],
)
def test_what_cannot_be_spread_is_refused(flags, monkeypatch, change, message):
    monkeypatch.setattr(Devices, "_names", lambda self: ["one", "two"])
    options = argument_parser("").parse_args([*flags, *change, "--devices=2"])
    with pytest.raises(ValueError, match=message):
        Devices(Config.from_json(vars(options)))
