"""Shards as files: compressed, damaged, and files that are none."""

import bz2
import gzip
import zlib

import numpy as np
import pytest
import tensorflow as tf

from spherical_cnn.data.records.codec import encode
from spherical_cnn.data.records.frames import compression, count_records, read_frames
from spherical_cnn.data.records.pipeline import load_records, read_batches, training_batches
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.errors import RecordError

FORMAT = RecordFormat(8)
COMPRESSED = {"GZIP": gzip.compress, "ZLIB": zlib.compress, "": bytes}


@pytest.fixture
def shard(tmp_path):
    """A shard of five records, labeled from 0."""
    path = tmp_path / "train0.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for label in range(5):
            writer.write(encode(np.full((8, 8), label, np.complex64), label))
    return path


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_shards_are_read(shard, kind):
    plain = shard.with_name("plain")
    plain.write_bytes(shard.read_bytes())
    shard.write_bytes(COMPRESSED[kind](shard.read_bytes()))
    assert compression(shard) == kind
    assert count_records(shard) == 5
    (batch,) = training_batches([shard], FORMAT, 8, epoch=0, seed=0)
    assert sorted(batch["label"].numpy()) == list(range(5))
    both = list(read_batches([plain, shard, plain], FORMAT, 15))  # of two kinds
    np.testing.assert_array_equal(both[0]["label"], [*range(5)] * 3)
    assert int(load_records([shard], 8, batch_size=2).cardinality()) == 3


@pytest.mark.parametrize("kind", ["GZIP", "ZLIB"])
def test_compressed_shards_that_end_early_are_named(shard, kind):
    shard.write_bytes(COMPRESSED[kind](shard.read_bytes())[:-60])
    message = rf"train0.tfrecord: record \d .from 0. is corrupt: the {kind} data are damaged or end"
    with pytest.raises(RecordError, match=message):
        count_records(shard)


def test_members_of_gzip_one_after_another_are_one_shard(shard):
    shard.write_bytes(gzip.compress(shard.read_bytes()) * 2)
    assert count_records(shard) == 10


@pytest.mark.parametrize(
    "data",
    [
        b"OFF\n8 6 0\n" + b"0 0 1\n" * 40,
        bz2.compress(b"records"),
        b"PK\3\4" + bytes(range(100)),
        b"\x1f\x8b\x08 but no gzip, though it begins like that",
    ],
)
def test_files_that_are_no_shards(tmp_path, data):
    path = tmp_path / "train0.tfrecord"
    path.write_bytes(data)
    message = r"train0.tfrecord: (found a file that begins|record 0 .*corrupt).* expected TFRecords"
    for read in (count_records, lambda path: list(read_frames(path))):
        with pytest.raises(RecordError, match=message):
            read(path)


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "a").touch()
    assert count_records(tmp_path / "a") == 0
