"""Where shapes come from: a folder, an `.npz`, or the embedded set. Finds them, reads none."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import json
import os
from typing import Any, NamedTuple

import numpy as np

from spherical_cnn.data.flags import ConfigError
from spherical_cnn.signals import procedural
from spherical_cnn.signals.files import read_arrays, read_bytes
from spherical_cnn.signals.shape import SUFFIXES, caster_of_array, caster_of_file, caster_of_mesh
from spherical_cnn.signals.signal import ShapeError

SPLITS = ("train", "val", "test")
EMBEDDED = "embedded"
_ARCHIVE_BYTES = 4 * 2**30


class Item(NamedTuple):
    """One shape: where it belongs and what opens it."""

    split: str
    class_name: str
    name: str
    origin: Any  # has `caster(**options)`


@dataclasses.dataclass(frozen=True)
class Source:
    """All shapes of a source.

    Args:
        items: `Item`s, in an order that depends on nothing but the source.
        classes: names, in the order of their labels.
        ignored: `(name, reason)` of what is not a shape.
        fingerprint: changes when the source does.
    """

    items: list
    classes: list
    ignored: list
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class FileOrigin:
    """A shape in a file of its own."""

    path: str

    def caster(self, **options):
        """See `caster_of_file`."""
        return caster_of_file(self.path, **options)


@dataclasses.dataclass(frozen=True)
class ArrayOrigin:
    """A shape in a row of an array in an `.npz`."""

    path: str
    key: str
    row: int

    def caster(self, limit, **options):
        """See `caster_of_array`; the archive is unpacked once per process."""
        return caster_of_array(_archive(self.path)[self.key][self.row], **options)


@dataclasses.dataclass(frozen=True)
class EmbeddedOrigin:
    """A shape of the embedded set, made on the spot."""

    split: str
    index: int
    seed: int

    def caster(self, centre, **_):
        """Upright meshes: only the choice of the centre applies."""
        return caster_of_mesh(procedural.draw(self.split, self.index, self.seed), centre)


def find_shapes(source, split_file=None, embedded_shapes=(1000, 100, 300), seed=0):
    """Lists the shapes of a source.

    Args:
        source: a folder `class/train/file` (or `val`, `test`; or `class/file`, all of it train);
            an `.npz` with `x_train`, `y_train`, `x_test`, `y_test` or `x`, `y`, optionally
            `classes` and `name`; or `"embedded"`.
        split_file: CSV with the columns `name`, `split`: paths within the folder, or names in the
            `.npz`; it alone then decides. What it does not list is not used.
        embedded_shapes: how many of the embedded set to make for train, val, test.
        seed: of the embedded set.

    Returns:
        `Source`.

    Raises:
        ConfigError: if there is no such source, or its layout is another.
        OSError: if it cannot be read.
    """
    splits = _read_splits(split_file) if split_file else None
    if source == EMBEDDED:
        return _embedded(embedded_shapes, seed)
    if os.path.isdir(source):
        return _folder(source, splits)
    if source.lower().endswith(".npz"):
        return _npz(source, splits)
    raise ConfigError(f"{source}: no such folder or .npz file; expected one, or {EMBEDDED!r}")


def _embedded(counts, seed):
    if len(counts) != len(SPLITS) or min(counts) < 0:
        raise ConfigError(f"--embedded_shapes: expected numbers for {SPLITS}. Received: {counts}")
    items = []
    for split, count in zip(SPLITS, counts, strict=True):
        for index in range(count):
            name, family = procedural.name_of(index)
            items.append(Item(split, family, name, EmbeddedOrigin(split, index, seed)))
    return Source(items, list(procedural.FAMILIES), [], f"embedded {list(counts)} seed {seed}")


def _folder(folder, splits):
    items, ignored, sizes = [], [], []
    unused = set(splits or ())
    for split, class_name, path in _files(folder):
        name = os.path.relpath(path, folder)
        if splits is not None:
            unused.discard(name)
            if name not in splits:
                ignored.append((_text(name), "not in the split file"))
                continue
            split = splits[name]
        if os.path.splitext(path)[1].lower() not in SUFFIXES:
            ignored.append((_text(name), f"not a shape: suffix none of {' '.join(SUFFIXES)}"))
            continue
        items.append(Item(split, _text(class_name), _text(name), FileOrigin(path)))
        sizes.append((split, _text(name), _size(path)))
    _check_unused(unused, folder)
    if not items:
        raise ConfigError(f"{folder}: found no shapes, expected class/train/file ({SUFFIXES})")
    classes = sorted({item.class_name for item in items})
    return Source(items, classes, ignored, _digest(json.dumps(sizes).encode()))


def _files(folder):
    """`(split, class, path)` of the files at class/file and class/split/file, in order."""
    for class_entry in _entries(folder):
        if not class_entry.is_dir():
            continue
        for entry in _entries(class_entry.path):
            if entry.name in SPLITS and entry.is_dir():
                for file in _entries(entry.path):
                    yield entry.name, class_entry.name, file.path
            else:
                yield "train", class_entry.name, entry.path


def _entries(folder):
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


def _npz(path, splits):
    arrays = _archive(path)
    lower = {key.lower(): key for key in arrays}
    labels = {s: lower[f"y_{s}"] for s in SPLITS if {f"x_{s}", f"y_{s}"} <= set(lower)}
    suffixes = {split: f"_{split}" for split in labels}
    if not labels and {"x", "y"} <= set(lower):
        suffixes = {"train": ""}
    if not suffixes:
        raise ConfigError(
            f"{path}: found arrays {sorted(arrays)}, expected x_train, y_train, … or x, y"
        )
    classes = _class_names(path, arrays, lower, suffixes)
    items, ignored = [], []
    unused = set(splits or ())
    for split, suffix in suffixes.items():
        key = lower[f"x{suffix}"]
        x, y = arrays[key], arrays[lower[f"y{suffix}"]]
        if y.ndim != 1 or len(x) != len(y) or y.dtype.kind not in "iu":
            raise ConfigError(
                f"{path}: {key} of shape {x.shape}, labels of shape {y.shape} and {y.dtype}; "
                "expected one integer label a shape"
            )
        names = arrays.get(lower.get(f"name{suffix}"), [f"{split}_{i:06d}" for i in range(len(y))])
        for row, (name, label) in enumerate(zip(map(str, names), y, strict=True)):
            unused.discard(name)
            if splits is not None and name not in splits:
                ignored.append((name, "not in the split file"))
                continue
            item_split = split if splits is None else splits[name]
            origin = ArrayOrigin(os.path.abspath(path), key, row)
            items.append(Item(item_split, classes[label], f"{row:06d}_{name}", origin))
    _check_unused(unused, path)
    return Source(items, classes, ignored, _digest(read_bytes(path, _ARCHIVE_BYTES)))


def _class_names(path, arrays, lower, suffixes):
    labels = np.concatenate([arrays[lower[f"y{suffix}"]].ravel() for suffix in suffixes.values()])
    if not len(labels) or labels.min() < 0:
        raise ConfigError(f"{path}: labels {sorted(set(labels))[:3]} …, expected 0, 1, …")
    if "classes" not in lower:
        return [f"class_{i}" for i in range(labels.max() + 1)]
    classes = [str(name) for name in arrays[lower["classes"]]]
    if labels.max() >= len(classes):
        raise ConfigError(f"{path}: label {labels.max()}, expected 0 … {len(classes) - 1}")
    return classes


@functools.lru_cache(maxsize=1)
def _archive(path):
    try:
        return read_arrays(read_bytes(path, _ARCHIVE_BYTES), ".npz")
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_splits(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = {}
    for line, row in enumerate(rows, 2):
        if row.get("name") is None or row.get("split") not in SPLITS:
            raise ConfigError(
                f"{path}: line {line}: expected columns name, split, the split one of {SPLITS}. "
                f"Received: {row}"
            )
        if row["name"] in splits:
            raise ConfigError(f"{path}: line {line}: {_text(row['name'])} is listed twice")
        splits[row["name"]] = row["split"]
    if not splits:
        raise ConfigError(f"{path}: no lines, expected a header name,split and a line a shape")
    return splits


def _check_unused(unused, source):
    if unused:
        raise ConfigError(
            f"{source}: {len(unused)} names of the split file are not there, "
            f"such as {_text(min(unused))}"
        )


def _text(name):
    """A file's name as text that can be written anywhere, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:  # reported when it is read
        return -1


def _digest(data):
    return hashlib.sha256(data).hexdigest()
