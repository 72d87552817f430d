import importlib.util
import pathlib
import sys

import keras
import numpy as np
import pytest
from helpers import saved_models
from keras import ops

BACKENDS = ("jax", "torch")
MODELS = ("layers", "network")
ROOT = pathlib.Path(__file__).parents[2]
PROMISES = (
    "nn/test_augmentation.py",
    "nn/test_compiled.py",
    "nn/test_empty_batches.py",
    "nn/test_frozen.py",
    "nn/points/test_neighborhoods.py",
    "nn/test_losses.py",
    "nn/test_settings.py",
    "nn/test_transformations.py",
    "sphere/test_precision.py",
    "sphere/test_spectral.py",
    "sphere/test_symbolic.py",
    "sphere/sampling/test_harmonics.py",
)


def numbers_of(models, folder):
    """Outputs of every model, and losses and weights of two training steps of the network."""
    numbers = {}
    for name, model in models.items():
        signal = np.load(folder / f"{name}.npy")
        outputs = model.predict(signal, verbose=0)
        numbers |= {f"{name} output {key}": value for key, value in outputs.items()}
    targets = dict.fromkeys(outputs, np.array([0, 1, 0, 1]))
    for step in range(2):
        numbers[f"loss {step}"] = np.array(model.train_on_batch(signal, targets))
    return numbers | {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}


def main(folder):
    models = {name: keras.models.load_model(folder / f"{name}.keras") for name in MODELS}
    for model in models.values():
        model.jit_compile = keras.backend.backend() == "jax"  # slow one operation at a time
    np.savez(folder / keras.backend.backend(), **numbers_of(models, folder))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, start_python):
    """Numbers of this backend, and the others at work on the same models."""
    folder = tmp_path_factory.mktemp("backends")
    models, _ = saved_models(folder, np.random.default_rng(2018))
    interpreters = {
        backend: start_python(__file__, folder, KERAS_BACKEND=backend)
        for backend in BACKENDS
        if importlib.util.find_spec(backend)
    }
    for model in models.values():
        model.run_eagerly = True  # compiling takes longer than two steps
    return folder, numbers_of(models, folder), interpreters


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_gives_the_numbers_of_tensorflow(elsewhere, backend):
    folder, expected, interpreters = elsewhere
    if backend not in interpreters:
        pytest.skip(f"{backend} is not installed")
    interpreters[backend].result()
    with np.load(folder / f"{backend}.npz") as actual:
        assert set(actual) == set(expected)
        for name, values in expected.items():
            atol = 1e-5 * max(0.1, np.abs(values).max())
            np.testing.assert_allclose(actual[name], values, rtol=0, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_keep_their_promises_on_every_backend(start_python, backend):
    if backend == keras.backend.backend() or not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed, or what runs these tests")
    files = [ROOT / "tests" / name for name in PROMISES]
    environment = {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    start_python("-m", "pytest", "-q", "-p", "no:cacheprovider", *files, **environment).result()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
