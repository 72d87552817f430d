"""The errors of this package: one base class, and a kind for each thing that can be wrong."""

import importlib.util
import json
import os


class SphericalCNNError(Exception):
    """Base of all errors that this package raises about options, files and runs.

    The message names the file or the flag, and says what was found, what was expected and what to
    do.
    """


class ConfigError(SphericalCNNError, ValueError):
    """Options that cannot be used; the message names the flag."""


class ShapeError(SphericalCNNError, ValueError):
    """A shape that cannot become a signal."""


class RecordError(SphericalCNNError, ValueError):
    """A TFRecord, or a shard of them, that cannot be used."""


class DatasetError(SphericalCNNError, RuntimeError):
    """A dataset that cannot be built."""


class RunError(SphericalCNNError, RuntimeError):
    """A run folder, or a file in it, that cannot be used."""


class RankingError(SphericalCNNError, ValueError):
    """Descriptors or rankings that cannot be evaluated."""


BACKENDS = ("tensorflow", "jax", "torch")

# The extra of this package that brings a package, by the name under which it is imported.
_EXTRAS = {
    **{backend: backend for backend in BACKENDS},
    "tqdm": "shapes,train",  # most commands need both
    **dict.fromkeys(("matplotlib", "PIL", "tensorboard"), "train"),
    **dict.fromkeys(("embreex", "mapbox_earcut", "skimage", "trimesh"), "shapes"),
    "tf2onnx": "onnx",
}


_ANY_BACKEND = "; Keras needs this backend, or jax or torch: then set KERAS_BACKEND to its name"


def explain_import(error):
    """Returns a line for an `ImportError`; for a missing package it names the extra to install."""
    package = (error.name or "").split(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in _EXTRAS:
        return str(error)
    line = f'{package} is not installed: pip install "spherical_cnn[{_EXTRAS[package]}]"'
    if package == "embreex":
        line += (
            ". Where Embree has no wheel, such as on ARM Linux: scnn predict --caster device, scnn "
            "evaluate --caster device, scnn train --online"
        )
    if package == configured_backend():
        others = installed_backends()
        line += f"; or set KERAS_BACKEND to {' or '.join(others)}" if others else _ANY_BACKEND
    return line


def installed_backends():
    """Returns the backends of Keras that are installed."""
    return [backend for backend in BACKENDS if importlib.util.find_spec(backend)]


def configured_backend():
    """Returns the backend that `KERAS_BACKEND` or Keras's file names, by default TensorFlow."""
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        with open(os.path.join(home, "keras.json"), encoding="utf-8") as file:
            return json.load(file).get("backend", BACKENDS[0])
    except (OSError, ValueError, AttributeError):  # Keras ignores such a file, too
        return BACKENDS[0]


def choose_backend():
    """Has Keras use a backend that is installed, unless `KERAS_BACKEND` names one.

    Without this, Keras takes TensorFlow, and fails where only JAX or torch is installed.
    """
    if "KERAS_BACKEND" in os.environ:
        return
    installed = installed_backends()
    if installed and configured_backend() not in installed:
        os.environ["KERAS_BACKEND"] = installed[0]


def is_out_of_memory(error):
    """Returns whether a device or the machine had too little memory.

    Every backend raises a type of its own, which is known only where that backend is installed.
    """
    kinds = ("ResourceExhaustedError", "OutOfMemoryError", "MemoryError")
    texts = ("RESOURCE_EXHAUSTED", "can't allocate memory")  # of JAX; of torch on a CPU
    return type(error).__name__ in kinds or any(text in str(error) for text in texts)
