"""Reads the PLY format of Stanford, text and binary, with any elements and properties."""

import re
import sys

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.ply_rows import Element, Property, read_rows
from spherical_cnn.shapes.formats.polygons import Polygons
from spherical_cnn.shapes.formats.text import (
    decode_text,
    normalize_text,
    parse_leading_numbers,
    quote_word,
)

_HEADER = re.compile(
    rb"(?is)\s*ply[ \t]*(\r\n|\n|\r)(.*?)(?<=[\r\n])[ \t]*end_header[ \t]*(\r\n|\n|\r|\Z)"
)
_NATIVE = {"little": "<", "big": ">"}[sys.byteorder]
_ORDERS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}
_KINDS = {
    **{"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"},
    **{"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"},
    **{"float": "f", "double": "d", "float32": "f", "float64": "d", "int64": "q", "uint64": "Q"},
}
_CORNERS = ("vertex_indices", "vertex_index")


def read_ply(data):
    """Reads `(v, 3)` float64 vertices and `Polygons` from the bytes of a PLY file.

    The polygons are the lists `vertex_indices` or `vertex_index` of the elements `face` and
    `tristrips`.

    Raises:
        ShapeError: if the file is damaged, or its counts are wrong.
    """
    elements = _read_elements(data)
    vertices = _read_vertices(elements)
    faces = _read_polygons(elements, "face")
    strips = _cut_strips(_read_polygons(elements, "tristrips"))
    if not len(strips):
        return vertices, faces
    strips = Polygons.from_array(strips)
    return vertices, Polygons(*map(np.concatenate, zip(faces, strips, strict=True)))


def read_ply_points(data):
    """Reads points and normals, `(n, 3)` float64 each, from the bytes of a PLY file.

    The normals are the properties nx, ny and nz of the vertices; `None` if they have none.

    Raises:
        ShapeError: if the file is damaged, or its counts are wrong.
    """
    elements = _read_elements(data)
    return _read_vertices(elements), _read_columns(elements, ("nx", "ny", "nz"))


def _read_elements(data):
    """Returns the `Rows` of all elements by name."""
    data = decode_text(data)
    order, elements, start = _parse_header(data)
    _check_counts(elements, len(data))
    word = None
    if order is None:  # convert text to binary double
        text = re.sub(rb"(?m)^[ \t]*(?:comment|obj_info)\b.*", b"", normalize_text(data[start:]))
        values, word = parse_leading_numbers(text)
        data, start = values.tobytes(), 0
    found = {}
    for element in elements:
        try:
            rows = read_rows(data, start, element)
        except ShapeError as error:
            if word is not None:
                raise ShapeError(f"{error}; found {quote_word(word)}, expected a number") from None
            raise
        found[element.name] = rows
        start = rows.end
    if elements and _continues(data, start, elements[-1], found, order is None):
        last = elements[-1]
        raise ShapeError(f"{last.rows} {last.name} announced, found more data behind them")
    return found


def _parse_header(data):
    """Returns the byte order, `None` for text; the elements; the start of the data."""
    match = _HEADER.match(data)
    if not match:
        raise ShapeError("expected a header of PLY, from the line ply to the line end_header")
    end = match.end()
    if match[1] == b"\r" and match[3] == b"\r\n":  # the LF belongs to the data
        end -= 1
    form, elements = None, []
    for line in re.split(r"\r\n|\n|\r", match[2].decode("latin-1")):
        words = line.lower().split()
        keyword, *rest = words or ["comment"]
        if keyword == "format" and rest and rest[0] in _ORDERS:
            form = rest[0]
        elif keyword == "element" and len(rest) == 2:
            elements.append(Element(rest[0], _parse_count(rest), []))
        elif keyword == "property" and elements and (found := _parse_property(rest)):
            elements[-1].properties.append(found)
        elif keyword not in ("comment", "obj_info"):
            raise ShapeError(f"found {line[:60]!r} in the header of PLY; expected {_EXPECTED}")
    if form is None:
        raise ShapeError(f"no format in the header of PLY, expected {' or '.join(_ORDERS)}")
    order = _ORDERS[form]
    return order, [_set_byte_order(element, order) for element in elements], end


_EXPECTED = (
    f"`format` {', '.join(_ORDERS)}; `element NAME COUNT`; `property TYPE NAME`; "
    "or `property list TYPE TYPE NAME`"
)


def _parse_count(words):
    name, count = words
    if not re.fullmatch(r"-?\d{1,15}", count):
        raise ShapeError(f"{count[:20]!r} {name} announced, expected a whole number")
    return int(count)


def _parse_property(words):
    if len(words) == 2 and words[0] in _KINDS:
        return Property(words[1], _KINDS[words[0]])
    if len(words) == 4 and words[0] == "list" and {*words[1:3]} <= {*_KINDS}:
        return Property(words[3], _KINDS[words[2]], _KINDS[words[1]])
    return None


def _set_byte_order(element, order):
    """Returns the element with a byte order in its types. All numbers of text are double."""

    def typed(kind):
        return _NATIVE + "d" if order is None else order + kind

    return element._replace(
        properties=[
            Property(each.name, typed(each.kind), each.length and typed(each.length))
            for each in element.properties
        ]
    )


def _check_counts(elements, size):
    """Refuses counts that exceed the file, before anything is allocated."""
    counts = [element.rows for element in elements]
    if min(counts, default=0) < 0 or sum(counts) > size:
        text = ", ".join(f"{element.rows} {element.name}" for element in elements)
        raise ShapeError(f"{text} announced in a file of {size} bytes")
    names = [element.name for element in elements]
    if len(set(names)) < len(names):
        raise ShapeError(f"elements {', '.join(names)} announced, expected each name once")


def _continues(data, end, last, found, is_text):
    """Returns whether the bytes behind the data are one more row, so that the count is wrong."""
    if is_text or end == len(data) or not last.properties:
        return end < len(data)
    try:
        row = read_rows(data, end, last._replace(rows=1))
    except ShapeError:
        return False
    polygons = _find_polygons(row)
    if polygons is None:
        return any(data[end:]) and (len(data) - end) % (row.end - end) == 0
    vertices = found["vertex"].num_rows if "vertex" in found else 0
    inside = (polygons.corners >= 0) & (polygons.corners < vertices)
    return len(inside) >= 3 and bool(inside.all())


def _read_vertices(elements):
    vertices = _read_columns(elements, "xyz")
    if vertices is None:
        raise ShapeError("no vertices, expected an element vertex with properties x, y and z")
    return vertices


def _read_columns(elements, names):
    """Returns three properties of the vertices, `(n, 3)` float64, or `None`."""
    if "vertex" not in elements:
        return None
    columns = elements["vertex"].columns
    if not set(names) <= set(columns):
        return None
    with np.errstate(invalid="ignore"):  # signaling NaN
        return np.stack([columns[name] for name in names], axis=-1).astype(np.float64)


def _read_polygons(elements, name):
    if name not in elements or not elements[name].num_rows:
        return Polygons(np.empty(0, np.int64), np.empty(0, np.int64))
    found = _find_polygons(elements[name])
    if found is None:
        raise ShapeError(f"{name} without a list of vertices, expected {' or '.join(_CORNERS)}")
    if found.corners.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = (np.abs(found.corners) < 2**53) & (found.corners % 1 == 0)
        if not whole.all():
            raise ShapeError(f"{name} of vertex {found.corners[~whole][0]}, expected whole numbers")
    return found._replace(corners=found.corners.astype(np.int64))


def _find_polygons(rows):
    return next((rows.lists[name] for name in _CORNERS if name in rows.lists), None)


def _cut_strips(strips):
    """Returns the triangles `(f, 3)` of strips; -1 ends a strip within a list.

    Each corner from the third on makes a triangle with the two before it. Every second triangle is
    reversed. Triangles with a repeated vertex only join the parts of a strip and are dropped.
    """
    lengths, corners = strips
    if len(corners) < 3:
        return np.empty((0, 3), np.int64)
    ends = corners == -1
    starts = np.append(True, ends[:-1])
    starts[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    strip = np.cumsum(starts) - 1
    odd = (np.arange(len(corners)) - np.flatnonzero(starts)[strip]) % 2 == 1
    a, b, c = corners[:-2], corners[1:-1], corners[2:]
    odd = odd[:-2]
    triangles = np.stack([np.where(odd, b, a), np.where(odd, a, b), c], axis=-1)
    whole = (strip[:-2] == strip[2:]) & ~ends[2:] & (a != b) & (b != c) & (a != c)
    return triangles[whole]
