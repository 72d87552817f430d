"""The metrics of SHREC'17 for rankings.

A ranking holds the positions of the retrieved shapes of a query, best first: a row of an integer
array, ended by -1 if it is shorter. At most `CUTOFF` shapes count. With `N` the length of a
ranking, `R` the number of shapes of the query's class (including the query, at most `CUTOFF`), and
`g_r ∈ {0 … 3}` the relevance of the shape at rank `r`,

    P@N  = relevant among N / N
    R@N  = relevant among N / R
    F1@N = 2 P@N R@N / (P@N + R@N)
    AP   = Σ_r [g_r > 0] P@r / R
    NDCG = DCG(g) / DCG(best order of all g),   DCG(g) = g_1 + Σ_{r>1} g_r / log2(r)

Relevance: 3 for the same subclass; 2 for the same class without a subclass; 1 for another subclass
of the class; 0 for another class. Micro averages are over queries, macro averages over the classes'
averages. Source: Savva et al., SHREC'17 Track: Large-Scale 3D Shape Retrieval from ShapeNet Core55,
2017, and the track's evaluator.
"""

from __future__ import annotations

import numpy as np

from spherical_cnn.errors import RankingError
from spherical_cnn.tasks.retrieval.rankings import CUTOFF, length

METRICS = ("P@N", "R@N", "F1@N", "mAP", "NDCG")


def score(rankings, classes, subclasses=None, queries=None):
    """Computes the metrics of rankings.

    Args:
        rankings: `(queries, longest)` integers, positions of shapes; -1 ends a row.
        classes: `(shapes,)` labels of any type that can be ordered.
        subclasses: `(shapes,)` labels; a shape whose subclass equals its class has none. `None`: no
            shape has one.
        queries: `(queries,)` positions of the queries; `None` for all shapes, in order.

    Returns:
        dict of `micro`, `macro` and `classes`, a dict by class; each is a dict by `METRICS`.

    Raises:
        RankingError: if a ranking names a shape twice, or an unknown one.
    """
    names, classes = np.unique(classes, return_inverse=True)
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
    present = np.unique(classes[queries])
    by_class = [values[classes[queries] == label].mean(axis=0) for label in present]
    return {
        "micro": _named(values.mean(axis=0)),
        "macro": _named(np.mean(by_class, axis=0)),
        "classes": dict(zip(map(str, names[present]), map(_named, by_class), strict=True)),
    }


def score_table(found):
    """Returns the micro and macro averages of `score` as `(header, rows)` of a table."""
    rows = [[part, *(f"{found[part][m]:.3f}" for m in METRICS)] for part in ("micro", "macro")]
    return ["average", *METRICS], rows


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
    """Subclasses as numbers; those that are names of classes get the numbers of these."""
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.setdefault(name, len(numbers)) for name in subclasses])


def _named(values):
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}
