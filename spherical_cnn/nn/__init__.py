"""Layers, losses, and the networks of signals and of points, on `keras.ops`: any Keras backend.

Channels are always the last axis. `keras.config.image_data_format()` has no effect.
"""

import keras

from spherical_cnn.nn.augmentation import RandomSphericalRotation
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.convolution import SphericalConv
from spherical_cnn.nn.global_pooling import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
)
from spherical_cnn.nn.losses import AreaWeightedLoss, SmoothedCrossentropy, TripletSemiHardLoss
from spherical_cnn.nn.models import two_branch
from spherical_cnn.nn.normalization import BatchRenormalization
from spherical_cnn.nn.points.local_invariants import LocalInvariants
from spherical_cnn.nn.points.neighborhoods import FarthestPointOrder, NearestNeighbors
from spherical_cnn.nn.points.pair_invariants import (
    NeighborPooling,
    PairInvariants,
    SurfaceProjector,
)
from spherical_cnn.nn.points.point_sphere import point_sphere
from spherical_cnn.nn.points.points_to_sphere import GlobalPointPooling, PointsToSphere
from spherical_cnn.nn.pooling import PACKAGE, SphericalPooling, SphericalResampling
from spherical_cnn.nn.up_axis import UpAxisChannel
from spherical_cnn.old_names import LAYERS

__all__ = [
    "AreaWeightedLoss",
    "AreaWeighting",
    "BatchRenormalization",
    "DegreePower",
    "FarthestPointOrder",
    "GlobalPointPooling",
    "GlobalSphericalAveragePooling",
    "LocalInvariants",
    "NearestNeighbors",
    "NeighborPooling",
    "PairInvariants",
    "PointsToSphere",
    "RandomSphericalRotation",
    "SmoothedCrossentropy",
    "SphericalBlock",
    "SphericalConv",
    "SphericalPooling",
    "SphericalResampling",
    "SurfaceProjector",
    "TripletSemiHardLoss",
    "UpAxisChannel",
    "point_sphere",
    "two_branch",
]

# Keras loads `.keras` files of earlier versions by the names of their classes.
for _old, _new in LAYERS.items():
    keras.saving.get_custom_objects()[f"{PACKAGE}>{_old}"] = globals()[_new]
