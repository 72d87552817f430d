"""The sphere: grids, spherical harmonics, rotations, samples at other places."""

from spherical_cnn.sphere.coordinates import to_directions
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.missing import fill_missing
from spherical_cnn.sphere.sampling.functions import sample_function
from spherical_cnn.sphere.sampling.pointwise import isht_at
from spherical_cnn.sphere.sht import isht, sht

__all__ = [
    "SphericalGrid",
    "fill_missing",
    "isht",
    "isht_at",
    "sample_function",
    "sht",
    "to_directions",
]
