"""Shards as batched `tf.data` pipelines: streaming, natural order, seeded shuffling."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import tensorflow as tf

from spherical_cnn.data.atomic import readable
from spherical_cnn.data.records.codec import parse, read_shard
from spherical_cnn.data.records.frames import count_records, serialized_records
from spherical_cnn.data.records.schema import RecordError, RecordFormat
from spherical_cnn.data.records.shard_names import shard_of_epoch

# Records, about 33 MB per thousand at 64 × 64: a whole ModelNet40 shard is shuffled uniformly,
# a larger one within a window of this many records.
SHUFFLE_BUFFER = 10_000

# Batches parsed at a time, and kept ready.
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
    """Batches of `(signal, label)` from TFRecords in the original's format, for `fit`.

    Streams the shards in the order given; the last partial batch is kept unless
    `drop_remainder`. A complex sample becomes two channels: ray length, sine of the angle.

    Args:
        shards: one path or a list of paths.
        resolution: `n`, samples along each angle.
        dtype: of the raw samples.
        channels: in the file; a complex channel counts once.
        num_classes: labels must lie below it; `None` allows any.
        batch_size: records per batch.
        shuffle: whether to shuffle, anew in each epoch, within a buffer of 10,000 records.
        seed: of the shuffle.
        drop_remainder: whether to drop the last partial batch.

    Returns:
        `tf.data.Dataset` of `(batch, n, n, channels)` float32, colatitude before longitude, and
        `(batch,)` int64.

    Raises:
        RecordError: if a shard is truncated or its first record is of another format. A later
            bad record raises `tf.errors.OpError` in iteration; `explain_errors` names it. If its
            label is outside the classes or its samples are not finite, that error names it, too.
        OSError: if a shard cannot be read.
        ValueError: if there are no shards.
    """
    shards = [shards] if isinstance(shards, str | os.PathLike) else list(shards)
    if not shards:
        raise ValueError("shards: expected at least one path. Received none")
    record_format = RecordFormat(resolution, dtype, channels, num_classes)
    check_shards(shards, record_format)
    batches = _batches(
        shards,
        record_format,
        batch_size,
        drop_remainder,
        order=seed + 1 if shuffle else None,
        reshuffle=True,
    )
    return batches.map(lambda record: (record["signal"], record["label"]))


def training_batches(
    shards,
    record_format,
    batch_size,
    epoch,
    seed,
    drop_remainder=False,
    first_n=None,
    share=(0, 1),
):
    """Batches of one shard, see `shard_of_epoch`; shuffled by `(seed, epoch)`.

    Args:
        shards: paths, in order.
        record_format: `RecordFormat`.
        batch_size: records per batch.
        epoch: from 0.
        seed: non-negative integer.
        drop_remainder: whether to drop the last partial batch.
        first_n: stop after that many batches.
        share: `(i, n)`, to parse and give the i-th of n equal parts of each batch, from 0.

    Returns:
        `tf.data.Dataset` of dicts as from `parse`, of known cardinality.
    """
    # 31 bits, all that TensorFlow keeps of a seed; not 0, which it takes for none.
    order = int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0]) % (2**31 - 2) + 1
    shard = shard_of_epoch(shards, epoch)
    return _batches(shard, record_format, batch_size, drop_remainder, first_n, order, share=share)


def evaluation_batches(shards, record_format, batch_size, first_n=None):
    """Batches of all shards in order, the last one partial; dicts as from `parse`."""
    return _batches(shards, record_format, batch_size, False, first_n)


def check_shards(shards, record_format):
    """Checks every shard's frames and its first record, cheaply, before anything is started.

    Raises:
        RecordError: naming the shard, the record, found and expected.
        OSError: if a shard cannot be read.
    """
    for path in shards:
        if next(read_shard(path, record_format), None) is None:
            raise RecordError(
                f"{os.fspath(path)}: found no records, expected at least one; "
                "build the shard again, or remove it"
            )


@contextlib.contextmanager
def explain_errors(shards, record_format):
    """Turns a pipeline's failure on a bad record into a `RecordError` that names it.

    Reads the shards again, strictly; if they are all right the failure had another cause and
    passes through.
    """
    try:
        yield
    except tf.errors.OpError as error:
        fault = _fault(shards, record_format)
        if fault:
            raise fault from error
        raise


def _fault(shards, record_format):
    """`RecordError` that names the first bad record of shards, `None` if there is none."""
    try:
        for path in shards:
            for _ in read_shard(path, record_format):
                pass
    except RecordError as error:
        return error
    return None


def _batches(
    shards,
    record_format,
    batch_size,
    drop_remainder,
    first_n=None,
    order=None,
    reshuffle=False,
    share=(0, 1),
):
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
            serialized[mine], record_format, lambda: readable(str(_fault(shards, record_format)))
        ),
        num_parallel_calls=_AHEAD,
    )
    # Without tuning: at the end of an epoch its thread may sleep on for up to a minute, and `fit`
    # waits for it.
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = batches.apply(tf.data.experimental.assert_cardinality(count))
    return batches.prefetch(_AHEAD).with_options(options)
