"""Point cloud → signal: the points are joined to a surface once, which then goes by ray casting.

Normals of the points are used where they are known. `benchmarks/points.py` measures the error
against the signals of meshes from which the points were drawn, and is where the constants below
come from.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats import cloud_text
from spherical_cnn.shapes.formats.clouds import Cloud, cloud_of_arrays
from spherical_cnn.shapes.formats.ply import read_ply_points
from spherical_cnn.shapes.formats.safe_read import read_arrays
from spherical_cnn.shapes.signal import Mesh

# Fewer distinct points tell too little of a surface.
LEAST_POINTS = 64
# More are thinned to these: 65,536 points are already denser than a grid of 64 × 64 rays, and the
# tetrahedra of a million would take a minute and gigabytes.
MOST_POINTS = 65_536

# A triangle belongs to the surface if its longest edge is under REACH times the spacing of the
# points there, the distance to the NEIGHBORS-th nearest one. Less tears holes into the surface,
# more fills its hollows. This pair is within 1 % of the least error at 1,024 and 4,096 points
# together; 6 to 16 neighbors do equally well, each with its own reach.
NEIGHBORS = 12
REACH = 1.75

# Points nearer than this are one, and each is moved by up to this before the tetrahedra are made:
# the points of a flat face are otherwise in no general position, which costs Qhull minutes.
_RESOLUTION = 1e-6
# Twice the area of a triangle over the square of its longest edge: under this it has no normal.
_FLATTEST = 1e-9

# Shorter sums of the corners' normals say nothing.
_NO_NORMAL = 1e-6

_FACES = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]  # of a tetrahedron, each opposite its corner


def surface(points, normals=None, neighbors=NEIGHBORS, reach=REACH):
    """Triangles between the points, as large as the density of the points allows.

    Those triangles of the Delaunay tetrahedra whose longest edge is under `reach` times the mean
    spacing of their corners: an alpha complex (Edelsbrunner & Mücke 1994) whose alpha follows the
    local density. It has no inside and no orientation, and may hold sheets that the shape has not
    where two surfaces are nearer to each other than the points.

    Args:
        points: `(N, 3)`, finite, in the unit ball. Neither their order nor repeated points matter.
        normals: `(N, 3)`, of the surface at the points, of any length and sign; a row that is 0 or
            not finite says nothing.
        neighbors: spacing is the distance to the nearest point of this rank.
        reach: longest edge of a triangle, in spacings.

    Returns:
        `Mesh`: the distinct points, float64, the triangles between them, int32, and, if `normals`
        are given, the normals of these: means over the corners, see `_normals_of_faces`.

    Raises:
        ShapeError: if `points` is no finite `(N, 3)` array, has fewer than `LEAST_POINTS` distinct
            rows, or spans no triangle, all points being on a line; if `normals` has another shape.
    """
    points, normals = _distinct(points, normals)
    rng = np.random.default_rng(0)
    if len(points) > MOST_POINTS:
        chosen = rng.choice(len(points), MOST_POINTS, replace=False)
        points, normals = points[chosen], normals if normals is None else normals[chosen]
    joggle = rng.uniform(-_RESOLUTION, _RESOLUTION, points.shape)
    tetrahedra = Delaunay(points + joggle)
    # A triangle between two tetrahedra is taken from the later one; outside there is number -1.
    once = tetrahedra.neighbors < np.arange(len(tetrahedra.simplices))[:, None]
    faces = tetrahedra.simplices[:, _FACES][once]
    corners = points[faces]
    edges = corners - np.roll(corners, 1, axis=1)
    longest = np.einsum("fei,fei->fe", edges, edges).max(1)
    across = np.cross(edges[:, 0], edges[:, 1])
    area = np.sqrt(np.einsum("fi,fi->f", across, across))
    spacing, _ = cKDTree(points).query(points, [neighbors + 1])  # the first one is the point
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
    return Mesh(points, faces, _normals_of_faces(normals[faces], own))


def _normals_of_faces(corners, own):
    """Normals of triangles from those of their corners, whose signs need not agree.

    A corner whose normal has the cosine `c` with the triangle's own normal weighs `c⁵`: where the
    surface is smooth this is nearly the mean, of corners with agreeing signs; where a triangle
    crosses an edge of the shape, the side that it lies in decides.

    Args:
        corners: `(f, 3, 3)` unit normals, or 0 where unknown.
        own: `(f, 3)` unit normals of the triangles, which stand where no corner tells more.

    Returns:
        `(f, 3)` unit vectors.
    """
    weights = np.einsum("fci,fi->fc", corners, own) ** 5
    mean = np.einsum("fc,fci->fi", weights, corners)
    length = np.sqrt(np.einsum("fi,fi->f", mean, mean))[:, None]
    return np.where(length > _NO_NORMAL, mean / np.maximum(length, _NO_NORMAL), own)


def _distinct(points, normals):
    """The points in an order of their own, none nearer to another than can be told.

    Of normals `(N, 3)`, if there are any, those of these points, unit vectors or 0.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ShapeError(f"points must be finite and (N, 3). Received: shape {points.shape}")
    cells = np.round(points / _RESOLUTION)
    keys = [*points.T, *cells.T]
    if normals is not None:
        normals = _unit(normals, len(points))
        keys = [*normals.T, ~normals.any(1), *keys]  # of equal points one with a normal comes first
    order = np.lexsort(keys)
    cells = cells[order]
    first = np.append(True, (cells[1:] != cells[:-1]).any(1))[: len(points)]
    if first.sum() < LEAST_POINTS:
        raise ShapeError(
            f"a point cloud needs {LEAST_POINTS} distinct points. Received: {first.sum()}"
        )
    order = order[first]
    return points[order], normals if normals is None else normals[order]


def _unit(normals, count):
    """`(count, 3)` float64: the normals with length 1, or 0 where they are 0 or not finite."""
    normals = np.asarray(normals)
    if normals.shape != (count, 3) or normals.dtype.kind not in "iuf":
        raise ShapeError(
            f"normals must be ({count}, 3), one a point. "
            f"Received: shape {normals.shape}, {normals.dtype}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        normals = normals.astype(np.float64)
    largest = np.abs(normals).max(1, keepdims=True, initial=0)
    known = np.isfinite(largest) & (largest > 0)
    normals = np.where(known, normals, 0) / np.where(known, largest, 1)
    length = np.sqrt(np.einsum("ij,ij->i", normals, normals))[:, None]
    return normals / np.where(known, length, 1)


def read_points(data, suffix):
    """The cloud in an `.npy`, `.npz`, `.ply` or text file, bytes given.

    Returns:
        `Cloud`; see `cloud_of_arrays` and `cloud_text.read_text`.

    Raises:
        ShapeError: if the file is damaged or holds something else.
    """
    if suffix == ".ply":
        return Cloud(*read_ply_points(data))
    if suffix in cloud_text.SUFFIXES:
        return cloud_text.read_text(data, suffix)
    return cloud_of_arrays(read_arrays(data, suffix))
