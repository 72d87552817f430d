"""TFRecords as the data of a run."""

from __future__ import annotations

import logging
import os

from spherical_cnn.choices import SPLITS
from spherical_cnn.data.records.folder import read_manifest
from spherical_cnn.data.records.frames import count_records
from spherical_cnn.data.records.pipeline import (
    check_shards,
    explain_errors,
    read_batches,
    training_batches,
)
from spherical_cnn.data.records.shard_names import find_shards, shard_of_epoch
from spherical_cnn.errors import ConfigError

logger = logging.getLogger("spherical_cnn")


class RecordBatches:
    """`Batches` of a `tf.data.Dataset` of dicts, see `spherical_cnn.data.records.codec.parse`."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return iter(self.dataset.as_numpy_iterator())

    def keras_input(self, outputs):
        """See `spherical_cnn.data.module.Batches`."""
        return {
            "x": self.dataset.map(
                lambda record: (record["signal"], {name: record["label"] for name in outputs})
            )
        }


class TFRecordData:
    """The `DataModule` of a folder of TFRecords, checked; `~` in its name is expanded.

    The seed is that of the order of train records. `drop_remainder` drops the last, partial train
    batch; `first_n` limits the number of train batches per epoch.

    Raises:
        ConfigError: if a train shard has less than one full batch, but needs one.
        RecordError, OSError: if shards cannot be read.
    """

    def __init__(
        self,
        folder,
        record_format,
        batch_size,
        *,
        splits=SPLITS,
        seed=0,
        drop_remainder=False,
        first_n=None,
    ):
        self.folder = os.path.expanduser(folder)
        self._format, self._batch_size, self._seed = record_format, batch_size, seed
        self._drop_remainder, self._first_n = drop_remainder, first_n
        self.shards = {split: find_shards(folder, split) for split in splits}
        for paths in self.shards.values():
            check_shards(paths, record_format)
        if drop_remainder:
            self._check_full_batches()

    def description(self):
        """See `DataModule.description`: what the manifest of the folder says, if it has one."""
        manifest = read_manifest(self.folder)
        return manifest and {key: manifest[key] for key in ("source", "classes", "options")}

    def log(self):
        """See `DataModule.log`."""
        logger.info(f"Loading dataset from {self.folder}...")

    def train(self, epoch, share=(0, 1)):
        """See `DataModule.train`: the records of one shard, shuffled."""
        batches = training_batches(
            self.shards["train"],
            self._format,
            self._batch_size,
            epoch,
            self._seed,
            drop_remainder=self._drop_remainder,
            first_n=self._first_n,
            share=share,
        )
        samples = min(self._records_of(epoch), int(batches.cardinality()) * self._batch_size)
        return RecordBatches(batches), samples

    def batches(self, split, limit=None):
        """See `DataModule.batches`: all shards of the split."""
        shards = self.shards[split]
        return RecordBatches(read_batches(shards, self._format, self._batch_size, limit))

    def errors(self):
        """See `DataModule.errors`."""
        return explain_errors(
            [path for paths in self.shards.values() for path in paths], self._format
        )

    def _records_of(self, epoch):
        return sum(map(count_records, shard_of_epoch(self.shards["train"], epoch)))

    def _check_full_batches(self):
        train = self.shards.get("train", [])
        for epoch in range(len(train)):
            records = self._records_of(epoch)
            if records < self._batch_size:
                raise ConfigError(
                    f"--round_batches: {shard_of_epoch(train, epoch)[0]} has fewer records than "
                    f"--train_bsize {self._batch_size}, {records}; expected a full batch"
                )


def read_shards(shards, record_format, batch_size):
    """Returns `Batches` of the records of shards, checked, and the context of their errors.

    Raises:
        RecordError, OSError: if shards cannot be read.
    """
    check_shards(shards, record_format)
    batches = RecordBatches(read_batches(shards, record_format, batch_size))
    return batches, explain_errors(shards, record_format)
