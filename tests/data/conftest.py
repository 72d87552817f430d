"""Folders of boxes, and what lies in the shards that they become."""

import os

import pytest
import tensorflow as tf

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records import writer
from spherical_cnn.data.records.build import build

TETRAHEDRON = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 3\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
SIDES = "4 0 1 3 2\n4 4 6 7 5\n4 0 4 5 1\n4 2 3 7 6\n4 0 2 6 4\n4 1 5 7 3\n"


def _box(a, b, c):
    return "OFF\n8 6 0\n" + "".join(f"{a * x} {b * y} {c * z}\n" for x, y, z in CORNERS) + SIDES


def _add(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        number = len(list(path.parent.iterdir()))
        path.write_text(_box(1, 1.3 + number / 10, 2))
    return folder


def _bed_and_chair(folder):
    for name in ("bed", "chair"):
        _add(folder, *(f"{name}/train/{i}.off" for i in range(3)))
        _add(folder, *(f"{name}/test/{i}.off" for i in range(2)))
    (folder / "chair/test/0.off").write_text(TETRAHEDRON)
    return folder


def _records(folder, split):
    found = {}
    for path in sorted(folder.glob(f"{split}*.tfrecord")):
        for data in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(data).features.feature
            name = features["fname"].bytes_list.value[0].decode()
            found[name, features["idrot"].int64_list.value[0]] = data
    return found


@pytest.fixture(scope="session")
def add():
    """`add(folder, *names)` writes a box to each file, no two in a folder alike."""
    return _add


@pytest.fixture(scope="session")
def bed_and_chair():
    """`bed_and_chair(folder)` writes two classes, each of three train and two test shapes."""
    return _bed_and_chair


@pytest.fixture(scope="session")
def shards():
    """`shards(folder)`: the bytes of each shard by name."""
    return lambda folder: {p.name: p.read_bytes() for p in sorted(folder.glob("*.tfrecord"))}


@pytest.fixture(scope="session")
def records():
    """`records(folder, split)`: bytes by `(name, number of the copy)`, in the shards' order."""
    return _records


@pytest.fixture(scope="session")
def names():
    """`names(folder, split)`: the set of the names of the records."""
    return lambda folder, split: {name for name, _ in _records(folder, split)}


@pytest.fixture
def refused():
    """`refused(error, message, source, folder, …)`: `build` raises it and writes nothing."""

    def check(error, message, source, folder, config, **options):
        with pytest.raises(error, match=message):
            build(source, folder, config, **options)
        assert not os.path.lexists(folder)

    return check


@pytest.fixture
def source(tmp_path):
    return _bed_and_chair(tmp_path / "shapes")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Source, folder, config and manifest of a finished build. Not to be written to."""
    root = tmp_path_factory.mktemp("built")
    source, folder = _bed_and_chair(root / "shapes"), root / "out"
    config = DatasetConfig(resolution=8, copies=2)
    return source, folder, config, build(source, folder, config)


@pytest.fixture(scope="session")
def of_earlier_version():
    """`of_earlier_version(options)`: options of a dataset under the names of an earlier version."""

    def renamed(options):
        options = dict(options)
        rays, rings = options.pop("rays_per_sample"), {1: 0, 7: 1, 19: 2}
        center, seed = options.pop("center"), options.pop("data_seed")
        return {**options, "centre": center, "rings": rings[rays], "seed": seed}

    return renamed


@pytest.fixture
def small_parts(monkeypatch):
    """Many parts of few shapes."""
    monkeypatch.setattr(writer, "_RECORDS_PER_PART", 2)
