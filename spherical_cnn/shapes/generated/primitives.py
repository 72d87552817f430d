"""Closed triangle meshes that shapes are put together from.

A mesh is `(vertices, faces)`: `(v, 3)` float64 and `(f, 3)` int64. Every primitive is watertight,
its faces counter-clockwise seen from outside. All of them are skins over a stack of rings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spherical_cnn.shapes.signal import Mesh

SQUARE = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


def superellipse(sides, power=2.0):
    """Outline `|x|^power + |y|^power = 1`: a circle at 2, a rounded square above.

    Args:
        sides: how many points, starting half a step from the x axis.
        power: at least 1.

    Returns:
        `(sides, 2)`, counter-clockwise.
    """
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    return _power(np.stack([np.cos(angle), np.sin(angle)], axis=-1), 2 / power)


def _power(x, exponent):
    return np.sign(x) * np.abs(x) ** exponent


CIRCLE = superellipse(20)


def curve(x, y, z):
    """Points `(n, 3)` from coordinates, any of which may be one number for all."""
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def loft(rings, closed=False) -> Mesh:
    """Skin over rings; the first and the last are capped by fans around their means.

    Args:
        rings: `(n, k, 3)`, point `i` of a ring joined to point `i` of the next.
            A capped ring must be star-shaped around its mean.
        closed: join the last ring to the first, as in a torus, instead of capping both.
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
    """Skin over copies of an outline in planes normal to a coordinate axis.

    Args:
        outline: `(k, 2)`, in the other two coordinates, in their order.
        centers: `(n, 3)`, where the origin of each copy lies.
        scales: `(n, 2)` or broadcastable to it, the factors of each copy.
        axis: 0, 1 or 2.
        closed: as in `loft`.
    """
    centers = np.asarray(centers, float)
    rings = np.repeat(centers[:, None], len(outline), axis=1)
    scales = np.broadcast_to(scales, (len(centers), 2))
    rings[..., [i for i in range(3) if i != axis]] += outline * scales[:, None]
    return loft(rings, closed)


def box(center, size, outline=SQUARE, taper=1.0, lean=0.0, axis=2) -> Mesh:
    """Box, prism, frustum or cylinder, whichever the outline says.

    Args:
        center: of the undeformed solid.
        size: `(3,)`, full extents for an outline within ±1.
        outline: `(k, 2)` section normal to `axis`.
        taper: section at the far end relative to the near end, one factor or two.
        lean: by how much the far end is shifted along the first section coordinate.
        axis: 0, 1 or 2.
    """
    across = [i for i in range(3) if i != axis]
    ends = np.tile(np.asarray(center, float), (2, 1))
    ends[:, axis] += np.array([-0.5, 0.5]) * size[axis]
    ends[1, across[0]] += lean
    half = np.asarray(size, float)[across] / 2
    return sweep(outline, ends, [half, half * taper], axis)


def ellipsoid(center, size, power=2.0, sides=16) -> Mesh:
    """Ellipsoid of the full extents `size`, or at a higher power a cushion."""
    angle = np.pi * (np.arange(sides // 2) + 0.5) / (sides // 2)
    meridian = _power(np.stack([np.sin(angle), -np.cos(angle)], axis=-1), 2 / power)
    half = np.asarray(size, float) / 2
    centers = center + curve(0, 0, meridian[:, 1] * half[2])
    return sweep(superellipse(sides, power), centers, meridian[:, :1] * half[:2])


def lathe(profile, outline=CIRCLE, wall=None, through=False) -> Mesh:
    """Solid of revolution around the z axis, or a vessel.

    Args:
        profile: `(n, 2)` of radius, positive, and height, from the bottom upwards.
        outline: `(k, 2)`, what is revolved along: a circle, or something else.
        wall: thickness of the wall, less than every radius; solid if None.
        through: a pipe, open at the bottom too.
    """
    profile = np.asarray(profile, float)
    if wall is not None:
        radius, height = profile[::-1].T
        bottom, top = profile[[0, -1], 1]
        inner = height if through else top - (top - height) * (1 - wall / (top - bottom))
        profile = np.concatenate([profile, np.stack([radius - wall, inner], axis=-1)])
    return sweep(outline, curve(0, 0, profile[:, 1]), profile[:, :1], closed=through)


def tube(path, radius, sides=12, closed=False) -> Mesh:
    """Round tube along a polyline.

    Args:
        path: `(n, 3)`; flat if `closed`.
        radius: one, or one for each point.
        sides: points of the section.
        closed: join the last point to the first.
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
    """Upright board facing x.

    Args:
        center: of the flat board.
        size: `(3,)`, thickness, width, height.
        bend: how far the middle stands before the edges, along x.
        arch: how far the middle rises above the edges.
    """
    across = np.linspace(-1, 1, 13)
    hump = 1 - across**2
    offsets = curve(bend * hump, across * size[1] / 2, arch * hump / 2)
    scales = curve(size[0] / 2, 0, (size[2] + arch * hump) / 2)
    return sweep(SQUARE, center + offsets, scales[:, ::2], axis=1)


def move(mesh, offset) -> Mesh:
    """The mesh shifted."""
    return Mesh(mesh.vertices + np.asarray(offset), mesh.faces)


def turn(mesh, angle, axis=2) -> Mesh:
    """The mesh turned around a coordinate axis through the origin, by radians."""
    vertices = mesh.vertices.copy()
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    vertices[:, [i, j]] = vertices[:, [i, j]] @ np.array(rotation)
    return Mesh(vertices, mesh.faces)


def spin(mesh, count, axis=2) -> list[Mesh]:
    """Copies of the mesh, evenly around a coordinate axis."""
    return [turn(mesh, 2 * np.pi * i / count, axis) for i in range(count)]


def both(*meshes) -> list[Mesh]:
    """The meshes and their mirror images in the plane y = 0."""
    return [*meshes, *(Mesh(v * [1, -1, 1], f[:, ::-1]) for v, f, _ in meshes)]


def stand(parts: Sequence[Mesh]) -> Mesh:
    """The parts as one mesh on the plane z = 0, its bounding box around the z axis."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return Mesh(vertices - [*(low + high)[:2] / 2, low[2]], faces.astype(np.int64))
