"""The rays along which a shape is sampled."""

from __future__ import annotations

import functools

import numpy as np

# A face is not met by rays at a smaller angle to it, radians: it is seen edge-on. Where such a ray
# does cross a face, it passes within this fraction of the face's radius of one of its edges.
EDGE_ON = 5e-5
# Fraction of the mesh's radius: a surface nearer to the center than this is not met.
NEAREST = 1e-6


@functools.lru_cache(maxsize=8)
def rays_of(grid):
    """Returns directions `(3, n²)` float64, colatitude before longitude."""
    rays = np.ascontiguousarray(grid.directions.reshape(-1, 3).T)
    rays.flags.writeable = False
    return rays


@functools.lru_cache(maxsize=4)
def supersampled_rays(grid, rays_per_sample):
    """Returns the rays of each sample: its own, then rings of 6, 12, 18, … around it.

    The rings divide a cone of half angle `π / n` evenly.

    Returns:
        list of `rays_per_sample` directions `(3, n²)` float64, colatitude before longitude.
    """
    rays = rays_of(grid)
    rings = round((np.sqrt(12 * rays_per_sample - 3) - 3) / 6)
    theta, phi = np.meshgrid(grid.colatitude, grid.longitude, indexing="ij")
    theta, phi = theta.ravel(), phi.ravel()
    south = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)])
    east = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)])
    cone = [rays]
    for ring in range(1, rings + 1):
        angle = np.pi / grid.resolution * ring / rings
        for azimuth in 2 * np.pi * np.arange(6 * ring) / (6 * ring):
            aside = np.cos(azimuth) * south + np.sin(azimuth) * east
            cone.append(np.cos(angle) * rays + np.sin(angle) * aside)
    return cone
