"""Reads the rows of an element of a binary PLY file: numbers and lists of numbers."""

import struct
from typing import Any, NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons


class Property(NamedTuple):
    """A number of a row, or a list of numbers behind its length."""

    name: str
    kind: str  # of the numbers, in the letters that `struct` and NumPy share, such as "<f"
    length: str | None  # kind of the length of a list; `None` for a single number


class Element(NamedTuple):
    """`rows` rows with the same properties."""

    name: str
    rows: int
    properties: list[Property]


def read_rows(data, start, element):
    """Reads the rows of an `Element`, the first of which starts at `start`.

    If all rows have lists of equal lengths, as in a mesh of triangles, NumPy reads them at once.
    Otherwise the function reads row by row.

    Returns:
        `(columns, lists, end)`: dict of arrays `(rows,)` by name, the properties that are single
        numbers; dict of `Polygons` by name, the properties that are lists; start of the next
        element.

    Raises:
        ShapeError: if the data end before the rows, or a list has an impossible length.
    """
    found, end = _read_uniform(data, start, element) or _read_mixed(data, start, element)
    columns: dict[str, np.ndarray] = {}
    lists: dict[str, Polygons] = {}
    for each, (lengths, values) in zip(element.properties, found, strict=True):
        if each.length:
            lists.setdefault(each.name, Polygons(np.array(lengths, np.int64), values))
        else:
            columns.setdefault(each.name, values)
    return columns, lists, end


def _read_uniform(data, start, element):
    """Returns `(lengths, values)` of each property, and the end.

    The first row determines the lengths of the lists. If another row differs, returns `None`.
    """
    if not element.rows or not element.properties:
        return None
    fields: list[Any] = []
    end, sizes = start, []
    for number, each in enumerate(element.properties):
        size, end = _read_length(data, end, element, each, 1)
        end += size * struct.calcsize(each.kind)
        sizes.append(size)
        if each.length:
            fields.append((f"length {number}", each.length))
        fields.append((f"values {number}", each.kind, (size,)))
        if end > len(data):
            return None
    row = np.dtype(fields)
    end = start + element.rows * row.itemsize
    if end > len(data):
        return None
    table = np.frombuffer(data, row, element.rows, start)
    found = []
    for number, (each, size) in enumerate(zip(element.properties, sizes, strict=True)):
        if each.length and (table[f"length {number}"] != size).any():
            return None
        found.append((np.full(element.rows, size), table[f"values {number}"].reshape(-1)))
    return found, end


def _read_mixed(data, start, element):
    """Returns the same as `_read_uniform` for lists of any lengths."""
    found: list[tuple[list, list]] = [([], []) for _ in element.properties]
    end = start
    for row in range(1, element.rows + 1):
        for each, (lengths, values) in zip(element.properties, found, strict=True):
            size, start = _read_length(data, end, element, each, row)
            end = start + size * struct.calcsize(each.kind)
            if end > len(data):
                raise _data_end(element)
            lengths.append(size)
            values += struct.unpack_from(f"{each.kind[0]}{size}{each.kind[1]}", data, start)
    return [
        (lengths, np.array(values, each.kind))
        for each, (lengths, values) in zip(element.properties, found, strict=True)
    ], end


def _read_length(data, start, element, each, row):
    """Returns the length of a list, 1 for a number, and the start of the values."""
    if each.length is None:
        return 1, start
    end = start + struct.calcsize(each.length)
    if end > len(data):
        raise _data_end(element)
    (length,) = struct.unpack_from(each.length, data, start)
    if not (length >= 0 and length % 1 == 0):
        raise ShapeError(f"{element.name} {row}: a list of length {length}, expected 0 …")
    return int(length), end


def _data_end(element):
    return ShapeError(f"{element.rows} {element.name} announced, the data ends before them")
