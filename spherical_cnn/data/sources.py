"""Where shapes come from: a folder, an `.npz`, or the embedded set. Finds them, reads none."""

import csv
import dataclasses
import functools
import hashlib
import json
import os
from typing import Any, NamedTuple

import numpy as np

from spherical_cnn.data.files import readable
from spherical_cnn.data.flags import ConfigError, either
from spherical_cnn.signals import procedural
from spherical_cnn.signals.files import read_arrays, read_bytes
from spherical_cnn.signals.shape import SUFFIXES, mesh_of_array, mesh_of_file, mesh_of_mesh
from spherical_cnn.signals.signal import ShapeError

SPLITS = ("train", "val", "test")
EMBEDDED = "embedded"
_ARCHIVE_BYTES = 4 * 2**30
_MAX_CLASSES = 100_000


class Item(NamedTuple):
    """One shape: where it belongs and what opens it."""

    split: str
    class_name: str
    name: str
    origin: Any  # has `mesh(**options)`

    def caster(self, **options):
        """`RayCaster` of the shape's mesh, read with `Recipe.reading`."""
        from spherical_cnn.signals.raycast import RayCaster  # only here, as it needs Embree

        return RayCaster(self.origin.mesh(**options))


@dataclasses.dataclass(frozen=True)
class Source:
    """All shapes of a source.

    Args:
        items: `Item`s, in an order that depends on nothing but the source.
        classes: names, in the order of their labels.
        ignored: `(name, reason)` of what is not a shape.
        fingerprint: of the names and sizes of the files, or of the content of the `.npz`.
    """

    items: list
    classes: list
    ignored: list
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class FileOrigin:
    """A shape in a file of its own."""

    path: str

    def mesh(self, **options):
        """See `mesh_of_file`."""
        return mesh_of_file(self.path, **options)


@dataclasses.dataclass(frozen=True)
class ArrayOrigin:
    """A shape in a row of an array in an `.npz`."""

    path: str
    key: str
    row: int

    def mesh(self, limit, **options):
        """See `mesh_of_array`; the archive is unpacked once per process."""
        return mesh_of_array(_archive(self.path)[self.key][self.row], **options)


@dataclasses.dataclass(frozen=True)
class EmbeddedOrigin:
    """A shape of the embedded set, made on the spot."""

    split: str
    index: int
    seed: int

    def mesh(self, centre, **_):
        """Upright meshes: only the choice of the centre applies."""
        return mesh_of_mesh(procedural.draw(self.split, self.index, self.seed), centre)


def find_shapes(source, split_file=None, embedded_shapes=(1000, 100, 300), seed=0):
    """Lists the shapes of a source.

    Args:
        source: a folder `class/train/file` (or `val`, `test`; or `class/file`, all of it train);
            an `.npz` with `x_train`, `y_train`, `x_test`, `y_test` or `x`, `y`, optionally
            `classes` and `name`; or `"embedded"`.
        split_file: CSV with the columns `name`, `split`: paths within the folder, or names in the
            `.npz`, alone or as `manifest.json` has them; it alone then decides. What it does not
            list is not used.
        embedded_shapes: how many of the embedded set to make for train, val, test.
        seed: of the embedded set.

    Returns:
        `Source`.

    Raises:
        ConfigError: if there is no such source, or its layout is another.
        OSError: if it cannot be read.
    """
    source = os.fspath(source)
    splits = _read_splits(split_file) if split_file else None
    if source == EMBEDDED:
        if split_file:
            raise ConfigError("--split_file: the embedded set has splits of its own")
        return _embedded(embedded_shapes, seed)
    if os.path.isdir(source):
        return _folder(source, splits)
    if is_archive(source) and os.path.exists(source):
        return _npz(os.path.abspath(source), splits)
    raise ConfigError(f"{readable(source)}: expected a folder, an .npz file or {EMBEDDED!r}")


def why_left_out(error):
    """Why a shape is left out, of the exception that reading or casting it raised."""
    if isinstance(error, ShapeError):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"


def is_archive(source):
    """Whether a source is an `.npz`, by its name."""
    return source.lower().endswith(".npz") and not os.path.isdir(source)


def _embedded(counts, seed):
    if len(counts) != len(SPLITS) or min(counts) < 0:
        raise ConfigError(
            f"--embedded_shapes: expected three numbers, for {', '.join(SPLITS)}. "
            f"Received: {counts}"
        )
    items = []
    for split, count in zip(SPLITS, counts, strict=True):
        for index in range(count):
            name, family = procedural.name_of(index)
            items.append(Item(split, family, name, EmbeddedOrigin(split, index, seed)))
    return Source(items, list(procedural.FAMILIES), [], "embedded")


def _folder(folder, splits):
    items, ignored, sizes = [], [], []
    unused = set(splits or ())
    for split, class_name, path in _files(folder):
        name = os.path.relpath(path, folder)
        if splits is not None:
            unused.discard(name)
            split = splits.get(name)
        if class_name is None:
            ignored.append((readable(name), "not a folder of a class"))
        elif split is None:
            ignored.append((readable(name), "not in the split file"))
        elif _is_folder(path) and os.path.splitext(path)[1].lower() not in SUFFIXES:
            ignored.append((readable(name), "a folder; expected files here"))
        elif os.path.splitext(path)[1].lower() not in SUFFIXES:
            ignored.append((readable(name), f"not a shape: suffix none of {' '.join(SUFFIXES)}"))
        else:
            items.append(Item(split, readable(class_name), readable(name), FileOrigin(path)))
            sizes.append((split, readable(name), _size(path)))
    _check_unused(unused, folder)
    if not items:
        raise ConfigError(
            f"{readable(folder)}: found no shapes, expected CLASS/train/FILE and CLASS/test/FILE, "
            f"or CLASS/FILE, with suffixes {' '.join(SUFFIXES)}"
        )
    classes = sorted({item.class_name for item in items})
    if set(classes) <= set(SPLITS):
        raise ConfigError(
            f"{readable(folder)}: found {', '.join(classes)} as classes, expected CLASS/train/FILE"
        )
    return Source(items, classes, ignored, _digest(json.dumps(sizes).encode()))


def _files(folder):
    """`(split, class, path)` of what lies at class/entry and class/split/entry, in order.

    The class is `None` of what lies beside the classes.
    """
    for class_name in sorted(os.listdir(folder)):
        class_path = os.path.join(folder, class_name)
        if not _is_folder(class_path):
            yield "train", None, class_path
            continue
        for name in sorted(os.listdir(class_path)):
            path = os.path.join(class_path, name)
            if name in SPLITS and _is_folder(path):
                for file in sorted(os.listdir(path)):
                    yield name, class_name, os.path.join(path, file)
            else:
                yield "train", class_name, path


def _is_folder(path):
    return os.path.isdir(path)  # false, too, where links go round in a circle


def _npz(path, splits):
    arrays = _archive(path)
    keys = {key.lower(): key for key in arrays}
    suffixes = {s: f"_{s}" for s in SPLITS if {f"x_{s}", f"y_{s}"} <= set(keys)}
    if not suffixes and {"x", "y"} <= set(keys):
        suffixes = {"train": ""}
    if not suffixes:
        raise ConfigError(
            f"{path}: found arrays {', '.join(sorted(arrays))}; expected x_train, y_train, "
            "x_test, y_test or x, y"
        )
    labels = {split: _labels(path, arrays, keys, suffix) for split, suffix in suffixes.items()}
    classes = _class_names(path, arrays, keys, np.concatenate(list(labels.values())))
    items, ignored = [], []
    unused = set(splits or ())
    for split, suffix in suffixes.items():
        key = keys[f"x{suffix}"]
        for row, (name, label) in enumerate(
            zip(_names(path, arrays, keys, suffix, len(labels[split])), labels[split], strict=True)
        ):
            unique = readable(f"{key}/{row:06d}" + f"/{name}" * bool(name))
            listed = unique if unique in unused else name
            unused.discard(listed)
            item_split = split if splits is None else splits.get(listed)
            if item_split is None:
                ignored.append((unique, "not in the split file"))
                continue
            items.append(Item(item_split, classes[label], unique, ArrayOrigin(path, key, row)))
    _check_unused(unused, path)
    return Source(items, classes, ignored, _digest(read_bytes(path, _ARCHIVE_BYTES)))


def _labels(path, arrays, keys, suffix):
    x, y = arrays[keys[f"x{suffix}"]], arrays[keys[f"y{suffix}"]]
    if y.ndim != 1 or y.dtype.kind not in "iu" or x.ndim < 1 or len(x) != len(y) or not len(y):
        raise ConfigError(
            f"{path}: x{suffix} of shape {x.shape}, y{suffix} of shape {y.shape} and {y.dtype}; "
            "expected one integer label a shape"
        )
    if y.min() < 0 or y.max() >= _MAX_CLASSES:
        raise ConfigError(
            f"{path}: labels {y.min()} … {y.max()} in y{suffix}, expected 0 … {_MAX_CLASSES - 1}"
        )
    return y.astype(np.int64)


def _class_names(path, arrays, keys, labels):
    if "classes" not in keys:
        return [f"class_{i}" for i in range(labels.max() + 1)]
    classes = [_asreadable(name) for name in np.atleast_1d(arrays[keys["classes"]])]
    if labels.max() >= len(classes) or len(set(classes)) < len(classes):
        raise ConfigError(
            f"{path}: {len(set(classes))} different names in classes for labels up to "
            f"{labels.max()}; expected a name a label"
        )
    return classes


def _names(path, arrays, keys, suffix, count):
    if f"name{suffix}" not in keys:
        return [""] * count
    names = [_asreadable(name) for name in np.atleast_1d(arrays[keys[f"name{suffix}"]])]
    if len(names) != count:
        raise ConfigError(f"{path}: {len(names)} names in name{suffix} for {count} shapes")
    return names


def _archive(path):
    state = os.stat(path)
    return _unpacked(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _unpacked(path, *_):
    try:
        return read_arrays(read_bytes(path, _ARCHIVE_BYTES), ".npz")
    except ShapeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_splits(path):
    splits = {}
    try:
        file = open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise ConfigError(f"--split_file: {path}: {error.strerror}") from error
    with file:
        reader = csv.DictReader(file)
        try:
            if not {"name", "split"} <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path}: found header {reader.fieldnames}, expected name,split")
            for row in reader:
                where = f"{path}: line {reader.line_num}"
                if not row["name"] or row["split"] not in SPLITS:
                    raise ConfigError(
                        f"{where}: expected a name and {either(SPLITS)}. "
                        f"Received: {row['name']!r}, {row['split']!r}"
                    )
                if row["name"] in splits:
                    raise ConfigError(f"{where}: {readable(row['name'])} is listed twice")
                splits[row["name"]] = row["split"]
        except csv.Error as error:
            raise ConfigError(f"{path}: line {reader.line_num}: {error}") from error
    if not splits:
        raise ConfigError(f"{path}: found no lines below the header, expected one a shape")
    return splits


def _check_unused(unused, source):
    if unused:
        raise ConfigError(
            f"{readable(source)}: of the names in the split file, {len(unused)} are not there, "
            f"such as {readable(min(unused))}"
        )


def _asreadable(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:  # reported when it is read
        return -1


def _digest(data):
    return hashlib.sha256(data).hexdigest()
