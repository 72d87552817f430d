"""Pictures of shapes, of what a trained network makes of them, and of the network's filters."""

from __future__ import annotations

import os

import numpy as np

from spherical_cnn.options import ConfigError
from spherical_cnn.reporting import sphere_plots as spheres
from spherical_cnn.reporting.page import Page
from spherical_cnn.reporting.plots import canvas, image, png
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, rotate_signal
from spherical_cnn.tasks.signal_view import Eye, map_layers
from spherical_cnn.training.metrics import (
    check_finite,
    outputs_for,
    outputs_of,
    worst_mistakes,
)
from spherical_cnn.training.network import reading
from spherical_cnn.training.report import class_names
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunFolder

CHANNELS = ("distance", "sine of the incidence")


def signal_of(eye, shape):
    """Figure of the signal of a `spherical_cnn.tasks.signal_view.Shape` as an `Eye` sees it."""
    return spheres.signal_figure(eye.signals([shape])[0], CHANNELS)


def filters_of(run, layer):
    """Figure of the filters of a layer of a run, those of its first input channel.

    Raises:
        ConfigError: if it is no layer of spherical filters; names those that are.
        RunError: if there is no finished run.
    """
    model, _ = restore(run)
    convolutions = {one.name: one.conv for one in model.layers if hasattr(one, "conv")}
    if layer not in convolutions:
        raise ConfigError(f"no filters in {layer}; there are in: {', '.join(convolutions)}")
    spectra = np.asarray(convolutions[layer].spectra())
    return spheres.filters_figure(spectra[:, 0], layer)


def features_of(eye, shape, angles, layers=None):
    """Figure of feature maps of a shape and of its turned copy, a row a layer.

    Of each layer the channel that varies most is shown.

    Args:
        eye: `Eye` of a run, its layer `signal`.
        shape: `Shape`.
        angles: ZYZ Euler angles of the rotation, degrees.
        layers: names; by default those of branch 0 and the signal.

    Raises:
        ConfigError: if a layer does not exist or makes no maps.
        RunError: if maps of a layer are not finite.
    """
    known = map_layers(eye.model)
    layers = layers or ["signal", *(name for name in known if name.endswith("_b0"))]
    missing = sorted(set(layers) - set(known))
    if missing:
        raise ConfigError(f"no maps of {', '.join(missing)}; there are: {', '.join(known)}")
    probe = outputs_of(eye.model, layers)
    radians = np.radians(angles)
    both = eye.signals([shape, shape], np.stack([np.eye(3), euler_to_matrix(radians)]))
    start, found = (outputs_for(probe, signals) for signals in (both[:1], both[1:]))
    rows = []
    for name in layers:
        check_finite(start[name], name)
        channel = int(np.argmax(np.var(start[name][0], axis=(0, 1))))
        maps = start[name][..., channel : channel + 1].astype(np.float64)
        grid = SphericalGrid.from_resolution(maps.shape[1])
        rotated = rotate_signal(maps, radians, grid)
        label = CHANNELS[channel] if name == "signal" else f"{name}, channel {channel}"
        rows.append((label, maps[0, ..., 0], rotated[0, ..., 0], found[name][0, ..., channel]))
    return spheres.comparison_figure(rows)


def turning(shape, eye, layer=None, frames=36):
    """Frames of a shape that turns about a slanted axis, its signal, and a feature map.

    Args:
        shape: `Shape`.
        eye: `Eye`; with a layer the map that varies most is shown as well.
        layer: its name, for the title.
        frames: how many, over one whole turn.

    Returns:
        list of `(height, width, 3)` uint8.
    """
    from scipy.spatial.transform import Rotation

    turns = 2 * np.pi * np.arange(frames)[:, None] / frames * [0.6, 0, 0.8]
    matrices = Rotation.from_rotvec(turns).as_matrix()
    signals = eye.signals([shape] * frames, matrices)
    panels = [("distance", signals[..., 0])]
    if layer:
        maps = eye.maps(signals)
        channel = int(np.argmax(np.var(maps[0], axis=(0, 1))))
        panels.append((f"{layer}, channel {channel}", maps[..., channel]))
    colours = [spheres.scale(values) for _, values in panels]
    pictures = []
    for index, matrix in enumerate(matrices):
        figure = canvas(2.2 * (1 + len(panels)), 2.3)
        axes = figure.subplots(1, 1 + len(panels))
        spheres.draw_picture(axes[0], spheres.shape_pixels(shape.caster, matrix))
        axes[0].set_title("shape", fontsize=9)
        for one, (title, values), tint in zip(axes[1:], panels, colours, strict=True):
            spheres.draw_sphere(one, values[index], tint, spheres.FRONT)
            one.set_title(title, fontsize=9)
        pictures.append(image(figure))
    return pictures


def mistakes_page(run, shards, most=50):
    """A page of a run's misclassified records, a section each, the surest mistakes first.

    Args:
        run: path of the run folder.
        shards: paths.
        most: how many, at most.

    Returns:
        `Page`.

    Raises:
        RunError, RecordError, OSError: if run or shards cannot be read.
    """
    model, config = restore(run)
    with reading(config, shards) as batches:
        found = worst_mistakes(model, batches, most)
    classes = class_names(RunFolder(run).read_data(), config.n_classes)
    page = Page(f"Mistakes of {config.name}")
    page.text(f"{len(found)} shown, at most {most}, of {', '.join(map(os.path.basename, shards))}.")
    for mistake in found:
        page.heading(f"{mistake.name}: {classes[mistake.label]}")
        order = np.argsort(-mistake.probabilities)[:5]
        rows = [[classes[label], f"{mistake.probabilities[label]:.3f}"] for label in order]
        page.table(["taken for", "probability"], rows)
        figure = spheres.signal_figure(mistake.signal, CHANNELS)
        page.picture(f"Signal of {mistake.name}", "", png(figure))
    return page


def draw(what, mesh=None, **options):
    """A picture as bytes.

    Args:
        what: `signal`, `filters`, `features`: PNG; `animation`: GIF; `mistakes`: HTML.
        mesh: path of a shape, but for filters and mistakes.
        options: arguments of `filters_of` or `mistakes_page`; else of `Eye`, and of `features_of`
            or `turning`.

    Raises:
        ConfigError, ShapeError, RunError, OSError: see these.
    """
    if what == "mistakes":
        return mistakes_page(**options).html().encode()
    if what == "filters":
        return png(filters_of(**options))
    if what == "signal":
        eye = Eye(**options)
        return png(signal_of(eye, eye.read(mesh)))
    if what == "features":
        angles, layers = options.pop("angles"), options.pop("layers")
        eye = Eye(layer="signal", **options)
        return png(features_of(eye, eye.read(mesh), angles, layers))
    frames = options.pop("frames")
    eye = Eye(**options)
    return spheres.gif(turning(eye.read(mesh), eye, options["layer"], frames))
