"""Shapes that are cast on the device, in new poses in each epoch."""

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.online import OnlineData, OnlineSource
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.codec import read_shard
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.errors import ConfigError

pytest.importorskip("embreex")

CONFIG = DatasetConfig(
    resolution=16,
    embedded_shapes=(20, 10, 10),
    scale_range=0.2,
    shift_range=0.1,
    rays_per_sample=7,
)


def find(splits=("train", "val", "test"), config=CONFIG):
    return OnlineSource.find("embedded", config, splits)


@pytest.fixture(scope="module")
def data():
    """Online data of 20 train, 10 val and 10 test shapes in batches of 8. Not to be changed."""
    return OnlineData(find(), 8)


def test_val_and_test_shapes_are_cast_as_in_tfrecords(data, tmp_path):
    build("embedded", tmp_path / "built", CONFIG)
    for split in ("val", "test"):
        batches = data.batches(split)
        found = {n: s for b in batches for n, s in zip(b["name"], b["signal"], strict=True)}
        assert len(found) == 10
        for record in read_shard(tmp_path / f"built/{split}0.tfrecord", RecordFormat(16)):
            samples = record.signal[..., 0]
            expected = np.stack([np.abs(samples), np.sin(np.angle(samples))], -1)
            assert np.mean(np.abs(found[record.name.encode()] - expected) > 2e-3) < 0.01


def test_train_poses_differ_between_epochs_and_depend_on_the_epoch_only(data):
    first, second, again = (
        data.train(epoch)[0].keras_input(["descriptor", "logits"]) for epoch in (0, 1, 0)
    )
    np.testing.assert_array_equal(first["x"], again["x"])
    labels = [given["y"]["logits"] for given in (first, second, again)]
    np.testing.assert_array_equal(labels[0], first["y"]["descriptor"])
    np.testing.assert_array_equal(labels[0], labels[2])
    np.testing.assert_array_equal(*map(np.sort, labels[:2]))
    means = [np.sort(given["x"].mean((1, 2)), axis=0) for given in (first, second)]
    assert np.abs(means[0] - means[1]).max() > 0.01


def test_passes_are_in_batches_of_the_given_size_and_number(data):
    batches, samples = data.train(0)
    assert samples == 20 and [len(batch["label"]) for batch in batches] == [8, 8, 4]
    assert batches.keras_input(["logits"])["batch_size"] == 8
    assert [len(batch["label"]) for batch in data.batches("test")] == [8, 2]
    assert [len(batch["signal"]) for batch in data.batches("test", limit=1)] == [8]


def test_a_partial_train_batch_is_dropped_on_request_and_a_full_one_needed():
    source = find(["train"], DatasetConfig(resolution=4, embedded_shapes=(20, 0, 1)))
    batches, samples = OnlineData(source, 8, drop_remainder=True).train(0)
    assert samples == 16 and [len(batch["label"]) for batch in batches] == [8, 8]
    with pytest.raises(ConfigError, match="--round_batches: 20 train shapes, fewer than .* 32"):
        OnlineData(source, 32, drop_remainder=True)


def test_the_description_names_source_classes_and_options(data):
    made = data.description()
    assert made["source"] == "embedded" and len(made["classes"]) == 10
    assert DatasetConfig.from_dict(made["options"]) == CONFIG


def test_a_split_without_shapes_is_refused():
    config = DatasetConfig(resolution=16, embedded_shapes=(10, 0, 10))
    assert {item.split for item in find(["train", "test"], config).items} == {"train", "test"}
    with pytest.raises(ConfigError, match="embedded: found no val shapes; give --val_fraction"):
        find(config=config)
