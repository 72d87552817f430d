"""What a run trains and is tested on, where it lies in shards."""

from __future__ import annotations

import logging
import os

from spherical_cnn.data.records.frames import count_records
from spherical_cnn.data.records.pipeline import (
    check_shards,
    explain_errors,
    training_batches,
)
from spherical_cnn.data.records.shard_names import find_shards, shard_of_epoch
from spherical_cnn.training.config import ConfigError
from spherical_cnn.training.network import (
    evaluation_data,
    reading_checked,
    record_format,
    with_labels,
)

logger = logging.getLogger("spherical_cnn")


class ShardFeed:
    """The shards of `--dset_dir`, checked; only the splits that the run reads.

    `spherical_cnn.training.online_data.ShapeFeed` has the same methods for shapes that are in none.

    Args:
        config: `Config`.

    Raises:
        ConfigError: if a shard does not fit the options.
        RecordError, OSError: if shards cannot be used.
    """

    def __init__(self, config):
        self.config = config
        splits = ["test"] if config.test_only else ["train", "test"]
        if not config.test_only and not config.skip_val:
            splits.append("val")
        self.shards = {split: find_shards(config.dset_dir, split) for split in splits}
        for paths in self.shards.values():
            check_shards(paths, record_format(config))
        train = self.shards.get("train", [])
        for epoch in range(len(train) if config.round_batches else 0):
            records = self._records_of(epoch)
            if records < config.train_bsize:
                raise ConfigError(
                    f"--round_batches: {shard_of_epoch(train, epoch)[0]} has fewer records than "
                    f"--train_bsize {config.train_bsize}, {records}; expected a full batch"
                )

    def begin(self, run):
        """Writes to the run folder how the shards were made, if they say so."""
        logger.info(f"Loading dataset from {os.path.expanduser(self.config.dset_dir)}...")
        if not self.config.test_only:
            run.write_data(self.config.dset_dir)

    def explained(self):
        """Context of training: its errors name the faulty shard and record."""
        read = self.shards["train"] + self.shards.get("val", [])
        return explain_errors(read, record_format(self.config))

    def train(self, model, epoch, share):
        """Arguments of `fit` for an epoch, and the number of its samples.

        Args:
            model: of `build_model`.
            epoch: from 0.
            share: `(I, N)`, of the process.
        """
        config, shards = self.config, self.shards["train"]
        batches = training_batches(
            shards,
            record_format(config),
            config.train_bsize,
            epoch,
            config.seed,
            config.round_batches,
            config.first_n,
            share,
        )
        samples = min(self._records_of(epoch), int(batches.cardinality()) * config.train_bsize)
        return {"x": with_labels(batches, model)}, samples

    def _records_of(self, epoch):
        """Number of records in the shard of an epoch."""
        return sum(map(count_records, shard_of_epoch(self.shards["train"], epoch)))

    def evaluation(self, model, split, limit=None):
        """Arguments of `evaluate` for a split, or its first batches, in a context."""
        return evaluation_data(model, self.records(split, limit))

    def records(self, split, limit=None):
        """Batches of parsed records of a split, or its first batches, in a context."""
        return reading_checked(self.config, self.shards[split], limit)
