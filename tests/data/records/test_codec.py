import struct

import numpy as np
import pytest
import tensorflow as tf

from spherical_cnn.data.records.codec import (
    encode,
    join_complex,
    parse,
    read_shard,
    split_complex,
)
from spherical_cnn.data.records.frames import count_records
from spherical_cnn.data.records.pipeline import load_records
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.errors import RecordError

FORMAT = RecordFormat(8, num_classes=5)


def random_signal(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def write(path, *serialized):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in serialized:
            writer.write(record)
    return path


def encode_with_angle(signal, label, angle, name=None):
    """A record as the original's with one more channel `a`."""
    example = tf.train.Example.FromString(encode(signal, label, name))
    example.features.feature["a"].bytes_list.value.append(angle.swapaxes(0, 1).tobytes())
    return example.SerializeToString()


@pytest.fixture
def shard(tmp_path, rng):
    return write(
        tmp_path / "train0.tfrecord",
        *(encode(random_signal(rng, 8, 8), i, f"shape{i}", 10 + i) for i in range(4)),
    )


def test_a_record_comes_back_as_it_was(tmp_path, rng):
    signal = random_signal(rng, 8, 8)
    (record,) = read_shard(write(tmp_path / "a", encode(signal, 3, "Stühle/a.off", 7)), FORMAT)
    np.testing.assert_array_equal(record.signal[..., 0], signal)
    assert record[1:] == (3, "Stühle/a.off", 7)


def test_samples_are_little_endian_and_longitude_first(rng):
    signal = random_signal(rng, 8, 8)
    raw = tf.train.Example.FromString(encode(signal, 0)).features.feature["x"].bytes_list.value[0]
    samples = struct.unpack("<128f", raw)
    # Third longitude of the second colatitude: sample 2 · 8 + 1 of the file.
    np.testing.assert_array_equal(
        samples[2 * 17 : 2 * 17 + 2], [signal[1, 2].real, signal[1, 2].imag]
    )


def test_the_pipeline_parses_what_the_strict_reader_reads(shard):
    records = list(read_shard(shard, FORMAT))
    (batch,) = tf.data.TFRecordDataset(str(shard)).batch(9).map(lambda s: parse(s, FORMAT))
    assert batch["signal"].shape == (4, 8, 8, 2) and batch["signal"].dtype == tf.float32
    for i, record in enumerate(records):
        length = np.abs(record.signal[..., 0])
        sine = record.signal[..., 0].imag / (length + 1e-8)
        np.testing.assert_allclose(batch["signal"][i, ..., 0], length, rtol=1e-6)
        np.testing.assert_allclose(batch["signal"][i, ..., 1], sine, rtol=1e-5, atol=1e-6)
        assert batch["label"][i] == record.label and batch["rotation"][i] == record.rotation
        assert batch["name"][i].numpy().decode() == record.name


def test_an_angle_channel_and_real_samples(tmp_path, rng):
    signal, angle = rng.standard_normal((2, 8, 8)).astype(np.float32)
    path = write(tmp_path / "a", encode_with_angle(signal, 1, angle))
    form = RecordFormat(8, "float32", channels=2)
    (record,) = read_shard(path, form)
    np.testing.assert_array_equal(record.signal, np.stack([signal, angle], axis=-1))
    assert record.name == "" and record.rotation == -1
    (batch,) = tf.data.TFRecordDataset(str(path)).batch(1).map(lambda s: parse(s, form))
    np.testing.assert_array_equal(batch["signal"][0], record.signal)


def test_complex_channels_become_all_lengths_then_all_sines(rng):
    samples = random_signal(rng, 3, 2)
    mapped = split_complex(samples).numpy()
    np.testing.assert_allclose(mapped[:, :2], np.abs(samples), rtol=1e-6)
    np.testing.assert_allclose(mapped[:, 2:], np.sin(np.angle(samples)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(split_complex(np.zeros((1, 1), np.complex64)), [[0, 0]])


def test_joining_and_splitting_gives_a_signal_back(rng):
    signal = rng.uniform(size=(64, 64, 2)).astype(np.float32)
    signal[..., 0] = 0.02 + signal[..., 0]  # the 1e-8 that is added to lengths is less than 1e-6
    signal[:, :8, 1] = np.linspace(0, 1, 64, dtype=np.float32)[:, None]
    signal[:8] = 0  # rays that meet nothing
    samples = join_complex(signal)
    assert samples.shape == (64, 64) and samples.dtype == np.complex64
    np.testing.assert_allclose(np.abs(samples), signal[..., 0], rtol=0, atol=1e-6)
    assert (samples.real >= 0).all() and (samples.imag >= 0).all()
    found = split_complex(samples[..., None]).numpy()
    assert found.shape == signal.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, signal, rtol=0, atol=1e-6)


def test_the_phase_of_a_joined_sample_is_the_angle():
    angles = np.linspace(0, np.pi / 2, 91)
    samples = join_complex(np.stack([np.full(91, 0.5), np.sin(angles)], -1))
    np.testing.assert_allclose(np.angle(samples), angles, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("cut", "message"),
    [(-1, "record 3 .from 0. is truncated"), (-700, "record 2"), (5, "record 0")],
)
def test_truncated_shards(shard, cut, message):
    shard.write_bytes(shard.read_bytes()[:cut])
    with pytest.raises(RecordError, match=rf"train0.tfrecord: {message}.*expected \d+ at least"):
        count_records(shard)


def test_a_flipped_bit_is_found_by_its_checksum(shard):
    data = bytearray(shard.read_bytes())
    data[2 * len(data) // 4 + 100] ^= 4  # inside the third of four records
    shard.write_bytes(data)
    with pytest.raises(RecordError, match="record 2 .from 0. is corrupt: its checksum"):
        list(read_shard(shard, FORMAT))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (RecordFormat(16), r"found 512 bytes of samples, expected 2048 = 16 × 16 .*be 8 × 8"),
        (RecordFormat(8, "float32"), r"found 512 bytes of samples, expected 256 .* float32"),
        (RecordFormat(8, channels=2), "found 512 bytes of samples, expected 1024 = 8 × 8 × 2"),
    ],
)
def test_records_of_another_format(shard, form, message):
    with pytest.raises(RecordError, match=f"train0.tfrecord: record 0 .from 0.: {message}"):
        list(read_shard(shard, form))


def test_labels_outside_the_classes(shard):
    with pytest.raises(RecordError, match="record 2 .from 0.: found label 2, expected 0 … 1"):
        list(read_shard(shard, RecordFormat(8, num_classes=2)))
    batches = tf.data.TFRecordDataset(str(shard)).batch(9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a label is outside the classes"):
        list(batches.map(lambda s: parse(s, RecordFormat(8, num_classes=2))))


def test_something_else_in_a_record(tmp_path):
    with pytest.raises(RecordError, match="record 0 .from 0.: found no tf.train.Example"):
        list(read_shard(write(tmp_path / "a", b"\xff\xff\xff"), FORMAT))
    empty = tf.train.Example().SerializeToString()
    with pytest.raises(RecordError, match="found 0 values in feature 'x', expected one"):
        list(read_shard(write(tmp_path / "b", empty), FORMAT))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"signal must be \(n, n\[, channels\]\).*\(8, 6\)"):
        encode(np.zeros((8, 6), np.complex64), 0)
    with pytest.raises(ValueError, match="dtype must be one of .* Received: int64"):
        encode(np.zeros((8, 8), np.int64), 0)
    with pytest.raises(ValueError, match="dtype must be one of"):
        RecordFormat(8, "int8")
    with pytest.raises(ValueError, match="must be positive"):
        RecordFormat(0)


BROKEN = {
    "nan": (np.nan, "complex64"),
    "infinite": (np.inf, "complex64"),
    "nan phase": (complex(1, np.nan), "complex64"),
    "too large for float32": (1e300, "complex128"),
    "nan float": (np.nan, "float32"),
    "minus infinity": (-np.inf, "float64"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("feature", ["x", "a"])
def test_samples_that_are_not_finite_are_named(case, feature, tmp_path):
    value, dtype = BROKEN[case]
    records = []
    for i in range(5):
        signal, angle = np.full((2, 8, 8), 0.5, dtype)
        (signal if feature == "x" else angle)[2, 3:5] = value if i == 3 else 0
        records.append(encode_with_angle(signal, 0, angle, f"shape{i}"))
    path, wanted = write(tmp_path / "train0.tfrecord", *records), RecordFormat(8, dtype, 2)
    message = "train0.tfrecord: record 3 .from 0., shape .*shape3.*: found 2 of 128 samples that"
    with pytest.raises(RecordError, match=message):
        list(read_shard(path, wanted))
    batches = load_records(path, 8, dtype=dtype, channels=2, batch_size=2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(batches)


def test_finite_samples_whose_sum_is_not_are_read(tmp_path):
    path = write(tmp_path / "train0.tfrecord", encode(np.full((8, 8), 3e38, np.float32), 0))
    ((signal, _),) = load_records(path, 8, dtype="float32")
    np.testing.assert_array_equal(signal, np.float32(3e38))


@pytest.mark.parametrize("kind", ["GZIP", "ZLIB"])
def test_compressed_shards_hold_the_same_records(kind, shard, tmp_path):
    options = tf.io.TFRecordOptions(compression_type=kind)
    path = tmp_path / "train1.tfrecord"
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            writer.write(record)
    assert count_records(path) == count_records(shard) == 4
    for found, expected in zip(read_shard(path, FORMAT), read_shard(shard, FORMAT), strict=True):
        np.testing.assert_array_equal(found.signal, expected.signal)
        assert found[1:] == expected[1:]
    both = load_records([shard, path], 8, batch_size=4)
    (first, _), (second, _) = both
    np.testing.assert_array_equal(first, second)
    cut = path.with_name("train2.tfrecord")
    cut.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match=f"train2.tfrecord: record .* the {kind} data are"):
        count_records(cut)


def test_a_file_of_something_else_is_no_truncated_shard(tmp_path):
    path = tmp_path / "train0.tfrecord"
    path.write_bytes(b"PK\x03\x04 an archive, not a shard of records")
    with pytest.raises(RecordError, match="found a file that begins with b'PK.*expected TFRecords"):
        count_records(path)
