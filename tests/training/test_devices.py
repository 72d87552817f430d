"""Several devices train as one does: the same losses, whatever the number, before and after."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from helpers import ROOT, assert_fails, parse_run, run, without_noise

from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.training import devices
from spherical_cnn.training.devices import Devices

TWO_DEVICES = """
import sys
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    processor = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)
from helpers import run
run(*sys.argv[1:])
"""

# Arithmetic of a device in one training step's gradient, by the number of devices.
FLOPS = """
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from spherical_cnn.nn.models import two_branch
model = two_branch(32, 3, filters=(8, 16), pool_layers=(1, 0), concat_layers=(1, 1), POOL)
variables = model.trainable_variables, model.non_trainable_variables
weights = [[variable.value for variable in some] for some in variables]
signal = np.zeros((4, 32, 32, 2), "float32")
def loss(trained, others, signal):
    outputs, others = model.stateless_call(trained, others, signal, training=True)
    return outputs["logits"].var(), others
for count in (1, 2):
    mesh = Mesh(jax.devices()[:count], ("batch",))
    everywhere, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("batch",)))
    where = (everywhere, everywhere, shared)
    gradient = jax.jit(jax.grad(loss, has_aux=True), in_shardings=where)
    print(gradient.lower(*weights, signal).compile().cost_analysis()["flops"])
"""


@pytest.fixture
def exact(flags):
    """Command line of a run without chance in its layers, in full batches."""
    return [*(flag for flag in flags if flag != "--dropout"), "--round_batches"]


def on_two_devices(backend, program, *arguments):
    """What a Python program prints that has two devices."""
    environment = {
        **os.environ,
        **{"KERAS_BACKEND": backend, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=True, env=environment, capture_output=True).stdout


def train_on_two(backend, arguments):
    on_two_devices(backend, TWO_DEVICES, *arguments)


def history(folder):
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # The regularization is the total less the other losses: small, with their rounding.
    without = ("seconds", "epoch", "regularization_loss")
    columns = [name for name in rows[0] if name not in without]
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
            train_on_two(backend, [*exact, *long[1:], "--n_epochs=3"])
            long[2] = "--devices=1"
        train_on_two(backend, [*exact, *long])
    one = history(folders["1"])
    assert len(one) == 8  # of two and three steps
    for count in ("2", "all"):
        np.testing.assert_allclose(history(folders[count]), one, rtol=1e-5, atol=1e-6)
    results = [json.loads((f / "metrics.json").read_text()) for f in folders.values()]
    assert results[0]["confusion"] == results[1]["confusion"] == results[2]["confusion"]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "dealias=True"])
def test_each_device_computes_its_part_of_the_batch_only(options):
    pytest.importorskip("jax")
    one, two = map(float, on_two_devices("jax", FLOPS.replace("POOL", options)).split())
    assert two < 0.55 * one


def start_job(arguments, folder, count=2):
    """Processes of a job on this machine, process 0 first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = [f"--coordinator=127.0.0.1:{port}", f"--num_processes={count}", f"--logdir={folder}"]
    command = [sys.executable, "-m", "spherical_cnn", "train", *arguments, *job]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    options = {"env": environment, "text": True, "stderr": subprocess.PIPE}
    return [
        subprocess.Popen([*command, f"--process_id={i}"], stdout=subprocess.DEVNULL, **options)
        for i in range(count)
    ]


@pytest.mark.slow
def test_two_processes_train_as_one(exact, tmp_path):
    pytest.importorskip("jax")
    train_on_two("jax", [*exact, "--n_epochs=8", f"--logdir={tmp_path / 'one'}"])
    job = start_job([*exact, "--n_epochs=8"], tmp_path / "two")
    errors = [process.communicate(timeout=300)[1] for process in job]
    assert [without_noise(error) for error in errors] == ["", ""]
    assert [process.returncode for process in job] == [0, 0]
    one, two = (history(tmp_path / name) for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
    one, two = (json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("one", "two"))
    assert one["confusion"] == two["confusion"]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_dies_ends_the_job_and_one_process_resumes_it(exact, tmp_path, killed):
    pytest.importorskip("jax")
    folder = tmp_path / "job"
    job = start_job([*exact, "--n_epochs=200"], folder)
    wait_for = folder / "history.csv"
    while not wait_for.exists() or len(wait_for.read_text().splitlines()) < 4:
        assert job[0].poll() is None
        time.sleep(0.2)
    job[killed].kill()
    error = job[1 - killed].communicate(timeout=90)[1]
    job[killed].communicate()
    if killed == 0 and job[1].returncode == -signal.SIGABRT:  # JAX was faster
        assert "another task died" in error, error
    else:  # JAX may print lines of its own before or after ours
        ours = (
            rf"^error: process {1 - killed} of 2: another process died or cannot be reached "
            r"\(.*\); the same command resumes from the last checkpoint$"
        )
        assert re.search(ours, error, re.M) and "Traceback" not in error, error
        assert job[1 - killed].returncode == 1
    done = len(history(folder))
    longer = f"--n_epochs={done + 2}"
    train_on_two("jax", [*exact, longer, f"--logdir={folder}"])
    train_on_two("jax", [*exact, longer, f"--logdir={tmp_path / 'one'}"])
    one, resumed = history(tmp_path / "one"), history(folder)
    np.testing.assert_allclose(resumed[:5], one[:5], rtol=1e-4, atol=1e-5)
    assert len(resumed) == done + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--num_processes=2"], "--coordinator, --num_processes: expected both or none"),
        (["--coordinator=a:1"], "--coordinator, --num_processes: expected both or none"),
        (["--coordinator=here"], "--coordinator: expected HOST:PORT. Received: here"),
        (["--process_id=1"], "--process_id: expected less than --num_processes 1. Received: 1"),
        (
            ["--num_processes=2", "--coordinator=a:1", "--from_scratch"],
            "--num_processes: several processes train only, without --from_scratch",
        ),
    ],
)
def test_options_of_several_processes_are_checked(flags, capsys, change, message):
    assert_fails(capsys, 2, message, "train", [*flags, *change])


def test_a_run_of_many_devices_is_tested_on_one(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    stored = json.loads((folder / "config.json").read_text())
    stored["options"] |= {"devices": "8", "num_processes": 4, "coordinator": "there:1"}
    (folder / "config.json").write_text(json.dumps(stored))
    metrics = run("--test_only", f"--logdir={folder}")
    assert metrics["confusion"] == finished[2]["confusion"]


def test_a_coordinator_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(devices, "_PATIENCE", 0)
    with pytest.raises(RunError, match="no process answered at 127.0.0.1:1 in 0 s .*_id 0 there"):
        devices._wait_for("127.0.0.1:1")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="refused on TensorFlow only")
def test_several_processes_are_refused_on_tensorflow(flags, capsys):
    message = "--num_processes: expected KERAS_BACKEND=jax; Keras's fit does not support .*tensor.*"
    job = ["--num_processes=2", "--coordinator=127.0.0.1:1"]
    assert_fails(capsys, 2, message, "train", [*flags, *job])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--devices=two"], "--devices: expected a number or all. Received: two"),
        (["--devices=0"], "--devices: expected a number or all. Received: 0"),
        (["--devices=9"], "--devices: expected at most [1-8], as many as .* has .*Received: 9"),
    ],
)
def test_numbers_of_devices_are_checked(flags, tmp_path, capsys, change, message):
    assert_fails(capsys, 2, message, "train", [*flags, *change])
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="refused on TensorFlow only")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "--devices: needs --round_batches: every step takes a full batch. Received: 2"),
        (["--round_batches", "--train_bsize=7"], "expected a divisor of --train_bsize 7"),
        (["--round_batches", "--triplet_loss"], "--batch_renorm need the whole batch"),
        (["--round_batches", "--batch_renorm"], "--batch_renorm need the whole batch"),
        (["--round_batches", "--jit_compile"], "XLA over several devices needs KERAS_BACKEND=jax"),
    ],
)
def test_options_that_cannot_be_distributed_are_refused(flags, monkeypatch, change, message):
    monkeypatch.setattr(devices, "device_names", lambda: ["one", "two"])
    config = parse_run([*flags, *change, "--devices=2"])
    with pytest.raises(ConfigError, match=message):
        Devices(config)
