"""The rays that sample a shape, and when a ray hits a surface."""

import functools

import numpy as np

# A ray does not hit a face if the angle between them is smaller, in radians. Where such a ray does
# cross a face, it passes within this fraction of the face's radius of one of its edges.
EDGE_ON = 5e-5
# A ray does not hit a surface that is nearer to the center, as a fraction of the mesh's radius.
NEAREST = 1e-6


@functools.lru_cache(maxsize=8)
def compute_rays(grid, rays_per_sample=1):
    """Computes the rays of each sample: its own ray, then rings of 6, 12, 18, … around it.

    The rings divide a cone of half angle `π / n` evenly, so that a sample has 1, 7, 19, 37, … rays.

    Returns:
        list of `rays_per_sample` unit vectors `(3, n²)` float64, colatitude before longitude.
    """
    rays = np.ascontiguousarray(grid.directions.reshape(-1, 3).T)
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
    for rays in cone:
        rays.flags.writeable = False
    return cone
