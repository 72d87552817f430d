"""Meshes → signals on the device that trains: every ray against every triangle, in `keras.ops`.

No index is built, so shapes may be turned, scaled and their centers moved anew each time they are
looked at. From the center, the origin, the triangle `a, b, c` is met along a unit vector `d` if
`d` lies in the cone of its corners: where `d·(b×c)`, `d·(c×a)` and `d·(a×b)` have the sign of
`det = a·(b×c)`. Their sum over `det` is the inverse of the distance, so the farthest triangle has
the smallest sum; that sum times the distance of the triangle's plane is the cosine of the angle
between ray and normal. Distance and sine of the farthest triangle are then computed in pairs of
float32, as float32 alone loses the distance along rays that are nearly in the triangle.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from spherical_cnn.shapes import pairs
from spherical_cnn.shapes.rays import EDGE_ON, NEAREST, supersampled_rays

_UNROLLED = 32  # triangles looked at before the farthest ones so far are written to memory
_FARTHEST = 1e3
_EDGE = 1e-6  # share of the cone by which a triangle is larger, so that rays pass between none


class Triangles(NamedTuple):
    """Meshes of one batch, padded.

    Args:
        vertices: `(batch, v, 3)` float32.
        faces: `(batch, f, 3)` int32 rows of vertices, `f` a multiple of 32; those beyond a mesh's
            own are of one vertex.
        counts: `(batch, 1)` int32, of each mesh's own faces.
        normals: `(batch, f, 3)` float32, `Mesh.normals`, 0 for a face that has none but its own.
    """

    vertices: np.ndarray
    faces: np.ndarray
    counts: np.ndarray
    normals: np.ndarray


def pack(meshes, vertices=0, faces=0):
    """`Triangles` of a list of `Mesh`, of at least so many vertices and faces."""
    most = max(vertices, *(len(mesh.vertices) for mesh in meshes))
    rows = max(faces, *(len(mesh.faces) for mesh in meshes))
    rows = -(-rows // _UNROLLED) * _UNROLLED
    packed = Triangles(
        np.zeros((len(meshes), most, 3), np.float32),
        np.zeros((len(meshes), rows, 3), np.int32),
        np.array([[len(mesh.faces)] for mesh in meshes], np.int32),
        np.zeros((len(meshes), rows, 3), np.float32),
    )
    for i, mesh in enumerate(meshes):
        packed.vertices[i, : len(mesh.vertices)] = mesh.vertices
        packed.faces[i, : len(mesh.faces)] = mesh.faces
        if mesh.normals is not None:
            packed.normals[i, : len(mesh.faces)] = mesh.normals
    return packed


class Casting(keras.layers.Layer):
    """Signals of meshes, each in a pose `x ↦ M (x - c)` of its own.

    As `RayCaster.signal` has them, of the float32 vertices and poses that it is given.

    Args:
        grid: `SphericalGrid` of `n` samples along each angle.
        rays_per_sample: as in `RayCaster.signal`.

    Input:
        the arrays of `Triangles`; matrices `M`, `(batch, 3, 3)`; centers `c`,
        `(batch, 3)`.

    Output shape:
        `(batch, n, n, 2)`: distance, and sine of the angle between ray and normal.
    """

    def __init__(self, grid, rays_per_sample=1, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.grid, self.rays_per_sample = grid, rays_per_sample

    def call(self, inputs):
        """Signals, see above."""
        vertices, faces, counts, normals, matrices, centers = inputs
        posed = _posed(vertices, matrices, centers)
        cone = np.stack(
            supersampled_rays(self.grid, self.rays_per_sample)
        )  # (rays of a sample, 3, n²)
        rays = pairs.pair(np.ascontiguousarray(cone.transpose(1, 0, 2).reshape(3, 1, -1)))
        count = ops.max(counts)
        farthest = _farthest(_planes(posed, faces), count, rays[0])

        def measure(*_):
            batch, count = ops.shape(faces)[:2]
            first = ops.arange(batch, dtype="int32")[:, None] * count
            table = ops.concatenate(
                [ops.reshape(_corners(vertices, faces), (batch, -1, 9)), normals], -1
            )
            met = ops.take(ops.reshape(table, (-1, 12)), ops.maximum(farthest, 0) + first, axis=0)
            corners = ops.reshape(met[..., :9], (batch, -1, 3, 3))
            return _measured(corners, met[..., 9:], matrices, centers, rays)

        # A loop of one step: XLA fuses nothing across it, and would compute what it fuses with the
        # mean below many times over.
        nothing = ops.zeros_like(farthest, "float32")
        distance, sine = ops.fori_loop(0, ops.minimum(count, 1), measure, (nothing, nothing))
        reach = ops.sqrt(ops.max(ops.sum(posed * posed, axis=-1), axis=-1, keepdims=True))
        met = (farthest >= 0) & (distance > NEAREST)
        distance = ops.where(met, ops.minimum(distance, reach), 0.0)
        samples = ops.stack([distance, ops.where(met, sine, 0.0)], axis=-1)
        n = self.grid.resolution
        return ops.mean(ops.reshape(samples, (-1, len(cone), n, n, 2)), axis=1)

    def compute_output_shape(self, input_shape):
        """See Output shape."""
        return (input_shape[0][0], self.grid.resolution, self.grid.resolution, 2)


def casting_model(grid, rays_per_sample=1):
    """Returns a compiled Keras model around `Casting`; `predict_on_batch` casts a batch."""
    inputs = [
        keras.Input((None, 3), dtype="float32"),
        keras.Input((None, 3), dtype="int32"),
        keras.Input((1,), dtype="int32"),
        keras.Input((None, 3), dtype="float32"),
        keras.Input((3, 3), dtype="float32"),
        keras.Input((3,), dtype="float32"),
    ]
    model = keras.Model(inputs, Casting(grid, rays_per_sample)(inputs))
    model.compile(jit_compile="auto" if keras.backend.backend() == "torch" else True)
    return model


def _posed(vertices, matrices, centers):
    """Vertices `(batch, v, 3)`, moved; by no matrix product, which a GPU may round to 10 bits."""
    moved = vertices - centers[:, None]
    return sum(moved[:, :, i, None] * matrices[:, None, :, i] for i in range(3))


def _corners(vertices, faces):
    """Corners `(batch, k, 3, 3)` of faces `(batch, k, 3)`: corner, axis."""
    rows = ops.reshape(faces, (ops.shape(faces)[0], -1, 1))
    rows = ops.broadcast_to(rows, (*ops.shape(rows)[:2], 3))
    corners = ops.take_along_axis(vertices, rows, axis=1)
    return ops.reshape(corners, (ops.shape(faces)[0], -1, 3, 3))


def _planes(vertices, faces):
    """What a ray is multiplied by, `(f / 32, 32, 10, batch, 1)`, for triangles in groups of 32.

    Three vectors, `b×c`, `c×a` and `a×b` over `det`, and the inverse of the distance at which the
    triangle's plane is so far that it is seen edge-on.
    """
    corners = _corners(vertices, faces)
    a, b, c = (corners[:, :, i] for i in range(3))
    normal = ops.cross(b - a, c - a)
    length = ops.sqrt(ops.sum(normal * normal, axis=-1))
    det = ops.sum(a * normal, axis=-1)  # as a·(b×c), but exact for small triangles
    proper = (ops.abs(det) > 0) & (length > 0)
    inverse = ops.where(proper, 1.0 / ops.where(proper, det, 1.0), 0.0)[..., None]
    shares = [ops.cross(b, c) * inverse, ops.cross(c, a) * inverse, ops.cross(a, b) * inverse]
    nearness = ops.maximum(EDGE_ON * length * ops.abs(inverse[..., 0]), 1 / _FARTHEST)
    planes = ops.concatenate([*shares, nearness[..., None]], axis=-1)
    planes = ops.reshape(planes, (ops.shape(faces)[0], -1, _UNROLLED, 10))
    return ops.transpose(planes, (1, 2, 3, 0))[..., None]


def _farthest(planes, count, rays):
    """Index of the farthest triangle along each ray, -1 where none is met.

    Args:
        planes: of `_planes`.
        count: of the triangles that matter, a scalar.
        rays: `(3, 1, k)` unit vectors.

    Returns:
        `(batch, k)` int32.
    """
    x, y, z = (ops.convert_to_tensor(axis) for axis in rays)

    def look(i, best):
        nearness, farthest = best
        group = ops.take(planes, i, axis=0)
        for j in range(_UNROLLED):
            plane = [group[j, k] for k in range(10)]
            shares = [x * plane[k] + y * plane[k + 1] + z * plane[k + 2] for k in (0, 3, 6)]
            total = shares[0] + shares[1] + shares[2]
            least = ops.minimum(ops.minimum(shares[0], shares[1]), shares[2])
            met = (least + _EDGE * total >= 0) & (total > plane[9]) & (total < nearness)
            nearness = ops.where(met, total, nearness)
            farthest = ops.where(met, i * _UNROLLED + j, farthest)
        return nearness, farthest

    nothing = ops.zeros((ops.shape(planes)[3], rays.shape[-1]), "int32")
    groups = (count + _UNROLLED - 1) // _UNROLLED
    start = (ops.cast(nothing, "float32") + 1 / NEAREST, nothing - 1)
    return ops.fori_loop(0, groups, look, start)[1]


def _measured(corners, given, matrices, centers, rays):
    """Distance of triangles along rays, and the sine of the angle with their normals.

    Args:
        corners: `(batch, k, 3, 3)`, not posed.
        given: `(batch, k, 3)` normals, not posed; 0: those of the corners.
        matrices: `(batch, 3, 3)`.
        centers: `(batch, 3)`.
        rays: pair of `(3, 1, k)`, unit vectors.

    Returns:
        `(batch, k)` each.
    """
    matrix = [[(matrices[:, None, i, j], 0.0) for j in range(3)] for i in range(3)]

    def posed(corner):
        moved = [
            pairs.minus((corners[:, :, corner, i], 0.0), (centers[:, None, i], 0.0))
            for i in range(3)
        ]
        return [pairs.dot(row, moved) for row in matrix]

    a, b, c = posed(0), posed(1), posed(2)
    sides = [[pairs.minus(y, x) for x, y in zip(a, corner, strict=True)] for corner in (b, c)]
    normal = pairs.cross(*sides)
    ray = [(rays[0][i], rays[1][i]) for i in range(3)]
    facing = pairs.dot(normal, ray)[0]
    height = pairs.dot(normal, a)[0]
    distance = height / ops.where(facing == 0, 1.0, facing)
    own, given = [part[0] for part in normal], _posed_normals(given, matrices)
    none = ops.all(given == 0, axis=-1)
    normal = [ops.where(none, own[i], given[..., i]) for i in range(3)]
    ray = rays[0]
    across = [normal[i] * ray[j] - normal[j] * ray[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    length = sum(part * part for part in normal)
    sine = ops.sqrt(sum(part * part for part in across) / ops.where(length > 0, length, 1.0))
    return ops.where(facing == 0, 0.0, distance), ops.minimum(sine, 1.0)


def _posed_normals(normals, matrices):
    """Normals `(batch, k, 3)`, moved by the inverse transposes of matrices, of any length."""
    columns = [matrices[:, None, :, i] for i in range(3)]
    pairs_of = ((1, 2), (2, 0), (0, 1))
    return sum(
        normals[..., i, None] * ops.cross(columns[j], columns[k])
        for i, (j, k) in enumerate(pairs_of)
    )
