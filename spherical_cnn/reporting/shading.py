"""Renders shapes, and maps on spheres, as pixels.

Pixels are `(pixels, pixels, 4)` in `[0, 1]`, transparent around the shape or the sphere. A view is
the azimuth and elevation of the viewpoint, degrees.
"""

from __future__ import annotations

import io

import numpy as np
from scipy import ndimage

from spherical_cnn.sphere.grid import SphericalGrid

FRONT, BACK = (35.0, 20.0), (215.0, 20.0)  # views
_PIXELS = 220


def color_range(values):
    """Returns a color map and its limits, `(name, lowest, highest)`.

    `cividis` if no value is negative, else `PuOr` around zero; the color-blind can read both.
    """
    low, high = float(np.min(values)), float(np.max(values))
    if low < -1e-3 * max(high, 0):
        return "PuOr", -max(-low, high), max(-low, high)
    return "cividis", 0.0, max(high, 1e-12)


def sphere_pixels(values, colors, view=FRONT, pixels=_PIXELS, grid=None):
    """Renders a map on a shaded sphere, in the colors of a `color_range`.

    Without a grid, the map `(n, n)` is on the paper's.
    """
    import matplotlib

    grid = grid or SphericalGrid.from_resolution(len(values))

    name, low, high = colors
    across = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    x, y = np.meshgrid(across, -across)
    inside = x**2 + y**2 <= 1
    depth = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    points = np.stack([x, y, depth], axis=-1) @ view_axes(view)
    shown = matplotlib.colormaps[name]((_interpolated(values, points, grid) - low) / (high - low))
    shown[..., :3] *= (0.45 + 0.55 * depth)[..., None]
    shown[..., 3] = inside
    return shown


def shape_pixels(caster, rotation=None, view=FRONT, pixels=_PIXELS):
    """Renders the shape of a `RayCaster` in gray, lit from the viewpoint; `rotation` rotates it."""
    rotation = np.eye(3) if rotation is None else rotation
    right, up, towards = (view_axes(view) @ rotation).astype("f4")  # in the axes of the mesh
    radius = 1.01 * caster.radius
    across = ((np.arange(pixels) + 0.5) / pixels * 2 - 1) * radius
    x, y = np.meshgrid(across, -across)
    start = x.reshape(-1, 1) * right + y.reshape(-1, 1) * up + radius * towards
    rays = np.broadcast_to(-towards, start.shape).astype("f4")
    faces = caster.scene.run(start.astype("f4"), rays, query="INTERSECT")
    cosine = np.abs(towards @ caster.normals.take(faces, axis=1, mode="wrap"))
    cosine[faces < 0] = np.nan
    cosine = cosine.reshape(pixels, pixels)
    shown = np.repeat(0.25 + 0.65 * np.nan_to_num(cosine)[..., None], 4, axis=2)
    shown[..., 3] = np.isfinite(cosine)
    return shown


def points_pixels(points, view=FRONT, pixels=_PIXELS):
    """Renders points `(n, 3)` in gray, the nearer ones darker; missing ones are NaN."""
    right, up, towards = view_axes(view) @ points[np.isfinite(points).all(axis=1)].T
    radius = 1.05 * np.sqrt(right**2 + up**2 + towards**2).max(initial=1e-12)
    across, down = (np.rint((x / radius + 1) / 2 * (pixels - 2)).astype(int) for x in (right, -up))
    depth = np.full((pixels, pixels), -np.inf)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):  # a point has four pixels
        np.maximum.at(depth, (down + row, across + column), towards / radius)
    shown = np.repeat(0.45 - 0.35 * np.nan_to_num(depth, neginf=0)[..., None], 4, axis=2)
    shown[..., 3] = np.isfinite(depth)
    return shown


def view_axes(view):
    """Rows `(3, 3)` that point right, up and towards the viewpoint."""
    azimuth, elevation = np.radians(view)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    level = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    towards = np.cos(elevation) * level + np.array([0, 0, np.sin(elevation)])
    return np.stack([right, np.cross(towards, right), towards])


def gif(frames):
    """Returns frames `(height, width, 3)`, uint8, as the bytes of an animated GIF that loops."""
    from PIL import Image

    images = [Image.fromarray(frame).quantize(256, kmeans=1) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=80, loop=0)
    return buffer.getvalue()


def _interpolated(values, points, grid):
    """Bilinear values of a map at unit vectors `(..., 3)`; on a pole, the mean of the next row."""
    southwards = np.argsort(grid.colatitude)
    values = values[southwards]
    poles = [np.full((1, grid.nlon), row.mean()) for row in (values[0], values[-1])]
    padded = np.concatenate([poles[0], values, poles[1]])
    padded = np.pad(padded, ((0, 0), (0, 1)), "wrap")
    edges = [0, *grid.colatitude[southwards], np.pi]
    rows = np.interp(np.arccos(np.clip(points[..., 2], -1, 1)), edges, np.arange(len(edges)))
    columns = np.arctan2(points[..., 1], points[..., 0]) - grid.longitude[0]
    columns = columns % (2 * np.pi) / (2 * np.pi) * grid.nlon
    return ndimage.map_coordinates(padded, [rows, columns], order=1, mode="nearest")
