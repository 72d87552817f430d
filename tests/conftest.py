"""Fixtures of all tests: fixed seeds, tolerances by dtype, fresh interpreters."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from backends import HAS_FLOAT64

pytest.register_assert_rewrite("helpers")  # its assertions show values, too
pytest_plugins = ["runs"]
collect_ignore_glob = ["*/conftest.py"]  # several of one name, and no doctests in them
ROOT = pathlib.Path(__file__).parents[1]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
ROTATION_TOLERANCE = {"float64": 1e-11, "float32": 1e-5}


@pytest.fixture
def rng():
    return np.random.default_rng(2018)


@pytest.fixture(autouse=True)
def keras_seed():
    keras.utils.set_random_seed(2018)


@pytest.fixture
def keras_config():
    """Keras's global settings, restored after the test."""
    config, names = keras.config, ("floatx", "image_data_format", "epsilon", "dtype_policy")
    before = {name: getattr(config, name)() for name in names}
    yield config
    for name, value in before.items():
        getattr(config, f"set_{name}")(value)


@pytest.fixture(autouse=True)
def printable(request):
    """Has NumPy read results of layers on torch, as it does on the other backends."""
    inside = request.path.is_relative_to(ROOT / "tests")
    room = request.path.relative_to(ROOT / "tests").parts[0] if inside else ""
    if keras.backend.backend() == "torch" and room in ("nn", "sphere"):
        import torch

        with torch.no_grad():  # `backends.gradients` and `backends.recorded` lift it
            yield
    else:
        yield


@pytest.fixture(params=list(TOLERANCE))
def dtype(request):
    if request.param == "float64" and not HAS_FLOAT64:
        pytest.skip("JAX without jax_enable_x64")
    return request.param


@pytest.fixture
def tolerance(dtype):
    return TOLERANCE[dtype]


@pytest.fixture
def rotation_tolerance(dtype):
    return ROTATION_TOLERANCE[dtype]


@pytest.fixture(scope="session")
def start_python():
    """Starts Python in a fresh interpreter; the future that comes back holds what it wrote."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])

    def run(*arguments, **environment):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": paths, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield lambda *arguments, **environment: pool.submit(run, *arguments, **environment)
