"""Datasets in one `.npz`: finds the arrays of shapes, labels and names."""

import functools
import os
from typing import NamedTuple

import numpy as np

from spherical_cnn.choices import SPLITS
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.shapes.formats.safe_read import (
    NORMAL_NAMES,
    describe_arrays,
    read_arrays,
    read_bytes,
)

_MAX_BYTES = 4 * 2**30
_MAX_CLASSES = 100_000

# Names of arrays, lower case: ours, then those of other datasets, such as ModelNet40 in HDF5.
_SHAPES = ("x", "data", "points", "voxels")
_LABELS = ("y", "label", "labels")
_NAMES = ("name", "names")
_CLASSES = ("classes", "class_names")
_EXPECTED = (
    "expected x_train, y_train, x_test, y_test or x, y; also "
    f"{', '.join(_SHAPES[1:])} for x and {', '.join(_LABELS[1:])} for y"
)


class ArchivePart(NamedTuple):
    """The shapes of one split."""

    split: str
    key: str  # of the array of shapes, one per row
    normals: str  # key of the array of their normals, or ""
    labels: np.ndarray  # (n,) int64, indices of the classes
    names: list[str]  # empty texts if the shapes have none


def read_parts(path):
    """Reads the contents of an archive.

    Returns:
        `(parts, classes)`: list of `ArchivePart`; names of the classes.

    Raises:
        ConfigError: if the arrays are no dataset; it names the file.
        OSError: if it cannot be read.
    """
    arrays = read_archive(path)
    try:
        keys = {split: found for split in SPLITS if (found := _keys(arrays, split))}
        if not keys and (found := _keys(arrays, "")):
            keys = {"train": found}
        if not keys:
            raise ConfigError(f"found {describe_arrays(arrays)}; {_EXPECTED}")
        labels = {split: _labels(arrays, x, y) for split, (x, y, *_) in keys.items()}
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


def read_archive(path):
    """Returns the arrays of an archive by name; reads it once per process, and when it changes."""
    state = os.stat(path)
    return _read(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _read(path, *_):
    try:
        return read_arrays(read_bytes(path, _MAX_BYTES), ".npz")
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _keys(arrays, split):
    """Returns keys of shapes, labels, normals, names of a split, or `None` if it has no shapes."""
    roles = (_SHAPES, _LABELS, NORMAL_NAMES, _NAMES)
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
    fits = labels.ndim == 1 and labels.dtype.kind in "iubSU"
    if not fits or x.ndim < 1 or not 0 < len(x) == len(labels):
        raise ConfigError(
            f"{x_key} of shape {x.shape}, {y_key} of shape {y.shape} and {y.dtype}; "
            "expected one label per shape, an integer or the name of a class"
        )
    if labels.dtype.kind in "SU":
        return np.array(_texts(labels))
    if labels.min() < 0 or labels.max() >= _MAX_CLASSES:
        raise ConfigError(
            f"labels {labels.min()} … {labels.max()} in {y_key}, expected 0 … {_MAX_CLASSES - 1}"
        )
    return labels.astype(np.int64)


def _flat(labels):
    """Returns `(n,)` labels of columns `(n, 1)`, one-hot rows and integers that are floats."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.size and labels.dtype.kind in "iubf":
        if ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all():
            return labels.argmax(1)
    if labels.dtype.kind == "f" and (np.abs(labels) < 2**53).all():
        if (labels == labels.round()).all():
            return labels.astype(np.int64)
    return labels


def _class_names(arrays):
    """Returns the names of the classes, or `None` if they have none."""
    key = _key(arrays, _CLASSES, "")
    if not key:
        return None
    classes = _texts(arrays[key])
    if len(set(classes)) < len(classes):
        raise ConfigError(
            f"{len(set(classes))} different names in {key} of {len(classes)}; "
            "expected each class once"
        )
    return classes


def _numbered(labels, classes):
    """Returns the labels of each split as indices of the classes, and the classes' names."""
    if len({part.dtype.kind for part in labels.values()}) > 1:
        raise ConfigError("labels of one split are names, of another numbers; expected one kind")
    found = np.unique(np.concatenate(list(labels.values()))).tolist()
    if isinstance(found[0], str):
        classes = classes or found
        number = {name: row for row, name in enumerate(classes)}
        unknown = [name for name in found if name not in number]
        if unknown:
            raise ConfigError(f"label {unknown[0]!r} is no name in classes, expected one of them")
        numbers = {s: np.array([number[name] for name in y.tolist()]) for s, y in labels.items()}
        return numbers, classes
    if classes is None:
        classes = [f"class_{i}" for i in range(found[-1] + 1)]
    if found[-1] >= len(classes):
        raise ConfigError(
            f"{len(classes)} different names in classes for labels up to {found[-1]}; "
            "expected a name per label"
        )
    return labels, classes


def _shape_names(arrays, key, count):
    names = _texts(arrays[key]) if key else [""] * count
    if len(names) != count:
        raise ConfigError(f"{len(names)} names in {key} for {count} shapes, expected one per shape")
    return names


def _texts(array):
    """Returns the values of an array, of any bytes, as text."""
    return [
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        for value in np.atleast_1d(array)
    ]
