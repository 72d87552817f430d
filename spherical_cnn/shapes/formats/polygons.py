"""Triangulates convex and concave polygons."""

from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError

_CHUNK = 2**18  # corners per step: about 50 MB of memory
_FANS = 8  # corners that are tried as the center of a fan before ear clipping
# Tolerance of signed areas, relative to the square of the polygon's extent. Rounding at collinear
# corners gives about 1e-16.
_ROUNDING = 1e-12
_BEND = (1e-9, 0.7e-9)  # curvature given to lines in the plane, relative to the polygon's extent


class Polygons(NamedTuple):
    """Polygons of any lengths."""

    lengths: np.ndarray  # (n,) int64 numbers of corners
    corners: np.ndarray  # (sum(lengths),) int64 indices of vertices, polygon after polygon

    @classmethod
    def from_rows(cls, rows):
        """Builds polygons from a list of lists of vertices."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        flat = (corner for row in rows for corner in row)
        return cls(lengths, np.fromiter(flat, np.int64, int(lengths.sum())))

    @classmethod
    def from_array(cls, rows):
        """Builds polygons of equal length from an `(n, k)` array."""
        return cls(np.full(len(rows), rows.shape[1], np.int64), rows.reshape(-1).astype(np.int64))


def check_corners(corners, count):
    """Raises `ShapeError` if an index is outside `0 … count - 1`."""
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise ShapeError(
            f"faces name vertices {corners.min()} … {corners.max()}, expected 0 … {count - 1}"
        )


def triangulate(vertices, polygons):
    """Triangulates polygons, in order, as `(f, 3)` int64 indices of the `(v, 3)` vertices.

    Each polygon is projected to the plane of Newell's normal and cut into a fan around the first
    corner from which all others are visible; if there is none, ears are clipped. A polygon without
    area or with a self-intersecting boundary becomes the fan of its first corner. Polygons with one
    or two corners have no triangles.

    Raises:
        ShapeError: if a polygon has no corners, or refers to a missing vertex.
    """
    lengths, corners = polygons
    if (lengths == 3).all():
        return corners.reshape(-1, 3)
    if not lengths.all():
        raise ShapeError(f"face {np.flatnonzero(lengths == 0)[0] + 1} has no vertices")
    check_corners(corners, len(vertices))
    starts = np.cumsum(lengths) - lengths
    pieces = np.maximum(lengths - 2, 0)
    place = np.cumsum(pieces) - pieces
    triangles = np.empty((int(pieces.sum()), 3), np.int64)
    for length in np.unique(lengths[lengths > 2]).tolist():
        chosen = np.flatnonzero(lengths == length)
        step = max(1, _CHUNK // length)
        for part in (chosen[first : first + step] for first in range(0, len(chosen), step)):
            rows = corners[starts[part][:, None] + np.arange(length)]
            cut = rows[:, None] if length == 3 else _cut(vertices, rows)
            triangles[place[part][:, None] + np.arange(length - 2)] = cut
    return triangles[triangles[:, 0] >= 0]


def _cut(vertices, rows):
    """Cuts `(n, k)` polygons into `(n, k - 2, 3)` triangles; unused triangles are -1."""
    length = rows.shape[1]
    result = _fan(rows)
    with np.errstate(all="ignore"):  # `check_mesh` refuses infinite coordinates later
        edges = vertices[rows] - vertices[rows[:, :1]]
        extent = np.abs(edges).max((1, 2))
        edges /= extent[:, None, None]
        normals = np.cross(edges[:, 1:-1], edges[:, 2:]).sum(1)  # twice the area, Newell
        area = np.linalg.norm(normals, axis=1)
        left = np.flatnonzero(np.isfinite(extent) & (area > _ROUNDING))
    normals = normals[left] / area[left, None]
    edges = edges[left]
    for first in range(min(length, _FANS)):
        fan = np.roll(np.arange(length), -first)
        spokes = edges[:, fan[1:]] - edges[:, fan[:1]]
        signed = np.einsum("nki,ni->nk", np.cross(spokes[:, :-1], spokes[:, 1:]), normals)
        whole = (signed > -_ROUNDING).all(1)
        result[left[whole]] = _fan(rows[left[whole]][:, fan])
        left, edges, normals = left[~whole], edges[~whole], normals[~whole]
        if not len(left):
            return result
    ears, covered = _clip_ears(edges, normals)
    row = np.arange(len(left))[:, None, None]
    result[left[covered]] = np.where(ears < 0, -1, rows[left][row, ears])[covered]
    return result


def _fan(rows):
    """Returns `(n, k - 2, 3)` triangles around the first corners of `(n, k)` polygons."""
    first = np.broadcast_to(rows[:, :1], (len(rows), rows.shape[1] - 2))
    return np.stack([first, rows[:, 1:-1], rows[:, 2:]], axis=-1)


def _clip_ears(corners, normals):
    """Triangulates concave polygons `(n, k, 3)`, counterclockwise around normals `(n, 3)`.

    Returns:
        `(n, k - 2, 3)` positions of corners in their polygon, -1 for unused triangles; `(n,)` bool,
        whether the triangles cover the polygon exactly once.
    """
    from mapbox_earcut import triangulate_float64

    right = np.cross(np.eye(3)[np.abs(normals).argmin(1)], normals)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    axes = np.stack([right, np.cross(normals, right)], axis=-1)
    plane = corners @ axes
    # Earcut drops collinear corners, but adjacent polygons may have edges there: bend all lines.
    plane += _BEND * plane[..., ::-1] ** 2
    count, length = plane.shape[:2]
    ears = np.full((count, length - 2, 3), -1)
    ring = np.array([length], np.uint32)
    for polygon, found in zip(plane, ears, strict=True):
        cut = triangulate_float64(polygon, ring).reshape(-1, 3)
        found[: len(cut)] = cut
    signed = _doubled_areas(plane[np.arange(count)[:, None, None], ears])
    signed[ears[:, :, 0] < 0] = 0
    clockwise = signed < 0
    ears[clockwise] = ears[clockwise][:, ::-1]
    whole = _doubled_areas(plane[:, _fan(np.arange(length)[None])[0]]).sum(1)
    return ears, np.abs(np.abs(signed).sum(1) - whole) < 1e-9 * length


def _doubled_areas(triangles):
    """Returns twice the signed areas `(n, m)` of triangles `(n, m, 3, 2)`."""
    first, second = (triangles[:, :, k] - triangles[:, :, 0] for k in (1, 2))
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
