"""Batched `tf.data` pipelines of shards, with seeded shuffling."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import tensorflow as tf

from spherical_cnn.data.atomic import printable
from spherical_cnn.data.records.codec import parse, read_shard
from spherical_cnn.data.records.frames import count_records, serialized_records
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.data.records.shard_names import shard_of_epoch
from spherical_cnn.errors import RecordError

# In records, about 33 MB per thousand at 64 × 64. A ModelNet40 shard fits, and is shuffled
# uniformly; a larger one is shuffled within a window of this size.
SHUFFLE_BUFFER = 10_000

# Number of batches that are parsed in parallel, and of those prefetched.
_AHEAD = min(os.cpu_count() or 1, 8)


def load_records(
    shards,
    resolution,
    *,
    dtype="complex64",
    channels=1,
    num_classes=None,
    batch_size=32,
    shuffle=False,
    seed=0,
    drop_remainder=False,
):
    """Loads batches of `(signal, label)` from TFRecords in the original's format, for `fit`.

    Streams the shards in the given order. A complex channel becomes two: ray length, and sine of
    the angle between ray and normal.

    Args:
        shards: one path or a list of paths.
        resolution: `n`, samples along each angle.
        dtype: dtype of the raw samples.
        channels: channels in the file; a complex channel counts once.
        num_classes: labels must be below it; `None` allows any.
        batch_size: records per batch.
        shuffle: whether to shuffle, differently in each epoch, within a buffer of 10,000 records.
        seed: seed of the shuffle.
        drop_remainder: whether to drop the last, partial batch.

    Returns:
        `tf.data.Dataset` of `(batch, n, n, channels)` float32, colatitude before longitude, and
        `(batch,)` int64.

    Raises:
        RecordError: if a shard is truncated or its first record has another format. A later
            invalid record raises `tf.errors.OpError` during iteration; `explain_errors` names it.
            If its label is outside the classes or its samples are not finite, the error itself
            names it.
        OSError: if a shard cannot be read.
        ValueError: if there are no shards.
    """
    shards = [shards] if isinstance(shards, str | os.PathLike) else list(shards)
    if not shards:
        raise ValueError("shards: expected at least one path. Received none")
    record_format = RecordFormat(resolution, dtype, channels, num_classes)
    check_shards(shards, record_format)
    batches = read_batches(
        shards,
        record_format,
        batch_size,
        drop_remainder=drop_remainder,
        order=seed + 1 if shuffle else None,
        reshuffle=True,
    )
    return batches.map(lambda record: (record["signal"], record["label"]))


def training_batches(shards, record_format, batch_size, epoch, seed, **options):
    """Returns the batches of an epoch (from 0): one shard, shuffled by seed and epoch.

    For the arguments see `read_batches` and `shard_of_epoch`.
    """
    # 31 bits, because TensorFlow drops the others; not 0, which means no seed.
    order = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0]) % (2**31 - 2) + 1
    shard = shard_of_epoch(shards, epoch)
    return read_batches(shard, record_format, batch_size, order=order, **options)


def read_batches(
    shards,
    record_format,
    batch_size,
    first_n=None,
    drop_remainder=False,
    order=None,
    reshuffle=False,
    share=(0, 1),
):
    """Returns the batches of shards, one after the other.

    Args:
        shards: paths.
        record_format: `RecordFormat`.
        batch_size: records per batch.
        first_n: number of batches; `None` for all.
        drop_remainder: whether to drop the last, partial batch.
        order: positive seed of a shuffle; `None` keeps the order.
        reshuffle: whether every iteration has another order.
        share: `(i, n)`: parse and return the i-th of n equal parts of each batch, from 0.

    Returns:
        `tf.data.Dataset` of dicts as from `parse`, of known cardinality.
    """
    records = serialized_records(shards)
    if order is not None:
        records = records.shuffle(SHUFFLE_BUFFER, order, reshuffle_each_iteration=reshuffle)
    batches = records.batch(batch_size, drop_remainder=drop_remainder)
    count = sum(count_records(path) for path in shards)
    count = count // batch_size if drop_remainder else -(-count // batch_size)
    if first_n:
        count = min(count, first_n)
        batches = batches.take(first_n)
    part = batch_size // share[1]
    mine = slice(share[0] * part, (share[0] + 1) * part) if share[1] > 1 else slice(None)
    batches = batches.map(
        lambda serialized: parse(
            serialized[mine], record_format, lambda: printable(str(_fault(shards, record_format)))
        ),
        num_parallel_calls=_AHEAD,
    )
    # Without autotuning: its thread may sleep for up to a minute at the end of an epoch, and `fit`
    # waits for it.
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    return batches.prefetch(_AHEAD).with_options(options)


def check_shards(shards, record_format):
    """Checks the frames of every shard and its first record, which is fast.

    Raises:
        RecordError, OSError: naming the shard and the record.
    """
    for path in shards:
        if next(read_shard(path, record_format), None) is None:
            raise RecordError(
                f"{os.fspath(path)}: found no records, expected at least one; "
                "build the shard again, or remove it"
            )


@contextlib.contextmanager
def explain_errors(shards, record_format):
    """Context in which a pipeline's error on an invalid record becomes a `RecordError`.

    Reads the shards again, with strict checks; if they are valid, the original error is raised.
    """
    try:
        yield
    except tf.errors.OpError as error:
        fault = _fault(shards, record_format)
        if fault:
            raise fault from error
        raise


def _fault(shards, record_format):
    """Returns a `RecordError` that names the first invalid record of shards, or `None`."""
    try:
        for path in shards:
            for _ in read_shard(path, record_format):
                pass
    except RecordError as error:
        return error
    return None
