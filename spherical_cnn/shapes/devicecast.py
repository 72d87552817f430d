"""Computes signals of meshes on the training device by `keras.ops`.

Every ray is tested against every triangle. There is no index, so each cast may use another pose. A
ray along the unit vector `d` from the center, the origin, hits the triangle `a, b, c` if `d·(b×c)`,
`d·(c×a)` and `d·(a×b)` have the sign of `det = a·(b×c)`. Their sum over `det` is the inverse of the
distance, so the farthest triangle has the smallest sum. This sum times the distance of the plane is
the cosine of the angle between ray and normal. Distance and sine of the farthest triangle are then
computed in pairs of float32, because float32 is too imprecise for rays that graze the triangle.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from spherical_cnn.shapes import pairs
from spherical_cnn.shapes.rays import EDGE_ON, NEAREST, compute_rays

_UNROLLED = 32  # triangles per step of the loop
_FARTHEST = 1e3
_EDGE = 1e-6  # relative enlargement of triangles, so that no ray passes between two


class Triangles(NamedTuple):
    """Padded batch of meshes; padding is 0."""

    vertices: np.ndarray  # (batch, v, 3) float32
    faces: np.ndarray  # (batch, f, 3) int32 indices of vertices, `f` a multiple of 32
    counts: np.ndarray  # (batch, 1) int32 numbers of faces without padding
    normals: np.ndarray  # (batch, f, 3) float32 `Mesh.normals`, 0 for meshes without normals


def pack_meshes(meshes, vertices=0, faces=0):
    """Packs a list of `Mesh` as `Triangles` with at least this many vertices and faces."""
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


class RayCasting(keras.layers.Layer):
    """Computes the signal of each mesh of a batch in its pose `x ↦ M (x - c)`.

    Args:
        grid: `SphericalGrid` with `n` samples along each angle.
        rays_per_sample: rays per sample, see `RayCaster.signal`.

    Input shape:
        The arrays of `Triangles`; matrices `M`, `(batch, 3, 3)`; centers `c`, `(batch, 3)`.

    Output shape:
        `(batch, n, n, 2)`: distance, and sine of the angle between ray and normal.
    """

    def __init__(self, grid, rays_per_sample=1, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.grid, self.rays_per_sample = grid, rays_per_sample

    def call(self, inputs):
        vertices, faces, counts, normals, matrices, centers = inputs
        posed = _apply_poses(vertices, matrices, centers)
        cone = np.stack(compute_rays(self.grid, self.rays_per_sample))  # (rays per sample, 3, n²)
        rays = pairs.split_float64(np.ascontiguousarray(cone.transpose(1, 0, 2).reshape(3, 1, -1)))
        count = ops.max(counts)
        farthest = _find_farthest(_compute_planes(posed, faces), count, rays[0])

        def measure(*_):
            batch, count = ops.shape(faces)[:2]
            first = ops.arange(batch, dtype="int32")[:, None] * count
            table = ops.concatenate(
                [ops.reshape(_gather_corners(vertices, faces), (batch, -1, 9)), normals], -1
            )
            row = ops.take(ops.reshape(table, (-1, 12)), ops.maximum(farthest, 0) + first, axis=0)
            corners = ops.reshape(row[..., :9], (batch, -1, 3, 3))
            return _measure_hits(corners, row[..., 9:], matrices, centers, rays)

        # A loop of one step prevents that XLA fuses `measure` with the mean below and repeats it.
        nothing = ops.zeros_like(farthest, "float32")
        distance, sine = ops.fori_loop(0, ops.minimum(count, 1), measure, (nothing, nothing))
        reach = ops.sqrt(ops.max(ops.sum(posed * posed, axis=-1), axis=-1, keepdims=True))
        hits = (farthest >= 0) & (distance > NEAREST)
        distance = ops.where(hits, ops.minimum(distance, reach), 0.0)
        samples = ops.stack([distance, ops.where(hits, sine, 0.0)], axis=-1)
        n = self.grid.resolution
        return ops.mean(ops.reshape(samples, (-1, len(cone), n, n, 2)), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.grid.resolution, self.grid.resolution, 2)


def build_casting_model(grid, rays_per_sample=1):
    """Builds and compiles a Keras model of `RayCasting`; `predict_on_batch` casts a batch."""
    inputs = [
        keras.Input((None, 3), dtype="float32"),
        keras.Input((None, 3), dtype="int32"),
        keras.Input((1,), dtype="int32"),
        keras.Input((None, 3), dtype="float32"),
        keras.Input((3, 3), dtype="float32"),
        keras.Input((3,), dtype="float32"),
    ]
    model = keras.Model(inputs, RayCasting(grid, rays_per_sample)(inputs))
    model.compile(jit_compile="auto" if keras.backend.backend() == "torch" else True)
    return model


def _apply_poses(vertices, matrices, centers):
    """Maps `(batch, v, 3)` vertices without a matrix product, which a GPU may round to 10 bits."""
    moved = vertices - centers[:, None]
    return sum(moved[:, :, i, None] * matrices[:, None, :, i] for i in range(3))


def _gather_corners(vertices, faces):
    """Returns corners `(batch, k, 3, 3)` of faces `(batch, k, 3)`: face, corner, axis."""
    rows = ops.reshape(faces, (ops.shape(faces)[0], -1, 1))
    rows = ops.broadcast_to(rows, (*ops.shape(rows)[:2], 3))
    corners = ops.take_along_axis(vertices, rows, axis=1)
    return ops.reshape(corners, (ops.shape(faces)[0], -1, 3, 3))


def _compute_planes(vertices, faces):
    """Computes `(f / 32, 32, 10, batch, 1)` coefficients of triangles in groups of 32.

    The coefficients are the vectors `b×c`, `c×a` and `a×b` over `det`, and the inverse of the
    distance at which a ray hits the triangle edge-on.
    """
    corners = _gather_corners(vertices, faces)
    a, b, c = (corners[:, :, i] for i in range(3))
    normal = ops.cross(b - a, c - a)
    length = ops.sqrt(ops.sum(normal * normal, axis=-1))
    det = ops.sum(a * normal, axis=-1)  # equals a·(b×c), and is exact for small triangles
    proper = (ops.abs(det) > 0) & (length > 0)
    inverse = ops.where(proper, 1.0 / ops.where(proper, det, 1.0), 0.0)[..., None]
    shares = [ops.cross(b, c) * inverse, ops.cross(c, a) * inverse, ops.cross(a, b) * inverse]
    nearness = ops.maximum(EDGE_ON * length * ops.abs(inverse[..., 0]), 1 / _FARTHEST)
    planes = ops.concatenate([*shares, nearness[..., None]], axis=-1)
    planes = ops.reshape(planes, (ops.shape(faces)[0], -1, _UNROLLED, 10))
    return ops.transpose(planes, (1, 2, 3, 0))[..., None]


def _find_farthest(planes, count, rays):
    """Returns `(batch, k)` indices of the farthest triangles along rays `(3, 1, k)`; -1: no hit.

    Only the first `count` triangles are tested.
    """
    x, y, z = (ops.convert_to_tensor(axis) for axis in rays)

    def test_group(i, best):
        nearness, farthest = best
        group = ops.take(planes, i, axis=0)
        for j in range(_UNROLLED):
            plane = [group[j, k] for k in range(10)]
            shares = [x * plane[k] + y * plane[k + 1] + z * plane[k + 2] for k in (0, 3, 6)]
            total = shares[0] + shares[1] + shares[2]
            least = ops.minimum(ops.minimum(shares[0], shares[1]), shares[2])
            hits = (least + _EDGE * total >= 0) & (total > plane[9]) & (total < nearness)
            nearness = ops.where(hits, total, nearness)
            farthest = ops.where(hits, i * _UNROLLED + j, farthest)
        return nearness, farthest

    nothing = ops.zeros((ops.shape(planes)[3], rays.shape[-1]), "int32")
    groups = (count + _UNROLLED - 1) // _UNROLLED
    start = (ops.cast(nothing, "float32") + 1 / NEAREST, nothing - 1)
    return ops.fori_loop(0, groups, test_group, start)[1]


def _measure_hits(corners, given, matrices, centers, rays):
    """Computes distances `(batch, k)` of triangles along rays, and sines of angles with normals.

    Corners `(batch, k, 3, 3)` and given normals `(batch, k, 3)` are those before the pose. If the
    given normal is 0, the corners define it. The rays are a pair of `(3, 1, k)`.
    """
    matrix = [[(matrices[:, None, i, j], 0.0) for j in range(3)] for i in range(3)]

    def posed(corner):
        moved = [
            pairs.subtract((corners[:, :, corner, i], 0.0), (centers[:, None, i], 0.0))
            for i in range(3)
        ]
        return [pairs.dot(row, moved) for row in matrix]

    a, b, c = posed(0), posed(1), posed(2)
    sides = [[pairs.subtract(y, x) for x, y in zip(a, corner, strict=True)] for corner in (b, c)]
    normal = pairs.cross(*sides)
    ray = [(rays[0][i], rays[1][i]) for i in range(3)]
    facing = pairs.dot(normal, ray)[0]
    height = pairs.dot(normal, a)[0]
    distance = height / ops.where(facing == 0, 1.0, facing)
    own, given = [part[0] for part in normal], _map_normals(given, matrices)
    none = ops.all(given == 0, axis=-1)
    normal = [ops.where(none, own[i], given[..., i]) for i in range(3)]
    ray = rays[0]
    across = [normal[i] * ray[j] - normal[j] * ray[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    length = sum(part * part for part in normal)
    sine = ops.sqrt(sum(part * part for part in across) / ops.where(length > 0, length, 1.0))
    return ops.where(facing == 0, 0.0, distance), ops.minimum(sine, 1.0)


def _map_normals(normals, matrices):
    """Maps `(batch, k, 3)` normals by the inverse transposes of matrices, up to their lengths."""
    columns = [matrices[:, None, :, i] for i in range(3)]
    return sum(normals[..., i, None] * ops.cross(columns[i - 2], columns[i - 1]) for i in range(3))
