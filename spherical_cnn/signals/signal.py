"""The two-channel signal of a shape on the sphere, whatever form the shape comes in.

Along each ray of the grid, from the centre: the distance to the farthest surface point, and the
angle between the ray and the surface normal there, in `[0, π/2]` whichever way the normal points.
One complex number per ray holds both, the distance as magnitude and the angle as phase; it is 0
where the ray meets nothing. Source: Esteves et al. 2018, section 5.1.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

_FLATTEST = 1e-6  # height of a face over its longest edge: under this it has no area


class ShapeError(ValueError):
    """A shape that cannot become a signal; the message says what was found and expected."""


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
        centre: `c`, `(3,)`, in the shape's own coordinates: where the rays start.
    """

    rotation: np.ndarray = dataclasses.field(default_factory=lambda: np.eye(3))
    scale: np.ndarray = dataclasses.field(default_factory=lambda: np.ones(3))
    centre: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(3))

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
        return (points - self.centre) @ self.matrix.T


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
        raise ShapeError(
            f"none of {len(proper)} faces has an area: the corners of each are on a line. Expected "
            "a surface"
        )
    if proper.all():
        return mesh
    return Mesh(
        mesh.vertices, mesh.faces[proper], None if mesh.normals is None else mesh.normals[proper]
    )


def complex_samples(distance, cosine, sine):
    """Samples of a signal.

    Args:
        distance: of the farthest surface point, 0 where there is none.
        cosine: of the angle between ray and normal there, of either sign, of the same shape.
        sine: of that angle.

    Returns:
        complex64 of that shape: `distance · exp(i·angle)`.
    """
    samples = np.empty(distance.shape, np.complex64)
    distance = distance.astype(np.float32)
    np.multiply(np.abs(cosine).astype(np.float32), distance, out=samples.real)
    np.multiply(sine, distance, out=samples.imag)
    return samples


def sine_of(cosine):
    """Float32 sines of angles of given cosines, float64, also of small angles; or the reverse."""
    squared = cosine * cosine
    squared = np.subtract(1, squared, out=squared).astype(np.float32)
    return np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
