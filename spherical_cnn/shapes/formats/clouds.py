"""Point clouds in arrays."""

from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.safe_read import NORMAL_NAMES, choose_array, describe_arrays

POINT_NAMES = ("points", "xyz", "pos", "vertices", "pointcloud")

_UNIT_TOLERANCE = 1e-2  # maximum deviation of the length of a unit normal


class Cloud(NamedTuple):
    """Points of a surface, `(n, 3)` numbers.

    Normals `(n, 3)` have any length and sign. Unknown normals are 0 or not finite.
    """

    points: np.ndarray
    normals: np.ndarray | None = None  # `None` if no point has a normal


def array_to_cloud(array, normals=None):
    """Converts an array to a `Cloud`.

    Args:
        array: `(n, 3)` points, or `(n, 6)` points and normals. The last three columns are normals
            if each row has length 1 ± 1e-2, is 0 or is not finite, and some number is negative.
            Otherwise they are colors and are ignored.
        normals: `(n, 3)` normals, which replace those of `array`.

    Raises:
        ShapeError: if an array has another shape or dtype.
    """
    if array.ndim != 2 or array.shape[1] not in (3, 6) or array.dtype.kind not in "iuf":
        raise ShapeError(
            f"array of shape {array.shape}, {array.dtype}; expected (n, 3) points, (n, 6) points "
            f"and normals, or (a, b, c) voxels{_advice(array.shape)}"
        )
    if normals is None:
        return Cloud(array[:, :3], array[:, 3:] if _are_normals(array[:, 3:]) else None)
    if normals.shape != (len(array), 3) or normals.dtype.kind not in "iuf":
        raise ShapeError(
            f"normals of shape {normals.shape}, {normals.dtype}; "
            f"expected ({len(array)}, 3) numbers, one row per point"
        )
    return Cloud(array[:, :3], normals)


def choose_cloud(arrays):
    """Returns the `Cloud` in the named arrays of a file.

    The points are the array with one of `POINT_NAMES`, or else the only array. The normals have
    one of `NORMAL_NAMES`.
    """
    name, array = choose_array(arrays, *POINT_NAMES)
    keys = {key.lower(): key for key in arrays}
    if name == "points" and "occupancies" in keys:
        raise ShapeError(
            f"found {describe_arrays(arrays)}: samples of space, inside and outside; "
            "expected points of a surface"
        )
    normals = [arrays[keys[key]] for key in NORMAL_NAMES if key in keys]
    return array_to_cloud(array, *normals[:1])


def _are_normals(columns):
    with np.errstate(over="ignore"):
        columns = columns.astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", columns, columns))
    unknown = ~np.isfinite(length) | (length == 0)
    unit = np.abs(length - 1) <= _UNIT_TOLERANCE
    return bool((columns < 0).any() and (unknown | unit).all())  # False for no columns


def _advice(shape):
    if len(shape) == 2 and shape[0] in (3, 6) and shape[1] > 6:
        return "; transpose it"
    if len(shape) == 2 and shape[1] == 4:
        return (
            "; four columns may be homogeneous coordinates: divide by the fourth column, or drop it"
        )
    if len(shape) == 3 and 3 in shape[1:]:
        return "; several clouds: save each in a file, or all as x with labels y in an .npz"
    return ""
