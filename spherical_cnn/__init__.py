"""Spherical CNNs (Esteves et al., ECCV 2018) in Keras 3, on TensorFlow, JAX or PyTorch.

Importing the package is fast: Keras and its backend load when a public name is first used. Where
TensorFlow is not installed and `KERAS_BACKEND` is not set, Keras uses JAX or PyTorch.
"""

import importlib
import importlib.util
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - pip refuses to install it there, a checkout does not
    raise ImportError(
        "spherical_cnn needs Python 3.11 or newer, this is Python " + sys.version.split()[0]
    )

from typing import TYPE_CHECKING

from spherical_cnn.errors import choose_backend, explain_import
from spherical_cnn.version import __version__ as __version__

if TYPE_CHECKING:
    from spherical_cnn.data.records.pipeline import load_records
    from spherical_cnn.data.signals import shapes_to_signals
    from spherical_cnn.nn import (
        AreaWeightedLoss,
        GlobalSphericalAveragePooling,
        PointsToSphere,
        RandomSphericalRotation,
        SphericalBlock,
        SphericalConv,
        SphericalPooling,
        SphericalResampling,
        point_sphere,
        two_branch,
    )
    from spherical_cnn.sphere import (
        SphericalGrid,
        fill_missing,
        isht,
        isht_at,
        sample_function,
        sht,
        to_directions,
    )
    from spherical_cnn.training.run import from_preset, load_run

__all__ = [
    "AreaWeightedLoss",
    "GlobalSphericalAveragePooling",
    "PointsToSphere",
    "RandomSphericalRotation",
    "SphericalBlock",
    "SphericalConv",
    "SphericalGrid",
    "SphericalPooling",
    "SphericalResampling",
    "fill_missing",
    "from_preset",
    "isht",
    "isht_at",
    "load_records",
    "load_run",
    "point_sphere",
    "sample_function",
    "shapes_to_signals",
    "sht",
    "to_directions",
    "two_branch",
]

if importlib.util.find_spec("tensorflow") is None:
    __all__.remove("load_records")  # so that `from spherical_cnn import *` works

_SPHERE = ("SphericalGrid", "fill_missing", "isht", "isht_at", "sample_function", "sht")
_MODULES = {
    **dict.fromkeys((*_SPHERE, "to_directions"), "spherical_cnn.sphere"),
    **dict.fromkeys(("from_preset", "load_run"), "spherical_cnn.training.run"),
    "load_records": "spherical_cnn.data.records.pipeline",
    "shapes_to_signals": "spherical_cnn.data.signals",
}


def __getattr__(name):
    if name not in __all__ and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(_MODULES.get(name, "spherical_cnn.nn"))
    except ImportError as error:
        raise ImportError(explain_import(error), name=error.name) from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])


if "keras" in sys.modules:  # registers the layers, so that Keras loads models that have them
    importlib.import_module("spherical_cnn.nn")
else:
    choose_backend()
