"""Rankings in the files of SHREC'17, and the classes to score them by.

A ranking is a row of positions of shapes, best first, ended by -1 where it is shorter than others.
"""

from __future__ import annotations

import collections
import csv
import os

import numpy as np

from spherical_cnn.errors import RankingError

CUTOFF = 1000  # shapes of a ranking that count


def length(ranking):
    """Number of positions in a row of rankings."""
    ended = np.flatnonzero(np.asarray(ranking) < 0)
    return int(ended[0]) if len(ended) else len(ranking)


def file_names(names):
    """Names of shapes as names of files: themselves where that can be, else six-digit numbers."""
    plain = all(
        name and os.path.basename(name) == name and not name.startswith(".") for name in names
    )
    if plain and len(set(names)) == len(names):
        return list(names)
    return [f"{number:06d}" for number in range(len(names))]


def read_truth(path, split=None):
    """Ids, classes and subclasses of a CSV as of SHREC'17, `id,synsetId,subSynsetId,modelId,split`.

    Args:
        path: of the file; its header names the columns.
        split: only lines of this split; `None` for all.

    Returns:
        three lists of text.

    Raises:
        RankingError: if it is no such file, a column is missing, a line is shorter than the header,
            no line is left or an id has two.
        OSError: if it cannot be read.
    """
    columns = ["id", "synsetId", "subSynsetId", *(["split"] if split else [])]
    reader = csv.DictReader(_lines(path))
    rows = []
    try:
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise RankingError(f"{path}: no column {', '.join(sorted(missing))}")
        for row in reader:
            if None in (row[column] for column in columns):
                raise RankingError(f"{path}: line {reader.line_num}: shorter than the header")
            if split in (None, row.get("split")):
                rows.append([row[column] for column in columns[:3]])
    except csv.Error as error:
        raise RankingError(f"{path}: line {reader.line_num}: {error}") from error
    if not rows:
        wanted = f" of split {split}" if split else ""
        raise RankingError(f"{path}: found no line{wanted}, expected one a shape")
    ids, classes, subclasses = (list(column) for column in zip(*rows, strict=True))
    if len(set(ids)) < len(ids):
        twice, _ = collections.Counter(ids).most_common(1)[0]
        raise RankingError(f"{path}: id {twice} has several lines, expected one a shape")
    return ids, classes, subclasses


def write_rankings(folder, names, positions, distances):
    """Writes rankings as SHREC'17 takes them: a file a query, named by it, lines `id distance`."""
    os.makedirs(folder, exist_ok=True)
    for name, found, apart in zip(names, positions, distances, strict=True):
        kept = length(found)
        pairs = zip(found[:kept], apart[:kept], strict=True)
        lines = [f"{names[i]} {distance:.6f}\n" for i, distance in pairs]
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
        RankingError: if there is no file, one is named by no shape, or one is no text.
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
        listed = [line.split()[0] for line in _lines(path) if line.strip()][:CUTOFF]
        entries = [known.get(name, known.get(name.zfill(6))) for name in listed]
        queries.append(query)
        lists.append([i for i in dict.fromkeys(entries) if i is not None])
    if not lists:
        raise RankingError(f"{folder}: expected a file a query, found none")
    rankings = np.full((len(lists), max(1, *map(len, lists))), -1)
    for row, found in enumerate(lists):
        rankings[row, : len(found)] = found
    return np.array(queries), rankings


def _lines(path):
    """Lines of a text file, their ends kept.

    Raises:
        RankingError: if it is not UTF-8.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            return file.readlines()
        except UnicodeDecodeError as error:
            raise RankingError(f"{path}: expected text in UTF-8, found other bytes") from error
