"""Ten families of convex solids whose signals are exact: the set that `make demo` learns from.

A convex solid around the origin is `{x : g(x) ≤ 1}` for its gauge `g`, homogeneous of degree 1.
The ray in direction `d` leaves it at distance `1 / g(d)`, where the normal is along `∇g(d)`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

Gauge = Callable[[np.ndarray], np.ndarray]


def _ellipsoid(rng) -> Gauge:
    scale = _scale(rng)
    return lambda x: np.linalg.norm(x / scale, axis=-1)


def _box(rng) -> Gauge:
    scale = _scale(rng)
    return lambda x: np.abs(x / scale).max(-1)


def _octahedron(rng) -> Gauge:
    scale = _scale(rng)
    return lambda x: np.abs(x / scale).sum(-1)


def _cylinder(rng) -> Gauge:
    scale = _scale(rng)
    return lambda x: np.maximum(_radius(x / scale), np.abs(x[..., 2]) / scale[2])


def _double_cone(rng) -> Gauge:
    scale = _scale(rng)
    return lambda x: _radius(x / scale) + np.abs(x[..., 2]) / scale[2]


def _cone(rng) -> Gauge:
    return _pointed(rng, _radius)


def _pyramid(rng) -> Gauge:
    return _pointed(rng, lambda x: np.abs(x[..., :2]).max(-1))


def _prism(rng) -> Gauge:
    scale, sides = _scale(rng), _polygon(3)
    return lambda x: np.maximum((x / scale)[..., :2] @ sides, np.abs(x[..., 2:]) / scale[2]).max(-1)


def _hexagonal_bipyramid(rng) -> Gauge:
    scale, sides = _scale(rng), _polygon(6)
    return lambda x: ((x / scale)[..., :2] @ sides).max(-1) + np.abs(x[..., 2]) / scale[2]


def _tetrahedron(rng) -> Gauge:
    scale = _scale(rng)
    faces = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).T
    return lambda x: (x / scale @ faces).max(-1)


FAMILIES: dict[str, Callable[..., Gauge]] = {
    "box": _box,
    "cone": _cone,
    "cylinder": _cylinder,
    "double_cone": _double_cone,
    "ellipsoid": _ellipsoid,
    "hexagonal_bipyramid": _hexagonal_bipyramid,
    "octahedron": _octahedron,
    "prism": _prism,
    "pyramid": _pyramid,
    "tetrahedron": _tetrahedron,
}


def shape_signal(gauge, grid, rotation):
    """Signal of a solid, rotated, as one complex sample per ray.

    Args:
        gauge: of the solid: `(..., 3)` points to `(...)`.
        grid: `SphericalGrid` of `n` samples along each angle.
        rotation: `(3, 3)`, applied to the solid.

    Returns:
        `(n, n)` complex64, colatitude before longitude: magnitude the ray length, 1 at the
        farthest; phase the angle between ray and outer normal, radians.
    """
    theta, phi = np.meshgrid(grid.colatitude, grid.longitude, indexing="ij")
    rays = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1
    )
    rays = rays @ rotation  # Rᵀ d, row by row: the solid's own frame
    length = 1 / gauge(rays)
    step = 1e-6
    normal = np.stack(
        [gauge(rays + step * axis) - gauge(rays - step * axis) for axis in np.eye(3)], axis=-1
    )
    cosine = (normal * rays).sum(-1) / np.linalg.norm(normal, axis=-1)
    angle = np.arccos(np.clip(cosine, 0, 1))
    return (length / length.max() * np.exp(1j * angle)).astype(np.complex64)


def make_shapes(count, resolution, rng):
    """Random solids in random rotations, families in turn.

    Args:
        count: how many.
        resolution: `n`, samples along each angle.
        rng: `np.random.Generator`.

    Yields:
        `(signal, label, name)`: as from `shape_signal`, the index of the family, its name.
    """
    grid = SphericalGrid.from_resolution(resolution)
    families = list(FAMILIES.items())
    for index, angles in enumerate(random_rotations(count, rng)):
        label = index % len(families)
        name, family = families[label]
        yield shape_signal(family(rng), grid, euler_to_matrix(angles)), label, f"{name}_{index:04d}"


def _scale(rng):
    return rng.uniform(0.6, 1.6, 3)


def _radius(x):
    return np.linalg.norm(x[..., :2], axis=-1)


def _pointed(rng, section):
    """Base at z = -1, apex at z = 2, `section` the gauge of the horizontal section."""
    scale = _scale(rng)

    def gauge(x):
        x = x / scale
        return np.maximum(-x[..., 2], (3 * section(x) + x[..., 2]) / 2)

    return gauge


def _polygon(sides):
    """Outer normals of a regular polygon around the unit circle, `(2, sides)`."""
    angle = 2 * np.pi * np.arange(sides) / sides
    return np.stack([np.cos(angle), np.sin(angle)])
