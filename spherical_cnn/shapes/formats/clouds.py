"""Point clouds in arrays: their points, and their normals where they have any."""

from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.safe_read import NORMALS, choose, describe

POINT_NAMES = ("points", "xyz", "pos", "vertices", "pointcloud")

_UNIT = 1e-2  # lengths of normals differ from 1 by up to this
_EXPECTED = "(n, 3) points, (n, 6) points and normals"


class Cloud(NamedTuple):
    """Points, and what is known of the surface there.

    Args:
        points: `(n, 3)` numbers.
        normals: `(n, 3)` of any length and sign, not finite or 0 where unknown; `None` if no
            point has one.
    """

    points: np.ndarray
    normals: np.ndarray | None = None


def cloud_of_array(array, normals=None):
    """The cloud in an array.

    Args:
        array: `(n, 3)` points, or `(n, 6)` with three more columns. These are normals if each row
            has length 1 to 1e-2, is 0 or not finite, and some number is negative; otherwise they
            are taken for colors and not used.
        normals: `(n, 3)`, in place of those in `array`.

    Returns:
        `Cloud`.

    Raises:
        ShapeError: if the shapes or dtypes differ from these.
    """
    if array.ndim != 2 or array.shape[1] not in (3, 6) or array.dtype.kind not in "iuf":
        raise ShapeError(
            f"array of shape {array.shape}, {array.dtype}; expected {_EXPECTED}, or (a, b, c) "
            f"voxels{_advice(array.shape)}"
        )
    if normals is None:
        return Cloud(array[:, :3], array[:, 3:] if _are_normals(array[:, 3:]) else None)
    if normals.shape != (len(array), 3) or normals.dtype.kind not in "iuf":
        raise ShapeError(
            f"normals of shape {normals.shape}, {normals.dtype}; "
            f"expected ({len(array)}, 3) numbers, one row a point"
        )
    return Cloud(array[:, :3], normals)


def cloud_of_arrays(arrays):
    """The cloud among named arrays: one of `POINT_NAMES` or the only one, and its normals.

    Raises:
        ShapeError: if it is not clear which array holds the points, or they are no surface points.
    """
    name, array = choose(arrays, *POINT_NAMES)
    keys = {key.lower(): key for key in arrays}
    if name == "points" and "occupancies" in keys:
        raise ShapeError(
            f"found {describe(arrays)}: samples of space, inside and outside; "
            "expected points of a surface"
        )
    normals = [arrays[keys[key]] for key in NORMALS if key in keys]
    return cloud_of_array(array, *normals[:1])


def _are_normals(vectors):
    """Whether these columns, `(n, 3)` or `(n, 0)`, are normals, see `cloud_of_array`."""
    if vectors.shape[1] != 3:
        return False
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unknown = ~np.isfinite(length) | (length == 0)
    return bool((vectors < 0).any() and (unknown | (np.abs(length - 1) <= _UNIT)).all())


def _advice(shape):
    """What to do about an array of a shape that a cloud has not."""
    if len(shape) == 2 and shape[0] in (3, 6) and shape[1] > 6:
        return "; transpose it"
    if len(shape) == 2 and shape[1] == 4:
        return (
            "; four columns may be homogeneous coordinates: divide by the fourth, or drop it if "
            "it is none"
        )
    if len(shape) == 3 and 3 in shape[1:]:
        return "; several clouds: save each in a file, or all as x with labels y in an .npz"
    return ""
