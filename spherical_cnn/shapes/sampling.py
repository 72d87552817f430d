"""Points of shapes: samples of surfaces, and the arrangement that `point_sphere` reads.

`spherical_cnn.nn.points.neighborhoods` computes the same arrangement on the device.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.signal import Mesh


def sample_shape(shape, count, generator):
    """Returns points `(≤ count, 3)` float32 of a normalized `Mesh` or `Cloud`, in random order.

    Those of a mesh are uniform over its area. A cloud with fewer points gives all of them.
    """
    if isinstance(shape, Mesh):
        return sample_surface(shape, count, generator).astype(np.float32)
    order = generator.permutation(len(shape.points))[:count]
    return shape.points[order].astype(np.float32)


def sample_surface(mesh, count, generator):
    """Draws points `(count, 3)` of a mesh, uniformly over its area."""
    areas = np.linalg.norm(mesh.face_normals(), axis=1)
    faces = generator.choice(len(areas), count, p=areas / areas.sum())
    u, v = generator.random((2, count, 1))
    folded = u + v > 1  # the other half of a parallelogram
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    a, b, c = mesh.vertices[mesh.faces[faces]].swapaxes(0, 1)
    return a + u * (b - a) + v * (c - a)


def arrange(points, size, front, neighbors):
    """Arranges points as `point_sphere` reads them.

    Args:
        points: `(n, 3)` finite points, `n ≤ size`.
        size: number of rows; those after the `n`-th are missing points.
        front: number of points at the front that are far from each other.
        neighbors: number of nearest points to find.

    Returns:
        `(points, neighbors)`: `(size, 3)` float32, NaN where missing, as `FarthestPointOrder` puts
        them; `(size, neighbors)` uint16, as `NearestNeighbors` finds them.

    Raises:
        ShapeError: if there are no points.
    """
    if not len(points):
        raise ShapeError("found no points, expected some")
    points = points[farthest_first(points, front)]
    rows = np.full((size, 3), np.nan, np.float32)
    rows[: len(points)] = points
    found = np.full((size, neighbors), size - 1, np.uint16)  # a missing one, if any is
    known = min(neighbors, len(points))
    nearest = cKDTree(points).query(points, np.arange(1, known + 1))[1]
    found[: len(points), :known] = nearest
    return rows, found


def farthest_first(points, count):
    """Returns an order of points, `(n,)`; see `FarthestPointOrder`."""
    points = points.astype(np.float64)
    far = np.full(len(points), np.inf)
    chosen = [int(np.einsum("ni,ni->n", points, points).argmax())]
    for _ in range(min(count, len(points)) - 1):
        offset = points - points[chosen[-1]]
        np.minimum(far, np.einsum("ni,ni->n", offset, offset), out=far)
        far[chosen[-1]] = -1
        chosen.append(int(far.argmax()))
    others = np.ones(len(points), bool)
    others[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(others)]).astype(np.int64)
