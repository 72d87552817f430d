"""Outputs of named layers of a trained network."""

from __future__ import annotations

import keras
import numpy as np

from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.sphere.grid import SphericalGrid


def feature_extractor(model, layers):
    """Returns a model with the same input and a dict of the outputs of named layers.

    Raises `ConfigError` if a layer does not exist.
    """
    known = [layer.name for layer in model.layers]
    missing = sorted(set(layers) - set(known))
    if missing:
        raise ConfigError(f"no layer {', '.join(missing)}; there are: {', '.join(known)}")
    return keras.Model(model.input, {name: model.get_layer(name).output for name in layers})


def predict_dict(model, signals, batch_size=16):
    """Returns the outputs of a model for at least one signal `(samples, n, n, 2)`, a dict.

    Keras's `predict` takes several times as long for a few batches.
    """
    starts = range(0, len(signals), batch_size)
    parts = [model.predict_on_batch(signals[start : start + batch_size]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def map_grids(model):
    """Returns the grids of the maps that layers of a model compute, by name of the layer.

    Layers that do not know their grid have that of a layer with maps of the same size, or the
    paper's for square maps.
    """
    known = {layer.out_grid.shape: layer.out_grid for layer in model.layers if _has_grid(layer)}
    grids = {}
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:3])
        if len(layer.output.shape) != 4:
            continue
        if shape in known:
            grids[layer.name] = known[shape]
        elif shape[0] == shape[1] >= 4:
            grids[layer.name] = SphericalGrid.from_resolution(shape[0])
    return grids


def most_varied(maps):
    """Returns the channel of maps `(rows, columns, channels)` with the largest variance."""
    return int(np.argmax(np.var(maps, axis=(0, 1))))


def _has_grid(layer):
    return getattr(layer, "out_grid", None) is not None


def check_finite(values, layer):
    """Raises `RunError` unless the outputs of a layer are finite."""
    if not np.isfinite(values).all():
        raise RunError(
            f"layer {layer}: found outputs that are not finite, expected numbers; the weights of "
            "the network overflow or are damaged"
        )
