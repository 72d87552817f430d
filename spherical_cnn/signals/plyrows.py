"""Rows of an element of a PLY file: numbers and lists of numbers, behind each other in bytes."""

from __future__ import annotations

import array
import struct
from typing import NamedTuple

import numpy as np

from spherical_cnn.signals.polygons import Polygons
from spherical_cnn.signals.signal import ShapeError


class Property(NamedTuple):
    """One value of a row, or a list of values that its length precedes.

    `kind` is a type in the letters that `struct` and NumPy share, such as `"<f"`; `length` that of
    a list's length, else `None`.
    """

    name: str
    kind: str
    length: str | None = None


class Element(NamedTuple):
    """`count` rows of the same properties."""

    name: str
    count: int
    properties: list[Property]


class Rows:
    """The rows of one element; `end` is where the next element begins.

    Where all rows have lists of equal lengths, as in a mesh of triangles, columns are views of the
    data. Else the rows are walked once, since each says where the next one begins.

    Args:
        data: bytes.
        start: where the first row begins.
        element: `Element`.

    Raises:
        ShapeError: if the data ends before the rows do, or a list has no possible length.
    """

    def __init__(self, data, start, element):
        self._data, self.element = data, element
        least = sum(struct.calcsize(each.length or each.kind) for each in element.properties)
        if start + least * element.count > len(data):
            raise self._short()
        row, end = self._walk(start, min(element.count, 1))
        self._anchors, self._stride = row, end - start
        self.end = start + self._stride * element.count
        if not self._uniform():
            self._anchors, self.end = self._walk(start, element.count)
            self._stride = None

    def column(self, name):
        """The values of a property by name, `(count,)`; `None` if there is no such one."""
        found = self._find(name, False)
        if found is None:
            return None
        place, offset, each = found
        return self._values(place, offset, each.kind)

    def lists(self, names):
        """The lists of the first property of these names, `Polygons`; `None` if there is none."""
        found = next(filter(None, (self._find(name, True) for name in names)), None)
        if found is None:
            return None
        place, offset, each = found
        lengths = self._values(place, offset, each.length).astype(np.int64)
        offset += struct.calcsize(each.length)
        width = struct.calcsize(each.kind)
        if self._stride is not None:
            shape = (len(lengths), int(lengths[0]) if len(lengths) else 0)
            start = int(self._anchors[0, place]) + offset if len(lengths) else 0
            values = np.ndarray(shape, each.kind, self._data, start, (self._stride, width))
            return Polygons(lengths, values.reshape(-1))
        starts = self._anchors[:, place] + offset - width * (np.cumsum(lengths) - lengths)
        total = int(lengths.sum())
        return Polygons(
            lengths, self._gather(np.repeat(starts, lengths) + width * np.arange(total), each.kind)
        )

    def _find(self, name, is_list):
        """How many lists precede a property, its offset from the end of the last one, itself."""
        place = offset = 0
        for each in self.element.properties:
            if each.name == name and (each.length is not None) == is_list:
                return place, offset, each
            if each.length:
                place, offset = place + 1, 0
            else:
                offset += struct.calcsize(each.kind)
        return None

    def _values(self, place, offset, kind):
        if self._stride is None:
            return self._gather(self._anchors[:, place] + offset, kind)
        count = self.element.count
        start = int(self._anchors[0, place]) + offset if count else 0
        return np.ndarray((count,), kind, self._data, start, (self._stride,))

    def _gather(self, starts, kind):
        size = struct.calcsize(kind)
        data = np.frombuffer(self._data, np.uint8)
        return data[starts[:, None] + np.arange(size)].view(kind)[:, 0]

    def _uniform(self):
        """Whether each row has lists as long as the first one has."""
        if self.end > len(self._data):
            return False
        places = (each for each in self.element.properties if each.length)
        found = [self._find(each.name, True) for each in places]
        columns = (self._values(place, offset, each.length) for place, offset, each in found)
        return all((column == column[:1]).all() for column in columns)

    def _walk(self, start, count):
        """`(count, lists + 1)` where each row and the values behind each list begin; the end."""
        plan, before = [], 0
        for each in self.element.properties:
            if each.length:
                plan.append((before, struct.Struct(each.length), struct.calcsize(each.kind)))
            before = 0 if each.length else before + struct.calcsize(each.kind)
        anchors, at, last = array.array("q"), start, len(self._data)
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
            f"{self.element.count} {self.element.name} announced, the data ends before them"
        )
