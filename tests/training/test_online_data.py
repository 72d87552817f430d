"""Training on shapes that are cast anew in each epoch."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from spherical_cnn.data.config import Recipe
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.codec import read_shard
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.options import ConfigError
from spherical_cnn.sphere.rotation import euler_to_matrix
from spherical_cnn.training import online_data as fresh
from spherical_cnn.training.online_data import train_on_shapes
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunError, RunFolder

pytest.importorskip("embreex")

ROOT = pathlib.Path(__file__).parents[2]
RECIPE = {"embedded_shapes": (20, 10, 10), "scale_range": 0.2, "shift_range": 0.1, "rings": 1}
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("tensorflow", "embreex")))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def options(logdir, **changed):
    """Options of a run of seconds."""
    small = {"nfilters": (4, 6), "pool_layers": (0, 1), "concat_branches": (0, 1)}
    small |= {"model": "two_branch", "input_res": 16, "n_filter_params": (3,), "batch_norm": True}
    return {**small, "train_bsize": 8, "n_epochs": 2, "logdir": str(logdir), **changed}


def train(logdir, source="embedded", recipe=None, **changed):
    own = RECIPE if recipe is None else recipe
    return train_on_shapes(source, options(logdir, **changed), own, 1, lambda done, total: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: folder, metrics, and the feed that it had. Not to be written to."""
    folder, feeds = tmp_path_factory.mktemp("fresh") / "run", []

    class Kept(fresh.ShapeFeed):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            feeds.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "ShapeFeed", Kept)
        metrics = train(folder)
    return folder, metrics, feeds[0]


def test_a_run_on_shapes_is_a_run(trained):
    folder, metrics, _ = trained
    assert metrics["test_samples"] == 10
    assert metrics["epochs"] == 2
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    data = RunFolder(folder).read_data()
    assert data["source"] == "embedded"
    assert data["options"]["rings"] == 1
    assert data["options"]["resolution"] == 16
    assert len(data["classes"]) == 10
    for name in ("report.html", "history.csv", "model.keras", "checkpoints/final.npz"):
        assert (folder / name).exists(), name
    model, config = restore(folder)
    assert (config.n_classes, model.input_shape) == (10, (None, 16, 16, 2))


def test_test_shapes_are_cast_as_a_data_set_has_them(trained, tmp_path):
    _, _, feed = trained
    build("embedded", tmp_path / "built", Recipe(resolution=16, **RECIPE))
    for split in ("val", "test"):
        with feed.records(split) as batches:
            found = {n: s for b in batches for n, s in zip(b["name"], b["signal"], strict=True)}
        for record in read_shard(tmp_path / f"built/{split}0.tfrecord", RecordFormat(16)):
            samples = record.signal[..., 0]
            expected = np.stack([np.abs(samples), np.sin(np.angle(samples))], -1)
            assert np.mean(np.abs(found[record.name.encode()] - expected) > 2e-3) < 0.01


def test_train_shapes_are_in_new_poses_in_each_epoch_the_same_when_seen_again(trained):
    folder, _, feed = trained
    model, _ = restore(folder)
    first, second, again = (feed.train(model, epoch, (0, 1))[0] for epoch in (0, 1, 0))
    np.testing.assert_array_equal(first["x"], again["x"])
    labels = [data["y"]["logits"] for data in (first, second, again)]
    np.testing.assert_array_equal(labels[0], labels[2])
    np.testing.assert_array_equal(*map(np.sort, labels[:2]))
    means = [np.sort(data["x"].mean((1, 2)), axis=0) for data in (first, second)]
    assert np.abs(means[0] - means[1]).max() > 0.01


@pytest.mark.slow
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(trained, tmp_path):
    folder, metrics, _ = trained
    train(tmp_path / "run", n_epochs=1)
    assert train(tmp_path / "run")["epochs"] == 2
    whole, parts = (RunFolder(path).read_history() for path in (folder, tmp_path / "run"))
    assert [row["loss"] for row in parts] == pytest.approx([row["loss"] for row in whole], rel=1e-4)


def test_a_run_goes_on_with_its_own_shapes_and_casts_only(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    with pytest.raises(RunError, match=r"data\.json: holds a run on other shapes or casts"):
        train(tmp_path / "run", recipe={**RECIPE, "rings": 0}, n_epochs=3)
    with pytest.raises(RunError, match="--train_bsize 8 → 4"):
        train(tmp_path / "run", train_bsize=4)


def test_what_cannot_be_read_is_left_out_and_named(tmp_path):
    points = np.random.default_rng(0).standard_normal((12, 80, 3))
    points[5] = 0
    points[6:, :, 2] = 0  # flat
    points[6:] = points[6:] @ euler_to_matrix([0.3, 1.1, 2.0])
    np.savez(tmp_path / "clouds.npz", x=points, y=np.arange(12) % 2)
    recipe = {"test_fraction": 0.3}
    metrics = train(tmp_path / "run", tmp_path / "clouds.npz", recipe, skip_val=True, n_epochs=1)
    assert metrics["test_samples"] in (3, 4)
    log = (tmp_path / "run/logging.log").read_text()
    assert "left out: x/000005: extent is 0, expected a positive finite number" in log
    assert re.search("x/000006: blank: at most 0.0.% of the rays", log)
    np.savez(tmp_path / "none.npz", x=np.zeros((8, 80, 3)), y=np.arange(8) % 2)
    with pytest.raises(ConfigError, match=r"test: no shape could be used; .*x/\d+: extent is 0"):
        train(tmp_path / "other", tmp_path / "none.npz", recipe, skip_val=True)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("recipe", "changed", "message"),
    [
        (
            {"embedded_shapes": (10, 0, 10)},
            {},
            "embedded: no val shapes; --skip_val, or --val_fraction",
        ),
        ({"kind": "mesh"}, {}, "--kind: has no effect on embedded"),
        ({}, {"height": "told"}, "--height told: for upright shapes, expected --rotation z"),
        ({}, {"input_res": 15}, "--input_res"),
        (RECIPE, {"round_batches": True, "train_bsize": 32}, "20 train shapes, fewer than"),
    ],
)
def test_what_makes_no_experiment_is_refused(tmp_path, recipe, changed, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "run", recipe=recipe, **changed)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jax_needs_neither_tensorflow_nor_embree(tmp_path, start_python):
    pytest.importorskip("jax")
    flags = [
        *("embedded", "--embedded_shapes=20,0,10", "--skip_val", f"--logdir={tmp_path / 'run'}"),
        *("--model=two_branch", "--nfilters=4,6", "--pool_layers=0,1", "--concat_branches=0,1"),
        *("--input_res=16", "--n_filter_params=3", "--n_epochs=1", "--train_bsize=8"),
    ]
    script = ROOT / "scripts/train_shapes.py"
    done = start_python("-c", WITHOUT, script, *flags, KERAS_BACKEND="jax").result()
    assert "| run   |" in done.stdout
    assert "No TensorBoard events: TensorFlow is not installed" in done.stdout
    assert (tmp_path / "run/report.html").exists()
