"""Mesh → signal, by Embree: the mesh is indexed once, the rays are moved for each pose."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from spherical_cnn.shapes.exactcast import Cones
from spherical_cnn.shapes.rays import NEAREST, rays_of, supersampled_rays
from spherical_cnn.shapes.signal import sine_of, without_slivers

_MARGIN = 1e-2  # share of the mesh's radius: rays start this far outside it
_GRAZING = 2e-3  # cosine between ray and normal under which Embree's triangle is not trusted
_BESIDE = 1e-4  # share of the mesh's radius: rays this near to an edge may meet either side of it


class RayCaster:
    """A mesh, indexed for casting rays from a center to its farthest surface.

    The farthest surface point seen from the center is the first one seen from outside, so each ray
    is cast once, inwards, and ends at the center: what lies beyond it is not met. Embree finds the
    triangle, in float32; the distance is that of its plane, in float64. For a ray that lies in the
    triangle, or nearly so, all triangles are tried in float64. Under a pose
    `x ↦ R S (x - c)` the rays are moved in place of the mesh. Distances along a ray carry over,
    normals go by the inverse transpose.

    Args:
        mesh: `Mesh`, checked and normalized. Its `normals`, if it has any, determine the angles but
            not the distances.

    Attributes:
        scene: `EmbreeScene` of the mesh.
        normals: `(3, f)` float64 unit normals of its faces.
        radius: distance of the farthest vertex from the origin.

    Raises:
        ShapeError: if no face has an area.
    """

    def __init__(self, mesh):
        mesh = without_slivers(mesh)
        normals = mesh.face_normals()
        normals /= np.sqrt(np.einsum("fi,fi->f", normals, normals))[:, None]
        self.normals = np.ascontiguousarray(normals.T)
        self._given = None if mesh.normals is None else np.ascontiguousarray(mesh.normals.T)
        self._corners = np.ascontiguousarray(mesh.vertices[mesh.faces].transpose(1, 2, 0))
        self._offsets = np.einsum("if,if->f", self._corners[0], self.normals)
        distance = _norm(mesh.vertices.T)
        order = np.argsort(-distance)
        self._vertices = np.ascontiguousarray(mesh.vertices[order].T)
        self._inward = -distance[order]
        self.radius = distance.max()
        self.scene = EmbreeScene(robust=True)
        TriangleMesh(self.scene, mesh.vertices.astype("f4"), mesh.faces.astype("i4"))

    def signal(self, grid, pose, rays_per_sample=1):
        """Returns the signal of the mesh in one pose.

        Args:
            grid: `SphericalGrid` of `n` samples along each angle.
            pose: `Pose`.
            rays_per_sample: rays whose distances and sines are averaged for each sample, see
                `supersampled_rays`. Averages depend far less on how the grid lies on the shape
                than single rays do.

        Returns:
            `(n, n, 2)` float32, see `spherical_cnn.shapes.signal`.
        """
        n = grid.resolution
        if rays_per_sample == 1:
            distance, sine = self._cast(rays_of(grid), pose)
        else:
            distance = sine = 0
            for rays in supersampled_rays(grid, rays_per_sample):
                one_distance, one_sine = self._cast(rays, pose)
                distance = distance + one_distance / rays_per_sample
                sine = sine + one_sine / rays_per_sample
        return np.stack([distance, sine], axis=-1, dtype=np.float32).reshape(n, n, 2)

    def _cast(self, rays, pose):
        """Distance, and sine of the angle with the normal, `(k,)` each; 0 where nothing is met.

        Args:
            rays: `(3, k)` float64 unit vectors.
            pose: `Pose`.
        """
        inverse = pose.inverse
        moved = inverse @ rays
        if not pose.rigid:
            stretch = _norm(moved)
            moved /= stretch
        faces, distance, cosine = self._farthest(moved, np.asarray(pose.center, float))
        if not pose.rigid:
            distance /= stretch
        if not pose.rigid or self._given is not None:
            normals = self.normals if self._given is None else self._given
            normals = inverse.T @ normals.take(faces, axis=1, mode="wrap")
            cosine = np.einsum("ij,ij->j", rays, normals) / _norm(normals)
        sine = sine_of(cosine)
        distance[faces < 0] = 0
        sine[faces < 0] = 0
        return distance, sine

    def _farthest(self, directions, center):
        """The farthest triangle along rays from `center`, its distance, and cosine to its normal.

        Args:
            directions: `(3, k)` float64 unit vectors.
            center: `(3,)`.

        Returns:
            `(faces, distance, cosine)`, `(k,)` each: index of the triangle, -1 for a ray that meets
            none, whose other values mean nothing.
        """
        away = center if center.any() else None  # from the origin
        reach = self.radius if away is None else self._reach(center)
        faces = self._first(directions, away)
        distance, cosine = self._plane(faces, directions, away)
        grazing = np.abs(cosine) < _GRAZING
        grazing &= faces >= 0
        if grazing.any():
            rays = directions[:, grazing]
            faces[grazing] = found = self._resolved(faces[grazing], rays, center, away)
            distance[grazing], cosine[grazing] = self._plane(found, rays, away)
        return faces, np.minimum(distance, reach, out=distance), cosine

    def _resolved(self, faces, directions, center, away):
        """The farthest triangles along rays that Embree says to graze `faces`, -1 if none."""
        met, cosine = self._cones(faces, center).met(directions)
        sides = self._corners[:, :, faces] - self._corners[[1, 2, 0]][:, :, faces]
        longest = np.sqrt(np.einsum("eif,eif->ef", sides, sides).max(0))
        # A ray that meets a small triangle so passes beside one of its edges.
        small = met & (longest * cosine < _BESIDE * self.radius)
        found = np.where(small, faces, -1)
        large = np.flatnonzero(~small)
        rays, mine = directions[:, large], faces[large]
        # Away from edges, rays on both sides of a large one meet the triangle that it may hide.
        aside = _BESIDE * self.normals[:, mine]
        behind, other = (self._first(rays + side, away) for side in (aside, -aside))
        seen, cosine = self._cones(behind, center).met(rays)
        clear = (behind == other) & ((behind < 0) | seen & (cosine >= _GRAZING))
        lengths = [self._plane(one, rays, away)[0] for one in (mine, behind)]
        nearer = ~met[large] | ((behind >= 0) & (lengths[0] < lengths[1]))
        found[large] = np.where(nearer, behind, mine)
        unclear = large[~clear]
        if len(unclear):
            every = np.arange(self._corners.shape[2])
            found[unclear] = self._cones(every, center).farthest(directions[:, unclear])
        return found

    def _cones(self, faces, center):
        corners = self._corners[:, :, faces] - center[:, None]
        return Cones(corners, NEAREST * self.radius)

    def _plane(self, faces, directions, away):
        """Distance of the planes of faces along rays, and cosine between ray and normal."""
        normals = self.normals.take(faces, axis=1, mode="wrap")  # -1, none: any
        cosine = np.einsum("ij,ij->j", directions, normals)
        distance = self._offsets.take(faces, mode="wrap")
        if away is not None:
            distance -= np.einsum("i,ij->j", away, normals)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance /= cosine
        return distance, cosine

    def _first(self, directions, away):
        """The first triangle that each ray meets from outside inwards, in float32, -1 if none."""
        radius = self.radius + (0 if away is None else np.sqrt(away @ away))
        start = np.float32((1 + _MARGIN) * radius)
        inwards = np.negative(directions.T, dtype=np.float32)
        origins = inwards * -start
        if away is not None:
            origins += away.astype(np.float32)
        lengths = np.full(len(inwards), start - NEAREST * radius, np.float32)
        return self.scene.run(origins, inwards, dists=lengths, query="INTERSECT")

    def _reach(self, center):
        """Distance of the farthest vertex from `center`."""
        # That vertex is nearer to the origin than the farthest from there by 2 |c| at most.
        nearest = self.radius - 2 * np.sqrt(center @ center)
        count = np.searchsorted(self._inward, -nearest, side="right")
        offset = self._vertices[:, :count] - center[:, None]
        return np.sqrt(np.einsum("ij,ij->j", offset, offset).max())


def _norm(vectors):
    return np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
