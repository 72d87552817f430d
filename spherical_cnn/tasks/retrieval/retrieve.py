"""Retrieval: ranks shapes by their descriptors."""

from __future__ import annotations

import os

import numpy as np

from spherical_cnn.data.atomic import write_arrays, write_file
from spherical_cnn.data.poses import draw_poses
from spherical_cnn.data.signals import clouds
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError, RankingError
from spherical_cnn.nn.outputs import predict_dict
from spherical_cnn.shapes.signal import MIN_HIT_RATE, compute_hit_rate
from spherical_cnn.tasks.activations import join_batches, layer_outputs
from spherical_cnn.tasks.retrieval.rankings import CUTOFF, file_names, write_rankings
from spherical_cnn.tasks.retrieval.retrieval_metrics import score
from spherical_cnn.training.run import dataset_config_of, load_run

_CHUNK = 256  # queries at a time


def extract_descriptors(run, shards):
    """Computes the descriptors of the records of shards; of shapes, if the network reads points.

    Returns:
        dict of arrays, one row per record: `descriptor`, `predicted` class, `label`, `name`, and
        `seen`, the `compute_hit_rate` of its signal.
    """
    if run.config.takes_points:
        return join_batches([_of_shapes(run, source) for source in shards])
    keys = ("descriptor", "predicted", "label", "name", "seen")
    parts = []
    for part in layer_outputs(run, shards, ["signal", "descriptor", "logits"]):
        part["predicted"] = np.argmax(part["logits"], axis=-1)
        part["seen"] = compute_hit_rate(part["signal"])
        parts.append({key: part[key] for key in keys})
    return join_batches(parts)


def _of_shapes(run, source):
    """Computes the descriptors of the test shapes of a source, or of all if it has none."""
    config = dataset_config_of(run.folder)
    found = find_shapes(source, None, config.embedded_shapes, config.data_seed)
    items = [item for item in found.items if item.split == "test"] or found.items
    poses = [draw_poses(config, "test", item.name)[:1] for item in items]
    used = [
        (item, points)
        for item, points in clouds(items, poses, config, run.num_points)
        if not isinstance(points, str)
    ]
    if not used:
        raise ConfigError(f"{found.name}: no shape could be used")
    outputs = predict_dict(run.model, np.concatenate([points for _, points in used]), 32)
    return {
        "descriptor": outputs["descriptor"],
        "predicted": np.argmax(outputs["logits"], axis=-1),
        "label": np.array([found.labels[item.class_name] for item, _ in used]),
        "name": np.array([item.name for item, _ in used]),
        "seen": np.ones(len(used)),
    }


def rank(descriptors, predicted=None, cutoff=CUTOFF, names=None):
    """Ranks all shapes for each of them by the cosine of their descriptors.

    Args:
        descriptors: `(shapes, features)`.
        predicted: `(shapes,)` predicted classes; if given, shapes of the query's class come first.
        cutoff: length of the longest ranking.
        names: names of the shapes, for errors.

    Returns:
        `(positions, distances)`: `(shapes, min(shapes, cutoff))`, integers and float32 distances
        `1 - cosine`, plus 2 where the predicted class differs. Ties are ordered by position.

    Raises:
        RankingError: if descriptors have another shape, or are zero or not finite.
    """
    descriptors = np.asarray(descriptors, np.float32)
    if descriptors.ndim != 2 or not len(descriptors):
        raise RankingError(f"descriptors must be (shapes, features). Received: {descriptors.shape}")
    norms = np.linalg.norm(descriptors, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(bad):
        name = f"row {bad[0]}" if names is None else names[bad[0]]
        raise RankingError(f"descriptors must be finite and not zero. Received: {name} is not")
    rows = descriptors / norms[:, None]
    kept = min(len(rows), cutoff)
    positions = np.empty((len(rows), kept), np.int64)
    distances = np.empty((len(rows), kept), np.float32)
    for first in range(0, len(rows), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        distance = 1 - rows[chunk] @ rows.T
        if predicted is not None:
            distance += 2 * (np.asarray(predicted)[chunk, None] != np.asarray(predicted))
        order = np.argsort(distance, axis=1, kind="stable")[:, :kept]
        positions[chunk] = order
        distances[chunk] = np.take_along_axis(distance, order, axis=1)
    return positions, distances


def best_distance(positions, distances, classes):
    """Finds the distance at which lists must end for the best micro-averaged F1@N.

    It is one of a thousand quantiles of the distances of `rank`; classes are `(shapes,)` labels.
    """
    _, classes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    candidates = np.quantile(distances, np.linspace(0, 1, 1001))
    total = np.zeros(len(candidates))
    for query, (found, apart) in enumerate(zip(positions, distances, strict=True)):
        lengths = np.searchsorted(apart, candidates, side="right")
        hits = np.append(0, np.cumsum(classes[found] == classes[query]))[lengths]
        total += 2 * hits / (lengths + min(counts[classes[query]], CUTOFF))
    return float(candidates[np.argmax(total)])


def retrieve(path, shards, folder, by_class=False, length_from=None):
    """Ranks all shapes of shards for each of them, by the descriptors of a finished run.

    Args:
        path: run folder.
        shards: TFRecords that hold each shape once; for a network of points, sources of shapes.
        folder: gets `descriptors.npz` (`descriptor`, `predicted`, `label`, `name`, `id`),
            `rankings/` and `metrics.json`.
        by_class: whether shapes of the query's predicted class come first.
        length_from: other shards; lists end at their `best_distance`. `None`: lists hold all
            shapes, and P@N is only the fraction of the query's class.

    Returns:
        As `score`, for the labels of the shards; with `blank`, names of shapes that are ranked
        though their signals are nearly blank, and `distance`, if lists end at one.
    """
    run = load_run(path)

    def ranked(paths):
        found = extract_descriptors(run, paths)
        predicted = found["predicted"] if by_class else None
        return found, *rank(found["descriptor"], predicted, names=found["name"])

    limit = None
    if length_from:
        known, positions, distances = ranked(length_from)
        limit = best_distance(positions, distances, known["label"])
    found, positions, distances = ranked(shards)
    if limit is not None:
        positions[distances > limit] = -1
    blank = found.pop("seen") < MIN_HIT_RATE
    found["id"] = np.array(file_names(found["name"]))
    write_arrays(os.path.join(folder, "descriptors.npz"), found)
    write_rankings(os.path.join(folder, "rankings"), found["id"], positions, distances)
    scores = {**score(positions, found["label"]), "blank": found["name"][blank].tolist()}
    if limit is not None:
        scores["distance"] = limit
    write_file(os.path.join(folder, "metrics.json"), scores)
    return scores
