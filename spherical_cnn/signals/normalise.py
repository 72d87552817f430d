"""Where a shape's centre is and how large it is: the rays start there, the radius becomes 1."""

from __future__ import annotations

import itertools

import numpy as np

from spherical_cnn.signals.signal import Mesh, ShapeError, without_slivers

# The default is the smallest enclosing sphere: it exists for every shape, watertight or not, does
# not depend on how finely or how often a surface is meshed, and no distance exceeds 1.
CENTRES = ("sphere", "area", "volume")


def normalised(mesh, centre="sphere"):
    """The mesh with its centre at the origin and its farthest vertex at distance 1.

    Args:
        mesh: `Mesh`, checked.
        centre: `"sphere"`, of the smallest enclosing sphere; `"area"`, centroid of the surface;
            `"volume"`, centroid of the enclosed volume.

    Returns:
        `Mesh`; its `normals`, if it has any, are those of `mesh`.

    Raises:
        ShapeError: if the volume is asked for and the mesh is not watertight.
    """
    vertices = _unit_box(mesh.vertices)
    if centre == "sphere":
        middle, _ = bounding_sphere(vertices)
    elif centre == "area":
        areas = np.linalg.norm(Mesh(vertices, mesh.faces).face_normals(), axis=1)
        if not areas.any():
            raise ShapeError("zero area: the square of every face's area underflows")
        middle = np.average(vertices[mesh.faces].mean(1), axis=0, weights=areas)
    else:
        middle = _centre_of_volume(vertices, mesh.faces)
    return without_slivers(mesh._replace(vertices=_unit_radius(vertices - middle)))


def normalised_points(points, centre="sphere"):
    """A cloud with its centre at the origin and its farthest point at distance 1.

    Args:
        points: `(n, 3)`.
        centre: as for `normalised`; `"area"` is the mean of the points.

    Returns:
        `(n, 3)` float64.

    Raises:
        ShapeError: if the volume is asked for, or all points are one.
    """
    if not len(points):
        raise ShapeError("0 points, expected some")
    points = _unit_box(points)
    if centre == "volume":
        raise ShapeError("a point cloud encloses no volume; expected centre sphere or area")
    middle = points.mean(0) if centre == "area" else bounding_sphere(points)[0]
    return _unit_radius(points - middle)


def bounding_sphere(points):
    """Smallest sphere that encloses points, to 1e-7 of its radius.

    Grows the smallest sphere of at most four of the points by the point farthest outside it.

    Args:
        points: `(n, 3)` finite.

    Returns:
        `(centre, radius)`: `(3,)` float64 and a float.

    Source: Gärtner 1999, *Fast and robust smallest enclosing balls*.
    """
    one = _farthest(points, points.mean(0))
    support, centre, radius = _smallest(points[[_farthest(points, points[one]), one]])
    for _ in range(1000):  # each turn the radius grows: rounding ends it after a few
        offset = points - centre
        squared = np.einsum("ij,ij->i", offset, offset)
        farthest = squared.argmax()
        if squared[farthest] <= radius**2 * (1 + 1e-14):
            break
        new_support, new_centre, new_radius = _smallest(
            np.concatenate([points[farthest, None], support])
        )
        if new_radius <= radius:
            break
        support, centre, radius = new_support, new_centre, new_radius
    return centre, float(np.sqrt(squared.max()))


def _farthest(points, point):
    offset = points - point
    return np.einsum("ij,ij->i", offset, offset).argmax()


def _smallest(points):
    """Smallest sphere of up to five points, through the first: `(support, centre, radius)`."""
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
    """Points moved and scaled so that the longest side of their box is 1."""
    low, high = points.min(0), points.max(0)
    with np.errstate(over="ignore"):
        side = (high - low).max()
    if side == 0 or not np.isfinite(side):
        raise ShapeError(f"extent is {side:g}, expected a positive finite number")
    return (points - low) / side


def _unit_radius(points):
    return points / np.sqrt(np.einsum("ij,ij->i", points, points).max())


def _centre_of_volume(vertices, faces):
    import trimesh

    solid = trimesh.Trimesh(vertices, faces)  # merges vertices that are equal
    if not solid.is_watertight:
        raise ShapeError("not watertight, so it encloses no volume; expected centre sphere or area")
    return solid.center_mass
