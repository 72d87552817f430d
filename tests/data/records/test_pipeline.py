import numpy as np
import pytest
import tensorflow as tf

import spherical_cnn
from spherical_cnn.data.records.codec import encode
from spherical_cnn.data.records.pipeline import (
    check_shards,
    explain_errors,
    read_batches,
    training_batches,
)
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.data.records.shard_names import find_shards
from spherical_cnn.errors import RecordError

FORMAT = RecordFormat(8, num_classes=50)
SIZES = {"train0": 12, "train2": 9, "train10": 10, "val0": 3, "val1": 4}


@pytest.fixture
def folder(tmp_path):
    """Shards whose labels number the records on across all of them."""
    label = 0
    for name, count in SIZES.items():
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            for _ in range(count):
                writer.write(encode(np.full((8, 8), label, np.complex64), label))
                label += 1
    (tmp_path / "classes.txt").write_text("a\n")
    return tmp_path


def labels(batches):
    return [int(label) for batch in batches for label in batch["label"]]


def test_shards_come_in_natural_order(folder):
    names = [path.rsplit("/", 1)[1] for path in find_shards(folder, "train")]
    assert names == ["train0.tfrecord", "train2.tfrecord", "train10.tfrecord"]


def test_no_shards_and_no_folder(folder):
    with pytest.raises(RecordError, match=r"expected shards named test\*.tfrecord, found 6 other"):
        find_shards(folder, "test")
    with pytest.raises(RecordError, match="absent: No such file.*expected a folder"):
        find_shards(folder / "absent", "test")
    with pytest.raises(RecordError, match="classes.txt: Not a directory"):
        find_shards(folder / "classes.txt", "test")


def test_an_epoch_is_one_shard_cycling(folder):
    shards = find_shards(folder, "train")
    epochs = [training_batches(shards, FORMAT, 4, epoch, seed=0) for epoch in range(4)]
    seen = [labels(batches) for batches in epochs]
    assert sorted(seen[0]) == sorted(seen[3]) == list(range(12))
    assert sorted(seen[1]) == list(range(12, 21)) and sorted(seen[2]) == list(range(21, 31))
    assert [int(batches.cardinality()) for batches in epochs] == [3, 3, 3, 3]


def test_the_order_depends_on_seed_and_epoch_alone(folder):
    shards = find_shards(folder, "train")[:1]

    def order(epoch, seed):
        return labels(training_batches(shards, FORMAT, 4, epoch, seed))

    assert order(0, 0) == order(0, 0) != list(range(12))
    assert len({tuple(order(epoch, seed)) for epoch in range(3) for seed in range(3)}) == 9


def test_the_last_partial_batch(folder):
    shards = find_shards(folder, "train")[:1]
    sizes = [len(b["label"]) for b in training_batches(shards, FORMAT, 5, 0, 0)]
    assert sizes == [5, 5, 2]
    rounded = training_batches(shards, FORMAT, 5, 0, 0, drop_remainder=True)
    assert [len(b["label"]) for b in rounded] == [5, 5] and int(rounded.cardinality()) == 2
    assert len(labels(training_batches(shards, FORMAT, 5, 0, 0, first_n=1))) == 5


def test_evaluation_reads_any_number_of_shards_in_order(folder):
    batches = read_batches(find_shards(folder, "val"), FORMAT, 3)
    assert labels(batches) == list(range(31, 38)) and int(batches.cardinality()) == 3
    assert labels(read_batches(find_shards(folder, "val"), FORMAT, 3, first_n=2)) == list(
        range(31, 37)
    )


def test_nothing_tunes_the_pipeline(folder):
    """Else the end of an epoch is up to a minute late: TensorFlow's thread sleeps on."""
    for batches in (
        training_batches([folder / "train2.tfrecord"], FORMAT, 2, 0, 0),
        read_batches([folder / "train2.tfrecord"], FORMAT, 2),
    ):
        assert batches.options().autotune.enabled is False


def test_load_records_gives_signals_and_labels(folder):
    shards = find_shards(folder, "train")
    batches = spherical_cnn.load_records(shards, 8, batch_size=5, num_classes=50)
    signals, first = next(iter(batches))
    assert signals.shape == (5, 8, 8, 2)
    np.testing.assert_array_equal(signals[:, 0, 0, 0], first)
    assert int(batches.cardinality()) == 7
    shuffled = spherical_cnn.load_records(shards[0], 8, shuffle=True, seed=3)
    epochs = [[int(y) for _, batch in shuffled for y in batch] for _ in range(2)]
    assert sorted(epochs[0]) == list(range(12)) and epochs[0] != epochs[1]


def test_faults_are_found_before_and_during_iteration(folder):
    shards = find_shards(folder, "val")
    with pytest.raises(RecordError, match="val0.tfrecord: record 0 .*found label 31"):
        check_shards(shards, RecordFormat(8, num_classes=31))
    late = RecordFormat(8, num_classes=36)  # the first five records are fine
    check_shards(shards, late)
    with (
        pytest.raises(RecordError, match="val1.tfrecord: record 2 .*found label 36"),
        explain_errors(shards, late),
    ):
        list(read_batches(shards, late, 2))
    (folder / "val2.tfrecord").write_bytes(b"")
    with pytest.raises(RecordError, match="val2.tfrecord: found no records"):
        check_shards(find_shards(folder, "val"), FORMAT)


def test_other_failures_pass_through(folder):
    with (
        pytest.raises(tf.errors.InternalError, match="elsewhere"),
        explain_errors(find_shards(folder, "val"), FORMAT),
    ):
        raise tf.errors.InternalError(None, None, "elsewhere")
