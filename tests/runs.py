"""Fixtures of shards and of a finished run. They import TensorFlow only when they are used."""

import shutil

import pytest

RESOLUTION = 16
SHARDS = {"train2": 20, "train10": 24, "val0": 6, "val1": 5, "test0": 9, "test1": 4}


def _records(count, stream):
    """Records of shapes of the embedded dataset, in random rotations."""
    import numpy as np

    from spherical_cnn.data.records.codec import encode, join_complex
    from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh, name_shape
    from spherical_cnn.shapes.load import normalize_upright
    from spherical_cnn.shapes.raycast import RayCaster
    from spherical_cnn.shapes.signal import Pose
    from spherical_cnn.sphere.grid import SphericalGrid
    from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

    grid = SphericalGrid.from_resolution(RESOLUTION)
    for index, angles in enumerate(random_rotations(count, np.random.default_rng(stream))):
        name, family = name_shape(index)
        caster = RayCaster(normalize_upright(draw_mesh("train", index, stream)))
        signal = caster.signal(grid, Pose(euler_to_matrix(angles)))
        yield encode(join_complex(signal), list(FAMILIES).index(family), name)


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """A folder of small shards of the embedded dataset; train2 and train10 tell natural order."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("shards")
    for stream, (shard, count) in enumerate(SHARDS.items()):
        with tf.io.TFRecordWriter(str(folder / f"{shard}.tfrecord")) as writer:
            for record in _records(count, stream):
                writer.write(record)
    return folder


def _tiny(shards, logdir):
    """Command line of a run of seconds on those shards."""
    return [
        *("--model=two_branch", "--dset=from_cached_tfrecords", f"--dset_dir={shards}"),
        *(f"--input_res={RESOLUTION}", "--dtype=complex64", "--nfilters=4,6", "--batch_norm"),
        *("--pool_layers=0,1", "--concat_branches=0,1", "--n_filter_params=3", "--extra_loss"),
        *("--dropout", "--regularization_weight=0.1", "--train_bsize=8", "--n_epochs=3"),
        *("--learning_rate", "{0: 0.01, 2: 0.001}", f"--logdir={logdir}"),
    ]


@pytest.fixture
def flags(shards, tmp_path):
    """Command line of a run in `tmp_path / "run"`."""
    return _tiny(shards, tmp_path / "run")


@pytest.fixture(scope="session")
def finished(shards, tmp_path_factory):
    """A finished run with validation: folder, command line and metrics. Not to be written to."""
    from helpers import run

    folder = tmp_path_factory.mktemp("finished") / "run"
    flags = [*_tiny(shards, folder), "--run_id=tiny"]
    return folder, flags, run(*flags)


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of that run: folder and command line."""
    folder = tmp_path / "copied"
    shutil.copytree(finished[0], folder)
    return folder, [*finished[1], f"--logdir={folder}"]
