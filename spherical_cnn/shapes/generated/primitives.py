"""Closed triangle meshes, the parts of generated shapes.

Every primitive is a watertight `Mesh` of `(v, 3)` float64 vertices and `(f, 3)` int64 faces,
counterclockwise from outside. All primitives are skins over a stack of rings.
"""

from collections.abc import Sequence

import numpy as np

from spherical_cnn.shapes.signal import Mesh

SQUARE = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


def uniform(rng, *ranges):
    """Draws one number from each range `(low, high)`."""
    return rng.uniform(*np.transpose(ranges))


def superellipse(sides, power=2.0):
    """Builds the outline `|x|^power + |y|^power = 1` as `(sides, 2)` points, counterclockwise.

    It is a circle for power 2, and a rounded square above. The first point is half a step from the
    x axis.
    """
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    return _power(np.stack([np.cos(angle), np.sin(angle)], axis=-1), 2 / power)


def _power(x, exponent):
    return np.sign(x) * np.abs(x) ** exponent


CIRCLE = superellipse(20)


def curve(x, y, z):
    """Stacks coordinates, arrays or single numbers, as points `(n, 3)`."""
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def loft(rings, closed=False) -> Mesh:
    """Builds the skin over rings and caps both ends by fans around their means.

    Args:
        rings: `(n, k, 3)` points; point `i` of a ring connects to point `i` of the next ring. A
            capped ring must be star-shaped around its mean.
        closed: whether the last ring connects to the first one, as in a torus, instead of caps.
    """
    rings = np.asarray(rings, float)
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)
    near, far = (index, np.roll(index, -1, axis=0)) if closed else (index[:-1], index[1:])
    near_next, far_next = np.roll(near, -1, axis=1), np.roll(far, -1, axis=1)
    corners = [(near, near_next, far_next), (near, far_next, far)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        vertices = np.concatenate([vertices, rings[[0, -1]].mean(axis=1)])
        first, last = index[0], index[-1]
        corners.append((np.roll(first, -1), first, np.full(sides, count * sides)))
        corners.append((last, np.roll(last, -1), np.full(sides, count * sides + 1)))
    faces = np.concatenate([np.stack(abc, axis=-1).reshape(-1, 3) for abc in corners])
    inside_out = np.linalg.det((vertices - vertices.mean(axis=0))[faces]).sum() < 0
    return Mesh(vertices, faces[:, ::-1].copy() if inside_out else faces)


def sweep(outline, centers, scales, axis=2, closed=False) -> Mesh:
    """Builds the skin over copies of an outline in planes normal to a coordinate axis.

    The outline `(k, 2)` is in the other two coordinates, in their order. Its copies have the
    origins `(n, 3)` and factors that broadcast to `(n, 2)`. For `closed` see `loft`.
    """
    centers = np.asarray(centers, float)
    rings = np.repeat(centers[:, None], len(outline), axis=1)
    scales = np.broadcast_to(scales, (len(centers), 2))
    rings[..., [i for i in range(3) if i != axis]] += outline * scales[:, None]
    return loft(rings, closed)


def box(center, size, outline=SQUARE, taper=1.0, lean=0.0, axis=2) -> Mesh:
    """Builds a box, prism, frustum or cylinder around an axis: 0, 1 or 2.

    The outline `(k, 2)`, within ±1, is its section. The far end is `taper` times as large as the
    near one, by one factor or two, and shifted by `lean` along the first axis of the section.
    """
    across = [i for i in range(3) if i != axis]
    ends = np.tile(np.asarray(center, float), (2, 1))
    ends[:, axis] += np.array([-0.5, 0.5]) * size[axis]
    ends[1, across[0]] += lean
    half = np.asarray(size, float)[across] / 2
    return sweep(outline, ends, [half, half * taper], axis)


def ellipsoid(center, size, power=2.0, sides=16) -> Mesh:
    """Builds an ellipsoid with the extents `size`; at a higher power, a cushion."""
    angle = np.pi * (np.arange(sides // 2) + 0.5) / (sides // 2)
    meridian = _power(np.stack([np.sin(angle), -np.cos(angle)], axis=-1), 2 / power)
    half = np.asarray(size, float) / 2
    centers = center + curve(0, 0, meridian[:, 1] * half[2])
    return sweep(superellipse(sides, power), centers, meridian[:, :1] * half[:2])


def lathe(profile, outline=CIRCLE, wall=None, through=False) -> Mesh:
    """Builds a solid of revolution around the z axis or, with a `wall`, a vessel.

    The profile `(n, 2)` holds positive radii, larger than the wall, and heights, from the bottom
    to the top. The outline `(k, 2)` is the section. A vessel with `through` is open at the bottom.
    """
    profile = np.asarray(profile, float)
    if wall is not None:
        radius, height = profile[::-1].T
        bottom, top = profile[[0, -1], 1]
        inner = height if through else top - (top - height) * (1 - wall / (top - bottom))
        profile = np.concatenate([profile, np.stack([radius - wall, inner], axis=-1)])
    return sweep(outline, curve(0, 0, profile[:, 1]), profile[:, :1], closed=through)


def tube(path, radius, sides=12, closed=False) -> Mesh:
    """Builds a round tube with `sides` sides along points `(n, 3)`, in a plane if `closed`.

    The tube has one radius, or one per point.
    """
    path = np.asarray(path, float)
    if closed:
        tangents = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        tangents = np.gradient(path, axis=0)
    side = np.eye(3)[np.abs(tangents[0]).argmin()]
    frames = []
    for tangent in tangents / np.linalg.norm(tangents, axis=-1, keepdims=True):
        side = side - (side @ tangent) * tangent
        side /= np.linalg.norm(side)
        frames.append((side, np.cross(tangent, side)))
    radius = np.broadcast_to(radius, len(path))[:, None, None]
    return loft(path[:, None] + radius * (superellipse(sides) @ np.array(frames)), closed)


def panel(center, size, bend=0.0, arch=0.0) -> Mesh:
    """Builds an upright board normal to x.

    `bend` is the offset of the middle from the edges along x, `arch` its height above the edges.
    """
    across = np.linspace(-1, 1, 13)
    hump = 1 - across**2
    offsets = curve(bend * hump, across * size[1] / 2, arch * hump / 2)
    scales = curve(size[0] / 2, 0, (size[2] + arch * hump) / 2)
    return sweep(SQUARE, center + offsets, scales[:, ::2], axis=1)


def move(mesh, offset) -> Mesh:
    """Shifts a mesh."""
    return Mesh(mesh.vertices + np.asarray(offset), mesh.faces)


def rotate(mesh, angle, axis=2) -> Mesh:
    """Rotates a mesh around a coordinate axis by an angle in radians."""
    vertices = mesh.vertices.copy()
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    vertices[:, [i, j]] = vertices[:, [i, j]] @ np.array(rotation)
    return Mesh(vertices, mesh.faces)


def repeat(mesh, count, axis=2) -> list[Mesh]:
    """Returns copies of a mesh at equal angles around a coordinate axis."""
    return [rotate(mesh, 2 * np.pi * i / count, axis) for i in range(count)]


def mirror(*meshes) -> list[Mesh]:
    """Returns meshes and their mirror images in the plane y = 0."""
    return [*meshes, *(Mesh(v * [1, -1, 1], f[:, ::-1]) for v, f, _ in meshes)]


def assemble(parts: Sequence[Mesh]) -> Mesh:
    """Joins parts to one mesh on the plane z = 0, with its bounding box around the z axis."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return Mesh(vertices - [*(low + high)[:2] / 2, low[2]], faces.astype(np.int64))
