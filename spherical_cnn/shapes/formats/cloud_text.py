"""Point clouds in text: one point a line."""

from __future__ import annotations

import io
import re

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.clouds import Cloud, cloud_of_array

SUFFIXES = (".asc", ".csv", ".pts", ".txt", ".xyz", ".xyzn")

# Names of columns in headers, lower case: plain ones, and those that ParaView and PCL write.
_POINTS = [{axis, f"points:{i}", f"points_{i}"} for i, axis in enumerate("xyz")]
_NORMALS = [
    {f"n{axis}", f"normal_{axis}", f"normals:{i}", f"normals_{i}"} for i, axis in enumerate("xyz")
]


def read_text(data, suffix):
    """The cloud in a text file.

    Blanks, tabs, commas or semicolons separate columns. What follows `#` or `//` is a remark. In
    front of the points there may be their count and a line, also a remark, that names the columns:
    `x y z`, and `nx ny nz` for normals, in any order. Columns without names are `x y z`, followed
    by `nx ny nz` if these are normals by the rule of `cloud_of_array`. Further columns are ignored,
    but a single fourth one must be named, unless it is 1 throughout: it may be a homogeneous
    coordinate. In `.pts` it is the intensity.

    Args:
        data: bytes of the file, in any encoding that extends ASCII, or UTF-16 with its mark.
        suffix: one of `SUFFIXES`; in `.xyzn` columns 4 to 6 are normals of any length.

    Returns:
        `Cloud`.

    Raises:
        ShapeError: if a line is not as described; it says which.
    """
    raw = _raw_lines(data)
    lines = [_content(line) for line in raw]
    filled = [i for i, line in enumerate(lines) if line]
    count, title = None, None
    while filled:
        line = lines[filled[0]]
        if count is None and re.fullmatch(rb"\d{1,15}", line):
            count = int(line)
        elif title is None and not any(map(_begins_as_number, _split(line, _separator(line)))):
            title = filled[0]
        else:
            break
        filled = filled[1:]
    if not filled:
        raise ShapeError("found no line of numbers, expected one point a line: x y z")
    table = _table(lines, filled)
    if count is not None and count != len(table):
        raise ShapeError(
            f"{count} points announced, found {len(table)} lines of points; "
            "the file is cut short, or holds several clouds"
        )
    return _cloud(table, _names(raw, title, filled[0], table.shape[1]), suffix)


def _raw_lines(data):
    """Lines as bytes of ASCII and remarks; ends may be LF, CR LF or CR."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    if b"\0" in data:
        raise ShapeError("found bytes that are 0, expected text; save it as UTF-8 or ASCII")
    return data.removeprefix(b"\xef\xbb\xbf").splitlines()


def _content(line):
    """A line without remark, blanks, and separators at its end."""
    return line.split(b"#", 1)[0].split(b"//", 1)[0].strip().rstrip(b" \t,;")


def _separator(line):
    return next((mark for mark in (b";", b",") if mark in line), None)


def _split(line, separator):
    return [part.strip() for part in line.split(separator)]


def _begins_as_number(field):
    return _is_number(field) or re.match(rb"[-+.\"']*\d", field)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _table(lines, filled):
    """`(n, k)` float64 of the lines of these numbers, at least three columns."""
    separator = _separator(lines[filled[0]])
    columns = len(_split(lines[filled[0]], separator))
    text = b"\n".join([lines[i] for i in filled]).decode("latin-1")
    try:
        mark = separator and separator.decode()
        table = np.loadtxt(io.StringIO(text), delimiter=mark, comments=None, ndmin=2)
    except ValueError as error:
        raise _fault(lines, filled, separator, columns) from error
    if columns < 3:
        raise ShapeError(f"{columns} columns, expected at least three: x y z")
    return table


def _fault(lines, filled, separator, columns):
    """The error that says which line is no row of the table."""
    for i in filled:
        fields = _split(lines[i], separator)
        if not all(map(_is_number, fields)):
            return ShapeError(
                f"line {i + 1}: found {_shown(lines[i])}, expected numbers with a decimal point, "
                "separated by blanks, tabs, commas or semicolons"
            )
        if len(fields) != columns:
            return ShapeError(
                f"line {i + 1}: {len(fields)} columns, expected {columns} as in line "
                f"{filled[0] + 1}"
            )
    return ShapeError("not a table of numbers, expected one point a line: x y z")


def _names(raw, title, first, columns):
    """Names of the columns, from the title or a remark in front of line `first`, or `None`."""
    for i in range(first):
        text = _content(raw[i].strip().lstrip(b"#/ \t"))
        fields = [field.strip(b"\"' ") for field in _split(text, _separator(text))]
        names = [
            re.sub(rb"[\[(].*", b"", field).strip().lower().decode("latin-1") for field in fields
        ]
        known = all(any(name in axis for name in names) for axis in _POINTS)
        if known and len(names) == len(set(names)) == columns:
            return names
        if i == title and (known or columns == len(names) > 3):
            raise ShapeError(
                f"line {i + 1}: columns named {_shown(text)}, expected {columns} different names, "
                f"as there are columns in line {first + 1}, x, y and z among them"
            )
    return None


def _cloud(table, names, suffix):
    """The cloud in a table, by the names of its columns, if they have any."""
    columns = table.shape[1]
    if names is None:
        if columns == 4 and suffix != ".pts" and (table[:, 3] != 1).any():
            raise ShapeError(
                "four columns without names: the last may be a homogeneous coordinate; expected "
                "x y z, or a first line that names them, such as x y z intensity"
            )
        if suffix == ".xyzn" and columns >= 6:
            return Cloud(table[:, :3], table[:, 3:6])
        return cloud_of_array(table[:, : 6 if columns >= 6 else 3])
    if "w" in names:
        raise ShapeError("a column named w: homogeneous; expected x y z, divided by it, alone")
    points, normals = (
        [i for axis in axes for i, name in enumerate(names) if name in axis]
        for axes in (_POINTS, _NORMALS)
    )
    if len(points) != 3 or len(normals) not in (0, 3):
        raise ShapeError(f"columns named {' '.join(names)}, expected x y z, or x y z nx ny nz")
    return Cloud(table[:, points], table[:, normals] if normals else None)


def _shown(text):
    return repr(text[:40].decode("latin-1")) + "…" * (len(text) > 40)
