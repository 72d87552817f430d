"""Point clouds in the text formats of other programs."""

import numpy as np
import pytest

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.cloud_text import read_cloud_text

POINTS = np.array([[0.5, -1, 2], [3, 4.25, -5e-3], [6, 7, 8], [9, 10, 11]])
NORMALS = np.array([[1, 0, 0], [0, -1, 0], [0, 0.6, 0.8], [0, 0, 0]])
BOTH = np.concatenate([POINTS, NORMALS], axis=1)


def text(table, separator=" ", end="\n"):
    return end.join(separator.join(f"{x:g}" for x in row) for row in table) + end


PLAIN = text(POINTS)
READ = {
    "blanks": PLAIN,
    "tabs": text(POINTS, "\t"),
    "commas": text(POINTS, ","),
    "commas and blanks": text(POINTS, " , "),
    "semicolons": text(POINTS, "; "),
    "a comma at each end": text(POINTS, ",", ",\n"),
    "blanks in front": "  " + text(POINTS, "   ", "\n  "),
    "CR LF": text(POINTS, end="\r\n"),
    "CR": text(POINTS, end="\r"),
    "no end": PLAIN.rstrip(),
    "blank lines": "\n\n" + text(POINTS, end="\n \n"),
    "a byte-order mark": "\ufeff" + PLAIN,
    "UTF-16": PLAIN.encode("utf-16"),
    "comments": "# ä scan\n// of 4 points\n" + PLAIN.replace("\n", " # a point\n"),
    "a comment in Latin-1": b"# K\xf6ln\n" + PLAIN.encode(),
    "a count": "4\n" + PLAIN,
    "names": "x y z\n" + PLAIN,
    "names with units": "X [m],Y [m],Z [m]\n" + text(POINTS, ","),
    "quoted names": '"Points:0","Points:1","Points:2"\n' + text(POINTS, ","),
    "names and a count": "X Y Z\n4\n" + PLAIN,
    "other names": "east north height\n" + PLAIN,
    "another order": "z,y,x\n" + text(POINTS[:, ::-1], ","),
    "an index": ",x,y,z\n" + text(np.insert(POINTS, 0, range(4), axis=1), ","),
    "names in a comment": "//Z X Y intensity\n"
    + text(np.insert(POINTS[:, [2, 0, 1]], 3, 7, axis=1)),
    "a named fourth column": "x;y;z;intensity\n" + text(np.insert(POINTS, 3, 7, axis=1), ";"),
    "ones": text(np.insert(POINTS, 3, 1, axis=1)),
    "colors": text(np.concatenate([POINTS, np.full((4, 3), 200)], axis=1)),
    "one pure color": text(np.concatenate([POINTS, np.eye(3)[[0] * 4]], axis=1)),
    "intensity and colors": text(np.concatenate([POINTS, np.full((4, 4), 9)], axis=1)),
}


@pytest.mark.parametrize("case", READ)
def test_points_are_read_from_all_layouts(case):
    data = READ[case]
    cloud = read_cloud_text(data if isinstance(data, bytes) else data.encode(), ".txt")
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.normals is None


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (text(BOTH, ","), ".txt"),
        (text(np.insert(BOTH, 6, 3, axis=1)), ".txt"),  # and a label, as in ShapeNet's parts
        ("//X Y Z Nx Ny Nz\n4\n" + text(BOTH), ".asc"),
        ("nx,ny,nz,x,y,z\n" + text(np.roll(BOTH, 3, axis=1), ","), ".csv"),
        ("x y z normal_x normal_y normal_z\n" + text(BOTH), ".xyz"),
        (text(BOTH), ".xyzn"),
    ],
)
def test_normals_are_read_from_all_layouts(data, suffix):
    cloud = read_cloud_text(data.encode(), suffix)
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.normals, NORMALS)


def test_named_normals_need_not_be_unit_vectors():
    data = "x y z nx ny nz\n" + text(BOTH * [1, 1, 1, 9, 9, 9])
    found = read_cloud_text(data.encode(), ".txt").normals
    np.testing.assert_allclose(found, 9 * NORMALS, rtol=1e-15)


def test_fourth_column_of_pts_is_ignored():
    data = "4\n" + text(np.insert(POINTS, 3, range(4), axis=1))
    np.testing.assert_array_equal(read_cloud_text(data.encode(), ".pts").points, POINTS)


DECIMAL_COMMA = "expected numbers with a decimal point, separated by"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("\n \n", "^found no line of numbers, expected one point per line: x y z$"),
        ("# nothing\n", "^found no line of numbers"),
        ("x y z\n", "^found no line of numbers"),
        ("1 2 3\n4 5\n", "^line 2: 2 columns, expected 3 as in line 1$"),
        ("# a\n1,2,3\n\n4,,6\n", f"^line 4: found '4,,6', {DECIMAL_COMMA}"),
        ("1 2 3\n1,5 2 3\n", f"^line 2: found '1,5 2 3', {DECIMAL_COMMA}"),
        ("1,5 2,0 3,1\n", f"^line 1: found '1,5 2,0 3,1', {DECIMAL_COMMA}"),
        ("1,5;2,0;3,1\n", f"^line 1: found '1,5;2,0;3,1', {DECIMAL_COMMA}"),
        ("1,5\t2,0\t3,1\n", f"^line 1: .*{DECIMAL_COMMA}"),
        ("12\nwater\nO 0 0 0\n", f"^line 3: found 'O 0 0 0', {DECIMAL_COMMA}"),
        ("1 2 3\n1 2 1_0\n", f"^line 2: found '1 2 1_0', {DECIMAL_COMMA}"),
        ("1 2\n3 4\n", "^2 columns, expected at least three: x y z$"),
        ("5\n1 2 3\n", "^5 points announced, found 1 lines of points; the file is cut short"),
        ("1 2 3 0.5\n", "^four columns without names: the last may be a homogeneous coordinate"),
        (
            "x y z w\n1 2 3 4\n",
            "^a column named w: homogeneous; expected x y z, divided by w",
        ),
        ("x y z nx ny\n1 2 3 4 5\n", "^columns named x y z nx ny, expected x y z, or x y z nx ny"),
        ("x y z\n1 2 3 4 5 6\n", "^line 1: columns named 'x y z', expected 6 different names"),
        ("a,b,c,d\n1,2,3,4\n", "^line 1: columns named 'a,b,c,d', expected 4 different"),
        ("x x y z\n1 2 3 4\n", "^line 1: columns named 'x x y z', expected 4 different"),
        ("1 2 3\0\n", "^found bytes that are 0, expected text"),
    ],
)
def test_errors_name_the_line(data, message):
    with pytest.raises(ShapeError, match=message):
        read_cloud_text(data.encode(), ".xyz")
