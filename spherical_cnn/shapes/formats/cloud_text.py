"""Reads point clouds from text, one point per line."""

import io
import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.clouds import Cloud, array_to_cloud
from spherical_cnn.shapes.formats.text import decode_text, quote_word

SUFFIXES = (".asc", ".csv", ".pts", ".txt", ".xyz", ".xyzn")

# Lower-case names of columns: plain names, and those that ParaView and PCL write.
_POINTS = [{axis, f"points:{i}", f"points_{i}"} for i, axis in enumerate("xyz")]
_NORMALS = [
    {f"n{axis}", f"normal_{axis}", f"normals:{i}", f"normals_{i}"} for i, axis in enumerate("xyz")
]


def read_cloud_text(data, suffix):
    """Reads a `Cloud` from text in UTF-16, UTF-32 or an extension of ASCII.

    Blanks, tabs, commas or semicolons separate columns. `#` and `//` start comments. A line with
    the number of points may precede the points. So may a line or comment that names the columns:
    `x y z`, and `nx ny nz` for normals, in any order. Columns without names are `x y z`, followed
    by `nx ny nz` if `array_to_cloud` recognizes normals. Further columns are ignored. A single
    fourth column needs a name unless all its values are 1, because it may be a homogeneous
    coordinate. In `.pts` the fourth column is the intensity. In `.xyzn` columns 4 to 6 are normals
    of any length.

    Raises:
        ShapeError: if a line has another format; it names the line.
    """
    text = decode_text(data)
    if b"\0" in text:
        raise ShapeError("found bytes that are 0, expected text; save it as UTF-8 or ASCII")
    raw = text.splitlines()
    lines = [_strip_comment(line) for line in raw]
    filled = [i for i, line in enumerate(lines) if line]
    count, title = None, None
    while filled:
        line = lines[filled[0]]
        if count is None and re.fullmatch(rb"\d{1,15}", line):
            count = int(line)
        elif title is None and not any(map(_starts_as_number, _split(line, _separator(line)))):
            title = filled[0]
        else:
            break
        filled = filled[1:]
    if not filled:
        raise ShapeError("found no line of numbers, expected one point per line: x y z")
    table = _parse_table(lines, filled)
    if count is not None and count != len(table):
        raise ShapeError(
            f"{count} points announced, found {len(table)} lines of points; "
            "the file is cut short, or holds several clouds"
        )
    return _table_to_cloud(table, _column_names(raw, title, filled[0], table.shape[1]), suffix)


def _strip_comment(line):
    return line.split(b"#", 1)[0].split(b"//", 1)[0].strip().rstrip(b" \t,;")


def _separator(line):
    return next((mark for mark in (b";", b",") if mark in line), None)


def _split(line, separator):
    return [part.strip() for part in line.split(separator)]


def _starts_as_number(field):
    return _is_number(field) or re.match(rb"[-+.\"']*\d", field)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _parse_table(lines, filled):
    """Returns `(n, k)` float64 numbers of the lines with the indices `filled`, `k >= 3`."""
    separator = _separator(lines[filled[0]])
    columns = len(_split(lines[filled[0]], separator))
    text = b"\n".join([lines[i] for i in filled]).decode("latin-1")
    try:
        mark = separator and separator.decode()
        table = np.loadtxt(io.StringIO(text), delimiter=mark, comments=None, ndmin=2)
    except ValueError as error:
        raise _find_fault(lines, filled, separator, columns) from error
    if columns < 3:
        raise ShapeError(f"{columns} columns, expected at least three: x y z")
    return table


def _find_fault(lines, filled, separator, columns):
    """Returns an error that names the first line that is not a row of the table."""
    for i in filled:
        fields = _split(lines[i], separator)
        if not all(map(_is_number, fields)):
            return ShapeError(
                f"line {i + 1}: found {quote_word(lines[i])}, expected numbers with a decimal "
                "point, separated by blanks, tabs, commas or semicolons"
            )
        if len(fields) != columns:
            return ShapeError(
                f"line {i + 1}: {len(fields)} columns, expected {columns} as in line "
                f"{filled[0] + 1}"
            )
    return ShapeError("not a table of numbers, expected one point per line: x y z")


def _column_names(raw, title, first, columns):
    """Returns the column names in the title or in a comment above line `first`, or `None`."""
    for i in range(first):
        text = _strip_comment(raw[i].strip().lstrip(b"#/ \t"))
        fields = [field.strip(b"\"' ") for field in _split(text, _separator(text))]
        names = [
            re.sub(rb"[\[(].*", b"", field).strip().lower().decode("latin-1") for field in fields
        ]
        known = all(any(name in axis for name in names) for axis in _POINTS)
        if known and len(names) == len(set(names)) == columns:
            return names
        if i == title and (known or columns == len(names) > 3):
            raise ShapeError(
                f"line {i + 1}: columns named {quote_word(text)}, expected {columns} different "
                f"names for the columns of line {first + 1}, x, y and z among them"
            )
    return None


def _table_to_cloud(table, names, suffix):
    columns = table.shape[1]
    if names is None:
        if columns == 4 and suffix != ".pts" and (table[:, 3] != 1).any():
            raise ShapeError(
                "four columns without names: the last may be a homogeneous coordinate; expected "
                "x y z, or a first line that names them, such as x y z intensity"
            )
        if suffix == ".xyzn" and columns >= 6:
            return Cloud(table[:, :3], table[:, 3:6])
        return array_to_cloud(table[:, : 6 if columns >= 6 else 3])
    if "w" in names:
        raise ShapeError("a column named w: homogeneous; expected x y z, divided by w, alone")
    points, normals = (
        [i for axis in axes for i, name in enumerate(names) if name in axis]
        for axes in (_POINTS, _NORMALS)
    )
    if len(points) != 3 or len(normals) not in (0, 3):
        raise ShapeError(f"columns named {' '.join(names)}, expected x y z, or x y z nx ny nz")
    return Cloud(table[:, points], table[:, normals] if normals else None)
