"""Datasets in one `.npz`: finds the arrays of shapes, labels and names."""

import functools
import os
from typing import NamedTuple

import numpy as np

from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.shapes.formats.safe_read import describe_arrays, read_arrays, read_bytes

MAX_BYTES = 4 * 2**30
_SPLITS = ("train", "val", "test")
_MAX_CLASSES = 100_000

# Names of arrays, lower case: ours, then those of other datasets, such as ModelNet40 in HDF5.
_SHAPES = ("x", "data", "points", "voxels")
_LABELS = ("y", "label", "labels")
_NORMALS = ("normals", "normal")
_NAMES = ("name", "names")
_CLASSES = ("classes", "class_names")
_EXPECTED = (
    "expected x_train, y_train, x_test, y_test or x, y; also "
    f"{', '.join(_SHAPES[1:])} for x and {', '.join(_LABELS[1:])} for y"
)


class ArchivePart(NamedTuple):
    """The shapes of one split.

    Args:
        split: `"train"`, `"val"` or `"test"`.
        key: key of the array of shapes, one per row.
        normals: key of the array of their normals, or `""`.
        labels: `(n,)` int64, indices of the classes.
        names: names of the shapes; empty if they have none.
    """

    split: str
    key: str
    normals: str
    labels: np.ndarray
    names: list


def read_parts(path):
    """Reads the contents of an archive.

    Args:
        path: path of an `.npz`.

    Returns:
        `(parts, classes)`: list of `ArchivePart`; names of the classes.

    Raises:
        ConfigError: if the arrays are no dataset; it names the file.
        OSError: if it cannot be read.
    """
    arrays = unpacked(path)
    try:
        found = {split: _keys(arrays, split) for split in _SPLITS}
        keys = {split: named for split, named in found.items() if named} or {
            "train": _keys(arrays, "")
        }
        if not keys.get("train", True):
            raise ConfigError(f"found {describe_arrays(arrays)}; {_EXPECTED}")
        labels = {s: _labels(arrays, *named[:2]) for s, named in keys.items()}
        numbers, classes = _numbered(labels, _class_names(arrays))
        parts = [
            ArchivePart(
                split, x, normals, numbers[split], _shape_names(arrays, name, len(labels[split]))
            )
            for split, (x, _, normals, name) in keys.items()
        ]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parts, classes


def unpacked(path):
    """Returns arrays of an archive by name; reads it once per process, and when it changes."""
    state = os.stat(path)
    return _unpacked(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _unpacked(path, *_):
    try:
        return read_arrays(read_bytes(path, MAX_BYTES), ".npz")
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _keys(arrays, split):
    """Returns keys of shapes, labels, normals, names of a split, or `None` if it has no shapes."""
    roles = (_SHAPES, _LABELS, _NORMALS, _NAMES)
    x, y, normals, name = (_key(arrays, names, split) for names in roles)
    if split and bool(x) != bool(y):
        raise ConfigError(
            f"found {describe_arrays(arrays)}; expected shapes and labels of {split}: "
            f"x_{split} and y_{split}"
        )
    if x and normals and len(arrays[normals]) != len(arrays[x]):
        raise ConfigError(
            f"{normals} of shape {arrays[normals].shape} for {x} of shape {arrays[x].shape}, "
            "expected one row per shape"
        )
    return (x, y, normals, name) if x and y else None


def _key(arrays, roles, split):
    """Returns the key of a split's array with one of these roles, or `""`."""
    wanted = {form for role in roles for form in (f"{role}_{split}", f"{split}_{role}")}
    keys = [key for key in arrays if key.lower() in (wanted if split else roles)]
    if len(keys) > 1:
        raise ConfigError(f"found arrays {', '.join(keys)}, expected one of them")
    return keys[0] if keys else ""


def _labels(arrays, x_key, y_key):
    """Returns the labels of a split, one per shape: int64 or text."""
    x, y = arrays[x_key], arrays[y_key]
    labels = _flat(y)
    if labels.dtype.kind not in "iubSU" or x.ndim < 1 or not 0 < len(x) == labels.size:
        raise ConfigError(
            f"{x_key} of shape {x.shape}, {y_key} of shape {y.shape} and {y.dtype}; "
            "expected one label per shape, an integer or the name of a class"
        )
    if labels.dtype.kind in "SU":
        return np.array([text_of(label) for label in labels])
    if labels.min() < 0 or labels.max() >= _MAX_CLASSES:
        raise ConfigError(
            f"labels {labels.min()} … {labels.max()} in {y_key}, expected 0 … {_MAX_CLASSES - 1}"
        )
    return labels.astype(np.int64)


def _flat(labels):
    """Returns labels `(n,)` of columns `(n, 1)`, one-hot rows, and floats that are integers.

    Other labels stay floats.
    """
    other = np.empty(0)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.size and labels.dtype.kind in "iubf":
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()
        return labels.argmax(1) if one_hot else other
    if labels.ndim != 1:
        return other
    if labels.dtype.kind == "f" and (np.abs(labels) < 2**53).all():
        return labels.astype(np.int64) if (labels == labels.round()).all() else other
    return labels


def _class_names(arrays):
    """Returns the names of the classes, or `None` if they have none."""
    key = _key(arrays, _CLASSES, "")
    if not key:
        return None
    classes = [text_of(name) for name in np.atleast_1d(arrays[key])]
    if len(set(classes)) < len(classes):
        raise ConfigError(
            f"{len(set(classes))} different names in {key} of {len(classes)}; "
            "expected each class once"
        )
    return classes


def _numbered(labels, classes):
    """Returns the labels of each split as indices of the classes, and the classes' names."""
    everything = np.concatenate(list(labels.values()))
    kinds = {part.dtype.kind == "U" for part in labels.values()}
    if kinds == {True}:
        classes = classes or sorted(set(everything.tolist()))
        number = {name: row for row, name in enumerate(classes)}
        unknown = sorted(set(everything.tolist()) - set(number))
        if unknown:
            raise ConfigError(f"label {unknown[0]!r} is no name in classes, expected one of them")
        numbers = {s: np.array([number[name] for name in y.tolist()]) for s, y in labels.items()}
        return numbers, classes
    if len(kinds) > 1:
        raise ConfigError("labels of one split are names, of another numbers; expected one kind")
    if classes is None:
        classes = [f"class_{i}" for i in range(everything.max() + 1)]
    if everything.max() >= len(classes):
        raise ConfigError(
            f"{len(classes)} different names in classes for labels up to {everything.max()}; "
            "expected a name per label"
        )
    return labels, classes


def _shape_names(arrays, key, count):
    names = [text_of(name) for name in np.atleast_1d(arrays[key])] if key else []
    if key and len(names) != count:
        raise ConfigError(f"{len(names)} names in {key} for {count} shapes, expected one per shape")
    return names


def text_of(value):
    """Returns a value of an array, of any bytes, as text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
