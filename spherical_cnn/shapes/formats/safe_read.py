"""Reads untrusted files: checks types and sizes before it unpacks, and never unpickles."""

import io
import math
import os
import stat
import warnings
import zipfile

import numpy as np

from spherical_cnn.errors import ShapeError

MAX_BYTES = 512 * 2**20  # per file; trimesh needs about 20 bytes of memory per byte of text
NORMAL_NAMES = ("normals", "normal")  # arrays that accompany an array of points
_MAX_UNPACKED = 8 * MAX_BYTES
_MAX_MEMBERS = 1000
_MAX_AXES = 32  # the limit of NumPy 1
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_bytes(path, limit=MAX_BYTES):
    """Reads a regular file of at most `limit` bytes.

    Raises:
        ShapeError: if the file is not a regular file, is empty or is too large.
        OSError: if the file cannot be read.
    """
    status = os.stat(path)  # opening a pipe would block
    if not stat.S_ISREG(status.st_mode):
        raise ShapeError("not a regular file")
    if not 0 < status.st_size <= limit:
        raise ShapeError(f"{status.st_size} bytes, expected 1 … {limit}")
    with open(path, "rb") as file:
        return file.read(status.st_size)


def read_arrays(data, suffix):
    """Returns the arrays of an `.npz` file by name, or that of an `.npy` file by the name `""`.

    Raises:
        ShapeError: if the file is damaged, holds no arrays, or is larger than allowed.
    """
    if suffix == ".npy":
        array, end = _parse_array(data, "not a readable .npy file")
        if data.startswith(np.lib.format.MAGIC_PREFIX, end):
            raise ShapeError(
                "found a second array behind the first, expected one array in an .npy file; save "
                "the arrays as .npz"
            )
        return {"": array}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_members(archive)
    except ShapeError:
        raise
    except Exception as error:  # zipfile raises many types on damaged or encrypted archives
        raise ShapeError(
            f"not a readable .npz file: found {data[:8]!r} in front and {error}; expected an "
            "archive that numpy.savez wrote; copy or save it again"
        ) from error


def choose_array(arrays, *names):
    """Returns the only array with one of `names`, or else the only array of the file.

    Upper and lower case are equal; the name is returned in lower case, before the array. Arrays
    with a name in `NORMAL_NAMES` are never chosen.

    Raises:
        ShapeError: if the choice is ambiguous; it lists the arrays with their shapes.
    """
    shapes = {name.lower(): array for name, array in arrays.items()}
    shapes = {name: array for name, array in shapes.items() if name not in NORMAL_NAMES}
    chosen = {name: array for name, array in shapes.items() if name in names} or shapes
    if len(chosen) != 1:
        raise ShapeError(
            f"found {describe_arrays(arrays)}; expected one array, or one of them named "
            f"{', '.join(names)}"
        )
    return next(iter(chosen.items()))


def describe_arrays(arrays):
    """Returns names, shapes and dtypes of arrays for an error message."""
    shown = [f"{key} {value.shape} {value.dtype}" for key, value in list(arrays.items())[:20]]
    return "arrays " + ", ".join(shown) + ", …" * (len(arrays) > 20)


def _read_members(archive):
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not infos or len(infos) > _MAX_MEMBERS:
        raise ShapeError(f"{len(infos)} arrays in the file, expected 1 … {_MAX_MEMBERS}")
    # Only these two methods unpack in pieces; the others ignore the announced size.
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise ShapeError("found other compression, expected stored or deflated arrays, as by NumPy")
    total = sum(info.file_size for info in infos)
    if total > _MAX_UNPACKED:
        raise ShapeError(f"{total} bytes unpacked, expected at most {_MAX_UNPACKED}")
    arrays = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as member:
            data = member.read(info.file_size)  # read() without a size ignores the announced size
        arrays[name], _ = _parse_array(data, f"array {name}")
    return arrays


def _parse_array(data, name):
    """Returns the array in the bytes of an `.npy` file, and the position behind it."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # odd escapes, which NumPy never writes
            warnings.filterwarnings("ignore", "Reading `.npy`")  # 9L, as Python 2 wrote it
            version = np.lib.format.read_magic(file)
            if version not in _HEADER_READERS:
                raise ShapeError(
                    f"{name}: found format version {version[0]}.{version[1]}, expected 1.0 or 2.0; "
                    "save the array again, without named fields"
                )
            shape, by_column, dtype = _HEADER_READERS[version](file)
    except ShapeError:
        raise
    except Exception as error:  # NumPy raises many types on damaged headers
        raise ShapeError(
            f"{name}: found a damaged header after {data[:8]!r}, expected dtype, order and shape "
            "as numpy.save writes them; copy or save the file again"
        ) from error
    if dtype.kind not in "biufSU" or not dtype.itemsize:
        raise ShapeError(f"{name}: dtype {dtype}, expected numbers or text{_advice(dtype)}")
    count = math.prod(shape)
    end = file.tell() + count * dtype.itemsize
    sides = {0, *shape}
    if min(sides) < 0 or max(sides) > len(data) or end > len(data) or len(shape) > _MAX_AXES:
        raise ShapeError(
            f"{name}: shape {shape} of {dtype} in a file of {len(data)} bytes; expected a whole "
            "file; copy or save it again"
        )
    array = np.frombuffer(data, dtype, count, file.tell())
    return array.reshape(shape, order="F" if by_column else "C"), end


def _advice(dtype):
    if dtype.kind == "O":
        return "; objects are never unpickled: save floats or integers"
    if dtype.names:
        return "; convert it by numpy.lib.recfunctions.structured_to_unstructured"
    return ""
