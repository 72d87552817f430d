"""Reads the polygons of the OBJ format of Wavefront."""

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

_POINT = re.compile(rb"(?m)^v[ \t]+(\S+[ \t]+\S+[ \t]+\S+)[ \t]*$")
_TRIANGLE = re.compile(rb"(?m)^f[ \t]+(\d\S*[ \t]+\d\S*[ \t]+\d\S*)[ \t]*$")
_EITHER = re.compile(rb"(?mi)^[^\S\n]*(?:v|fo?)(?=\s|\Z)")
# Only lines of numbers are continued. A name may end in a backslash: that of a path, or the second
# byte of a Shift-JIS character.
_CONTINUED = re.compile(rb"(?m)^[ \t]*[vVfF]o?(?=[ \t\\])(?:.*\\[ \t]*\n)+.*")


def read_obj(data):
    """Reads `(v, 3)` float64 vertices and `Polygons` from the bytes of an OBJ file.

    Vertices `v x y z r g b` may have colors. Colors, normals, texture coordinates, lines, points,
    curves, groups and materials are ignored.

    Raises:
        ShapeError: if a line of a vertex or face is damaged; it names the line.
    """
    text = normalize_text(data, b"#")
    if b"\\" in text:
        text = _CONTINUED.sub(_join_lines, text)
    return _parse_at_once(text) or _parse_lines(text)


def _parse_at_once(text):
    """Parses plain points and triangles, which is fast; returns `None` for others."""
    points, triangles = _POINT.findall(text), _TRIANGLE.findall(text)
    if not triangles or len(points) + len(triangles) != len(_EITHER.findall(text)):
        return None
    vertices = parse_numbers(b" ".join(points))
    corners = parse_numbers(re.sub(rb"/\S*", b"", b" ".join(triangles)), np.int64)
    if vertices is None or len(vertices) != 3 * len(points):
        return None
    if corners is None or len(corners) != 3 * len(triangles):
        return None
    if not 0 < corners.min() <= corners.max() <= len(points):
        return None
    return vertices.reshape(-1, 3), Polygons.from_array(corners.reshape(-1, 3) - 1)


def _parse_lines(text):
    points: list[list[float]] = []
    polygons: list[list[int]] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        word, *rest = line.split() or [b""]
        try:
            if word in (b"v", b"V"):
                points.append(_parse_vertex(rest))
            elif word in (b"f", b"F", b"fo"):  # fo: first version of the format
                polygons.append(_parse_face(rest, len(points)))
        except ShapeError as error:
            raise ShapeError(f"line {number}: {error}") from None
    return np.array(points, np.float64).reshape(-1, 3), Polygons.from_rows(polygons)


def _join_lines(match):
    """Joins continued lines and appends as many empty lines, so that line numbers stay."""
    lines = re.split(rb"\\[ \t]*\n", match[0])
    return b" ".join(lines) + b"\n" * (len(lines) - 1)


def _parse_vertex(words):
    if len(words) == 4:
        if parse_float(words[3]) != 1:
            raise ShapeError(
                f"a vertex with w = {quote_word(words[3])}, expected x y z without w, or w = 1"
            )
    elif len(words) not in (3, 6, 7):  # 6 and 7: with a color
        raise ShapeError(f"a vertex of {len(words)} numbers, expected x y z, then a color or none")
    return [parse_float(word) for word in words[:3]]


def _parse_face(words, known):
    """Returns the corners, counted from 0, of a face that `known` vertices precede."""
    if not words:
        raise ShapeError("a face without vertices, expected three or more")
    try:
        corners = [int(word.split(b"/", 1)[0]) for word in words]
    except ValueError:
        corners = [parse_int(word.split(b"/", 1)[0]) for word in words]
    least, most = min(corners), max(corners)
    if 0 in corners or least < -known or most >= 2**63:
        raise ShapeError(
            f"a face of vertices {' '.join(map(str, corners))[:60]}; expected 1 … for the first "
            f"ones or -1 … -{known} for the last ones"
        )
    return [corner - 1 if corner > 0 else known + corner for corner in corners]
