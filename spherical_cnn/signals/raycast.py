"""Mesh → signal, by Embree: the mesh is indexed once, the rays are moved for each pose."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from spherical_cnn.signals.rays import cone_of, rays_of
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
        normals = mesh.face_normals()
        length = _norm(normals.T)
        proper = length > 0  # others have no normal, and nothing to hit
        if not proper.any():
            raise ShapeError(f"zero area: all {len(normals)} faces are lines or points")
        self._normals = (normals[proper] / length[proper, None]).T.astype("f4", order="C")
        self._radius = _norm(mesh.vertices.T).max()
        self.scene = EmbreeScene(robust=True)
        TriangleMesh(self.scene, mesh.vertices.astype("f4"), mesh.faces[proper].astype("i4"))

    def signal(self, grid, pose, rings=0):
        """Signal of the mesh in one pose.

        Args:
            grid: `SphericalGrid` of `n` samples along each angle.
            pose: `Pose`.
            rings: of rays about each sample's, evenly spread within a cone of half angle `π / n`;
                distances and sines are averaged over all `1 + 3 rings (rings + 1)`. What one ray
                alone tells changes as the shape turns under the grid; averages do far less.

        Returns:
            `(n, n)` complex64, colatitude before longitude (see `spherical_cnn.signals.signal`).
        """
        n = grid.resolution
        if not rings:
            return self._samples(rays_of(grid), pose).reshape(n, n).T
        cone = cone_of(grid, rings)
        distance = sine = np.float32(0)
        for rays in cone:
            samples = self._samples(rays, pose)
            length = np.abs(samples)
            distance = distance + length / len(cone)
            sine = sine + samples.imag / (length + np.float32(1e-8)) / len(cone)
        samples = distance * (np.sqrt(np.maximum(1 - sine**2, 0)) + 1j * sine)
        return samples.astype(np.complex64).reshape(n, n).T

    def _samples(self, rays, pose):
        """Complex samples `(k,)` of the mesh in one pose along unit vectors `(3, k)` float32."""
        inverse = pose.inverse.astype(np.float32)
        moved, rigid = inverse @ rays, pose.rigid
        if not rigid:
            stretch = _norm(moved)
            moved /= stretch
        start, hits = self.cast(pose.centre, moved)
        distance = start - hits["tfar"]
        distance[hits["primID"] < 0] = 0
        normals = self._normals.take(hits["primID"], axis=1, mode="wrap")  # -1, no hit: any
        if not rigid:
            moved, normals = rays, inverse.T @ normals
            normals /= _norm(normals)
            distance /= stretch
        return complex_samples(distance, moved, normals)

    def brightness(self, rotation, eye, pixels):
        """How the mesh looks from far away, lit from there.

        Args:
            rotation: `(3, 3)`, of the mesh.
            eye: `(3, 3)`: rows to the right, upwards and towards the eye, orthonormal.
            pixels: side of the picture.

        Returns:
            `(pixels, pixels)` float32 from the top left: cosine between the surface's normal and
            the direction of the eye; not a number beside the mesh.
        """
        radius = 1.01 * self._radius
        across = ((np.arange(pixels) + 0.5) / pixels * 2 - 1) * radius
        x, y = np.meshgrid(across, -across)
        right, up, towards = (np.asarray(eye) @ rotation).astype("f4")  # seen from the mesh
        start = x.reshape(-1, 1) * right + y.reshape(-1, 1) * up + radius * towards
        rays = np.broadcast_to(-towards, start.shape).astype("f4")
        hits = self.scene.run(start.astype("f4"), rays, query="INTERSECT", output=True)
        cosine = np.abs(towards @ self._normals.take(hits["primID"], axis=1, mode="wrap"))
        cosine[hits["primID"] < 0] = np.nan
        return cosine.reshape(pixels, pixels)

    def cast(self, centre, directions):
        """Casts rays along unit vectors `(3, k)` float32 from `centre`, from outside inwards.

        Returns:
            `(start, hits)`: where the rays start, as a distance from the centre, and Embree's
            arrays; a hit's distance from the centre is the start less its `tfar`.
        """
        radius = self._radius + np.linalg.norm(centre)
        start = np.float32((1 + _MARGIN) * radius)
        inwards = np.negative(directions.T)
        origins = start * directions.T
        origins += np.asarray(centre, np.float32)
        hits = self.scene.run(
            origins,
            inwards,
            dists=np.full(len(inwards), start - _NEAREST * radius, np.float32),
            query="INTERSECT",
            output=True,
        )
        return start, hits


def _norm(vectors):
    return np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
