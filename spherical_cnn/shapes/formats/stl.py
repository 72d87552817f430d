"""Reads the STL format, binary and text."""

import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons
from spherical_cnn.shapes.formats.text import normalize_text, parse_leading_numbers, quote_word

STL_ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
STL_HEADER = 84  # bytes: 80 of a comment, 4 of the count

_BEGUN = re.compile(rb"(?m)^[ \t]*facet\b")
_FACET = re.compile(
    rb"\bfacet\b(?:\s+normal(?:\s+\S+){3})?\s+outer\s+loop"
    rb"((?:\s+vertex(?:\s+\S+){3}){3,})\s+endloop\s+endfacet\b"
)


def read_stl(data):
    """Reads `(v, 3)` float64 vertices and `Polygons` from the bytes of an STL file.

    Each facet has its own vertices. Normals are ignored, because many programs write zeros.

    Raises:
        ShapeError: if the file is damaged or cut short.
    """
    count = int.from_bytes(data[80:STL_HEADER], "little")
    end = STL_HEADER + STL_ROW.itemsize * count
    if len(data) >= STL_HEADER and end == len(data):  # even if its comment starts with "solid"
        return _parse_binary(data, count)
    text = normalize_text(data).lower()
    if _BEGUN.search(text):
        return _parse_text(text)
    if len(data) < STL_HEADER or end > len(data):
        if re.match(rb"\s*solid\b", text) and b"\0" not in text:
            return _parse_text(text)
        if len(data) < STL_HEADER:
            raise ShapeError(f"found {data[:20]!r}, expected text with facets or a binary header")
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes")
    points, polygons = _parse_binary(data, count)
    if _continues(data[end : end + STL_ROW.itemsize], points):
        raise ShapeError(f"{count} faces announced in a file of {len(data)} bytes, found more")
    return points, polygons


def _parse_binary(data, count):
    rows = np.frombuffer(data, STL_ROW, count, STL_HEADER)
    with np.errstate(invalid="ignore"):  # signaling NaN
        points = rows["corners"].reshape(-1, 3).astype(np.float64)
    return points, Polygons.from_array(np.arange(len(points)).reshape(-1, 3))


def _continues(data, points):
    """Returns whether the bytes behind the data are another facet, near the others."""
    if len(data) < STL_ROW.itemsize or not any(data[12:48]):
        return False
    with np.errstate(all="ignore"):
        corners = np.frombuffer(data, STL_ROW)["corners"].astype(np.float64)
        reach = 10 * np.abs(points).max() if len(points) else np.inf
        return bool((np.abs(corners) <= reach).all())


def _parse_text(text):
    facets = _FACET.findall(text)
    if text.count(b"facet") != 2 * len(facets):  # or a name contains the word
        begun = [match.end() - len(b"facet") for match in _BEGUN.finditer(text)]
        if len(facets) < len(begun):
            whole = {match.start() for match in _FACET.finditer(text)}
            broken = next(start for start in begun if start not in whole)
            line = text.count(b"\n", 0, broken) + 1
            raise ShapeError(
                f"{len(begun)} facets begun, found {len(facets)} whole ones; the one at line "
                f"{line} is not: expected `facet normal` and 3 numbers, `outer loop`, `vertex` "
                "and 3 numbers for each of 3 or more corners, `endloop`, `endfacet`"
            )
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
    values, word = parse_leading_numbers(b" ".join(facets).replace(b"vertex", b" "))
    lengths = np.array([facet.count(b"vertex") for facet in facets], np.int64)
    if word is not None:
        facet = np.searchsorted(3 * np.cumsum(lengths), len(values), side="right") + 1
        raise ShapeError(f"facet {facet}: found {quote_word(word)}, expected a number")
    return values.reshape(-1, 3), Polygons(lengths, np.arange(lengths.sum()))
