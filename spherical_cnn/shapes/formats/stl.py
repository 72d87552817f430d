"""The STL format, binary and text."""

from __future__ import annotations

import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons
from spherical_cnn.shapes.formats.text import leading_numbers, plain, shown

_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84  # bytes: 80 of remark, 4 of count

_BEGUN = re.compile(rb"(?m)^[ \t]*facet\b")
_FACET = re.compile(
    rb"\bfacet\b(?:\s+normal(?:\s+\S+){3})?\s+outer\s+loop"
    rb"((?:\s+vertex(?:\s+\S+){3}){3,})\s+endloop\s+endfacet\b"
)


def read_stl(data):
    """Vertices `(v, 3)` float64 and `Polygons` of an STL file, bytes given.

    Each facet has vertices of its own. The normals are not read, as many programs write zeros.

    Raises:
        ShapeError: if the file is damaged or cut short.
    """
    count = int.from_bytes(data[80:_HEADER], "little")
    end = _HEADER + _ROW.itemsize * count
    if len(data) >= _HEADER and end == len(data):  # even if its remark begins with "solid"
        return _binary(data, count)
    text = plain(data).lower()
    if _BEGUN.search(text):
        return _text(text)
    if len(data) < _HEADER or end > len(data):
        if re.match(rb"\s*solid\b", text) and b"\0" not in text:
            return _text(text)
        if len(data) < _HEADER:
            raise ShapeError(f"found {data[:20]!r}, expected text with facets or a binary header")
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes")
    points, polygons = _binary(data, count)
    if _continues(data[end : end + _ROW.itemsize], points):
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes, found more")
    return points, polygons


def _binary(data, count):
    rows = np.frombuffer(data, _ROW, count, _HEADER)
    with np.errstate(invalid="ignore"):  # of signaling NaN
        points = rows["corners"].reshape(-1, 3).astype(np.float64)
    return points, Polygons.of_uniform(np.arange(len(points)).reshape(-1, 3))


def _continues(data, points):
    """Whether bytes behind the data are a facet that the count forgets: one within reach."""
    if len(data) < _ROW.itemsize or not any(data[12:48]):
        return False
    with np.errstate(all="ignore"):
        corners = np.frombuffer(data, _ROW)["corners"].astype(np.float64)
        reach = 10 * np.abs(points).max(initial=0) if len(points) else np.inf
        return bool((np.abs(corners) <= reach).all())


def _text(text):
    facets = _FACET.findall(text)
    if text.count(b"facet") != 2 * len(facets):  # also where a name holds the word
        begun = len(_BEGUN.findall(text))
        if len(facets) < begun:
            raise ShapeError(f"{begun} facets begun, found {len(facets)} whole ones{_broken(text)}")
    words = [
        text[text.rfind(b"\n", 0, found.start()) + 1 : found.start()].strip()
        for found in re.finditer(rb"solid\b", text)
    ]
    solids, ends = max(words.count(b""), 1), words.count(b"end")
    if ends < solids:
        raise ShapeError(
            f"{len(facets)} facets, {solids} solid(s) begun, {ends} ended: the file seems to be "
            "cut short; add a line `endsolid` if it is whole"
        )
    values, word = leading_numbers(b" ".join(facets).replace(b"vertex", b" "))
    lengths = np.array([facet.count(b"vertex") for facet in facets], np.int64)
    if word is not None:
        facet = np.searchsorted(3 * np.cumsum(lengths), len(values), side="right") + 1
        raise ShapeError(f"facet {facet}: found {shown(word)}, expected a number")
    return values.reshape(-1, 3), Polygons(lengths, np.arange(lengths.sum()))


def _broken(text):
    """Where the first facet is that is not whole, for a message."""
    whole = {match.start() for match in _FACET.finditer(text)}
    starts = (match.end() - len(b"facet") for match in _BEGUN.finditer(text))
    start = next((start for start in starts if start not in whole), None)
    if start is None:
        return ""
    line = text.count(b"\n", 0, start) + 1
    return (
        f"; the one at line {line} is not: expected `facet normal` and 3 numbers, `outer loop`, "
        "`vertex` and 3 numbers for each of 3 or more corners, `endloop`, `endfacet`"
    )
