"""Finds the farthest triangle along a few rays by testing all triangles in float64.

Embree computes in float32. For rays that are nearly parallel to a triangle it reports distances at
which there is no surface. `RayCaster` computes such rays here.
"""

import numpy as np

from spherical_cnn.shapes.rays import EDGE_ON, NEAREST

_PAIRS = 2**18  # rays × triangles per step: 20 MB
_EDGE = 1e-9  # relative enlargement of triangles, so that no ray passes between two


class Cones:
    """Triangles as cones of directions from a center, the origin.

    A unit vector `d` lies in the cone of the triangle `a, b, c` if `d·(b×c)`, `d·(c×a)` and
    `d·(a×b)` have the sign of `a·(b×c)`. Their sum is the dot product of `d` and the normal.

    Args:
        corners: `(3, 3, f)` float64: corner, axis, triangle.
        nearest: distance from the center below which rays do not hit a surface.
    """

    def __init__(self, corners, nearest=NEAREST):
        a, b, c = (corner.T for corner in corners)
        self._sides = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])  # (3, f, 3)
        normal = np.cross(b - a, c - a)
        volume = np.einsum("fi,fi->f", a, normal)
        self._sides *= np.where(volume < 0, -1, 1)[:, None]
        self._volume = np.abs(volume)
        self._length = np.sqrt(np.einsum("fi,fi->f", normal, normal))
        self._nearest = nearest

    def intersect(self, directions):
        """Intersects each ray with the triangle of the same index.

        Args:
            directions: `(3, f)` float64 unit vectors.

        Returns:
            `(hits, cosine)`, `(f,)` each: whether the ray hits the triangle, and the cosine of the
            angle with the normal.
        """
        shares = np.einsum("sfi,if->sf", self._sides, directions)
        cosine = shares.sum(0) / self._length
        return self._distance(shares, self._volume, self._length) > self._nearest, cosine

    def find_farthest(self, directions):
        """Finds the farthest triangle that each ray hits.

        Args:
            directions: `(3, k)` float64 unit vectors.

        Returns:
            `(k,)` int64 indices of triangles, -1 for rays that hit none.
        """
        size = max(1, _PAIRS // len(self._volume))
        volume, length = self._volume[:, None], self._length[:, None]
        farthest = []
        for start in range(0, directions.shape[1], size):
            shares = self._sides @ directions[:, start : start + size]
            distance = self._distance(shares, volume, length)
            hits = distance.max(0) > self._nearest
            farthest.append(np.where(hits, distance.argmax(0), -1))
        return np.concatenate(farthest)

    def _distance(self, shares, volume, length):
        total = shares.sum(0)
        hits = (shares.min(0) >= -_EDGE * total) & (total > EDGE_ON * length)
        return np.divide(volume, total, out=np.zeros(total.shape), where=hits)
