"""Files of rankings and of classes in the format of SHREC'17.

A ranking is a row of positions of shapes, best first; -1 ends a shorter ranking.
"""

from __future__ import annotations

import collections
import csv
import os

import numpy as np

from spherical_cnn.errors import RankingError

CUTOFF = 1000  # longest part of a ranking that counts


def length(ranking):
    """Returns the number of positions in a row of rankings."""
    return int(np.argmax(np.append(ranking, -1) < 0))


def file_names(names):
    """Returns names of files for shapes: their own names if possible, else six-digit numbers."""
    plain = all(
        name and os.path.basename(name) == name and not name.startswith(".") for name in names
    )
    if plain and len(set(names)) == len(names):
        return list(names)
    return [f"{number:06d}" for number in range(len(names))]


def read_truth(path, split=None):
    """Reads ids, classes and subclasses, lists of text, from a CSV of SHREC'17.

    Its columns are `id,synsetId,subSynsetId,modelId,split`. `split` selects lines.

    Raises:
        RankingError: if it is no such file, no line remains, or an id has several lines.
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
        raise RankingError(f"{path}: found no line{wanted}, expected one per shape")
    ids, classes, subclasses = map(list, zip(*rows, strict=True))
    most_common, count = collections.Counter(ids).most_common(1)[0]
    if count > 1:
        raise RankingError(f"{path}: id {most_common} has several lines, expected one per shape")
    return ids, classes, subclasses


def write_rankings(folder, names, positions, distances):
    """Writes rankings for SHREC'17: a file per query, named after it, with lines `id distance`."""
    os.makedirs(folder, exist_ok=True)
    for name, found, apart in zip(names, positions, distances, strict=True):
        kept = length(found)
        pairs = zip(found[:kept], apart[:kept], strict=True)
        lines = [f"{names[i]} {distance:.6f}\n" for i, distance in pairs]
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.writelines(lines)


def read_rankings(folder, names):
    """Reads a folder with a file per query, of any system, as rankings for SHREC'17.

    Six-digit names may lack their leading zeros. Unknown and repeated names in a list are skipped,
    like in the track's evaluator. `names` are those of all shapes, in the order of their positions.
    Returns `(queries, rankings)`, arguments of `score`.

    Raises:
        RankingError: if there is no file, or a file is not named after a shape, or is no text.
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
        raise RankingError(f"{folder}: expected a file per query, found none")
    rankings = np.full((len(lists), max(1, *map(len, lists))), -1)
    for row, found in enumerate(lists):
        rankings[row, : len(found)] = found
    return np.array(queries), rankings


def _lines(path):
    """Reads the lines of a text file in UTF-8."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            return file.readlines()
        except UnicodeDecodeError as error:
            raise RankingError(f"{path}: expected text in UTF-8, found other bytes") from error
