"""Meshes, their poses, and properties of their signals on the sphere.

A signal has two values for each ray of the grid from the center: the distance to the farthest
surface point, and the sine of the angle between the ray and the surface normal there. The sine is
in `[0, 1]` and does not depend on the sign of the normal. Both values are 0 for rays without a hit.
A signal is `(n, n, 2)` float32, colatitude before longitude. Source: Esteves et al. 2018, section
5.1.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError

_FLATTEST = 1e-6  # minimum height of a face, relative to its longest edge
# Minimum distance, and cosine to the normal, of a valid hit. Coordinates with six digits put flat
# shapes through the center up to 5e-6 off. Then less than 1 % of the rays, the grazing ones, hit
# them at a larger distance.
_RESOLVED = 1e-3
# Hit rates below which a signal is nearly blank, or blank. With 64 × 64 rays in two rotations, 271
# furniture meshes have at least 8 %. Of 992 voxel grids of ModelNet10 six have less than 1 %, with
# a minimum of 0.3 %. Of 250 point clouds of ModelNet40 one has 0. Flat shapes through the center
# have up to 0.05 %.
MIN_HIT_RATE = 0.01
_BLANK = 0.001


class Mesh(NamedTuple):
    """Triangle mesh.

    Its normals `(f, 3)`, if it has any, are unit normals of the faces of either sign, for example
    those of scanned points. Otherwise the corners define the normals.
    """

    vertices: np.ndarray  # (v, 3) float64 coordinates
    faces: np.ndarray  # (f, 3) integer indices of vertices
    normals: np.ndarray | None = None

    def face_normals(self):
        """Returns `(f, 3)` normals; their lengths are twice the areas of the faces."""
        a, b, c = self.vertices[self.faces].swapaxes(0, 1)
        return np.cross(b - a, c - a)


@dataclasses.dataclass(frozen=True, eq=False)
class Pose:
    """Affine map `x ↦ R S (x - c)` of a shape before ray casting.

    The scale is the diagonal of `S`, along the axes of the shape. Rays start at the center `c`, in
    the coordinates of the shape.
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
        """Maps `(..., 3)` points."""
        return (points - self.center) @ self.matrix.T


def drop_slivers(mesh):
    """Returns the mesh with the same vertices and without faces that have no area.

    A face has no area if its height is less than a millionth of its longest edge, or less than the
    resolution of float32 at the size of the mesh. Rounding gives such faces arbitrary normals.

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


def compute_sine(cosine):
    """Computes float32 sines from float64 cosines, accurately for small angles."""
    squared = cosine * cosine
    squared = np.subtract(1, squared, out=squared).astype(np.float32)
    return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def compute_hit_rate(signals):
    """Computes the share of rays with a valid hit.

    A hit is valid if its distance exceeds the rounding error and the ray does not graze the
    surface. Rays have only invalid hits on a flat shape around its own center.

    Signals are `(..., n, n, 2)`, the shares `(...)`.
    """
    distance, sine = np.moveaxis(np.asarray(signals), -1, 0)
    face_on = sine * sine < 1 - _RESOLVED**2
    return np.mean((distance > _RESOLVED) & face_on, axis=(-2, -1))


def is_blank(rates):
    """Returns whether nearly all rays miss a shape in every pose, given its hit rates."""
    return bool(np.max(rates) < _BLANK)


def describe_misses(rates):
    """Describes a shape that too many rays miss, given its hit rates in one or more poses.

    Returns `""` if all rates are at least `MIN_HIT_RATE`.
    """
    rates = np.atleast_1d(rates)
    if is_blank(rates):
        return (
            f"blank: at most {rates.max():.2%} of the rays from the center hit the surface, as "
            "with a flat sheet through the center or small parts far apart; expected a shape that "
            "surrounds its center"
        )
    few = int((rates < MIN_HIT_RATE).sum())
    if not few:
        return ""
    poses = f" in {few} of {len(rates)} poses" if len(rates) > 1 else ""
    return f"nearly blank{poses}: {rates.min():.2%} of the rays hit the surface"
