"""Mesh → signal, by Embree: the mesh is indexed once, the rays are moved for each pose."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from spherical_cnn.signals.signal import ShapeError, complex_samples

# Shares of the mesh's radius: rays start this far outside it, and a surface nearer to the centre
# than rounding can tell is not met.
_MARGIN = 1e-2
_NEAREST = 1e-6


class RayCaster:
    """A mesh, indexed for casting rays from a centre to its farthest surface.

    The farthest surface point seen from the centre is the first one seen from outside, so each ray
    is cast once, inwards, and ends at the centre: what lies beyond it is not met. Under a pose
    `x ↦ R S (x - c)` the rays are moved in place of the mesh. Distances along a ray carry over,
    normals go by the inverse transpose.

    Args:
        mesh: `Mesh`, checked and normalised (see `spherical_cnn.signals.mesh`); Embree computes in
            float32, to about 1e-7 of the mesh's radius.
    """

    def __init__(self, mesh):
        corners = mesh.vertices[mesh.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = _norm(normals)
        proper = length > 0  # others have no normal, and nothing to hit
        if not proper.any():
            raise ShapeError(f"zero area: all {len(normals)} faces are lines or points")
        self._normals = np.ascontiguousarray((normals[proper] / length[proper, None]).T)
        self._radius = _norm(mesh.vertices).max()
        self.scene = EmbreeScene(robust=True)
        TriangleMesh(self.scene, mesh.vertices.astype("f4"), mesh.faces[proper].astype("i4"))

    def signal(self, grid, pose):
        """Signal of the mesh in one pose.

        Args:
            grid: `SphericalGrid` of `n` samples along each angle.
            pose: `Pose`.

        Returns:
            `(n, n)` complex64, colatitude before longitude (see `spherical_cnn.signals.signal`).
        """
        moved = pose.inverse @ grid.directions.reshape(-1, 3).T
        stretch = None if pose.rigid else np.sqrt(np.einsum("ij,ij->j", moved, moved))
        if stretch is not None:
            moved /= stretch
        start, hits = self.cast(pose.centre, moved)
        normals = self._normals.take(hits["primID"], axis=1, mode="wrap")  # -1, no hit: any
        cosine = np.einsum("ij,ij->j", moved, normals)
        distance = np.where(hits["primID"] >= 0, start - hits["tfar"], 0)
        if stretch is not None:
            normals = pose.inverse.T @ normals
            cosine *= stretch / np.sqrt(np.einsum("ij,ij->j", normals, normals))
            distance = distance / stretch
        return complex_samples(distance, cosine).reshape(grid.resolution, grid.resolution)

    def cast(self, centre, directions):
        """Casts rays inwards along unit vectors `(3, k)` from `centre`.

        Returns:
            `(start, hits)`: where the rays start, as a distance from the centre, and Embree's
            arrays; a hit's distance from the centre is the start less its `tfar`.
        """
        radius = self._radius + np.linalg.norm(centre)
        start = np.float32((1 + _MARGIN) * radius)
        inwards = np.negative(directions.T, dtype=np.float32, casting="same_kind")
        hits = self.scene.run(
            np.asarray(centre, np.float32) - start * inwards,
            inwards,
            dists=np.full(len(inwards), start - _NEAREST * radius, np.float32),
            query="INTERSECT",
            output=True,
        )
        return start, hits


def _norm(vectors):
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
