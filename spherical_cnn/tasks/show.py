"""Shows a shape, its signal, and what trained networks make of it under rotation, as one page."""

from __future__ import annotations

import dataclasses
import os
import re

import numpy as np
from scipy import special

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import OBLIQUE_AXIS, full_turn
from spherical_cnn.data.signals import check_visible, signals
from spherical_cnn.data.sources import FileOrigin, Item
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.nn.outputs import (
    check_finite,
    feature_extractor,
    map_grids,
    most_varied,
    predict_dict,
)
from spherical_cnn.reporting.shape_page import Answer, RotatedMaps, shape_page
from spherical_cnn.shapes.load import choose_kind, load_shape
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import full_float32
from spherical_cnn.tasks.predict import Predictor

_RESOLUTION, _RAYS = 64, 7  # of pictures of signals that no run reads; rays per sample
_CHANNELS = (
    ("Distance", "from the center to the surface, in each direction"),
    (
        "Sine of the incidence angle",
        "0: the ray meets the surface head-on; 1: it grazes it",
    ),
)
_MAPS = re.compile(r"sphere|conv\d+(_distance)?")
_MOST_MAPS = 4  # shown of each run by default
_TRAINED = {
    "none": "upright shapes",
    "z": "upright shapes, rotated about the vertical axis",
    "so3": "shapes in all rotations",
}


def show(path, runs=(), layers=None, steps=24, **reading):
    """Returns a page that shows the shape in a file, rotated in steps about an oblique axis.

    Args:
        path: mesh, voxels or points.
        runs: run folders or presets whose answers and feature maps are shown.
        layers: names of layers whose maps are shown; default: a few of the branch `distance`. Of
            each layer it is the channel with the largest variance.
        steps: number of rotations, by equal angles, in one turn.
        reading: `kind`, `up` and `center` of `DatasetConfig`; the defaults are those of the dataset
            of each run.

    Raises:
        ConfigError: if no run has maps of a layer; names the layers that have.
        ShapeError: naming the file, if it holds no shape that a network can read.
    """
    predictors = [Predictor(run, **reading) for run in runs]
    for one in predictors:
        if "kind" not in reading:  # that of the run, if the suffix of the file allows it
            one.config = dataclasses.replace(one.config, kind=choose_kind(path, one.config.kind))
    chosen = _choose_layers([one.model for one in predictors], layers)
    rotations, signal, answers = full_turn(steps), None, []
    for one, name, own in zip(predictors, distinct_tails(runs), chosen, strict=True):
        ((_, inputs),) = one.inputs([path], rotations)
        _check(path, inputs, is_signal=not one.run.config.takes_points)
        if signal is None and not one.run.config.takes_points:
            signal = inputs
        answers.append(_answer(one, name, inputs, own))
    config = predictors[0].config if predictors else DatasetConfig(**reading)
    notes = []
    if signal is None:
        config = dataclasses.replace(config, resolution=_RESOLUTION, rays_per_sample=_RAYS)
        poses = [Pose(matrix) for matrix in rotations]
        ((_, signal),) = signals([Item("test", "", path, FileOrigin(path))], [poses], config)
        if isinstance(signal, str) and predictors:  # which read points
            notes.append(f"The shape has no signal on the sphere: {signal}.")
        else:
            _check(path, signal, is_signal=True)
    maps = [] if isinstance(signal, str) else _signal_maps(signal)
    shape = load_shape(path, **config.reading)
    return shape_page(os.path.basename(path), shape, steps, OBLIQUE_AXIS, maps, answers, notes)


def distinct_tails(paths):
    """Returns the shortest ends of paths that tell them apart, such as `model-64/z-0`."""
    parts = [os.path.abspath(path).strip(os.sep).split(os.sep) for path in paths]
    for length in range(1, max(map(len, parts), default=0) + 1):
        tails = ["/".join(names[-length:]) for names in parts]
        if len(set(tails)) == len(tails):
            return tails
    if not parts:
        return []
    raise ConfigError(f"--run: expected different runs. Received: {', '.join(paths)}")


def _choose_layers(models, layers):
    """Returns the names of the layers to show, of each model."""
    known = [list(map_grids(model)) for model in models]
    if layers is None:
        found = [[name for name in names if _MAPS.fullmatch(name)] for names in known]
        picks = [np.linspace(0, len(names) - 1, min(_MOST_MAPS, len(names))) for names in found]
        return [[names[round(i)] for i in own] for names, own in zip(found, picks, strict=True)]
    missing = sorted(set(layers).difference(*known))
    if missing:
        there = ", ".join(dict.fromkeys(name for names in known for name in names))
        raise ConfigError(f"--layers: no maps of {', '.join(missing)}; there are: {there}")
    return [[name for name in layers if name in names] for names in known]


def _check(path, inputs, is_signal):
    """Raises `ShapeError` if there are no inputs of a network, or blank ones."""
    if isinstance(inputs, str):
        raise ShapeError(f"{path}: {inputs}")
    if is_signal:
        check_visible(path, inputs)


def _answer(predictor, name, inputs, layers):
    """Returns the `Answer` of a `Predictor` to the inputs of all rotations."""
    extractor = feature_extractor(predictor.model, [*layers, "logits"])
    with full_float32():
        outputs = predict_dict(extractor, inputs)
    for layer, values in outputs.items():
        check_finite(values, layer)
    grids, maps = map_grids(predictor.model), []
    for layer in layers:
        values = outputs[layer]
        channel = most_varied(np.concatenate(values))
        about = f"channel {channel}"
        maps.append(RotatedMaps(layer, about, grids[layer], values[..., channel]))
    probabilities = special.softmax(outputs["logits"], axis=-1)
    return Answer(name, _about(predictor), predictor.run.class_names, probabilities, maps)


def _about(predictor):
    run = predictor.run
    about = (
        f"{run.config.model} with {run.model.count_params():,} parameters, trained on "
        f"{_TRAINED[predictor.config.rotation]}"
    )
    if not os.path.exists(run.folder.path("metrics.json")):
        return f"{about}, not tested."
    accuracy = 100 * run.folder.read_metrics()["test"]
    return f"{about}; it classifies {accuracy:.1f} % of its test samples correctly."


def _signal_maps(signal):
    grid = SphericalGrid.from_resolution(signal.shape[1])
    return [RotatedMaps(*texts, grid, signal[..., i]) for i, texts in enumerate(_CHANNELS)]
