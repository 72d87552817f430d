"""The two-channel signal of a shape on the sphere, whatever form the shape comes in.

Along each ray of the grid, from the centre: the distance to the farthest surface point, and the
angle between the ray and the surface normal there, in `[0, π/2]` whichever way the normal points.
One complex number per ray holds both, the distance as magnitude and the angle as phase; it is 0
where the ray meets nothing. Source: Esteves et al. 2018, section 5.1.
"""

import dataclasses
from typing import NamedTuple

import numpy as np


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


def complex_samples(distance, rays, normals):
    """Samples of a signal.

    Args:
        distance: `(k,)` float32, of the farthest surface point, 0 where there is none.
        rays: `(3, k)` float32 unit vectors.
        normals: of the surface there, likewise, of either sign.

    Returns:
        `(k,)` complex64: `distance · exp(i·angle)`.
    """
    cosine = np.einsum("ij,ij->j", rays, normals)
    across = normals * -cosine  # from the cosine alone the sine of a small angle is lost
    across += rays
    samples = np.empty(distance.shape, np.complex64)
    np.multiply(distance, np.abs(cosine), out=samples.real)
    np.multiply(distance, np.sqrt(np.einsum("ij,ij->j", across, across)), out=samples.imag)
    return samples
