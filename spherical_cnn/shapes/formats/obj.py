"""The OBJ format of Wavefront: the polygons of its vertices; all else of it is not read."""

from __future__ import annotations

import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons
from spherical_cnn.shapes.formats.text import plain, shown, to_float, to_int

# Only numbers are continued here: a name may end in a backslash, a path's or, in Shift-JIS, half
# of a character's.
_CONTINUED = re.compile(rb"(?m)^[ \t]*[vVfF]o?(?=[ \t\\])(?:.*\\[ \t]*\n)+.*")


def read_obj(data):
    """Vertices `(v, 3)` float64 and `Polygons` of an OBJ file, bytes given.

    The colors of `v x y z r g b` are not read, nor are normals, texture coordinates, lines,
    points, curves, groups and materials.

    Raises:
        ShapeError: if a line of a vertex or face is damaged; its number is in the message.
    """
    text = plain(data, b"#")
    if b"\\" in text:
        text = _CONTINUED.sub(_joined, text)
    points: list[tuple[float, float, float]] = []
    polygons: list[list[int]] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        word, *rest = line.split() or [b""]
        try:
            if word in (b"v", b"V"):
                points.append(_point(rest))
            elif word in (b"f", b"F", b"fo"):  # fo: of the first version of the format
                polygons.append(_polygon(rest, len(points)))
        except ShapeError as error:
            raise ShapeError(f"line {number}: {error}") from None
    return np.array(points, np.float64).reshape(-1, 3), Polygons.of_rows(polygons)


def _joined(match):
    """Continued lines in one, then as many empty ones, so that the others keep their numbers."""
    lines = re.split(rb"\\[ \t]*\n", match[0])
    return b" ".join(lines) + b"\n" * (len(lines) - 1)


def _point(words):
    if len(words) == 4:
        if to_float(words[3]) != 1:
            raise ShapeError(
                f"a vertex with w = {shown(words[3])}, expected x y z without w, or w = 1"
            )
    elif len(words) not in (3, 6, 7):  # 6 and 7: with a color
        raise ShapeError(f"a vertex of {len(words)} numbers, expected x y z, then a color or none")
    x, y, z = words[:3]
    try:
        return float(x), float(y), float(z)
    except ValueError:
        return to_float(x), to_float(y), to_float(z)


def _polygon(words, known):
    """Corners from 0; `known` vertices precede the face."""
    if not words:
        raise ShapeError("a face without vertices, expected three or more")
    try:
        corners = [int(word.split(b"/", 1)[0]) for word in words]
    except ValueError:
        corners = [to_int(word.split(b"/", 1)[0]) for word in words]
    least, most = min(corners), max(corners)
    if 0 in corners or least < -known or most >= 2**63:
        raise ShapeError(
            f"a face of vertices {' '.join(map(str, corners))[:60]}; expected 1 … for the first "
            f"ones or -1 … -{known} for the last ones"
        )
    return [corner - 1 if corner > 0 else known + corner for corner in corners]
