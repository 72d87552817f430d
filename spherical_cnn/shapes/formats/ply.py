"""Reads the PLY format of Stanford, text and binary, with any elements and properties."""

import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.clouds import Cloud
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
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_KINDS = {
    **{"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"},
    **{"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"},
    **{"float": "f", "double": "d", "float32": "f", "float64": "d", "int64": "q", "uint64": "Q"},
}
_EXPECTED = (
    f"`format` {', '.join(_ORDERS)}; `element NAME COUNT`; `property TYPE NAME`; "
    "or `property list TYPE TYPE NAME`"
)
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
    strips = Polygons.from_array(_cut_strips(_read_polygons(elements, "tristrips")))
    return vertices, Polygons(*map(np.concatenate, zip(faces, strips, strict=True)))


def read_ply_points(data):
    """Reads the vertices of a PLY file as a `Cloud` with normals from the properties nx, ny, nz."""
    elements = _read_elements(data)
    return Cloud(_read_vertices(elements), _read_columns(elements, ("nx", "ny", "nz")))


def _read_elements(data):
    """Returns `(columns, lists)` of all elements by name, see `read_rows`."""
    data = decode_text(data)
    is_text, elements, start = _parse_header(data)
    _check_counts(elements, len(data))
    word = None
    if is_text:  # convert it to binary double
        text = re.sub(rb"(?m)^[ \t]*(?:comment|obj_info)\b.*", b"", normalize_text(data[start:]))
        values, word = parse_leading_numbers(text)
        data, start = values.tobytes(), 0
    found = {}
    for element in elements:
        try:
            *found[element.name], start = read_rows(data, start, element)
        except ShapeError as error:
            if word is None:
                raise
            raise ShapeError(f"{error}; found {quote_word(word)}, expected a number") from None
    if elements and _continues(data, start, elements, is_text):
        last = elements[-1]
        raise ShapeError(f"{last.rows} {last.name} announced, found more data behind them")
    return found


def _parse_header(data):
    """Returns whether the data are text, with numbers as double; the elements; the data's start."""
    match = _HEADER.match(data)
    if not match:
        raise ShapeError("expected a header of PLY, from the line ply to the line end_header")
    end = match.end()
    if match[1] == b"\r" and match[3] == b"\r\n":  # the LF belongs to the data
        end -= 1
    header = normalize_text(match[2]).decode("latin-1")
    form = re.search(r"(?im)^[ \t]*format[ \t]+(\S+)", header)
    order = _ORDERS.get(form[1].lower()) if form else None
    is_text = order == "="
    kinds = {name: f"{order}{'d' if is_text else kind}" for name, kind in _KINDS.items()}
    elements: list[Element] = []
    for line in header.split("\n"):
        match line.lower().split():
            case [] | ["comment" | "obj_info", *_]:
                pass
            case ["format", name, *_] if name in _ORDERS:
                pass
            case ["element", name, count]:
                if not re.fullmatch(r"-?\d{1,15}", count):
                    raise ShapeError(f"{count[:20]!r} {name} announced, expected a whole number")
                elements.append(Element(name, int(count), []))
            case ["property", kind, name] if elements and kind in kinds:
                elements[-1].properties.append(Property(name, kinds[kind], None))
            case ["property", "list", size, kind, name] if elements and {size, kind} <= set(kinds):
                elements[-1].properties.append(Property(name, kinds[kind], kinds[size]))
            case _:
                raise ShapeError(f"found {line[:60]!r} in the header of PLY; expected {_EXPECTED}")
    if not form:
        raise ShapeError(f"no format in the header of PLY, expected {' or '.join(_ORDERS)}")
    return is_text, elements, end


def _check_counts(elements, size):
    """Refuses counts that exceed the file, before anything is allocated."""
    counts = [element.rows for element in elements]
    if min(counts, default=0) < 0 or sum(counts) > size:
        text = ", ".join(f"{element.rows} {element.name}" for element in elements)
        raise ShapeError(f"{text} announced in a file of {size} bytes")
    names = [element.name for element in elements]
    if len(set(names)) < len(names):
        raise ShapeError(f"elements {', '.join(names)} announced, expected each name once")


def _continues(data, end, elements, is_text):
    """Returns whether the bytes behind the data are one more row, so that the count is wrong."""
    if is_text or end == len(data) or not elements[-1].properties:
        return end < len(data)
    try:
        _, lists, stop = read_rows(data, end, elements[-1]._replace(rows=1))
    except ShapeError:
        return False
    polygons = _find_polygons(lists)
    if polygons is None:
        return any(data[end:]) and (len(data) - end) % (stop - end) == 0
    vertices = sum(element.rows for element in elements if element.name == "vertex")
    inside = (polygons.corners >= 0) & (polygons.corners < vertices)
    return len(inside) >= 3 and bool(inside.all())


def _read_vertices(elements):
    vertices = _read_columns(elements, ("x", "y", "z"))
    if vertices is None:
        raise ShapeError("no vertices, expected an element vertex with properties x, y and z")
    return vertices


def _read_columns(elements, names):
    """Returns three properties of the vertices, `(n, 3)` float64, or `None`."""
    columns, _ = elements.get("vertex", ({}, {}))
    if not {*names} <= {*columns}:
        return None
    with np.errstate(invalid="ignore"):  # signaling NaN
        return np.stack([columns[name] for name in names], axis=-1).astype(np.float64)


def _read_polygons(elements, name):
    columns, lists = elements.get(name, ({}, {}))
    found = _find_polygons(lists)
    if found is None:
        if any(map(len, columns.values())) or any(len(each.lengths) for each in lists.values()):
            raise ShapeError(f"{name} without a list of vertices, expected {' or '.join(_CORNERS)}")
        return Polygons.from_rows([])
    if found.corners.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = (np.abs(found.corners) < 2**53) & (found.corners % 1 == 0)
        if not whole.all():
            raise ShapeError(f"{name} of vertex {found.corners[~whole][0]}, expected whole numbers")
    return found._replace(corners=found.corners.astype(np.int64))


def _find_polygons(lists):
    return next((lists[name] for name in _CORNERS if name in lists), None)


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
