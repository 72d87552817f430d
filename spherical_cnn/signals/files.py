"""Reading files of unknown worth: regular, not too large, arrays no larger than they say."""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
import zipfile

import numpy as np

from spherical_cnn.signals.signal import ShapeError

MAX_BYTES = 512 * 2**20  # of one file; trimesh needs about 20 bytes of memory for one of text
_MAX_UNPACKED = 8 * MAX_BYTES
_MEMBERS = 1000


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of Python 2, of odd escapes: nothing NumPy writes
            if suffix == ".npy":
                return {"": _array(io.BytesIO(data), len(data), "the file")}
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return _members(archive)
    except ShapeError:
        raise
    except Exception as error:  # NumPy and zipfile raise nearly everything on damaged files
        raise ShapeError(
            f"not a readable {suffix} file: {type(error).__name__}: {error}"
        ) from error


def read_array(data, suffix, wanted):
    """The one array of an `.npy` or `.npz` file; `wanted` says in an error what it should be."""
    arrays = read_arrays(data, suffix)
    if len(arrays) != 1:
        raise ShapeError(f"arrays {', '.join(arrays)} in the file, expected one {wanted}")
    return next(iter(arrays.values()))


def _members(archive):
    infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if not infos or len(infos) > _MEMBERS:
        raise ShapeError(f"{len(infos)} arrays in the file, expected 1 … {_MEMBERS}")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise ShapeError("expected an archive that NumPy wrote: stored or deflated")
    total = sum(info.file_size for info in infos)
    if total > _MAX_UNPACKED:
        raise ShapeError(f"{total} bytes unpacked, expected at most {_MAX_UNPACKED}")
    arrays = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as member:
            arrays[name] = _array(member, info.file_size, f"array {name}")
    return arrays


def _array(file, size, name):
    """One array, read only if its header agrees with the `size` of the file, bytes."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ShapeError(f"{name}: format version {version}, expected 1.0 or 2.0")
    shape, by_column, dtype = readers[version](file)
    if dtype.kind not in "biufSU":
        raise ShapeError(f"{name}: dtype {dtype}, expected numbers or text")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or max(shape, default=0) > size or count * dtype.itemsize > size:
        raise ShapeError(f"{name}: shape {shape} of {dtype} in a file of {size} bytes")
    data = file.read(count * dtype.itemsize)
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if by_column else "C")
