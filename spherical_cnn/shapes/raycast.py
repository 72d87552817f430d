"""Computes signals of meshes by Embree on CPUs."""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from spherical_cnn.shapes.rays import EDGE_ON, NEAREST, compute_rays
from spherical_cnn.shapes.signal import compute_sine, drop_slivers

_MARGIN = 1e-2  # distance of ray origins from the bounding sphere, relative to the radius
_GRAZING = 2e-3  # cosine between ray and normal below which Embree's result is computed again
_BESIDE = 1e-4  # relative to the radius: rays this near to an edge may hit either side of it
_PAIRS = 2**18  # rays × triangles per step: 20 MB
_EDGE = 1e-9  # relative enlargement of triangles, so that no ray passes between two


class RayCaster:
    """Casts rays from a center to the farthest surface of a mesh.

    The farthest surface point along a ray from the center is the first one from outside. Therefore
    each ray starts outside, points inwards and ends at the center. Embree finds the triangle in
    float32. The distance is that of the triangle's plane in float64. For rays that are nearly
    parallel to a triangle, Embree reports distances at which there is no surface, so the caster
    tests all triangles in float64. The mesh is indexed once: under a pose `x ↦ R S (x - c)` the
    inverse pose moves the rays. Distances along a ray do not change, and the inverse transpose
    transforms the normals.

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
        mesh = drop_slivers(mesh)
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
        """Computes the signal of the mesh in one pose.

        Distances and sines of the rays of a sample, see `compute_rays`, are averaged, which reduces
        the dependence on the orientation of the grid. The signal is `(n, n, 2)` float32.
        """
        n = grid.resolution
        distance = sine = 0
        for rays in compute_rays(grid, rays_per_sample):
            one_distance, one_sine = self._cast(rays, pose)
            distance = distance + one_distance / rays_per_sample
            sine = sine + one_sine / rays_per_sample
        return np.stack([distance, sine], axis=-1, dtype=np.float32).reshape(n, n, 2)

    def _cast(self, rays, pose):
        """Returns distances and sines `(k,)` of `(3, k)` rays; 0 for rays without a hit."""
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
        sine = compute_sine(cosine)
        distance[faces < 0] = 0
        sine[faces < 0] = 0
        return distance, sine

    def _farthest(self, directions, center):
        """Returns the farthest triangles along rays, their distances, and cosines to the normals.

        A ray without a hit has the triangle -1 and undefined values.
        """
        away = center if center.any() else None  # from the origin
        reach = self.radius if away is None else self._reach(center)
        faces = self._first(directions, away)
        distance, cosine = self._plane(faces, directions, away)
        grazing = np.abs(cosine) < _GRAZING
        grazing &= faces >= 0
        if grazing.any():
            rays = directions[:, grazing]
            faces[grazing] = found = self._recast(faces[grazing], rays, center, away)
            distance[grazing], cosine[grazing] = self._plane(found, rays, away)
        return faces, np.minimum(distance, reach, out=distance), cosine

    def _recast(self, faces, directions, center, away):
        """Returns the farthest triangles along rays for which Embree found grazing `faces`."""
        hits, cosine = self._cones(faces, center).intersect(directions)
        sides = self._corners[:, :, faces] - self._corners[[1, 2, 0]][:, :, faces]
        longest = np.sqrt(np.einsum("eif,eif->ef", sides, sides).max(0))
        # A ray that hits a small triangle at this angle passes beside one of its edges.
        small = hits & (longest * cosine < _BESIDE * self.radius)
        found = np.where(small, faces, -1)
        large = np.flatnonzero(~small)
        rays, mine = directions[:, large], faces[large]
        # Away from edges, rays on both sides of a large triangle hit the triangle behind it.
        aside = _BESIDE * self.normals[:, mine]
        behind, other = (self._first(rays + side, away) for side in (aside, -aside))
        confirmed, cosine = self._cones(behind, center).intersect(rays)
        clear = (behind == other) & ((behind < 0) | confirmed & (cosine >= _GRAZING))
        lengths = [self._plane(one, rays, away)[0] for one in (mine, behind)]
        nearer = ~hits[large] | ((behind >= 0) & (lengths[0] < lengths[1]))
        found[large] = np.where(nearer, behind, mine)
        unclear = large[~clear]
        if len(unclear):
            every = np.arange(self._corners.shape[2])
            found[unclear] = self._cones(every, center).find_farthest(directions[:, unclear])
        return found

    def _cones(self, faces, center):
        corners = self._corners[:, :, faces] - center[:, None]
        return Cones(corners, NEAREST * self.radius)

    def _plane(self, faces, directions, away):
        """Returns distances of the planes of faces along rays, and cosines to the normals."""
        normals = self.normals.take(faces, axis=1, mode="wrap")  # -1 gives any face
        cosine = np.einsum("ij,ij->j", directions, normals)
        distance = self._offsets.take(faces, mode="wrap")
        if away is not None:
            distance -= np.einsum("i,ij->j", away, normals)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance /= cosine
        return distance, cosine

    def _first(self, directions, away):
        """Returns the first triangle that each ray hits from outside, -1 for none, by Embree."""
        radius = self.radius + (0 if away is None else np.sqrt(away @ away))
        start = np.float32((1 + _MARGIN) * radius)
        inwards = np.negative(directions.T, dtype=np.float32)
        origins = inwards * -start
        if away is not None:
            origins += away.astype(np.float32)
        lengths = np.full(len(inwards), start - NEAREST * radius, np.float32)
        return self.scene.run(origins, inwards, dists=lengths, query="INTERSECT")

    def _reach(self, center):
        """Returns the distance of the farthest vertex from `center`."""
        # The distance of that vertex from the origin is at least the radius minus 2 |c|.
        nearest = self.radius - 2 * np.sqrt(center @ center)
        count = np.searchsorted(self._inward, -nearest, side="right")
        offset = self._vertices[:, :count] - center[:, None]
        return np.sqrt(np.einsum("ij,ij->j", offset, offset).max())


class Cones:
    """Triangles as cones of directions from a center, the origin, in float64.

    A unit vector `d` lies in the cone of the triangle `a, b, c` if `d·(b×c)`, `d·(c×a)` and
    `d·(a×b)` have the sign of `a·(b×c)`. Their sum is the dot product of `d` and the normal.

    Args:
        corners: `(3, 3, f)` float64: corner, axis, triangle.
        nearest: distance from the center below which rays do not hit a surface.
    """

    def __init__(self, corners, nearest):
        a, b, c = (corner.T for corner in corners)
        self._sides = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])  # (3, f, 3)
        normal = np.cross(b - a, c - a)
        volume = np.einsum("fi,fi->f", a, normal)
        self._sides *= np.where(volume < 0, -1, 1)[:, None]
        self._volume = np.abs(volume)
        self._length = np.sqrt(np.einsum("fi,fi->f", normal, normal))
        self._nearest = nearest

    def intersect(self, directions):
        """Intersects each ray, `(3, f)` unit vectors, with the triangle of the same index.

        Returns `(hits, cosine)`, `(f,)` each; the cosine is that of ray and normal.
        """
        shares = np.einsum("sfi,if->sf", self._sides, directions)
        cosine = shares.sum(0) / self._length
        return self._distance(shares, self._volume, self._length) > self._nearest, cosine

    def find_farthest(self, directions):
        """Returns indices of the farthest triangles that `(3, k)` rays hit, -1 for no hit."""
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


def _norm(vectors):
    return np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
