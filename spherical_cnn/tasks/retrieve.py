"""Retrieval: descriptors to rankings, rankings to the metrics of SHREC'17, and their files.

A ranking is, for each query, the positions of what was retrieved, best first: row `q` of an
integer array, ended by -1 where it is shorter. At most `CUTOFF` count. With `N` a ranking's length,
`R` the number of shapes of the query's class, itself among them, but at most `CUTOFF`, and
`g_r ∈ {0 … 3}` the relevance of what is at rank `r`, relevant if it is not 0,

    P@N  = relevant among N / N
    R@N  = relevant among N / R
    F1@N = 2 P@N R@N / (P@N + R@N)
    AP   = Σ_r [g_r > 0] P@r / R
    NDCG = DCG(g) / DCG(best order of all g),   DCG(g) = g_1 + Σ_{r>1} g_r / log2(r)

Relevance: 3 for the same subclass; 2 for the same class, labelled with no subclass of it; 1 for
another subclass of the class; 0 for another class. Micro averages are over queries, macro averages
over the classes' averages. Source: Savva et al., SHREC'17 Track: Large-Scale 3D Shape Retrieval
from ShapeNet Core55, 2017, and the track's evaluator.
"""

from __future__ import annotations

import io
import os

import numpy as np

from spherical_cnn.data.atomic import write_bytes, write_json
from spherical_cnn.data.records.tfrecord_data import read_shards
from spherical_cnn.errors import RankingError
from spherical_cnn.shapes.signal import LEAST_SEEN, seen_share
from spherical_cnn.tasks.activations import layer_outputs
from spherical_cnn.tasks.rankings import CUTOFF, file_names, length, write_rankings
from spherical_cnn.training.network import record_format
from spherical_cnn.training.run import load_run

METRICS = ("P@N", "R@N", "F1@N", "mAP", "NDCG")
_CHUNK = 256  # queries at a time


def extract_descriptors(run, shards):
    """Computes the descriptors of the records of shards.

    Args:
        run: `Run`.
        shards: paths.

    Returns:
        dict of arrays, one row per record: `descriptor`, `predicted` class, `label`, `name`, and
        `seen`, the `seen_share` of its signal.

    Raises:
        RecordError, OSError: if shards cannot be read.
    """
    keys = ("descriptor", "predicted", "label", "name", "seen")
    parts: dict[str, list] = {key: [] for key in keys}
    batches, errors = read_shards(shards, record_format(run.config), run.config.train_bsize)
    with errors:
        for part in layer_outputs(run.model, batches, ["signal", "descriptor", "logits"]):
            part["predicted"] = np.argmax(part["logits"], axis=-1)
            part["seen"] = seen_share(part["signal"])
            for key, values in parts.items():
                values.append(part[key])
    return {key: np.concatenate(values) for key, values in parts.items()}


def rank(descriptors, predicted=None, cutoff=CUTOFF, names=None):
    """Rankings of all shapes for each, by the cosine of their descriptors.

    Args:
        descriptors: `(shapes, features)`.
        predicted: `(shapes,)` predicted classes; if given, shapes of the query's come first.
        cutoff: longest ranking.
        names: of the shapes, for errors.

    Returns:
        `(positions, distances)`: `(shapes, min(shapes, cutoff))`, integers and float32 distances
        `1 - cosine`, plus 2 where the predicted class is another. Ties go by position.

    Raises:
        RankingError: if descriptors are not of that shape, not finite or zero.
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
    """Where lists are to end for the best F1@N, micro-averaged.

    Args:
        positions: of shapes, as `rank` returns them.
        distances: likewise.
        classes: `(shapes,)` labels.

    Returns:
        the distance, one of a thousand quantiles of `distances`, up to which shapes are retrieved.
    """
    _, classes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    candidates = np.quantile(distances, np.linspace(0, 1, 1001))
    total = np.zeros(len(candidates))
    for query, (found, apart) in enumerate(zip(positions, distances, strict=True)):
        lengths = np.searchsorted(apart, candidates, side="right")
        hits = np.append(0, np.cumsum(classes[found] == classes[query]))[lengths]
        total += 2 * hits / (lengths + min(counts[classes[query]], CUTOFF))
    return float(candidates[np.argmax(total)])


def score(rankings, classes, subclasses=None, queries=None):
    """Metrics of rankings.

    Args:
        rankings: `(queries, longest)` integers, positions of shapes; -1 ends a row.
        classes: `(shapes,)`, any labels that can be compared.
        subclasses: likewise; a shape whose subclass equals its class has none. `None`: all.
        queries: `(queries,)` positions of the queries; `None` for all shapes in turn.

    Returns:
        dict of `micro`, `macro` and `classes`, the last by class: each a dict by `METRICS`.

    Raises:
        RankingError: if a ranking names a shape twice or one that is not there.
    """
    names, classes = np.unique(np.asarray(classes), return_inverse=True)
    subs = classes if subclasses is None else _numbered(names, subclasses)
    queries = np.arange(len(classes)) if queries is None else np.asarray(queries)
    rankings = np.asarray(rankings)[:, :CUTOFF]
    if len(rankings) != len(queries):
        raise RankingError(f"{len(rankings)} rankings for {len(queries)} queries")
    values = np.empty((len(queries), len(METRICS)))
    for row, query in enumerate(queries):
        found = rankings[row][: length(rankings[row])]
        if len(np.unique(found)) < len(found) or (found >= len(classes)).any():
            raise RankingError(f"ranking {row}: expected different positions below {len(classes)}")
        values[row] = _metrics(query, found, classes, subs)
    by_class = np.array(
        [values[classes[queries] == c].mean(axis=0) for c in _present(classes, queries)]
    )
    return {
        "micro": _named(values.mean(axis=0)),
        "macro": _named(by_class.mean(axis=0)),
        "classes": {
            str(names[c]): _named(row)
            for c, row in zip(_present(classes, queries), by_class, strict=True)
        },
    }


def score_table(found):
    """The micro and macro averages that `score` returns, as `(header, rows)` of a table."""
    rows = [[part, *(f"{found[part][m]:.3f}" for m in METRICS)] for part in ("micro", "macro")]
    return ["average", *METRICS], rows


def retrieve(path, shards, folder, by_class=False, length_from=None):
    """Ranks all shapes of shards for each of them by the descriptors of a finished run.

    Args:
        path: of the run folder.
        shards: paths, of each shape once.
        folder: gets `descriptors.npz` (`descriptor`, `predicted`, `label`, `name`, `id`),
            `rankings/` and `metrics.json`.
        by_class: whether shapes of the predicted class of the query come first.
        length_from: paths of other shards; lists end at their `best_distance`. `None`: lists are
            of all shapes, and P@N is but the share of the query's class.

    Returns:
        As `score`, of the labels of the shards; that `distance`, if any; and `blank`, names of the
        shapes that are ranked though their signals are nearly blank (see `LEAST_SEEN`).

    Raises:
        RunError, RecordError, OSError: if run or shards cannot be read.
        RankingError: naming the shape of which the network's descriptor is zero or not finite.
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
    blank = found.pop("seen") < LEAST_SEEN
    found["id"] = np.array(file_names(found["name"]))
    buffer = io.BytesIO()
    np.savez(buffer, **found)
    write_bytes(os.path.join(folder, "descriptors.npz"), buffer.getvalue())
    write_rankings(os.path.join(folder, "rankings"), found["id"], positions, distances)
    scores = {**score(positions, found["label"]), "blank": found["name"][blank].tolist()}
    if limit is not None:
        scores["distance"] = limit
    write_json(os.path.join(folder, "metrics.json"), scores)
    return scores


def _metrics(query, found, classes, subs):
    relevance = _relevance(query, found, classes, subs)
    all_relevance = _relevance(query, np.flatnonzero(classes == classes[query]), classes, subs)
    best = np.sort(all_relevance)[::-1][:CUTOFF]
    hits = relevance > 0
    ranks = np.arange(1, len(found) + 1)
    precision = np.cumsum(hits) / ranks
    p = precision[-1] if len(found) else 0.0
    r = hits.sum() / len(best)
    f1 = 2 * p * r / (p + r) if p + r else 0.0
    return p, r, f1, precision[hits].sum() / len(best), _gain(relevance) / _gain(best)


def _relevance(query, found, classes, subs):
    same = classes[found] == classes[query]
    graded = np.where(subs[found] == classes[query], 2, 1)
    graded = np.where(subs[found] == subs[query], 3, graded)
    return np.where(same, graded, 0)


def _gain(relevance):
    discount = np.log2(np.maximum(np.arange(1, len(relevance) + 1), 2))
    return float(np.sum(relevance / discount))


def _numbered(names, subclasses):
    """Subclasses as numbers, those that are names of classes as these."""
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.setdefault(name, len(numbers)) for name in subclasses])


def _present(classes, queries):
    return np.unique(classes[queries])


def _named(values):
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}
