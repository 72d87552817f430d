"""The rays along which a shape is looked at."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=8)
def rays_of(grid):
    """Directions `(3, n²)` float32, longitude before colatitude as in a record."""
    return grid.directions.T.reshape(3, -1).astype("f4", order="C")


@functools.lru_cache(maxsize=4)
def cone_of(grid, rings):
    """List of directions `(3, n²)` float32: each sample's, then those about it, ring by ring."""
    rays = rays_of(grid).astype(np.float64)
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
    return [directions.astype("f4", order="C") for directions in cone]
