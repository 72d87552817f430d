"""The farthest triangle along a few rays, by trying all of them in float64.

Embree computes in float32. A ray that lies in a triangle, or nearly so, is beyond it: it reports
distances that no surface explains. `RayCaster` asks here about such rays.
"""

from __future__ import annotations

import numpy as np

from spherical_cnn.shapes.rays import EDGE_ON, NEAREST

_PAIRS = 2**18  # of rays and triangles at a time: 20 MB
_EDGE = 1e-9  # share of its size by which a triangle is larger, so that no ray passes between two


class Cones:
    """Triangles as the cones of directions in which they are seen from a center, the origin.

    A unit vector `d` lies in the cone of the triangle `a, b, c` where `d·(b×c)`, `d·(c×a)` and
    `d·(a×b)` have the sign of `a·(b×c)`; their sum is the product of `d` and the normal.

    Args:
        corners: `(3, 3, f)` float64: corner, axis, triangle.
        nearest: distance from the center under which a surface is not met.
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

    def met(self, directions):
        """Whether each ray meets the triangle of its own index.

        Args:
            directions: `(3, f)` float64 unit vectors.

        Returns:
            `(met, cosine)`, `(f,)` each: bool, and the cosine of the angle with the normal.
        """
        shares = np.einsum("sfi,if->sf", self._sides, directions)
        cosine = shares.sum(0) / self._length
        return self._distance(shares, self._volume, self._length) > self._nearest, cosine

    def farthest(self, directions):
        """Index of the farthest triangle that each ray meets, -1 where it meets none.

        Args:
            directions: `(3, k)` float64 unit vectors.

        Returns:
            `(k,)` int64.
        """
        size = max(1, _PAIRS // len(self._volume))
        parts = [directions[:, i : i + size] for i in range(0, directions.shape[1], size)]
        return np.concatenate([self._farthest(part) for part in parts])

    def _farthest(self, directions):
        volume, length = self._volume[:, None], self._length[:, None]
        distance = self._distance(self._sides @ directions, volume, length)
        return np.where(distance.max(0) > self._nearest, distance.argmax(0), -1)

    def _distance(self, shares, volume, length):
        total = shares.sum(0)
        met = (shares.min(0) >= -_EDGE * total) & (total > EDGE_ON * length)
        return np.divide(volume, total, out=np.zeros(total.shape), where=met)
