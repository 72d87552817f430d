"""Shards as files: compression, and records as bytes."""

from __future__ import annotations

import functools
import itertools
import os
import struct
import zlib

import keras
import tensorflow as tf

from spherical_cnn.errors import RecordError

if keras.backend.backend() != "tensorflow":
    tf.config.set_visible_devices([], "GPU")  # TensorFlow only reads: leaves the memory to Keras

_FRAME = 16  # bytes that a record takes besides its data: its length and two checksums
_MADE_OF = "expected TFRecords, plain or compressed as a whole by GZIP or ZLIB"


def compression(path):
    """Returns the compression of a shard, by its first bytes: `""`, `"GZIP"` or `"ZLIB"`."""
    with open(path, "rb") as file:
        head = file.read(4096)
    try:
        found = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(head, 12)  # either of the two
    except zlib.error:
        return ""
    if head.startswith(b"\x1f\x8b"):
        return "GZIP"
    return "ZLIB" if found else ""


def serialized_records(paths):
    """Returns a `tf.data.Dataset` of the serialized records of shards, in their order."""
    parts = [
        tf.data.TFRecordDataset([os.fsencode(path) for path in group], kind)
        for kind, group in itertools.groupby(paths, compression)
    ]
    return functools.reduce(tf.data.Dataset.concatenate, parts)


def read_frames(path):
    """Yields the serialized records of a shard.

    Raises:
        RecordError: naming the first record that is truncated or corrupt.
        OSError: if the file cannot be read.
    """
    kind = compression(path)
    if not kind:
        count_records(path)  # finds a truncated record before reading any
    records = iter(serialized_records([path]))
    for number in itertools.count():
        try:
            record = next(records, None)
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            fault = "its checksum does not match"
            if kind:
                fault = f"the {kind} data are damaged or end too early ({error.message})"
            raise RecordError(
                f"{path}: record {number} (from 0) is corrupt: {fault}; {_MADE_OF}. "
                "Copy or build the shard again"
            ) from error
        if record is None:
            return
        yield record.numpy()


def count_records(path):
    """Counts the records of a shard by their frames, once.

    Raises:
        RecordError: if the file ends inside a record, or is no shard.
        OSError: if the file cannot be read.
    """
    path = os.fspath(path)
    state = os.stat(path)
    return _count(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1024)
def _count(path, *_):
    if compression(path):
        return sum(1 for _ in read_frames(path))
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = count = 0
        while position < size:
            header = file.read(12)  # length of the data, its checksum; then data, its checksum
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else 0
            end = position + _FRAME + length
            if len(header) < 12 or end > size:
                if not count and len(header) == 12:
                    _check_first(path, header)
                raise RecordError(
                    f"{path}: record {count} (from 0) is truncated: the file ends at byte {size}, "
                    f"expected {end} at least. Copy or build the shard again"
                )
            file.seek(length + 4, os.SEEK_CUR)
            position = end
            count += 1
    return count


def _check_first(path, header):
    """Refuses a file that does not begin with the length of a record and its checksum."""
    try:
        next(iter(serialized_records([path])))
    except tf.errors.DataLossError as error:
        if "corrupted" in error.message:
            raise RecordError(
                f"{path}: found a file that begins with {header!r}, {_MADE_OF}"
            ) from error
