"""Spherical CNNs (Esteves et al., ECCV 2018) for TensorFlow 2 / Keras 3.

Importing the package registers its Keras layers; input/output loads on first use.
"""

from spherical_cnn import startup as startup
from spherical_cnn.nn import (
    SphericalAveragePooling,
    SphericalBlock,
    SphericalConv,
    SphericalPooling,
    two_branch,
)
from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.version import __version__ as __version__

__all__ = [
    "SphericalAveragePooling",
    "SphericalBlock",
    "SphericalConv",
    "SphericalGrid",
    "SphericalPooling",
    "isht",
    "load_records",
    "sht",
    "two_branch",
]


def __getattr__(name):
    if name == "load_records":
        from spherical_cnn.data.records.pipeline import load_records

        return load_records
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
