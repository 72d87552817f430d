"""The rays along which a shape is sampled."""

from __future__ import annotations

import functools

import numpy as np

# A face is not met by rays at a smaller angle to it, radians: it is seen edge-on. Where such a ray
# does cross a face, it passes within this share of the face's radius of one of its edges.
EDGE_ON = 5e-5
# Share of the mesh's radius: a surface nearer to the center than this is not met.
NEAREST = 1e-6


@functools.lru_cache(maxsize=8)
def rays_of(grid):
    """Directions `(3, n²)` float64, longitude before colatitude as in a record."""
    rays = np.ascontiguousarray(grid.directions.T.reshape(3, -1))
    rays.flags.writeable = False
    return rays


@functools.lru_cache(maxsize=4)
def cone_of(grid, rings):
    """List of directions `(3, n²)` float64: each sample's, then those about it, ring by ring."""
    rays = rays_of(grid)
    theta, phi = np.meshgrid(grid.colatitude, grid.longitude)
    theta, phi = theta.ravel(), phi.ravel()
    south = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)])
    east = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)])
    cone = [rays]
    for ring in range(1, rings + 1):
        angle = np.pi / grid.resolution * ring / rings
        for turn in 2 * np.pi * np.arange(6 * ring) / (6 * ring):
            aside = np.cos(turn) * south + np.sin(turn) * east
            cone.append(np.cos(angle) * rays + np.sin(angle) * aside)
    return cone
