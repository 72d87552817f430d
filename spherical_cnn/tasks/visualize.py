"""Pictures of signals, feature maps and filters, and a page of mistakes."""

from __future__ import annotations

import os

import numpy as np

from spherical_cnn.data.poses import full_turn
from spherical_cnn.errors import ConfigError
from spherical_cnn.nn.outputs import (
    check_finite,
    feature_extractor,
    map_grids,
    most_varied,
    predict_dict,
)
from spherical_cnn.reporting import shading, sphere_plots
from spherical_cnn.reporting.page import Page
from spherical_cnn.reporting.plots import canvas, encode_figure, image
from spherical_cnn.sphere.rotation import euler_to_matrix, rotate_signal
from spherical_cnn.training.metrics import worst_mistakes
from spherical_cnn.training.network import record_format
from spherical_cnn.training.run import load_run

CHANNELS = ("distance", "sine of the incidence")


def draw_signal(view, shape):
    """Draws the signal of a `LoadedShape` in a `SignalView`; returns a figure."""
    return sphere_plots.signal_figure(view.signals(shape)[0], CHANNELS)


def draw_filters(path, layer):
    """Draws the filters of a layer of a run, those of its first input channel; returns a figure.

    Raises:
        ConfigError: if the layer has no spherical filters; names those that have.
    """
    model = load_run(path).model
    convolutions = {one.name: one.conv for one in model.layers if hasattr(one, "conv")}
    if layer not in convolutions:
        raise ConfigError(f"no filters in {layer}; there are in: {', '.join(convolutions)}")
    spectra = np.asarray(convolutions[layer].spectra())
    return sphere_plots.filters_figure(spectra[:, 0], layer)


def draw_features(view, shape, angles, layers=None):
    """Draws feature maps of a shape and of its rotated copy, one row per layer; returns a figure.

    Of each layer, the channel with the largest variance is drawn. By default, layers are the signal
    and those of the branch `distance`. The view is that of a run and its layer `signal`; the
    rotation is given by its ZYZ Euler angles in degrees.

    Raises:
        ConfigError: if a layer does not exist or computes no maps.
    """
    known = map_grids(view.model)
    layers = layers or ["signal", *(name for name in known if name.endswith("_distance"))]
    missing = sorted(set(layers) - set(known))
    if missing:
        raise ConfigError(f"no maps of {', '.join(missing)}; there are: {', '.join(known)}")
    extractor = feature_extractor(view.model, layers)
    radians = np.radians(angles)
    both = view.signals(shape, [np.eye(3), euler_to_matrix(radians)])
    outputs = predict_dict(extractor, both)
    rows = []
    for name in layers:
        start, found = outputs[name]
        check_finite(start, name)
        channel = most_varied(start)
        maps = start[None, ..., [channel]].astype(np.float64)
        rotated = rotate_signal(maps, radians, known[name])
        label = CHANNELS[channel] if name == "signal" else f"{name}, channel {channel}"
        drawn = maps[0, ..., 0], rotated[0, ..., 0], found[..., channel]
        rows.append((label, known[name], *drawn))
    return sphere_plots.rotated_maps_figure(rows)


def animation(view, shape, layer=None, frames=36):
    """Draws a shape in one full rotation about a slanted axis, and its signal, as a GIF.

    With the layer of the view, its map with the largest variance is drawn as well.
    """
    matrices = full_turn(frames)
    signals = view.signals(shape, matrices)
    panels = [("distance", signals[..., 0], None)]
    if layer:
        maps = view.maps(signals)
        channel = most_varied(maps[0])
        panels.append((f"{layer}, channel {channel}", maps[..., channel], view.grid))
    colors = [shading.color_range(values) for _, values, _ in panels]
    pictures = []
    for index, matrix in enumerate(matrices):
        figure = canvas(2.2 * (1 + len(panels)), 2.3)
        axes = figure.subplots(1, 1 + len(panels))
        sphere_plots.draw_picture(axes[0], shading.shape_pixels(shape.ray_caster, matrix))
        axes[0].set_title("shape", fontsize=9)
        for one, (title, values, grid), limits in zip(axes[1:], panels, colors, strict=True):
            sphere_plots.draw_sphere(one, values[index], limits, shading.FRONT, grid)
            one.set_title(title, fontsize=9)
        pictures.append(image(figure))
    return shading.gif(pictures)


def mistakes_page(path, shards, most=50):
    """Draws misclassified records of a run as HTML, at most `most`, the most confident first."""
    from spherical_cnn.data.records.tfrecord_data import read_shards  # needs TensorFlow

    run = load_run(path)
    batches, errors = read_shards(shards, record_format(run.config), run.config.train_bsize)
    with errors:
        found = worst_mistakes(run.model, batches, most)
    classes = run.class_names
    page = Page(f"Mistakes of {run.config.name}")
    page.text(f"{len(found)} shown, at most {most}, of {', '.join(map(os.path.basename, shards))}.")
    for mistake in found:
        page.heading(f"{mistake.name}: {classes[mistake.label]}")
        order = np.argsort(-mistake.probabilities)[:5]
        rows = [[classes[label], f"{mistake.probabilities[label]:.3f}"] for label in order]
        page.table(["predicted", "probability"], rows)
        figure = sphere_plots.signal_figure(mistake.signal, CHANNELS)
        page.picture(f"Signal of {mistake.name}", encode_figure(figure))
    return page.html()
