"""Reads the rows of an element of a binary PLY file: numbers and lists of numbers."""

import array
import struct
from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.polygons import Polygons


class Property(NamedTuple):
    """A number of a row, or a list of numbers behind its length.

    Args:
        name: name in the header.
        kind: type of the numbers, in the letters that `struct` and NumPy share, such as `"<f"`.
        length: type of the length of a list; `None` for a single number.
    """

    name: str
    kind: str
    length: str | None = None


class Element(NamedTuple):
    """`rows` rows with the same properties."""

    name: str
    rows: int
    properties: list[Property]


class Rows:
    """The rows of one element.

    If all rows have lists of equal lengths, as in a mesh of triangles, columns are views of the
    data. Otherwise the constructor walks the rows once, because each row defines the start of the
    next one.

    Args:
        data: bytes of the file.
        start: position of the first row.
        element: `Element`.

    Attributes:
        end: position of the next element.

    Raises:
        ShapeError: if the data end before the rows, or a list has an impossible length.
    """

    def __init__(self, data, start, element):
        self._data, self.element = data, element
        self._places = list(_places(element.properties))
        least = sum(struct.calcsize(each.length or each.kind) for each in element.properties)
        if start + least * element.rows > len(data):
            raise self._short()
        row, end = self._walk(start, min(element.rows, 1))
        self._anchors, self._stride = row, end - start
        self.end = start + self._stride * element.rows
        if not self._uniform():
            self._anchors, self.end = self._walk(start, element.rows)
            self._stride = None

    def column(self, name):
        """Returns the values `(rows,)` of a property by name, or `None`."""
        found = self._find(name, False)
        if found is None:
            return None
        place, offset, each = found
        return self._values(place, offset, each.kind)

    def lists(self, names):
        """Returns the lists of the first property with one of `names`, `Polygons`, or `None`."""
        found = next(filter(None, (self._find(name, True) for name in names)), None)
        if found is None:
            return None
        place, offset, each = found
        lengths = self._values(place, offset, each.length).astype(np.int64)
        offset += struct.calcsize(each.length)
        width = struct.calcsize(each.kind)
        if self._stride is not None:
            return Polygons(lengths, self._view(place, offset, each.kind, *lengths[:1]).reshape(-1))
        starts = self._anchors[:, place] + offset - width * (np.cumsum(lengths) - lengths)
        total = int(lengths.sum())
        return Polygons(
            lengths, self._gather(np.repeat(starts, lengths) + width * np.arange(total), each.kind)
        )

    def _find(self, name, is_list):
        """Returns the entry of `_places` for a property by name, or `None`."""
        matches = (
            found
            for found in self._places
            if found[2].name == name and (found[2].length is not None) == is_list
        )
        return next(matches, None)

    def _values(self, place, offset, kind):
        if self._stride is None:
            return self._gather(self._anchors[:, place] + offset, kind)
        return self._view(place, offset, kind)[:, 0]

    def _view(self, place, offset, kind, items=1):
        """Returns a view `(rows, items)` of equally spaced values."""
        shape, strides = (self.element.rows, int(items)), (self._stride, struct.calcsize(kind))
        if not self.element.rows:
            return np.empty(shape, kind)
        return np.ndarray(shape, kind, self._data, int(self._anchors[0, place]) + offset, strides)

    def _gather(self, starts, kind):
        size = struct.calcsize(kind)
        data = np.frombuffer(self._data, np.uint8)
        return data[starts[:, None] + np.arange(size)].view(kind)[:, 0]

    def _uniform(self):
        """Returns whether the lists of all rows are as long as those of the first row."""
        if self.end > len(self._data):
            return False
        columns = (
            self._values(place, offset, each.length)
            for place, offset, each in self._places
            if each.length
        )
        return all((column == column[:1]).all() for column in columns)

    def _walk(self, start, count):
        """Returns `(rows, lists + 1)` starts of rows and of values behind each list; the end."""
        plan, before = [], 0
        for each in self.element.properties:
            if each.length:
                plan.append((before, struct.Struct(each.length), struct.calcsize(each.kind)))
            before = 0 if each.length else before + struct.calcsize(each.kind)
        anchors: array.array[int] = array.array("q")
        at, last = start, len(self._data)
        for row in range(count):
            anchors.append(at)
            for skipped, number, width in plan:
                at += skipped
                if at + number.size > last:
                    raise self._short()
                (length,) = number.unpack_from(self._data, at)
                if not (length >= 0 and length % 1 == 0):
                    raise ShapeError(
                        f"{self.element.name} {row + 1}: a list of length {length}, expected 0 …"
                    )
                at += number.size + int(length) * width if length <= last else last
                anchors.append(at)
            at += before
        if at > last:
            raise self._short()
        return np.frombuffer(anchors, np.int64).reshape(count, -1) if count else None, at

    def _short(self):
        return ShapeError(
            f"{self.element.rows} {self.element.name} announced, the data ends before them"
        )


def _places(properties):
    """Yields the number of lists before each property, its offset from the last one, and itself."""
    place = offset = 0
    for each in properties:
        yield place, offset, each
        if each.length:
            place, offset = place + 1, 0
        else:
            offset += struct.calcsize(each.kind)
