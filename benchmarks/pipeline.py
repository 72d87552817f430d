"""From disk to batch: records a second, beside what a training step takes."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import time

import numpy as np

from benchmarks.harness import Child, interleaved, medians, say
from benchmarks.network import Network, configuration
from benchmarks.table import Table, column

BATCH = 16
RECORDS = 4096  # of a synthetic shard: 134 MB at 64 × 64
COLUMNS = {
    "page cache": column("cache"),
    "read, records/s": column("rate", ",.0f"),
    "read, MB/s": column("bandwidth", ",.0f", 1e-6),
    "trained, samples/s": column("step_rate", ",.1f"),
    "ratio": column("ratio", ".1f"),
}
_MEMORY_FILES = ("tmpfs", "ramfs")


class Reader:
    """Reads an epoch of training batches from a shard of its own.

    Args:
        folder: for the copy.
        dset_dir: whose first train shard is copied; `None` for a synthetic one.
        records: of a synthetic shard.
        flags: over those of `configuration`.
    """

    def __init__(self, folder, dset_dir, records, flags=None):
        from spherical_cnn.data.shardnames import find_shards

        self.config = configuration(**(flags or {}))
        self.source = pathlib.Path(folder, "source.tfrecord")
        self.copy = pathlib.Path(folder, "copy.tfrecord")
        if dset_dir is None:
            self.what = f"{records} synthetic records"
            write_random(self.source, records, self.config)
        else:
            shard = find_shards(dset_dir, "train")[0]
            self.what = os.path.basename(shard)
            shutil.copyfile(shard, self.source)

    def describe(self):
        """What is read."""
        return self.what

    def cold(self):
        """As `warm`, from a fresh copy that the page cache does not hold."""
        shutil.copyfile(self.source, self.copy)
        with open(self.copy, "rb") as file:
            os.fsync(file.fileno())  # pages not yet written cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return self._read(self.copy)

    def warm(self):
        """Dict of records and bytes a second, from the making of the pipeline to its end."""
        return self._read(self.source)

    def _read(self, shard):
        from spherical_cnn.data.datasets import training_batches
        from spherical_cnn.experiment.network import record_format

        start = time.perf_counter()
        batches = training_batches([str(shard)], record_format(self.config), BATCH, 0, 0)
        records = sum(len(batch["label"]) for batch in batches)
        seconds = time.perf_counter() - start
        return {"rate": records / seconds, "bandwidth": shard.stat().st_size / seconds}


def run(rounds, dset_dir=None, records=RECORDS, flags=None):
    """Measures reading, cold and warm, and the training step, in turn.

    Args:
        rounds: that count.
        dset_dir: folder of shards; `None` for a synthetic shard.
        records: of a synthetic shard.
        flags: over those of `configuration`.

    Returns:
        `Table`.

    Raises:
        ChildError: if `dset_dir` has no shards.
    """
    say("pipeline")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        reader = stack.enter_context(Child(Reader, folder, dset_dir, records, flags))
        notes = [
            f"{reader.call('describe')}, batches of {BATCH}, an epoch of one shuffled shard, from "
            "the making of the pipeline to its end. Ratio: read by trained."
        ]
        network = stack.enter_context(Child(Network, "plain", BATCH, flags))
        measures = {"warm": lambda: reader.call("warm"), "step": lambda: network.call("train")}
        why_not = _never_cold(folder)
        if why_not:
            notes.append(f"skipped: cold ({why_not})")
        else:
            measures = {"cold": lambda: reader.call("cold"), **measures}
        results, failures = interleaved(measures, rounds, needed=["step"])
    notes += [f"skipped: {name} ({error})" for name, error in failures.items()]
    rate = BATCH / medians(results.pop("step"))["step"]
    rows = []
    for name, result in results.items():
        row = {"cache": name, **medians(result), "step_rate": rate}
        rows.append({**row, "ratio": row["rate"] / rate})
    return Table("From disk to batch", COLUMNS, rows, notes)


def _never_cold(folder):
    """Why files of a folder cannot be dropped from the page cache; `None` if they can."""
    if not hasattr(os, "posix_fadvise"):
        return "no posix_fadvise on this system"
    mounts = pathlib.Path("/proc/self/mounts")
    kinds = {}
    if mounts.exists():
        kinds = {line.split()[1]: line.split()[2] for line in mounts.read_text().splitlines()}
    path = pathlib.Path(folder).resolve()
    kind = next((kinds[str(p)] for p in (path, *path.parents) if str(p) in kinds), None)
    return f"temporary files are in memory, {kind}" if kind in _MEMORY_FILES else None


def write_random(path, records, config):
    """Writes a shard of random signals by the package's own encoder."""
    import tensorflow as tf

    from spherical_cnn.data.records import encode

    rng = np.random.default_rng(0)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for i in range(records):
            real, imaginary = rng.random((2, config.input_res, config.input_res), np.float32)
            signal = (real + 1j * imaginary).astype(config.dtype)
            writer.write(encode(signal, i % config.n_classes, name=f"record{i}", rotation=0))
