"""The sphere: grid, spherical harmonics, rotations."""

from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.sht import (
    from_complex,
    isht,
    sht,
    to_complex,
    truncate,
    zonal_convolution,
    zonal_product,
)

__all__ = [
    "SphericalGrid",
    "from_complex",
    "isht",
    "sht",
    "to_complex",
    "truncate",
    "zonal_convolution",
    "zonal_product",
]
