"""Builds a dataset of TFRecords from shapes, in parallel and resumably.

The folder gets one shard per rotated copy, `train0.tfrecord …`, `val*` and `test*`, and
`manifest.json`. Shards of an unfinished split are in `.building/`, where `journal.json` records how
much of them is complete; they move to the folder when the split is finished.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import shutil
from concurrent import futures

from spherical_cnn.choices import SPLITS
from spherical_cnn.data.atomic import UNFINISHED as WRITING
from spherical_cnn.data.atomic import printable, write_json
from spherical_cnn.data.dataset_config import check_reading
from spherical_cnn.data.poses import assign_splits
from spherical_cnn.data.records.folder import (
    JOURNAL,
    MANIFEST,
    UNFINISHED,
    check_folder,
    locked,
    read_journal,
)
from spherical_cnn.data.records.writer import PART_PREFIX, plan_parts, write_part
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.errors import ConfigError, DatasetError
from spherical_cnn.version import __version__

FORMAT = 1  # increases whenever earlier manifests can no longer be read


def build(
    source,
    folder,
    config,
    split_file=None,
    workers=1,
    progress=lambda done, total: None,
    pool=None,
):
    """Builds a dataset, or resumes it; leaves a finished one unchanged.

    Args:
        source: see `find_shapes`.
        folder: folder of the shards: absent, empty, or of the same build.
        config: `DatasetConfig`.
        split_file: see `find_shapes`.
        workers: number of processes; the shards do not depend on it.
        progress: called with the number of shapes done and of all shapes.
        pool: function as of `worker_pool`; by default a new pool.

    Returns:
        dict as in `manifest.json`.

    Raises:
        ConfigError: if the options make no dataset; nothing is written.
        DatasetError: if the folder holds something else, or the build cannot continue.
    """
    source, folder = os.fspath(source), os.fspath(folder)
    _check_request(source, folder, config, workers)
    found = find_shapes(source, split_file, config.embedded_shapes, config.data_seed)
    try:
        items = assign_splits(found, config)
    except ConfigError as error:
        raise ConfigError(f"{printable(source)}: {error}") from error
    shapes = json.dumps([found.fingerprint, [item[:3] for item in items]]).encode()
    request = {
        "format": FORMAT,
        "version": __version__,
        "source": printable(source),
        "shapes": hashlib.sha256(shapes).hexdigest(),
        "options": config.to_dict(),
    }
    finished = check_folder(folder, request)
    if finished and not os.path.exists(os.path.join(folder, UNFINISHED)):
        return finished
    with locked(folder), _explained(folder):
        finished = check_folder(folder, request)  # again: another process may have held the lock
        if not finished:
            builder = _Builder(folder, request, config, found, items, progress)
            with contextlib.nullcontext(pool) if pool else worker_pool(workers) as perform_all:
                finished = builder.run(perform_all)
        shutil.rmtree(os.path.join(folder, UNFINISHED))
    return finished


class _Builder:
    """A build in progress."""

    def __init__(self, folder, request, config, found, items, progress):
        self.folder, self.unfinished = folder, os.path.join(folder, UNFINISHED)
        self.request, self.config, self.found = request, config, found
        self.items = {split: [item for item in items if item.split == split] for split in SPLITS}
        self.labels = {name: label for label, name in enumerate(found.classes)}
        self.progress = lambda done: progress(done, sum(map(len, self.items.values())))
        self.journal_path = os.path.join(folder, JOURNAL)
        self.journal = read_journal(folder)
        if self.journal is None:
            self.journal = {"request": request, "splits": {}}
            write_json(self.journal_path, self.journal)

    def run(self, pool):
        """Builds every split, then writes the manifest."""
        self._clear_tasks()
        for split in SPLITS:
            if self.items[split]:
                self._build_split(split, pool)
        manifest = self._manifest()
        write_json(os.path.join(self.folder, MANIFEST), manifest)
        return manifest

    def _build_split(self, split, pool):
        shards = self._shards(split)
        state = self.journal["splits"].get(split)
        if state is None or not (state["whole"] or self._certain(shards, state["sizes"])):
            state = {"done": 0, "sizes": [0] * len(shards), "whole": False}
            state |= {"skipped": [], "blank": []}
            self.journal["splits"][split] = state
            for shard in shards:
                open(os.path.join(self.unfinished, shard), "wb").close()
        before = sum(state["done"] for state in self.journal["splits"].values()) - state["done"]
        self.progress(before + state["done"])
        if not state["whole"]:
            labelled = [(i, self.labels[i.class_name]) for i in self.items[split]]
            parts = plan_parts(self.config, split, labelled[state["done"] :], self.unfinished)
            for part, result in pool(write_part, parts):
                self._append(shards, part.path, result.sizes)
                state["done"] += len(part.items)
                state["sizes"] = [a + b for a, b in zip(state["sizes"], result.sizes, strict=True)]
                state["skipped"] += result.skipped
                state["blank"] += result.blank
                write_json(self.journal_path, self.journal, sync=False)  # like the shards
                self.progress(before + state["done"])
            if len(state["skipped"]) == len(self.items[split]):
                name, reason = state["skipped"][0]
                raise DatasetError(f"{split}: no shape could be used, the first, {name}: {reason}")
            state["whole"] = True
            write_json(self.journal_path, self.journal)
        for shard in shards:
            below, above = (os.path.join(f, shard) for f in (self.unfinished, self.folder))
            if os.path.exists(below):
                os.replace(below, above)
            elif not os.path.exists(above):  # it has not moved either
                raise DatasetError(f"{above}: is missing; remove the folder to build it again")

    def _shards(self, split):
        return [f"{split}{copy}.tfrecord" for copy in range(self.config.copies_of(split))]

    def _certain(self, shards, sizes):
        """Truncates shards to the recorded sizes; returns false if a shard is shorter."""
        for shard, size in zip(shards, sizes, strict=True):
            path = os.path.join(self.unfinished, shard)
            if not os.path.exists(path) or os.path.getsize(path) < size:
                return False
            os.truncate(path, size)
        return True

    def _append(self, shards, path, sizes):
        with open(path, "rb") as source:
            for shard, size in zip(shards, sizes, strict=True):
                data = source.read(size)
                if len(data) < size:
                    raise DatasetError(f"{path}: {len(data)} bytes left, expected {size}")
                with open(os.path.join(self.unfinished, shard), "ab") as target:
                    target.write(data)
        os.remove(path)

    def _clear_tasks(self):
        for name in os.listdir(self.unfinished):
            if name.startswith((PART_PREFIX, WRITING)):
                os.remove(os.path.join(self.unfinished, name))

    def _manifest(self):
        states = self.journal["splits"]
        skipped = {split: dict(states[split]["skipped"]) for split in states}
        counts = {
            split: collections.Counter(
                item.class_name for item in self.items[split] if item.name not in skipped[split]
            )
            for split in states
        }
        shards = {
            shard: {"records": counts[split].total(), **_checksum(os.path.join(self.folder, shard))}
            for split in states
            for shard in self._shards(split)
        }
        return {
            **self.request,
            "classes": self.found.classes,
            "counts": {
                split: {name: count[name] for name in self.found.classes}
                for split, count in counts.items()
            },
            "shards": shards,
            "blank": [
                {"split": split, "name": name}
                for split in states
                for name in states[split]["blank"]
            ],
            "skipped": [
                *(
                    {"split": split, "name": name, "reason": reason}
                    for split in skipped
                    for name, reason in skipped[split].items()
                ),
                *({"name": name, "reason": reason} for name, reason in self.found.ignored),
            ],
        }


def _check_request(source, folder, config, workers):
    check_reading(source, config, workers)
    if not folder:
        raise ConfigError("FOLDER: expected the folder of the dataset. Received none")


@contextlib.contextmanager
def _explained(folder):
    """Context in which errors that concern no single shape say what to do."""
    kept = "what is written is kept, the same command resumes"
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{error.filename or folder}: {error.strerror}; {kept}") from error
    except futures.BrokenExecutor as error:
        raise DatasetError(
            f"{folder}: a worker died, perhaps for lack of memory; {kept}, "
            "with fewer --workers it needs less memory"
        ) from error


def _checksum(path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
