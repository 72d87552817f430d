"""Reading files of unknown worth: regular, not too large, arrays no larger than they say."""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
import zipfile
import zlib

import numpy as np

from spherical_cnn.errors import ShapeError

MAX_BYTES = 512 * 2**20  # of one file; trimesh needs about 20 bytes of memory for one of text
NORMALS = ("normals", "normal")  # names of arrays that lie beside those of points
_MAX_UNPACKED = 8 * MAX_BYTES
_MEMBERS = 1000
_MAX_AXES = 32  # of an array, NumPy 1's limit
_MAGIC = b"\x93NUMPY"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_bytes(path, limit=MAX_BYTES):
    """The content of a regular file.

    Args:
        path: of the file.
        limit: largest size that is read, bytes.

    Returns:
        bytes.

    Raises:
        ShapeError: if it is not a regular file, is empty or too large.
        OSError: if it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not block
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ShapeError("not a regular file")
        if not 0 < status.st_size <= limit:
            raise ShapeError(f"{status.st_size} bytes, expected 1 … {limit}")
        with open(handle, "rb", closefd=False) as file:
            return file.read(status.st_size)
    finally:
        os.close(handle)


def read_arrays(data, suffix):
    """Arrays of an `.npy` or `.npz` file. Nothing is unpickled.

    Args:
        data: bytes of the file.
        suffix: `".npy"` or `".npz"`.

    Returns:
        dict of NumPy arrays by name; an `.npy` file has one, named `""`.

    Raises:
        ShapeError: if the file is damaged, holds no arrays, or more than it says.
    """
    if suffix == ".npy":
        file = io.BytesIO(data)
        array = _array(file, len(data), "not a readable .npy file")
        if file.read(len(_MAGIC)) == _MAGIC:
            raise ShapeError("found a second array behind the first, expected one in an .npy file")
        return {"": array}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _members(archive)
    except ShapeError:
        raise
    except Exception as error:  # zipfile raises nearly everything on damaged files
        raise ShapeError(
            f"not a readable .npz file: found {data[:8]!r} in front, expected a whole archive as "
            "numpy.savez writes it; copy or save it again"
        ) from error


def choose(arrays, *names):
    """The array that a file is about: the only one under one of `names`, else the only one.

    Args:
        arrays: dict of arrays by name, in which the case of letters does not matter. Those named
            in `NORMALS` are never chosen.
        names: recognized names.

    Returns:
        `(name, array)`, the name in lower case.

    Raises:
        ShapeError: if there are several; it lists them with their shapes.
    """
    shapes = {key.lower(): array for key, array in arrays.items() if key.lower() not in NORMALS}
    named = {key: array for key, array in shapes.items() if key in names}
    chosen = named or shapes
    if len(chosen) != 1:
        raise ShapeError(
            f"found {describe(arrays)}; expected one array, or one of them named {', '.join(names)}"
        )
    return next(iter(chosen.items()))


def describe(arrays):
    """Arrays by name, shape and dtype, for a message."""
    shown = [f"{key} {value.shape} {value.dtype}" for key, value in list(arrays.items())[:20]]
    return "arrays " + ", ".join(shown) + ", …" * (len(arrays) > 20)


def _members(archive):
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not infos or len(infos) > _MEMBERS:
        raise ShapeError(f"{len(infos)} arrays in the file, expected 1 … {_MEMBERS}")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise ShapeError("expected an archive that NumPy wrote: stored or deflated")
    if any(info.flag_bits & 1 for info in infos):
        raise ShapeError("found encrypted arrays, expected an archive without a password")
    total = sum(info.file_size for info in infos)
    if total > _MAX_UNPACKED:
        raise ShapeError(f"{total} bytes unpacked, expected at most {_MAX_UNPACKED}")
    arrays = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        try:
            with archive.open(info) as member:
                arrays[name] = _array(member, info.file_size, f"array {name}")
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ShapeError(
                f"array {name}: its compressed data are damaged, expected those that NumPy wrote; "
                "copy or save the file again"
            ) from error
    return arrays


def _array(file, size, name):
    """One array, read only if its header agrees with the `size` of the file, bytes."""
    shape, by_column, dtype = _header(file, name)
    if dtype.kind not in "biufSU" or not dtype.itemsize:
        raise ShapeError(f"{name}: dtype {dtype}, expected numbers or text{_advice(dtype)}")
    count = math.prod(shape)
    if (
        len(shape) > _MAX_AXES
        or min(shape, default=0) < 0
        or max(shape, default=0) > size
        or count * dtype.itemsize > size
    ):
        raise ShapeError(
            f"{name}: shape {shape} of {dtype} in a file of {size} bytes; expected a whole file"
        )
    data = file.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ShapeError(
            f"{name}: {len(data)} bytes of data, expected {count * dtype.itemsize} for shape "
            f"{shape} of {dtype}; the file is cut short"
        )
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if by_column else "C")


def _header(file, name):
    """`(shape, whether by column, dtype)` from the start of an `.npy` file."""
    magic = file.read(len(_MAGIC) + 2)
    if magic[:-2] != _MAGIC:
        raise ShapeError(
            f"{name}: found {magic!r} in front, expected {_MAGIC!r} as numpy.save writes it"
        )
    version = (magic[-2], magic[-1])
    if version not in _HEADERS:
        raise ShapeError(
            f"{name}: format version {version[0]}.{version[1]}, expected 1.0 or 2.0; save the "
            "array again, without named fields"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of odd escapes: nothing NumPy writes
            warnings.filterwarnings("ignore", "Reading `.npy`")  # of Python 2, which wrote 9L
            return _HEADERS[version](file)
    except Exception as error:  # NumPy raises nearly everything on damaged headers
        raise ShapeError(
            f"{name}: its header is damaged, expected dtype, order and shape as numpy.save writes "
            "them; copy or save the file again"
        ) from error


def _advice(dtype):
    if dtype.kind == "O":
        return "; nothing is unpickled, save it as an array of floats or integers"
    if dtype.names:
        return "; convert it by numpy.lib.recfunctions.structured_to_unstructured"
    return ""
