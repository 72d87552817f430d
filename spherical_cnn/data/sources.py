"""Finds and reads the shapes of a source: a folder, an `.npz`, or the embedded dataset."""

import dataclasses
import functools
import hashlib
import json
import os
from typing import Any, NamedTuple

from spherical_cnn.choices import EMBEDDED, SPLITS
from spherical_cnn.data import archives
from spherical_cnn.data.atomic import printable
from spherical_cnn.data.folders import LAYOUTS, files_of, hint
from spherical_cnn.data.split_file import check_used, read_splits
from spherical_cnn.data.workers import map_shapes
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.generated import procedural
from spherical_cnn.shapes.load import (
    OWN_SUFFIXES,
    SUFFIXES,
    array_to_shape,
    load_shape,
    normalize_shape,
    object_to_shape,
    suffix_of,
    to_mesh,
)


class Item(NamedTuple):
    """One shape: its split, class and name, and the origin that opens it."""

    split: str
    class_name: str
    name: str
    origin: Any  # has `shape(**options)`: a normalized `Mesh` or `Cloud`


@dataclasses.dataclass(frozen=True)
class Source:
    """All shapes of a source, in an order that depends on the source only."""

    name: str  # of the folder or the file, printable; or "embedded"
    items: list[Item]
    classes: list[str]  # in the order of their labels
    ignored: list[tuple[str, str]]  # name and reason of files that are no shapes
    fingerprint: str  # hash of the names and sizes of the files, or of the content of the `.npz`

    @functools.cached_property
    def labels(self):
        """Labels by class name."""
        return {name: label for label, name in enumerate(self.classes)}


@dataclasses.dataclass(frozen=True)
class FileOrigin:
    """A shape in a file of its own."""

    path: str

    def shape(self, **options):
        """See `load_shape`."""
        return load_shape(self.path, **options)


@dataclasses.dataclass(frozen=True)
class ArrayOrigin:
    """A shape in a row of an array of an `.npz`; its normals may be in another array."""

    path: str
    key: str
    row: int
    normals: str = ""

    def shape(self, limit, **options):
        """See `array_to_shape`; the archive is read once per process."""
        arrays = archives.read_archive(self.path)
        normals = arrays[self.normals][self.row] if self.normals else None
        return array_to_shape(arrays[self.key][self.row], normals=normals, **options)


@dataclasses.dataclass(frozen=True)
class MemoryOrigin:
    """A shape in memory."""

    given: Any

    def shape(self, limit, **options):
        """See `object_to_shape`."""
        return object_to_shape(self.given, **options)


@dataclasses.dataclass(frozen=True)
class EmbeddedOrigin:
    """A generated shape of the embedded dataset."""

    split: str
    index: int
    seed: int

    def shape(self, center, **_):
        """Returns the normalized mesh; only the choice of the center applies."""
        return normalize_shape(procedural.draw_mesh(self.split, self.index, self.seed), center)


def find_shapes(source, split_file=None, embedded_shapes=(1000, 100, 300), seed=0):
    """Finds the shapes of a source, as a `Source`.

    Args:
        source: a folder `class/train/file` or `train/class/file` (or `val`, `test`; or
            `class/file`, all of it train);
            an `.npz` with `x_train`, `y_train`, `x_test`, `y_test` or `x`, `y`, optionally
            `normals`, `classes` and `name`, see `archives`; or `"embedded"`.
        split_file: CSV with the columns `name`, `split`: paths within the folder, or names in the
            `.npz`, alone or as in `manifest.json`. It then assigns all splits; shapes that it does
            not list are not used.
        embedded_shapes: number of train, val and test shapes of the embedded dataset.
        seed: seed of the embedded dataset.

    Raises:
        ConfigError: if there is no such source, or it has another layout.
        OSError: if it cannot be read.
    """
    source = os.fspath(source)
    splits = read_splits(split_file) if split_file else None
    if source == EMBEDDED:
        if split_file:
            raise ConfigError("--split_file: the embedded dataset has its own splits")
        return _embedded(embedded_shapes, seed)
    if os.path.isdir(source):
        return _folder(source, splits)
    if source.lower().endswith(".npz") and os.path.exists(source):
        return _npz(source, splits)
    raise ConfigError(f"{printable(source)}: expected a folder, an .npz file or {EMBEDDED!r}")


def read_meshes(items, config, workers=1):
    """Reads shapes as normalized meshes.

    Args:
        items: list of `Item`.
        config: `DatasetConfig`; says how to read.
        workers: number of processes.

    Yields:
        `(item, mesh)` in the order of the items: `Mesh` with float32 vertices and int32 faces, or
        a text that says why the shape cannot be read.
    """
    reading = config.reading
    shapes = [(item.origin, reading) for item in items]
    yield from zip(items, map_shapes(_read_mesh, shapes, workers, 32), strict=True)


def _read_mesh(origin, reading):
    mesh = to_mesh(origin.shape(**reading))
    return mesh._replace(vertices=mesh.vertices.astype("f4"), faces=mesh.faces.astype("i4"))


def _embedded(counts, seed):
    if len(counts) != len(SPLITS) or min(counts) < 0:
        raise ConfigError(
            f"--embedded_shapes: expected three numbers, for {', '.join(SPLITS)}. "
            f"Received: {counts}"
        )
    items = []
    for split, count in zip(SPLITS, counts, strict=True):
        for index in range(count):
            name, family = procedural.name_shape(index)
            items.append(Item(split, family, name, EmbeddedOrigin(split, index, seed)))
    return Source(EMBEDDED, items, list(procedural.FAMILIES), [], EMBEDDED)


def _folder(folder, splits):
    items, ignored, sizes = [], [], []
    files = list(files_of(folder))
    beside = {os.path.dirname(path) for *_, path in files if suffix_of(path) in OWN_SUFFIXES}
    for split, class_name, path in files:
        name, suffix = os.path.relpath(path, folder), suffix_of(path)
        if splits is not None:
            split = splits.pop(name, None)
        name = printable(name)
        if class_name is None:
            ignored.append((name, "not a folder of a class"))
        elif split is None:
            ignored.append((name, "not in the split file"))
        elif os.path.isdir(path) and suffix not in SUFFIXES:
            ignored.append((name, "a folder; expected files here"))
        elif suffix not in SUFFIXES:
            ignored.append((name, f"not a shape: suffix none of {' '.join(SUFFIXES)}"))
        elif splits is None and suffix not in OWN_SUFFIXES and os.path.dirname(path) in beside:
            ignored.append((name, "not a shape: text beside shapes of other suffixes"))
        else:
            items.append(Item(split, printable(class_name), name, FileOrigin(path)))
            sizes.append((split, name, _size(path)))
    check_used(splits, folder)
    if not items:
        raise ConfigError(f"{printable(folder)}: found no shapes, {LAYOUTS}{hint(files)}")
    classes = sorted({item.class_name for item in items})
    if set(classes) <= set(SPLITS):
        raise ConfigError(f"{printable(folder)}: found {', '.join(classes)} as classes, {LAYOUTS}")
    fingerprint = hashlib.sha256(json.dumps(sizes).encode()).hexdigest()
    return Source(printable(folder), items, classes, ignored, fingerprint)


def _npz(source, splits):
    path = os.path.abspath(source)
    parts, classes = archives.read_parts(path)
    items, ignored, used = [], [], set()
    for part in parts:
        for row, (label, name) in enumerate(zip(part.labels, part.names, strict=True)):
            unique = printable(f"{part.key}/{row:06d}" + f"/{name}" * bool(name))
            split = part.split
            if splits is not None:
                listed = unique if unique in splits else name
                used.add(listed)
                split = splits.get(listed)
            if split is None:
                ignored.append((unique, "not in the split file"))
            else:
                origin = ArrayOrigin(path, part.key, row, part.normals)
                items.append(Item(split, classes[label], unique, origin))
    check_used(set(splits or ()) - used, path)
    with open(path, "rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(printable(source), items, classes, ignored, fingerprint)


def _size(path):
    try:
        return os.stat(path).st_size
    except OSError:  # reading the file reports it
        return -1
