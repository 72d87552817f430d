"""Shapes → shards, in parallel and resumable.

The folder gets `train0.tfrecord …`, one shard per rotated copy, likewise `val*` and `test*`, and
`manifest.json`. Until a split is whole its shards grow in `.building/`, where `journal.json` says
how much of them is certain; then they move up.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import shutil
from concurrent import futures

from spherical_cnn.data.atomic import UNFINISHED as WRITING
from spherical_cnn.data.atomic import BuildError, readable, write_json
from spherical_cnn.data.config import add_source_arguments, check_reading, divided
from spherical_cnn.data.records.folder import (
    JOURNAL,
    MANIFEST,
    UNFINISHED,
    check_folder,
    locked,
    read_journal,
)
from spherical_cnn.data.records.writer import TASK, perform, tasks_of
from spherical_cnn.data.sources import SPLITS, find_shapes
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.options import ConfigError
from spherical_cnn.version import __version__

FORMAT = 1  # raised whenever a manifest written before can no longer be read


def build(
    source,
    folder,
    recipe,
    split_file=None,
    workers=1,
    progress=lambda done, total: None,
    pool=None,
):
    """Builds a data set, or goes on with it; a finished one is left as it is.

    Args:
        source: see `find_shapes`.
        folder: where the shards go: absent, empty, or of the same build before.
        recipe: `Recipe`.
        split_file: see `find_shapes`.
        workers: processes; the shards do not depend on it.
        progress: called with the number of shapes done and of all shapes.
        pool: of `worker_pool`, used in place of one of its own.

    Returns:
        dict as in `manifest.json`.

    Raises:
        ConfigError: if the request makes no data set; nothing has been written.
        BuildError: if the folder is in the way, or the build cannot go on.
    """
    source, folder = os.fspath(source), os.fspath(folder)
    _check_request(source, folder, recipe, workers)
    found = find_shapes(source, split_file, recipe.embedded_shapes, recipe.seed)
    try:
        items = divided(found, recipe)
    except ConfigError as error:
        raise ConfigError(f"{readable(source)}: {error}") from error
    shapes = json.dumps([found.fingerprint, [item[:3] for item in items]]).encode()
    request = {
        "format": FORMAT,
        "version": __version__,
        "source": readable(source),
        "shapes": hashlib.sha256(shapes).hexdigest(),
        "options": recipe.to_json(),
    }
    finished = check_folder(folder, request)
    if finished and not os.path.exists(os.path.join(folder, UNFINISHED)):
        return finished
    with locked(folder), _explained(folder):
        finished = check_folder(folder, request)  # again: another process may have had the lock
        if not finished:
            builder = _Builder(folder, request, recipe, found, items, progress)
            with contextlib.nullcontext(pool) if pool else worker_pool(workers) as perform_all:
                finished = builder.run(perform_all)
        shutil.rmtree(os.path.join(folder, UNFINISHED))
    return finished


def add_arguments(parser):
    """Adds what a command line says beyond the recipe: the other arguments of `build`."""
    add_source_arguments(parser)
    parser.add_argument("folder", metavar="FOLDER", help="where the results go")


class _Builder:
    """One build under way."""

    def __init__(self, folder, request, recipe, found, items, progress):
        self.folder, self.unfinished = folder, os.path.join(folder, UNFINISHED)
        self.request, self.recipe, self.found = request, recipe, found
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
            tasks = tasks_of(self.recipe, split, labelled[state["done"] :], self.unfinished)
            for task, outcome in pool(perform, tasks):
                self._append(shards, task.path, outcome.sizes)
                state["done"] += len(task.items)
                state["sizes"] = [a + b for a, b in zip(state["sizes"], outcome.sizes, strict=True)]
                state["skipped"] += outcome.skipped
                state["blank"] += outcome.blank
                write_json(self.journal_path, self.journal, sync=False)  # nor are the shards
                self.progress(before + state["done"])
            if len(state["skipped"]) == len(self.items[split]):
                name, reason = state["skipped"][0]
                raise BuildError(f"{split}: no shape could be used, the first, {name}: {reason}")
            state["whole"] = True
            write_json(self.journal_path, self.journal)
        for shard in shards:
            below, above = (os.path.join(f, shard) for f in (self.unfinished, self.folder))
            if os.path.exists(below):
                os.replace(below, above)
            elif not os.path.exists(above):  # it had moved up before
                raise BuildError(f"{above}: has been removed; remove the folder to build it anew")

    def _shards(self, split):
        return [f"{split}{copy}.tfrecord" for copy in range(self.recipe.copies_of(split))]

    def _certain(self, shards, sizes):
        """Cuts shards back to what the journal vouches for; false if that much is not there."""
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
                    raise BuildError(f"{path}: {len(data)} bytes left, expected {size}")
                with open(os.path.join(self.unfinished, shard), "ab") as target:
                    target.write(data)
        os.remove(path)

    def _clear_tasks(self):
        for name in os.listdir(self.unfinished):
            if name.startswith((TASK, WRITING)):
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


def _check_request(source, folder, recipe, workers):
    check_reading(source, recipe, workers)
    if not folder:
        raise ConfigError("FOLDER: expected where the data set goes. Received none")


@contextlib.contextmanager
def _explained(folder):
    """Says of failures that concern no single shape what to do about them."""
    kept = "what is written is kept, the same command goes on from there"
    try:
        yield
    except OSError as error:
        raise BuildError(f"{error.filename or folder}: {error.strerror}; {kept}") from error
    except futures.BrokenExecutor as error:
        raise BuildError(
            f"{folder}: a worker died, perhaps for want of memory; {kept}, "
            "with fewer --workers it needs less"
        ) from error


def _checksum(path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}
