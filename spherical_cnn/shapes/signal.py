"""The two-channel signal of a shape on the sphere, whatever form the shape comes in.

Along each ray of the grid, from the center: the distance to the farthest surface point, and the
sine of the angle between the ray and the surface normal there, in `[0, 1]` whichever way the normal
points. Both are 0 where the ray meets nothing. A signal is `(n, n, 2)` float32, colatitude before
longitude. Source: Esteves et al. 2018, section 5.1.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError

_FLATTEST = 1e-6  # height of a face over its longest edge: under this it has no area
# Share of the radius, and cosine to the normal: at less of either a ray sees nothing. Coordinates
# of six digits put flat shapes through the center up to 5e-6 off: then under 1 % of the rays, those
# that graze them, meet them farther away than this.
_RESOLVED = 1e-3
# Shares of the rays: a signal with fewer that see a surface is nearly blank, or blank. With 64 × 64
# rays in two rotations, 271 furniture meshes have 8 % or more; of 992 voxel grids of ModelNet10 six
# have less than 1 %, the least 0.3 %; of 250 point clouds of ModelNet40 one has less, namely 0.
# Flat shapes through the center have up to 0.05 %.
LEAST_SEEN = 0.01
_BLANK = 0.001


class Mesh(NamedTuple):
    """Triangles.

    Args:
        vertices: `(v, 3)` float64.
        faces: `(f, 3)` integer rows of vertices.
        normals: `(f, 3)` float64 unit normals of the faces, of either sign, where they are known
            better than from the corners, as for scanned points; `None` otherwise.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None = None

    def face_normals(self):
        """`(f, 3)`: at right angles to each face, as long as twice its area."""
        a, b, c = self.vertices[self.faces].swapaxes(0, 1)
        return np.cross(b - a, c - a)


@dataclasses.dataclass(frozen=True, eq=False)
class Pose:
    """The affine map `x ↦ R S (x - c)` that is applied to a shape before it is looked at.

    Args:
        rotation: `R`, `(3, 3)`.
        scale: the diagonal of `S`, `(3,)`, along the shape's own axes.
        center: `c`, `(3,)`, in the shape's own coordinates: where the rays start.
    """

    rotation: np.ndarray = dataclasses.field(default_factory=lambda: np.eye(3))
    scale: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(3))
    center: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(3))

    @property
    def matrix(self):
        """`R S`, `(3, 3)`."""
        return self.rotation * self.scale

    @property
    def inverse(self):
        """`(R S)⁻¹`, `(3, 3)`."""
        return (self.rotation / self.scale).T

    @property
    def rigid(self):
        """Whether `S` is the identity."""
        return bool((self.scale == 1).all())

    def apply(self, points):
        """`(..., 3)` points, moved."""
        return (points - self.center) @ self.matrix.T


def without_slivers(mesh):
    """The mesh without faces that have no area: no ray can be said to meet them.

    A face has none if it is lower than a millionth of its longest edge, or than float32 can tell
    apart at the size of the mesh. The corners of a line, written as decimal fractions, span an area
    of rounding, and a normal of any direction.

    Args:
        mesh: `Mesh`.

    Returns:
        `Mesh`, of the same vertices.

    Raises:
        ShapeError: if no face has an area.
    """
    corners = mesh.vertices[mesh.faces]
    edges = corners - np.roll(corners, 1, axis=1)
    longest = np.sqrt(np.einsum("fei,fei->fe", edges, edges).max(1))
    normals = mesh.face_normals()
    twice_area = np.sqrt(np.einsum("fi,fi->f", normals, normals))
    finest = 4 * np.finfo(np.float32).eps * np.abs(mesh.vertices).max()
    proper = twice_area > longest * np.maximum(_FLATTEST * longest, finest)
    if not proper.any():
        raise ShapeError(f"zero area: all {len(proper)} faces are lines or points")
    if proper.all():
        return mesh
    return Mesh(
        mesh.vertices, mesh.faces[proper], None if mesh.normals is None else mesh.normals[proper]
    )


def sine_of(cosine):
    """Float32 sines of angles of given cosines, float64, also of small angles; or the reverse."""
    squared = cosine * cosine
    squared = np.subtract(1, squared, out=squared).astype(np.float32)
    return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def seen_share(signals):
    """Share of the rays of signals that see a surface.

    A ray sees the surface that it meets if that is farther from the center than rounding can put
    it, and not met edge-on. Rays meet a flat shape around its own center, too, but only so.

    Args:
        signals: `(..., n, n, 2)`.

    Returns:
        `(...)` float64, from 0 to 1.
    """
    distance, sine = np.moveaxis(np.asarray(signals), -1, 0)
    face_on = sine * sine < 1 - _RESOLVED**2
    return np.mean((distance > _RESOLVED) & face_on, axis=(-2, -1))


def is_blank(shares):
    """Whether rays see next to nothing of a shape in any pose; `shares` as in `what_is_missing`."""
    return bool(np.max(shares) < _BLANK)


def what_is_missing(shares):
    """What is to be said of a shape of which rays see too little.

    Args:
        shares: `seen_share` of its signal in one pose or more.

    Returns:
        a sentence, or `""` if at least `LEAST_SEEN` of the rays see it in each pose.
    """
    shares = np.atleast_1d(shares)
    if is_blank(shares):
        return (
            f"blank: at most {shares.max():.2%} of the rays from the center meet the surface, as "
            "with a flat sheet seen from its own plane or small parts far apart; expected a shape "
            "that surrounds its center"
        )
    few = int((shares < LEAST_SEEN).sum())
    if not few:
        return ""
    poses = f" in {few} of {len(shares)} poses" if len(shares) > 1 else ""
    return f"nearly blank{poses}: {shares.min():.2%} of the rays meet the surface"
