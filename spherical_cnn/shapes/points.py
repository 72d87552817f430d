"""Reconstructs the surface of a point cloud as a mesh.

`benchmarks/points.py` samples points from meshes, measures the error of the signals, and gives the
constants below.
"""

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.signal import Mesh

LEAST_POINTS = 64  # minimum number of distinct points
# Larger clouds are subsampled. 65,536 points are already denser than a grid of 64 × 64 rays. The
# tetrahedra of a million points would take a minute and gigabytes.
MOST_POINTS = 65_536

# A triangle belongs to the surface if its longest edge is shorter than REACH times the spacing of
# the points, the distance to the nearest point of rank NEIGHBORS. A smaller reach leaves holes in
# the surface, a larger reach fills its hollows. This pair is within 1 % of the smallest error at
# 1,024 and 4,096 points together. 6 to 16 neighbors, each with its own reach, are equally good.
NEIGHBORS = 12
REACH = 1.75

# Points at a smaller distance are merged. Before the tetrahedralization each point moves by up to
# this distance, because Qhull takes minutes for the coplanar points of a flat face.
_RESOLUTION = 1e-6
# Minimum of twice the area of a triangle, relative to the square of its longest edge.
_FLATTEST = 1e-9
# Minimum length of a sum of normals that has a direction.
_NO_NORMAL = 1e-6

_FACES = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]  # of a tetrahedron, each opposite its corner


def reconstruct_surface(points, normals=None, neighbors=NEIGHBORS, reach=REACH):
    """Reconstructs the surface through points.

    The surface consists of the triangles of the Delaunay tetrahedra whose longest edge is shorter
    than `reach` times the mean spacing of their corners. This is an alpha complex (Edelsbrunner &
    Mücke 1994) whose alpha follows the local density. It has no inside and no orientation. It may
    connect two surfaces whose distance is smaller than the spacing. The vertices of the `Mesh` are
    the distinct points.

    Args:
        points: `(N, 3)` finite coordinates in the unit ball, repeated ones count once.
        normals: `(N, 3)`, see `Cloud`; with them, the mesh has normals.
        neighbors: rank of the nearest point whose distance is the spacing.
        reach: maximum edge of a triangle, in spacings.

    Raises:
        ShapeError: if there are fewer than `LEAST_POINTS` distinct points, or all points are on a
            line.
    """
    points, normals = _merge_points(points, normals)
    rng = np.random.default_rng(0)
    if len(points) > MOST_POINTS:
        chosen = rng.choice(len(points), MOST_POINTS, replace=False)
        points, normals = points[chosen], normals if normals is None else normals[chosen]
    joggle = rng.uniform(-_RESOLUTION, _RESOLUTION, points.shape)
    tetrahedra = Delaunay(points + joggle)
    # A triangle between two tetrahedra comes from the later one; the outside has number -1.
    once = tetrahedra.neighbors < np.arange(len(tetrahedra.simplices))[:, None]
    faces = tetrahedra.simplices[:, _FACES][once]
    corners = points[faces]
    edges = corners - np.roll(corners, 1, axis=1)
    longest = np.einsum("fei,fei->fe", edges, edges).max(1)
    across = np.cross(edges[:, 0], edges[:, 1])
    area = np.sqrt(np.einsum("fi,fi->f", across, across))
    spacing, _ = cKDTree(points).query(points, [neighbors + 1])  # the first one is the point itself
    limit = reach * spacing[faces, 0].mean(1)
    taken = (longest < limit * limit) & (area > _FLATTEST * longest)
    if not taken.any():
        raise ShapeError(
            f"{len(points)} points span no triangle, as if on a line; expected those of a surface"
        )
    faces = faces[taken]
    if normals is None:
        return Mesh(points, faces)
    own = across[taken] / area[taken, None]
    return Mesh(points, faces, _average_normals(normals[faces], own))


def _average_normals(corners, own):
    """Averages the unit normals `(f, 3, 3)` of the corners of triangles; 0 is unknown.

    A corner has the weight `c⁵` if its normal has the cosine `c` with the triangle's own normal. On
    smooth surfaces this is nearly the mean with equal signs. If a triangle crosses an edge of the
    shape, the side that contains the triangle dominates. If no corner has
    a normal, the result is the triangle's own normal.
    """
    weights = np.einsum("fci,fi->fc", corners, own) ** 5
    mean = np.einsum("fc,fci->fi", weights, corners)
    length = np.sqrt(np.einsum("fi,fi->f", mean, mean))[:, None]
    return np.where(length > _NO_NORMAL, mean / np.maximum(length, _NO_NORMAL), own)


def _merge_points(points, normals):
    """Merges near points; returns them in a canonical order, and their unit normals or `None`."""
    cells = np.round(points / _RESOLUTION)
    keys = [*points.T, *cells.T]
    if normals is not None:
        normals = _unit_normals(normals)
        keys = [*normals.T, ~normals.any(1), *keys]  # points with a normal come first
    order = np.lexsort(keys)
    cells = cells[order]
    first = np.append(True, (cells[1:] != cells[:-1]).any(1))[: len(points)]
    if first.sum() < LEAST_POINTS:
        raise ShapeError(
            f"a point cloud needs {LEAST_POINTS} distinct points. Received: {first.sum()}"
        )
    order = order[first]
    return points[order], normals if normals is None else normals[order]


def _unit_normals(normals):
    """Returns unit normals, or 0 for unknown normals."""
    largest = np.abs(normals).max(1, keepdims=True, initial=0)
    known = np.isfinite(largest) & (largest > 0)
    normals = np.where(known, normals, 0) / np.where(known, largest, 1)
    length = np.sqrt(np.einsum("ij,ij->i", normals, normals))[:, None]
    return normals / np.where(known, length, 1)
