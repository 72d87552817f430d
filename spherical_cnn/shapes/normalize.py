"""Moves the center of a shape to the origin and scales its radius to 1."""

import itertools
from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.signal import Mesh, drop_slivers

# The default is the smallest enclosing sphere. It exists for every shape, watertight or not, does
# not depend on the meshing of the surface, and limits all distances to 1.


class Placement(NamedTuple):
    """Inverse of the normalization: `x = radius · x' + center` for a normalized point `x'`."""

    center: np.ndarray
    radius: float


def normalize(mesh, center="sphere"):
    """Moves the center of a mesh to the origin and scales the farthest vertex to distance 1.

    The center is that of the smallest enclosing sphere (`"sphere"`), the centroid of the surface
    (`"area"`) or that of the enclosed volume (`"volume"`). Returns a `Mesh` and its `Placement`.

    Raises:
        ShapeError: if `center` is `"volume"` and the mesh is not watertight, or if the mesh has no
            extent or area.
    """
    vertices, low, side = _unit_box(mesh.vertices)
    if center == "sphere":
        middle, _ = bounding_sphere(vertices)
    elif center == "area":
        areas = np.linalg.norm(Mesh(vertices, mesh.faces).face_normals(), axis=1)
        if not areas.any():
            raise ShapeError("zero area: the square of every face's area underflows")
        middle = np.average(vertices[mesh.faces].mean(1), axis=0, weights=areas)
    else:
        middle = _center_of_volume(vertices, mesh.faces)
    vertices, radius = _unit_radius(vertices - middle)
    placement = Placement(low + side * middle, float(side * radius))
    return drop_slivers(mesh._replace(vertices=vertices)), placement


def normalize_points(points, center="sphere"):
    """Moves the center of `(n, 3)` points to the origin and scales the farthest one to distance 1.

    The center is that of `normalize`, or the mean of the points for `"area"`.

    Raises:
        ShapeError: if `center` is `"volume"`, or all points are equal.
    """
    if not len(points):
        raise ShapeError("0 points, expected some")
    points, *_ = _unit_box(points)
    if center == "volume":
        raise ShapeError("a point cloud encloses no volume; expected center sphere or area")
    middle = points.mean(0) if center == "area" else bounding_sphere(points)[0]
    return _unit_radius(points - middle)[0]


def bounding_sphere(points):
    """Returns center and radius of the smallest sphere around points, to 1e-7 of the radius.

    The algorithm starts from the sphere of two points. It repeatedly adds the farthest point and
    keeps the at most four points that define the new smallest sphere.

    Source: Gärtner 1999, *Fast and robust smallest enclosing balls*.
    """
    one = _farthest(points, points.mean(0))
    support, center, radius = _smallest(points[[_farthest(points, points[one]), one]])
    for _ in range(1000):  # the radius grows at every step until rounding stops it
        offset = points - center
        squared = np.einsum("ij,ij->i", offset, offset)
        farthest = squared.argmax()
        if squared[farthest] <= radius**2 * (1 + 1e-14):
            break
        new_support, new_center, new_radius = _smallest(
            np.concatenate([points[farthest, None], support])
        )
        if new_radius <= radius:
            break
        support, center, radius = new_support, new_center, new_radius
    return center, float(np.sqrt(squared.max()))


def _farthest(points, point):
    offset = points - point
    return np.einsum("ij,ij->i", offset, offset).argmax()


def _smallest(points):
    """Returns `(support, center, radius)` of the smallest sphere of up to five points.

    The sphere passes through the first point.
    """
    best = (points, points.mean(0), np.inf)
    tolerance = 1e-12 * np.ptp(points, axis=0).max()
    for size in range(1, 4):
        for others in itertools.combinations(range(1, len(points)), size):
            support = points[[0, *others]]
            sides = support[1:] - support[0]
            gram = sides @ sides.T
            weights, *_ = np.linalg.lstsq(2 * gram, gram.diagonal(), rcond=1e-12)
            offset = weights @ sides
            radius = np.sqrt(offset @ offset)
            to_points = points - support[0] - offset
            squared = np.einsum("ij,ij->i", to_points, to_points)
            if radius < best[2] and squared.max() <= (radius + tolerance) ** 2:
                best = (support, support[0] + offset, radius)
    return best


def _unit_box(points):
    """Returns the points scaled to a box with longest side 1; its lowest corner; its side."""
    low, high = points.min(0), points.max(0)
    with np.errstate(over="ignore"):
        side = (high - low).max()
    if side == 0 or not np.isfinite(side):
        raise ShapeError(f"extent is {side:g}, expected a positive finite number")
    return (points - low) / side, low, side


def _unit_radius(points):
    radius = np.sqrt(np.einsum("ij,ij->i", points, points).max())
    return points / radius, radius


def _center_of_volume(vertices, faces):
    import trimesh

    solid = trimesh.Trimesh(vertices, faces)  # merges equal vertices
    if not solid.is_watertight:
        raise ShapeError("not watertight, so it encloses no volume; expected center sphere or area")
    return solid.center_mass
