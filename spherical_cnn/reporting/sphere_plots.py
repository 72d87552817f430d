"""Figures of maps on the sphere: shaded spheres, longitude–colatitude maps, spectra, shapes."""

from __future__ import annotations

import numpy as np
from keras import ops

from spherical_cnn.reporting.plots import canvas
from spherical_cnn.reporting.shading import (
    BACK,
    FRONT,
    color_range,
    shape_pixels,
    sphere_pixels,
)
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rings import band_edges
from spherical_cnn.sphere.sht import sht


def signal_figure(maps, names, grid=None):
    """Draws each channel of `maps`: the map, the sphere from two sides, and the spectrum.

    Without a grid, the maps `(n, n, channels)` are on the paper's.
    """
    grid = grid or SphericalGrid.from_resolution(len(maps))
    figure = canvas(9.6, 2.3 * len(names))
    axes = figure.subplots(len(names), 4, width_ratios=(1.6, 1, 1, 1.3), squeeze=False)
    for channel, name in enumerate(names):
        values, row = maps[..., channel], axes[channel]
        colors = color_range(values)
        draw_map(row[0], values, colors, grid)
        row[0].set_title(name, fontsize=10)
        for one, view, side in ((row[1], FRONT, "front"), (row[2], BACK, "back")):
            draw_sphere(one, values, colors, view, grid)
            one.set_title(side, fontsize=9)
        draw_spectrum(row[3], values, grid)
    return figure


def rotated_maps_figure(rows):
    """Draws maps of a shape and of its rotated copy, the first map rotated, and the difference.

    `rows` holds `(name, grid, start, rotated, found)`: the map on the grid of the shape, the same
    rotated, and the map of the rotated copy.
    """
    titles = ("map of the shape", "map of the rotated shape", "first map rotated", "difference")
    figure = canvas(7.6, 1.9 * len(rows))
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (name, grid, start, rotated, found) in zip(axes, rows, strict=True):
        colors = color_range(np.stack([start, found]))
        for one, values in zip(line, (start, found, rotated), strict=False):
            draw_sphere(one, values, colors, FRONT, grid)
        limits = "PuOr", -colors[2], colors[2]
        draw_sphere(line[3], found - rotated, limits, FRONT, grid)
        area = np.maximum(grid.quadrature_weights, 0)[:, None]
        norms = [np.sqrt(np.sum(area * values**2)) for values in (found - rotated, rotated)]
        error = norms[0] / norms[1]
        line[0].set_ylabel(name, fontsize=8)
        line[3].set_xlabel(f"{100 * error:.1f} % of the norm", fontsize=8)
    for one, title in zip(axes[0], titles, strict=True):
        one.set_title(title, fontsize=9)
    return figure


def filters_figure(spectra, name):
    """Draws zonal filters `(degrees, filters)` of a layer: spectra, and profiles over the angle."""
    degrees, count = spectra.shape
    grid = SphericalGrid.from_resolution(2 * degrees)
    profiles = grid.legendre[0].T @ spectra  # (colatitude, filters)
    figure = canvas(8, 3)
    left, right = figure.subplots(1, 2)
    for index in range(count):
        color = f"C{index % 10}"
        left.plot(spectra[:, index], color, lw=1)
        right.plot(np.degrees(grid.colatitude), profiles[:, index], color, lw=1)
    left.set(title=f"{name}: {count} filters", xlabel="degree", ylabel="coefficient")
    right.set(xlabel="angle from the axis, degrees", ylabel="filter", title="profiles")
    for axes in (left, right):
        axes.axhline(0, color="0.7", lw=0.8, zorder=0)
        axes.grid(alpha=0.3)
    return figure


def alignment_figure(first, second, rotation):
    """Draws the shapes of two `RayCaster`s and the first one rotated, from two sides."""
    figure = canvas(7.2, 5)
    shapes = (("first", first, None), ("second", second, None), ("first, rotated", first, rotation))
    axes = figure.subplots(2, len(shapes))
    for row, view in zip(axes, (FRONT, BACK), strict=True):
        for one, (title, caster, matrix) in zip(row, shapes, strict=True):
            draw_picture(one, shape_pixels(caster, matrix, view))
            one.set_title(title, fontsize=10)
        row[0].set_ylabel(f"from azimuth {view[0]:.0f}°", fontsize=8)
    return figure


def draw_map(axes, values, colors, grid):
    """Draws a map over longitude and colatitude in degrees, with a color bar."""
    name, low, high = colors
    west = grid.start - 360 * (grid.start >= 180)
    east = west + 360 * (np.arange(grid.nlon + 1) - 0.5) / grid.nlon
    south = np.degrees(band_edges(grid.colatitude))
    picture = axes.pcolormesh(east, south, values, cmap=name, vmin=low, vmax=high, rasterized=True)
    axes.set(xticks=west + 90 * np.arange(5), yticks=(0, 90, 180), ylim=(180, 0))
    axes.set_xlabel("longitude, degrees", fontsize=8)
    axes.set_ylabel("colatitude, degrees", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.figure.colorbar(picture, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)


def draw_sphere(axes, values, colors, view, grid=None):
    """Draws a map on a shaded sphere in orthographic projection; by default on the paper's grid."""
    draw_picture(axes, sphere_pixels(values, colors, view, grid=grid))


def draw_picture(axes, pixels):
    """Draws pixels without a frame."""
    axes.imshow(pixels)
    axes.set(xticks=(), yticks=())
    for side in axes.spines.values():
        side.set_visible(False)


def draw_spectrum(axes, values, grid):
    """Draws the root of the power of each degree."""
    coefficients = ops.convert_to_numpy(sht(values[None, ..., None].astype(np.float64), grid))
    axes.semilogy(np.sqrt(np.sum(coefficients[0, :, :, 0] ** 2, axis=1)), ".-", ms=4, lw=1)
    axes.set_xlabel("degree", fontsize=8)
    axes.set_ylabel("norm of the degree", fontsize=8)
    axes.tick_params(labelsize=7, which="both")
    axes.grid(alpha=0.3)
