"""Layers, losses and the two-branch network, on `keras.ops`: any Keras backend.

Signals have their channels last, whatever `keras.config.image_data_format()` is.
"""

from spherical_cnn.nn.height import Height
from spherical_cnn.nn.layers import SphericalBlock, SphericalConv
from spherical_cnn.nn.losses import TripletSemiHardLoss
from spherical_cnn.nn.models import two_branch
from spherical_cnn.nn.normalization import BatchRenormalization
from spherical_cnn.nn.pooling import (
    AreaWeighting,
    DegreePower,
    SphericalAveragePooling,
    SphericalPooling,
    SphericalResampling,
)

__all__ = [
    "AreaWeighting",
    "BatchRenormalization",
    "DegreePower",
    "Height",
    "SphericalAveragePooling",
    "SphericalBlock",
    "SphericalConv",
    "SphericalPooling",
    "SphericalResampling",
    "TripletSemiHardLoss",
    "two_branch",
]
