"""Records per second from disk to batch, and samples per second of a training step."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np

from benchmarks.harness import Child, Table, column, in_turn, say
from benchmarks.network import Network, configuration

BATCH = 16
RECORDS = 4096  # of a synthetic shard; 134 MB at 64 × 64
COLUMNS = {
    "page cache": column("cache"),
    "read, records/s": column("rate", ",.0f"),
    "trained, samples/s": column("step_rate", ",.1f"),
    "ratio": column("ratio", ".1f"),
}


class Reader:
    """Reads an epoch of training batches from a shard in `folder`.

    The shard is a copy of the first train shard of `dset_dir`, or synthetic.
    """

    def __init__(self, folder, dset_dir, records, flags=None):
        from spherical_cnn.data.records.shard_names import find_shards

        self.config = configuration(**(flags or {}))
        self.source = pathlib.Path(folder, "source.tfrecord")
        if dset_dir is None:
            write_random(self.source, records, self.config)
        else:
            shutil.copyfile(find_shards(dset_dir, "train")[0], self.source)

    def cold(self):
        """Measures as `warm` does, from a copy that the page cache does not hold."""
        copy = self.source.with_name("copy.tfrecord")
        shutil.copyfile(self.source, copy)
        with open(copy, "rb") as file:
            os.fsync(file.fileno())  # only pages on disk can be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return self._read(copy)

    def warm(self):
        """Measures records per second; the time includes building the pipeline."""
        return self._read(self.source)

    def _read(self, shard):
        from spherical_cnn.data.records.pipeline import training_batches
        from spherical_cnn.training.network import record_format

        start = time.perf_counter()
        batches = training_batches([str(shard)], record_format(self.config), BATCH, 0, 0)
        records = sum(len(batch["label"]) for batch in batches)
        return {"rate": records / (time.perf_counter() - start)}


def run(rounds, dset_dir=None, records=RECORDS, flags=None):
    """Measures reading, with a cold and a warm page cache, and the training step."""
    say("pipeline")
    notes = [
        f"{f'{records} synthetic records' if dset_dir is None else 'the first train shard'}, "
        f"batches of {BATCH}, one epoch of one shuffled shard. The ratio is read / trained."
    ]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        reader = stack.enter_context(Child(Reader, folder, dset_dir, records, flags))
        network = stack.enter_context(Child(Network, BATCH, flags))
        measures = {
            "cold": lambda: reader.call("cold"),
            "warm": lambda: reader.call("warm"),
            "step": lambda: network.call("train"),
        }
        why_not = _never_cold(folder)
        if why_not:
            notes.append(f"skipped: cold ({why_not})")
            del measures["cold"]
        found = in_turn(measures, rounds)
    rate = BATCH / found.pop("step")["step"]
    rows = [
        {"cache": name, **row, "step_rate": rate, "ratio": row["rate"] / rate}
        for name, row in found.items()
    ]
    return Table("From disk to batch", COLUMNS, rows, notes)


def _never_cold(folder):
    """Returns why the page cache cannot drop files of a folder, or `None` if it can."""
    if not hasattr(os, "posix_fadvise"):
        return "no posix_fadvise on this system"
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", folder], text=True).strip()
    return f"temporary files are in memory, {kind}" if kind in ("tmpfs", "ramfs") else None


def write_random(path, records, config):
    """Writes a shard of random signals."""
    import tensorflow as tf

    from spherical_cnn.data.records.codec import encode

    rng = np.random.default_rng(0)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for i in range(records):
            real, imaginary = rng.random((2, config.input_res, config.input_res), np.float32)
            signal = (real + 1j * imaginary).astype(config.dtype)
            writer.write(encode(signal, i % config.n_classes, name=f"record{i}", rotation=0))
