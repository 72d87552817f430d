"""Point cloud → signal: the points are joined to a surface once, which then goes by ray casting.

No normals are asked for. `benchmarks/points.py` measures the error against the signals of meshes
from which the points were drawn, and is where the constants below come from.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from scipy.spatial import Delaunay, cKDTree

from spherical_cnn.signals.files import read_array
from spherical_cnn.signals.mesh import load
from spherical_cnn.signals.signal import Mesh, ShapeError

# Fewer distinct points tell too little of a surface.
LEAST_POINTS = 64
# More are thinned to these: 65,536 points are already denser than a grid of 64 × 64 rays, and the
# tetrahedra of a million would take a minute and gigabytes.
MOST_POINTS = 65_536

# A triangle belongs to the surface if its longest edge is under REACH times the spacing of the
# points there, the distance to the NEIGHBOURS-th nearest one. Less tears holes into the surface,
# more fills its hollows. This pair is within 1 % of the least error at 1,024 and 4,096 points
# together; 6 to 16 neighbours do equally well, each with its own reach.
NEIGHBOURS = 12
REACH = 1.75

# Points nearer than this are one, and each is moved by up to this before the tetrahedra are made:
# the points of a flat face are otherwise in no general position, which costs Qhull minutes.
_RESOLUTION = 1e-6
# Twice the area of a triangle over the square of its longest edge: under this it has no normal.
_FLATTEST = 1e-9

_FACES = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]  # of a tetrahedron, each opposite its corner


def surface(points, neighbours=NEIGHBOURS, reach=REACH):
    """Triangles between the points, as large as the density of the points allows.

    Those triangles of the Delaunay tetrahedra whose longest edge is under `reach` times the mean
    spacing of their corners: an alpha complex (Edelsbrunner & Mücke 1994) whose alpha follows the
    local density. It has no inside and no orientation, and may hold sheets that the shape has not
    where two surfaces are nearer to each other than the points.

    Args:
        points: `(N, 3)`, finite, in the unit ball. Neither their order nor repeated points matter.
        neighbours: spacing is the distance to the nearest point of this rank.
        reach: longest edge of a triangle, in spacings.

    Returns:
        `Mesh`: the distinct points, float64, and the triangles between them, int32.

    Raises:
        ShapeError: if `points` is no finite `(N, 3)` array, has fewer than `LEAST_POINTS` distinct
            rows, or spans no triangle, all points being on a line.
    """
    points = _distinct(points)
    rng = np.random.default_rng(0)
    if len(points) > MOST_POINTS:
        points = points[rng.choice(len(points), MOST_POINTS, replace=False)]
    joggle = rng.uniform(-_RESOLUTION, _RESOLUTION, points.shape)
    tetrahedra = Delaunay(points + joggle)
    # A triangle between two tetrahedra is taken from the later one; outside there is number -1.
    once = tetrahedra.neighbors < np.arange(len(tetrahedra.simplices))[:, None]
    faces = tetrahedra.simplices[:, _FACES][once]
    corners = points[faces]
    edges = corners - np.roll(corners, 1, axis=1)
    longest = np.einsum("fei,fei->fe", edges, edges).max(1)
    normals = np.cross(edges[:, 0], edges[:, 1])
    area = np.sqrt(np.einsum("fi,fi->f", normals, normals))
    spacing, _ = cKDTree(points).query(points, [neighbours + 1])  # the first one is the point
    limit = reach * spacing[faces, 0].mean(1)
    faces = faces[(longest < limit * limit) & (area > _FLATTEST * longest)]
    if not len(faces):
        raise ShapeError(f"{len(points)} points span no triangle; they seem to be on a line")
    return Mesh(points, faces)


def _distinct(points):
    """The points in an order of their own, none nearer to another than can be told."""
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ShapeError(f"points must be finite and (N, 3). Received: shape {points.shape}")
    cells = np.round(points / _RESOLUTION)
    order = np.lexsort((*points.T, *cells.T))
    points, cells = points[order], cells[order]
    first = np.append(True, (cells[1:] != cells[:-1]).any(1))[: len(points)]
    if first.sum() < LEAST_POINTS:
        raise ShapeError(
            f"a point cloud needs {LEAST_POINTS} distinct points. Received: {first.sum()}"
        )
    return points[first]


def _vertices(file, **_):
    """Of a `.ply` file; `trimesh.load_mesh` drops them where there are no faces."""
    from trimesh.exchange.ply import load_ply

    return load_ply(file)["vertices"]


def read_points(data, suffix):
    """Points of an `.npy` or `.npz` (of one array), `.ply` or `.xyz` file, bytes given.

    Raises:
        ShapeError: if the file is damaged or holds something else.
    """
    if suffix == ".ply":
        return load(data, suffix, _vertices)
    if suffix == ".xyz":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an empty file is only warned of
                return np.loadtxt(io.BytesIO(data), usecols=(0, 1, 2), ndmin=2)
        except (ValueError, UserWarning) as error:
            raise ShapeError(f"not a readable .xyz file: {error}") from error
    return read_array(data, suffix, "of points")
