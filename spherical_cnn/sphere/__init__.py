"""The sphere: grid, spherical harmonics, rotations."""

from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.missing import fill_missing
from spherical_cnn.sphere.sht import isht, sht

__all__ = ["SphericalGrid", "fill_missing", "isht", "sht"]
