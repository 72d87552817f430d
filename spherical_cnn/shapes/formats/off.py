"""Reads the OFF format of Geomview: text with one vertex or face per line."""

import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons
from spherical_cnn.shapes.formats.text import (
    normalize_text,
    parse_float,
    parse_int,
    parse_numbers,
    quote_word,
)

_HEAD = re.compile(rb"\s*((?i:[0-9a-z]*?off))((?i:\s*binary\b))?")
_COUNTS = re.compile(rb"\s*(-?\d{1,15})\s+(-?\d{1,15})(?:\s+-?\d+)?\s*\n")


def read_off(data):
    """Reads `(v, 3)` float64 vertices and `Polygons` from the bytes of an OFF file.

    Colors, normals and texture coordinates may follow the position of a vertex (COFF, NOFF, STOFF).
    Colors may follow the corners of a face. All of them are ignored.

    Raises:
        ShapeError: if the file is damaged or is of an unsupported variant.
    """
    text = normalize_text(data, b"#")
    head = _HEAD.match(text)
    if head:
        _check_variant(head[1].decode(), head[2])
    counts = head and _COUNTS.match(text, head.end())
    if not counts:
        raise ShapeError(f"expected OFF, then counts of vertices and faces; found {text[:20]!r}")
    vertices, faces = int(counts[1]), int(counts[2])
    body = text[counts.end() :]
    first = text.count(b"\n", 0, counts.end()) + 1
    return _parse_at_once(body, vertices, faces) or _parse_lines(body, vertices, faces, first)


def _check_variant(word, binary):
    if binary:
        raise ShapeError(f"found {word} BINARY, expected OFF, then counts as text: save it as text")
    if "4" in word or word.endswith("nOFF"):
        raise ShapeError(
            f"found {word}, whose vertices do not have three coordinates; "
            "expected OFF, COFF, NOFF or STOFF"
        )
    if not re.fullmatch("(?:ST|C|N)*OFF", word.upper()):
        raise ShapeError(f"found {word}, expected OFF, then counts of vertices and faces")


def _parse_at_once(text, vertices, faces):
    """Parses faces of equal length without colors, which is fast; returns `None` for others."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    if not 0 < vertices <= vertices + faces - 1 <= len(ends):
        return None
    end = ends[vertices - 1]
    points = parse_numbers(text[:end])
    rows = parse_numbers(text[end:], np.int64)
    if points is None or rows is None or len(points) != 3 * vertices or not len(rows):
        return None
    width = len(rows) // faces
    if len(rows) != width * faces or (rows[::width] != width - 1).any():
        return None
    return points.reshape(-1, 3), Polygons.from_array(rows.reshape(faces, width)[:, 1:])


def _parse_lines(text, vertices, faces, first):
    """Parses any file line by line; `first` is the number of the first line."""
    lines = [pair for pair in enumerate(text.split(b"\n"), first) if pair[1].strip()]
    rows = lines[: max(vertices + faces, 0)]
    more = next((n for n, line in lines[len(rows) :] if parse_numbers(line) is not None), None)
    if min(vertices, faces) < 0 or len(rows) < vertices + faces or more:
        raise ShapeError(
            f"{vertices} vertices, {faces} faces announced, found {len(rows)} lines of both"
            + (f", and one more at line {more}" if more else "")
        )
    points: list[list[float]] = []
    polygons: list[list[int]] = []
    for number, line in rows:
        try:
            if len(points) < vertices:
                points.append(_parse_vertex(line.split()))
            else:
                polygons.append(_parse_face(line.split()))
        except ShapeError as error:
            raise ShapeError(f"line {number}: {error}") from None
    return np.array(points, np.float64).reshape(-1, 3), Polygons.from_rows(polygons)


def _parse_vertex(words):
    if len(words) < 3:
        raise ShapeError(f"a vertex of {len(words)} numbers, expected x y z")
    return [parse_float(word) for word in words[:3]]


def _parse_face(words):
    length = parse_int(words[0])
    if not 0 <= length < len(words):
        raise ShapeError(
            f"a face announces {quote_word(words[0])} vertices, found {len(words) - 1} numbers "
            "behind it"
        )
    return [parse_int(word) for word in words[1 : 1 + length]]
