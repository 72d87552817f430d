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


def encode(signal, label, name=None, rotation=None, angle=None):
    """Serializes one record.

    Args:
        signal: `(n, n)` or `(n, n, channels)`, colatitude before longitude, dtype in `DTYPES`.
        label: integer.
        name: name of the shape, optional.
        rotation: number of the rotated copy, optional.
        angle: `(n, n)` with the dtype of `signal`, stored as `a`, optional.

    Returns:
        The bytes of a `tf.train.Example`.

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
    features["x"].bytes_list.value.append(_raw(signal))
    features["y"].int64_list.value.append(label)
    if angle is not None:
        angle = np.asarray(angle, signal.dtype)
        if angle.shape != signal.shape[:2]:
            raise ValueError(f"angle must be {signal.shape[:2]}. Received: shape={angle.shape}")
        features["a"].bytes_list.value.append(_raw(angle))
    if name is not None:
        features["fname"].bytes_list.value.append(printable(name).encode())
    if rotation is not None:
        features["idrot"].int64_list.value.append(rotation)
    return example.SerializeToString(deterministic=True)  # features are an unordered map


def parse(serialized, record_format, explain=None):
    """Parses a batch of serialized records in a TensorFlow graph.

    Args:
        serialized: `(batch,)` string tensor.
        record_format: `RecordFormat`.
        explain: function that returns a message naming the record, called only if a label is
            outside the classes or a sample is not finite.

    Returns:
        dict of `signal` `(batch, n, n, signal_channels)` float32 (see `split_complex`), `label`
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
    valid = inside & tf.reduce_all(tf.math.is_finite(signal))
    return tf.cond(valid, lambda: True, lambda: _refuse(explain))


def _refuse(explain):
    reason = tf.constant("a label is outside the classes, or a sample is not finite")
    if explain:
        reason = tf.py_function(explain, [], tf.string)
    tf.debugging.Assert(False, [reason])
    return True


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

    Args:
        path: path of the shard.
        record_format: `RecordFormat`.

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
    for key, kind in (("x", "bytes_list"), ("y", "int64_list")):
        if len(getattr(features[key], kind).value) != 1:
            found = len(getattr(features[key], kind).value)
            raise RecordError(
                f"{where}: found {found} values in feature {key!r}, expected one value ({kind})"
            )
    samples = [features[key].bytes_list.value[0] for key in ("x", "a") if _has(features, key)]
    label = features["y"].int64_list.value[0]
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
    name = features["fname"].bytes_list.value[0] if _has(features, "fname") else b""
    name = name.decode(errors="replace")
    broken = _count_not_finite(signal)
    if broken:
        raise RecordError(
            f"{where}, shape {name!r}: found {broken} of {signal.size} samples that are NaN, "
            "infinite or too large for float32, expected finite samples; rebuild the shard "
            "without this shape"
        )
    rotation = features["idrot"].int64_list.value[0] if _has(features, "idrot") else -1
    return Record(signal, label, name, rotation)


def _count_not_finite(signal):
    """Returns the number of samples that are not finite as float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.count_nonzero(~np.isfinite(np.abs(signal).astype(np.float32)))


def _has(features, key):
    return key in features and bool(
        features[key].bytes_list.value or features[key].int64_list.value
    )


def _raw(samples):
    samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    return samples.swapaxes(0, 1).tobytes()
