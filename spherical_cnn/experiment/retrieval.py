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

import os

import numpy as np

CUTOFF = 1000
METRICS = ("P@N", "R@N", "F1@N", "mAP", "NDCG")
_CHUNK = 256  # queries at a time


class RankingError(ValueError):
    """Rankings that cannot be scored; the message names file and line."""


def rank(descriptors, predicted=None, cutoff=CUTOFF):
    """Rankings of all shapes for each, by the cosine of their descriptors.

    Args:
        descriptors: `(shapes, features)`.
        predicted: `(shapes,)` predicted classes; if given, shapes of the query's come first.
        cutoff: longest ranking.

    Returns:
        `(positions, distances)`: `(shapes, min(shapes, cutoff))`, integers and float32 distances
        `1 - cosine`, plus 2 where the predicted class is another. Ties go by position.

    Raises:
        ValueError: if descriptors are not of that shape, not finite or zero.
    """
    descriptors = np.asarray(descriptors, np.float32)
    if descriptors.ndim != 2 or not len(descriptors):
        raise ValueError(f"descriptors must be (shapes, features). Received: {descriptors.shape}")
    norms = np.linalg.norm(descriptors, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(bad):
        raise ValueError(f"descriptors must be finite and not zero. Received: row {bad[0]} is not")
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
        found = rankings[row][: _length(rankings[row])]
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


def write_rankings(folder, names, positions, distances):
    """Writes rankings as SHREC'17 takes them: a file a query, named by it, lines `id distance`."""
    os.makedirs(folder, exist_ok=True)
    for name, found, apart in zip(names, positions, distances, strict=True):
        length = _length(found)
        lines = [f"{names[i]} {d:.6f}\n" for i, d in zip(found[:length], apart, strict=False)]
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines(lines)


def read_rankings(folder, names):
    """Reads a folder of such files, from whatever system they come.

    Args:
        folder: of a file a query. Names of six digits may come without their leading zeros.
        names: of all shapes, in the order of their positions.

    Returns:
        `(queries, rankings)`, as `score` takes them. Unknown and repeated names in a list are
        passed over, as the track's evaluator does.

    Raises:
        RankingError: if there is no file, or one is named by no shape.
        OSError: if the folder cannot be read.
    """
    known = {name: position for position, name in enumerate(names)}
    queries: list[int] = []
    lists: list[list[int]] = []
    for file_name in sorted(os.listdir(folder)):
        query = known.get(file_name, known.get(file_name.zfill(6)))
        path = os.path.join(folder, file_name)
        if query is None:
            raise RankingError(f"{path}: expected the name of a shape")
        with open(path, encoding="utf-8") as file:
            listed = [line.split()[0] for line in file if line.strip()][:CUTOFF]
        found = [known.get(name, known.get(name.zfill(6))) for name in listed]
        queries.append(query)
        lists.append([i for i in dict.fromkeys(found) if i is not None])
    if not lists:
        raise RankingError(f"{folder}: expected a file a query, found none")
    rankings = np.full((len(lists), max(1, *map(len, lists))), -1)
    for row, found in enumerate(lists):
        rankings[row, : len(found)] = found
    return np.array(queries), rankings


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


def _length(ranking):
    ended = np.flatnonzero(ranking < 0)
    return int(ended[0]) if len(ended) else len(ranking)


def _numbered(names, subclasses):
    """Subclasses as numbers, those that are names of classes as these."""
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.setdefault(name, len(numbers)) for name in subclasses])


def _present(classes, queries):
    return np.unique(classes[queries])


def _named(values):
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}
