"""Builds a dataset of TFRecords from shapes, in parallel and resumably.

The folder gets one shard per rotated copy, `train0.tfrecord …`, `val*` and `test*`, and
`manifest.json`. Until then `.building/` holds the request in `request.json` and a folder for each
part of a split that is finished; parts are joined to shards when their split is complete.
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
from spherical_cnn.data.atomic import write_file
from spherical_cnn.data.dataset_config import check_reading
from spherical_cnn.data.poses import assign_splits
from spherical_cnn.data.records.folder import (
    BUILDING,
    MANIFEST,
    REQUEST,
    check_folder,
    locked,
)
from spherical_cnn.data.records.writer import join_parts, plan_parts, read_result, write_part
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
    items = assign_splits(found, config)
    shapes = json.dumps([found.fingerprint, [item[:3] for item in items]]).encode()
    request = {
        "format": FORMAT,
        "version": __version__,
        "source": found.name,
        "shapes": hashlib.sha256(shapes).hexdigest(),
        "options": config.to_dict(),
    }
    finished = check_folder(folder, request)
    if finished and not os.path.exists(os.path.join(folder, BUILDING)):
        return finished
    with locked(folder), _explained(folder):
        finished = check_folder(folder, request)  # again: another process may have held the lock
        if not finished:
            write_file(os.path.join(folder, REQUEST), request)
            with contextlib.nullcontext(pool) if pool else worker_pool(workers) as perform_all:
                finished = _build_splits(
                    folder, request, config, found, items, perform_all, progress
                )
        shutil.rmtree(os.path.join(folder, BUILDING))
    return finished


def _build_splits(folder, request, config, found, items, perform_all, progress):
    """Writes the parts of all splits, joins them to shards, and writes the manifest last."""
    unfinished = os.path.join(folder, BUILDING)
    shards, counts, blank, skipped = {}, {}, [], []
    done = 0
    for split in SPLITS:
        labeled = [(item, found.labels[item.class_name]) for item in items if item.split == split]
        if not labeled:
            continue
        parts = plan_parts(config, split, labeled, unfinished)
        missing = [part for part in parts if not os.path.exists(part.path)]
        done += len(labeled) - sum(len(part.items) for part in missing)
        progress(done, len(items))
        for part, _ in perform_all(write_part, missing):
            done += len(part.items)
            progress(done, len(items))
        results = [read_result(part) for part in parts]
        reasons = {name: reason for result in results for name, reason in result.skipped}
        if len(reasons) == len(labeled):
            name, reason = next(iter(reasons.items()))
            raise DatasetError(f"{split}: no shape could be used, the first, {name}: {reason}")
        used = collections.Counter(i.class_name for i, _ in labeled if i.name not in reasons)
        counts[split] = {name: used[name] for name in found.classes}
        blank += [{"split": split, "name": name} for result in results for name in result.blank]
        skipped += [{"split": split, "name": n, "reason": reason} for n, reason in reasons.items()]
        for copy in range(config.copies_of(split)):
            shard = f"{split}{copy}.tfrecord"
            shards[shard] = used.total()
            if not os.path.exists(os.path.join(folder, shard)):
                join_parts(parts, results, copy, os.path.join(unfinished, shard))
    for shard in shards:
        if not os.path.exists(os.path.join(folder, shard)):
            os.rename(os.path.join(unfinished, shard), os.path.join(folder, shard))
    manifest = {
        **request,
        "classes": found.classes,
        "counts": counts,
        "shards": {
            shard: {"records": number, **_checksum(os.path.join(folder, shard))}
            for shard, number in shards.items()
        },
        "blank": blank,
        "skipped": [*skipped, *({"name": n, "reason": reason} for n, reason in found.ignored)],
    }
    write_file(os.path.join(folder, MANIFEST), manifest)
    return manifest


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
