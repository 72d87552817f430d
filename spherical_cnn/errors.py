"""The errors of this package: one base class, and a kind for each thing that can be wrong."""

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


# The extra of this package that brings a package, by the name under which it is imported.
_EXTRAS = {
    **{backend: backend for backend in ("tensorflow", "jax", "torch")},
    **dict.fromkeys(("matplotlib", "PIL", "tensorboard", "tqdm"), "train"),
    **dict.fromkeys(("embreex", "mapbox_earcut", "skimage", "trimesh"), "shapes"),
    "tf2onnx": "onnx",
}


def explain_import(error):
    """Returns a line for an `ImportError`; for a missing package it names the extra to install."""
    package = (error.name or "").split(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in _EXTRAS:
        return str(error)
    line = f'{package} is not installed: pip install "spherical_cnn[{_EXTRAS[package]}]"'
    if package == os.environ.get("KERAS_BACKEND", "tensorflow"):
        line += "; or name the backend of Keras that is installed: KERAS_BACKEND=jax, torch, …"
    return line
