"""The STL format, binary and text."""

from __future__ import annotations

import re

import numpy as np

from spherical_cnn.signals.polygons import Polygons
from spherical_cnn.signals.signal import ShapeError
from spherical_cnn.signals.text import leading_numbers, plain, shown

_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84  # bytes: 80 of remark, 4 of count

_BEGUN = re.compile(rb"(?im)^[ \t]*facet\b")
_FACET = re.compile(
    rb"(?i)\bfacet\b(?:\s+normal(?:\s+\S+){3})?\s+outer\s+loop"
    rb"((?:\s+vertex(?:\s+\S+){3})*)\s+endloop\s+endfacet\b"
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
    text = plain(data)
    if _BEGUN.search(text) or re.match(rb"(?i)\s*solid\s", text):
        return _text(text)
    if len(data) < _HEADER:
        raise ShapeError(f"found {data[:20]!r}, expected the text `solid` or 84 bytes of header")
    if end > len(data):
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes")
    points, polygons = _binary(data, count)
    if _continues(data[end : end + _ROW.itemsize], points):
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes, found more")
    return points, polygons


def _binary(data, count):
    rows = np.frombuffer(data, _ROW, count, _HEADER)
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
    begun = len(_BEGUN.findall(text))
    facets = [match[1] for match in _FACET.finditer(text)]
    if len(facets) < begun:
        raise ShapeError(f"{begun} facets begun, found {len(facets)} whole ones{_broken(text)}")
    solids, ends = (
        len(re.findall(rb"(?im)^[ \t]*" + word, text)) for word in (rb"solid\b", rb"end\s*solid\b")
    )
    if ends < max(solids, 1):
        raise ShapeError(
            f"{len(facets)} facets in {max(solids, 1)} solids, {ends} of which end: "
            "the file seems to be cut short; add a line `endsolid` if it is whole"
        )
    values, word = leading_numbers(b" ".join(facets).lower().replace(b"vertex", b" "))
    lengths = np.array([facet.lower().count(b"vertex") for facet in facets], np.int64)
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
        "`vertex` and 3 numbers for each corner, `endloop`, `endfacet`"
    )
