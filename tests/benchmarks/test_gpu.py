"""The GPU benchmark, without one."""

import inspect
import json

import keras
import pytest

from benchmarks import gpu
from benchmarks.architecture import read_flags, two_branch_of
from benchmarks.frameworks import TensorFlow
from benchmarks.network import PARAMETERS, configuration
from spherical_cnn.experiment import network
from spherical_cnn.experiment.config import Config
from spherical_cnn.nn import models

TINY = {"input_res": 16, "nfilters": (2, 4), "pool_layers": (0, 1), "concat_branches": (0, 1)}
SMALL = {"product": 64, "copy": 2**16}
WITHOUT_TENSORFLOW = f"""
import json, sys
sys.modules["tensorflow"] = None
from benchmarks import gpu
from benchmarks.frameworks import Jax
print(json.dumps(gpu.run(Jax(), 1, (2, 3), large={SMALL}, flags={TINY}).rows))
"""


def test_refused_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(TensorFlow, "gpu", lambda self: None)
    assert gpu.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: tensorflow sees no GPU")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert gpu.main(["--cpu"]) == 1
    assert "expected jax or tensorflow. Received: torch" in capsys.readouterr().err


def test_the_network_is_that_of_the_runs(monkeypatch):
    flags, config = read_flags(*PARAMETERS), configuration()
    read = Config.from_json(flags)
    assert all(getattr(config, name) == getattr(read, name) for name in flags)
    signature = inspect.signature(models.two_branch)

    def arguments(*positional, **named):
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        return bound.arguments

    monkeypatch.setattr(models, "two_branch", arguments)
    monkeypatch.setattr(network, "two_branch", arguments)
    assert two_branch_of(flags) == network.build_model(config)


def _check(rows, batches):
    assert [row["batch"] for row in rows] == batches * 2
    for row in rows:
        assert row["seconds"] > 0 and row["flops"] > 0 and row["product_use"] > 0
        assert row["hours"] > 0


@pytest.mark.slow
def test_tensorflow_on_a_cpu():
    rows = gpu.run(TensorFlow(), 1, (2,), large=SMALL, flags=TINY).rows
    _check(rows, [2])
    assert rows[0]["bytes"] is None and keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_jax_on_a_cpu_where_there_is_no_tensorflow(start_python):
    pytest.importorskip("jax")
    done = start_python("-c", WITHOUT_TENSORFLOW, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu").result()
    rows = json.loads(done.stdout)
    _check(rows, [2, 3])
    assert all(row["bytes"] > 0 for row in rows)
