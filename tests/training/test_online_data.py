"""Training on shapes that are cast during training."""

import json
import re
import shutil

import numpy as np
import pytest
from helpers import run

from spherical_cnn.cli import dispatch
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records.build import build
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.sphere.rotation import euler_to_matrix
from spherical_cnn.training import train as training
from spherical_cnn.training.run import dataset_config_of, load_run
from spherical_cnn.training.run_folder import RunFolder

pytest.importorskip("embreex")

DATASET = {
    "embedded_shapes": (20, 10, 10),
    "scale_range": 0.2,
    "shift_range": 0.1,
    "rays_per_sample": 7,
}
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "embreex")))  # None: importing them fails
from spherical_cnn.cli import main
main("train")
"""


def options(logdir, **changed):
    """Options of a run of seconds."""
    small = {"nfilters": (4, 6), "pool_layers": (0, 1), "concat_branches": (0, 1)}
    small |= {"model": "two_branch", "input_res": 16, "n_filter_params": (3,), "batch_norm": True}
    return {**small, "train_bsize": 8, "n_epochs": 2, "logdir": str(logdir), **changed}


def train(logdir, source="embedded", dataset=None, **changed):
    own = DATASET if dataset is None else dataset
    return training.train(options(logdir, online=str(source), **changed), own)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: folder and metrics. Not to be written to."""
    folder = tmp_path_factory.mktemp("online") / "run"
    return folder, train(folder)


def test_a_run_on_online_data_has_all_files_of_a_run(trained):
    folder, metrics = trained
    assert metrics["test_samples"] == 10
    assert metrics["epochs"] == 2
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    data = RunFolder(folder).read_data()
    assert data["source"] == "embedded"
    assert data["options"]["rays_per_sample"] == 7
    assert data["options"]["resolution"] == 16
    assert len(data["classes"]) == 10
    for name in ("report.html", "history.csv", "model.keras", "checkpoints/final.npz"):
        assert (folder / name).exists(), name
    finished = load_run(folder)
    assert (finished.config.n_classes, finished.config.online) == (10, "embedded")
    assert finished.model.input_shape == (None, 16, 16, 2)
    assert dataset_config_of(finished.folder) == DatasetConfig(resolution=16, **DATASET)


def test_a_run_on_online_data_is_tested_on_tfrecords(trained, tmp_path):
    folder, metrics = trained
    shutil.copytree(folder, tmp_path / "run")
    with pytest.raises(ConfigError, match="--dset_dir: .* trained on online data"):
        dispatch(["test", f"--logdir={tmp_path / 'run'}"])
    build("embedded", tmp_path / "built", DatasetConfig(resolution=16, **DATASET))
    tested = run("--test_only", f"--logdir={tmp_path / 'run'}", f"--dset_dir={tmp_path / 'built'}")
    assert tested["test_samples"] == 10
    assert tested["test_loss"] == pytest.approx(metrics["test_loss"], rel=0.05)


@pytest.mark.slow
def test_an_interrupted_online_run_resumes_with_equal_losses(trained, tmp_path):
    folder, _ = trained
    train(tmp_path / "run", n_epochs=1)
    assert train(tmp_path / "run")["epochs"] == 2
    whole, parts = (RunFolder(path).read_history() for path in (folder, tmp_path / "run"))
    assert [row["loss"] for row in parts] == pytest.approx([row["loss"] for row in whole], rel=1e-4)


def test_an_online_run_resumes_with_its_own_shapes_and_signals_only(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    with pytest.raises(RunError, match=r"data\.json: belongs to a run on other shapes or signals"):
        train(tmp_path / "run", dataset={**DATASET, "rays_per_sample": 1}, n_epochs=3)
    with pytest.raises(RunError, match="--train_bsize 8 → 4"):
        train(tmp_path / "run", train_bsize=4)


def test_shapes_that_cannot_be_read_are_skipped_and_named(tmp_path):
    points = np.random.default_rng(0).standard_normal((12, 80, 3))
    points[5] = 0
    points[6:, :, 2] = 0  # flat
    points[6:] = points[6:] @ euler_to_matrix([0.3, 1.1, 2.0])
    np.savez(tmp_path / "clouds.npz", x=points, y=np.arange(12) % 2)
    dataset = {"test_fraction": 0.3}
    metrics = train(tmp_path / "run", tmp_path / "clouds.npz", dataset, skip_val=True, n_epochs=1)
    assert metrics["test_samples"] in (3, 4)
    log = (tmp_path / "run/logging.log").read_text()
    assert "skipped: x/000005: extent is 0, expected a positive finite number" in log
    assert re.search("x/000006: blank: at most 0.0.% of the rays", log)
    np.savez(tmp_path / "none.npz", x=np.zeros((8, 80, 3)), y=np.arange(8) % 2)
    with pytest.raises(ConfigError, match=r"test: no shape could be used; .*x/\d+: extent is 0"):
        train(tmp_path / "other", tmp_path / "none.npz", dataset, skip_val=True)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("dataset", "changed", "message"),
    [
        (
            {"embedded_shapes": (10, 0, 10)},
            {},
            "embedded: found no val shapes; give --val_fraction .* or --skip_val",
        ),
        ({"kind": "mesh"}, {}, "--kind: has no effect on embedded"),
        ({}, {"up_channel": "on"}, "--up_channel on: for upright shapes, expected --rotation z"),
        ({}, {"input_res": 15}, "--input_res"),
        (DATASET, {"round_batches": True, "train_bsize": 32}, "20 train shapes, fewer than"),
    ],
)
def test_invalid_online_requests_write_nothing(tmp_path, dataset, changed, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "run", dataset=dataset, **changed)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jax_needs_neither_tensorflow_nor_embree(tmp_path, start_python):
    pytest.importorskip("jax")
    flags = [
        *(
            "--online=embedded",
            "--embedded_shapes=20,0,10",
            "--skip_val",
            f"--logdir={tmp_path / 'run'}",
        ),
        *("--model=two_branch", "--nfilters=4,6", "--pool_layers=0,1", "--concat_branches=0,1"),
        *("--input_res=16", "--n_filter_params=3", "--n_epochs=1", "--train_bsize=8"),
    ]
    done = start_python("-c", WITHOUT, *flags, KERAS_BACKEND="jax").result()
    assert "| run   |" in done.stdout
    assert "No TensorBoard events: TensorFlow is not installed" in done.stdout
    assert (tmp_path / "run/report.html").exists()
