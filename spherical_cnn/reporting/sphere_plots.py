"""Pictures of maps on the sphere: shaded spheres, longitude–colatitude maps, spectra.

Each function draws into figures of matplotlib, which is imported on first use and needs no display.
Colours: `cividis` for what is not negative, `PuOr` around zero for what has both signs; both can be
told apart by the colour-blind.
"""

from __future__ import annotations

import io

import numpy as np
from keras import ops
from scipy import ndimage

from spherical_cnn.reporting.plots import canvas
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.sht import sht

FRONT, BACK = (35.0, 20.0), (215.0, 20.0)  # azimuth and elevation of the eye, degrees
_PIXELS = 220


def signal_figure(maps, names):
    """Channels one below the other: as a map, as a sphere from two sides, and their spectrum.

    Args:
        maps: `(n, n, channels)`.
        names: of the channels.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure = canvas(9.6, 2.3 * len(names))
    axes = figure.subplots(len(names), 4, width_ratios=(1.6, 1, 1, 1.3), squeeze=False)
    for channel, name in enumerate(names):
        values, row = maps[..., channel], axes[channel]
        colours = scale(values)
        draw_map(row[0], values, colours)
        row[0].set_title(name, fontsize=10)
        for one, view, side in ((row[1], FRONT, "front"), (row[2], BACK, "back")):
            draw_sphere(one, values, colours, view)
            one.set_title(side, fontsize=9)
        draw_spectrum(row[3], values)
    return figure


def comparison_figure(rows):
    """Maps of a shape, of its turned copy, the first rotated onto the second, the difference.

    Args:
        rows: list of `(name, start, rotated, found)`: a name and three maps `(n, n)`.

    Returns:
        `matplotlib.figure.Figure`.
    """
    titles = ("map of the shape", "map of the turned shape", "first map rotated", "difference")
    figure = canvas(7.6, 1.9 * len(rows))
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (name, start, rotated, found) in zip(axes, rows, strict=True):
        colours = scale(np.stack([start, found]))
        for one, values in zip(line, (start, found, rotated), strict=False):
            draw_sphere(one, values, colours, FRONT)
        draw_sphere(line[3], found - rotated, ("PuOr", -colours[2], colours[2]), FRONT)
        error = np.linalg.norm(_weighted(found - rotated)) / np.linalg.norm(_weighted(rotated))
        line[0].set_ylabel(name, fontsize=8)
        line[3].set_xlabel(f"{100 * error:.1f} % of the norm", fontsize=8)
    for one, title in zip(axes[0], titles, strict=True):
        one.set_title(title, fontsize=9)
    return figure


def filters_figure(spectra, name):
    """Zonal filters: their spectra over the degrees, and their profiles over the angle.

    Args:
        spectra: `(degrees, filters)`.
        name: of the layer.

    Returns:
        `matplotlib.figure.Figure`.
    """
    degrees, count = spectra.shape
    grid = SphericalGrid.from_resolution(2 * degrees)
    profiles = grid.legendre[0].T @ spectra  # (colatitude, filters)
    figure = canvas(8, 3)
    left, right = figure.subplots(1, 2)
    for index in range(count):
        colour = f"C{index % 10}"
        left.plot(spectra[:, index], colour, lw=1)
        right.plot(np.degrees(grid.colatitude), profiles[:, index], colour, lw=1)
    left.set(title=f"{name}: {count} filters", xlabel="degree", ylabel="coefficient")
    right.set(xlabel="angle from the axis, degrees", ylabel="filter", title="the same as profiles")
    for axes in (left, right):
        axes.axhline(0, color="0.7", lw=0.8, zorder=0)
        axes.grid(alpha=0.3)
    return figure


def alignment_figure(first, second, rotation):
    """Two shapes and the first one rotated to the second, from two sides.

    Args:
        first: `spherical_cnn.signals.raycast.RayCaster`.
        second: likewise.
        rotation: `(3, 3)`.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure = canvas(7.2, 5)
    shapes = (("first", first, None), ("second", second, None), ("first, rotated", first, rotation))
    axes = figure.subplots(2, len(shapes))
    for row, view in zip(axes, (FRONT, BACK), strict=True):
        for one, (title, caster, turn) in zip(row, shapes, strict=True):
            draw_picture(one, shape_pixels(caster, turn, view))
            one.set_title(title, fontsize=10)
        row[0].set_ylabel(f"from azimuth {view[0]:.0f}°", fontsize=8)
    return figure


def mistakes_figure(mistakes, classes):
    """Spheres of the distances of misclassified samples, with what they are and are taken for.

    Args:
        mistakes: list of `spherical_cnn.training.metrics.Mistake`.
        classes: names of the classes.

    Returns:
        `matplotlib.figure.Figure`.
    """
    columns = 4
    rows = -(-len(mistakes) // columns)
    figure = canvas(2 * columns, 2.6 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one, mistake in zip(axes, mistakes, strict=False):
        distance = mistake.signal[..., 0]
        draw_sphere(one, distance, scale(distance), FRONT)
        title = f"{classes[mistake.label]}, taken for\n{classes[mistake.predicted]}"
        one.set_title(f"{title} ({mistake.probability:.2f})", fontsize=8)
        one.set_xlabel(mistake.name[-28:], fontsize=6)
    for one in axes[len(mistakes) :]:
        one.set_visible(False)
    return figure


def scale(values):
    """Norm and colours for values: `(name, lowest, highest)`, around zero if some are negative."""
    low, high = float(np.min(values)), float(np.max(values))
    if low < -1e-3 * max(high, 0):
        return "PuOr", -max(-low, high), max(-low, high)
    return "cividis", 0.0, max(high, 1e-12)


def draw_map(axes, values, colours):
    """A map over longitude and colatitude, degrees, with a bar of its colours."""
    name, low, high = colours
    picture = axes.imshow(
        values, cmap=name, vmin=low, vmax=high, extent=(0, 360, 180, 0), aspect="auto"
    )
    axes.set(xticks=(0, 90, 180, 270, 360), yticks=(0, 90, 180))
    axes.set_xlabel("longitude, degrees", fontsize=8)
    axes.set_ylabel("colatitude, degrees", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.figure.colorbar(picture, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)


def draw_sphere(axes, values, colours, view):
    """A shaded sphere as seen from far away."""
    draw_picture(axes, sphere_pixels(values, colours, view))


def draw_picture(axes, pixels):
    """Pixels without a frame."""
    axes.imshow(pixels)
    axes.set(xticks=(), yticks=())
    for side in axes.spines.values():
        side.set_visible(False)


def draw_spectrum(axes, values):
    """Root of the power of each degree."""
    grid = SphericalGrid.from_resolution(values.shape[0])
    coefficients = ops.convert_to_numpy(sht(values[None, ..., None].astype(np.float64), grid))
    axes.semilogy(np.sqrt(np.sum(coefficients[0, :, :, 0] ** 2, axis=1)), ".-", ms=4, lw=1)
    axes.set_xlabel("degree", fontsize=8)
    axes.set_ylabel("norm of the degree", fontsize=8)
    axes.tick_params(labelsize=7, which="both")
    axes.grid(alpha=0.3)


def sphere_pixels(values, colours, view=FRONT, pixels=_PIXELS):
    """A shaded sphere, `(pixels, pixels, 4)` in `[0, 1]`, transparent around it.

    Args:
        values: `(n, n)` map.
        colours: see `scale`.
        view: azimuth and elevation of the eye, degrees.
        pixels: side of the picture.
    """
    import matplotlib

    name, low, high = colours
    across = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    x, y = np.meshgrid(across, -across)
    inside = x**2 + y**2 <= 1
    depth = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    points = np.stack([x, y, depth], axis=-1) @ eye_axes(view)
    shown = matplotlib.colormaps[name]((_interpolated(values, points) - low) / (high - low))
    shown[..., :3] *= (0.45 + 0.55 * depth)[..., None]
    shown[..., 3] = inside
    return shown


def shape_pixels(caster, rotation=None, view=FRONT, pixels=_PIXELS):
    """The shape itself, grey, `(pixels, pixels, 4)` in `[0, 1]`, transparent around it.

    Args:
        caster: `spherical_cnn.signals.raycast.RayCaster`.
        rotation: `(3, 3)`, of the shape; none by default.
        view: azimuth and elevation of the eye, degrees.
        pixels: side of the picture.
    """
    rotation = np.eye(3) if rotation is None else rotation
    cosine = caster.brightness(rotation, eye_axes(view), pixels)
    shown = np.repeat(0.25 + 0.65 * np.nan_to_num(cosine)[..., None], 4, axis=2)
    shown[..., 3] = np.isfinite(cosine)
    return shown


def eye_axes(view):
    """Rows to the right, upwards and towards the eye, `(3, 3)`, of an azimuth and elevation."""
    azimuth, elevation = np.radians(view)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    level = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    towards = np.cos(elevation) * level + np.array([0, 0, np.sin(elevation)])
    return np.stack([right, np.cross(towards, right), towards])


def gif(frames, seconds=0.08):
    """An animation, bytes of a GIF that goes on for ever.

    Args:
        frames: list of `(height, width, 3)` uint8 of one size.
        seconds: that each is shown.
    """
    from PIL import Image

    images = [Image.fromarray(frame).quantize(256, kmeans=1) for frame in frames]
    buffer = io.BytesIO()
    duration = int(1000 * seconds)
    images[0].save(
        buffer, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0
    )
    return buffer.getvalue()


def _interpolated(values, points):
    """Bilinear values of a map at unit vectors `(..., 3)`."""
    n = values.shape[0]
    south = np.full((1, n), values[-1].mean())  # no row of the grid is on this pole
    padded = np.concatenate([values, south])
    padded = np.concatenate([padded, padded[:, :1]], axis=1)
    rows = np.arccos(np.clip(points[..., 2], -1, 1)) / np.pi * n
    columns = np.arctan2(points[..., 1], points[..., 0]) % (2 * np.pi) / (2 * np.pi) * n
    return ndimage.map_coordinates(padded, [rows, columns], order=1, mode="nearest")


def _weighted(values):
    """Values by the root of their area, so that norms are those over the sphere."""
    grid = SphericalGrid.from_resolution(values.shape[0])
    return values * np.sqrt(np.maximum(grid.quadrature_weights, 0))[:, None]
