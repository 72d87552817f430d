"""The TFRecord schema of the original program: encode, parse, and read strictly.

A record is a `tf.train.Example` with the features

| feature | type | content |
|---|---|---|
| `x` | bytes | raw samples, little-endian, C order, axes (longitude, colatitude, channel) |
| `y` | int64 | label |
| `a` | bytes, optional | one more channel, as `x` |
| `fname` | bytes, optional | name of the shape |
| `idrot` | int64, optional | number of the rotated copy |

Files are longitude-first; everything returned here is colatitude-first. A complex sample holds
the ray length as magnitude and the angle between ray and surface normal as phase.
"""

import os

import numpy as np
import tensorflow as tf

from spherical_cnn.choices import DTYPES
from spherical_cnn.data.atomic import printable
from spherical_cnn.data.records.frames import read_frames
from spherical_cnn.data.records.schema import Record
from spherical_cnn.errors import RecordError

_KINDS = {
    **dict.fromkeys(("x", "a", "fname"), "bytes_list"),
    **dict.fromkeys(("y", "idrot"), "int64_list"),
}


def encode(signal, label, name=None, rotation=None):
    """Serializes one record, without `a`, as the bytes of a `tf.train.Example`.

    Args:
        signal: `(n, n)` or `(n, n, channels)`, colatitude before longitude, dtype in `DTYPES`.
        label: integer.
        name: name of the shape.
        rotation: number of the rotated copy.

    Raises:
        ValueError: if the shapes or the dtype are wrong.
    """
    signal = np.asarray(signal)
    if signal.ndim not in (2, 3) or signal.shape[0] != signal.shape[1]:
        raise ValueError(f"signal must be (n, n[, channels]). Received: shape={signal.shape}")
    if signal.dtype.name not in DTYPES:
        raise ValueError(f"dtype must be one of {DTYPES}. Received: {signal.dtype}")
    example = tf.train.Example()
    features = example.features.feature
    samples = signal.astype(signal.dtype.newbyteorder("<"), copy=False).swapaxes(0, 1)
    features["x"].bytes_list.value.append(samples.tobytes())
    features["y"].int64_list.value.append(label)
    if name is not None:
        features["fname"].bytes_list.value.append(printable(name).encode())
    if rotation is not None:
        features["idrot"].int64_list.value.append(rotation)
    return example.SerializeToString(deterministic=True)  # features are an unordered map


def parse(
    serialized,
    record_format,
    explain=lambda: "a label is outside the classes, or a sample is not finite",
):
    """Parses a batch of serialized records, a string tensor, in a TensorFlow graph.

    If a label is outside the classes or a sample is not finite, `explain` returns the message.

    Returns:
        dict of `signal` `(batch, n, n, channels)` float32 (see `split_complex`), `label`
        `(batch,)` int64, `name` `(batch,)` string and `rotation` `(batch,)` int64 (-1 if absent).

    Raises:
        tf.errors.InvalidArgumentError: in execution, if records have another format or samples
            that are not finite; `read_shard` then names the record and the reason.
    """
    n, dtype = record_format.resolution, tf.as_dtype(record_format.dtype)
    parsed = tf.io.parse_example(
        serialized,
        {
            "x": tf.io.FixedLenFeature([], tf.string),
            "y": tf.io.FixedLenFeature([], tf.int64),
            "a": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "fname": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "idrot": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
        },
    )
    batch = tf.shape(serialized)[0]
    parts = [
        tf.reshape(tf.io.decode_raw(parsed[key], dtype, little_endian=True), (batch, n, n, -1))
        for key in ("x", "a")
    ]
    samples = tf.concat(parts, axis=-1)
    samples = tf.ensure_shape(samples, (None, n, n, record_format.channels))
    samples = tf.transpose(samples, (0, 2, 1, 3))
    signal = split_complex(samples) if dtype.is_complex else tf.cast(samples, tf.float32)
    inside = tf.constant(True)
    if record_format.num_classes is not None:
        label = parsed["y"]
        inside = tf.reduce_all((label >= 0) & (label < record_format.num_classes))
    # A sum is cheap, and finite only if all samples are; but it can overflow for finite samples.
    likely = inside & tf.math.is_finite(tf.reduce_sum(signal))
    check = tf.cond(likely, lambda: True, lambda: _check(signal, inside, explain))
    with tf.control_dependencies([check]):
        signal = tf.identity(signal)
    return {
        "signal": signal,
        "label": parsed["y"],
        "name": parsed["fname"],
        "rotation": parsed["idrot"],
    }


def _check(signal, inside, explain):
    def refuse():
        tf.debugging.Assert(False, [tf.py_function(explain, [], tf.string)])
        return True

    valid = inside & tf.reduce_all(tf.math.is_finite(signal))
    return tf.cond(valid, lambda: True, refuse)


def join_complex(signal):
    """Returns a signal `(..., 2)` as complex64 samples `(...)`, the form of the original's records.

    The magnitude is the ray length, the phase the angle between ray and normal.
    """
    distance, sine = np.moveaxis(np.asarray(signal, np.float64), -1, 0)
    cosine = np.sqrt(np.maximum(1 - sine * sine, 0))
    return (distance * (cosine + 1j * sine)).astype(np.complex64)


def split_complex(samples):
    """Returns complex samples `(..., channels)` as float32 `(..., 2 channels)`.

    All ray lengths `|x|` come first, then all sines `Im(x / (|x| + 1e-8))`.
    """
    length = tf.abs(samples)
    sine = tf.math.imag(samples) / (length + 1e-8)
    return tf.cast(tf.concat([length, sine], axis=-1), tf.float32)


def read_shard(path, record_format):
    """Reads a shard record by record, with strict checks; slower than a pipeline.

    Yields:
        `Record` with its signal in the file's dtype.

    Raises:
        RecordError: naming the first record that is truncated, corrupt or has another format.
        OSError: if the file cannot be read.
    """
    path = os.fspath(path)
    for number, serialized in enumerate(read_frames(path)):
        yield _strict(serialized, record_format, f"{path}: record {number} (from 0)")


def _strict(serialized, record_format, where):
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError has no public name
        raise RecordError(
            f"{where}: found no tf.train.Example, expected one with features x and y"
        ) from error
    found = {key: getattr(features[key], kind).value for key, kind in _KINDS.items()}
    for key in ("x", "y"):
        if len(found[key]) != 1:
            raise RecordError(
                f"{where}: found {len(found[key])} values in feature {key!r}, expected one value "
                f"({_KINDS[key]})"
            )
    samples = [*found["x"], *found["a"][:1]]
    label = found["y"][0]
    n, dtype = record_format.resolution, np.dtype(record_format.dtype)
    if (
        any(len(raw) % (n * n * dtype.itemsize) for raw in samples)
        or sum(map(len, samples)) != n * n * record_format.channels * dtype.itemsize
    ):
        raise RecordError(f"{where}: {record_format.expected(sum(map(len, samples)))}")
    classes = record_format.num_classes
    if classes is not None and not 0 <= label < classes:
        raise RecordError(
            f"{where}: found label {label}, expected 0 … {classes - 1}; see --n_classes"
        )
    arrays = [np.frombuffer(raw, dtype.newbyteorder("<")).reshape(n, n, -1) for raw in samples]
    signal = np.concatenate(arrays, axis=-1).swapaxes(0, 1).astype(dtype)
    name = found["fname"][0].decode(errors="replace") if found["fname"] else ""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.abs(signal).astype(np.float32))
    if not finite.all():
        raise RecordError(
            f"{where}, shape {name!r}: found {np.count_nonzero(~finite)} of {signal.size} samples "
            "that are NaN, infinite or too large for float32, expected finite samples; rebuild the "
            "shard without this shape"
        )
    return Record(signal, label, name, found["idrot"][0] if found["idrot"] else -1)
