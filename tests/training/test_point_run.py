"""Training of networks of points, and what is done with the runs."""

import keras
import numpy as np
import pytest
from helpers import box, write_off

from spherical_cnn.cli import dispatch
from spherical_cnn.commands.networks import train_parser
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.online import OnlineSource
from spherical_cnn.data.point_data import PointData
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.tasks.evaluate import evaluate_shapes
from spherical_cnn.tasks.predict import Predictor
from spherical_cnn.tasks.retrieval.retrieve import retrieve
from spherical_cnn.training.run import load_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder
from spherical_cnn.training.train import train

FLAGS = [
    *("--model=point_sphere", "--input_res=8", "--nfilters=4,6", "--pool_layers=1,0"),
    *("--neighborhoods=8", "--point_filters=8", "--pair_points=24,12", "--pair_neighbors=8,6"),
    *("--pair_filters=8,8", "--shells=2", "--shell_channels=2", "--dense=16", "--dropout"),
    *("--num_points=64", "--drop_points=0.3", "--scale_range=0.2", "--shift_range=0.1"),
    *("--train_bsize=8", "--n_epochs=2", "--round_batches", "--test_fraction=0.25", "--skip_val"),
    *("--label_smoothing=0.1", "--weight_decay=0.001", "--cosine", "--deterministic"),
]


def run(*flags):
    given = vars(train_parser().parse_args(list(flags)))
    return train(RunConfig.select(given), DatasetConfig.select(given))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Clouds of 40, 64 and 400 points in a folder: balls and rods."""
    folder, rng = tmp_path_factory.mktemp("clouds"), np.random.default_rng(0)
    for index in range(32):
        points = rng.normal(size=((40, 64, 400)[index % 3], 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        name = ("ball", "rod")[index % 2]
        path = folder / name / f"{index}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, points * ([1, 1, 1] if name == "ball" else [0.2, 0.2, 1]))
    return folder


def options(archive, folder):
    return [*FLAGS, f"--online={archive}", f"--logdir={folder}"]


@pytest.fixture(scope="module")
def trained(archive, tmp_path_factory):
    """A finished run and its metrics. Not to be written to."""
    folder = tmp_path_factory.mktemp("points") / "run"
    return folder, run(*options(archive, folder))


def data(archive, **changed):
    given = {"num_points": 64, "test_fraction": 0.25, "drop_points": 0.3, **changed}
    source = OnlineSource.find(str(archive), DatasetConfig(**given), ["train", "test"])
    return PointData(source, 8, 24, 8)


def test_a_run_has_all_files_and_loads(trained, archive):
    folder, metrics = trained
    assert metrics["test_samples"] == 8
    for name in ("report.html", "history.csv", "model.keras", "checkpoints/final.npz"):
        assert (folder / name).exists(), name
    assert [row["learning_rate"] for row in RunFolder(folder).read_history()] == pytest.approx(
        [1e-3, 5e-4]
    )
    loaded = load_run(folder)
    assert loaded.model.input_shape == (None, 64, 3)
    saved = keras.models.load_model(folder / "model.keras")
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 64, 3)).astype("float32")
    for name, values in saved.predict(points, verbose=0).items():
        expected = loaded.model.predict(points, verbose=0)[name]
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_run_resumes_with_its_own_options_and_is_reproducible(trained, archive, tmp_path):
    flags = options(archive, tmp_path / "run")
    run(*flags)
    with pytest.raises(RunError, match="--dense 16 → 8"):
        run(*flags, "--dense=8")
    with pytest.raises(RunError, match=r"data\.json: belongs to a run on other shapes or signals"):
        run(*flags, "--num_points=32")
    path = "checkpoints/final.npz"
    with np.load(trained[0] / path) as first, np.load(tmp_path / "run" / path) as second:
        for key in set(first.files) - {"state"}:
            np.testing.assert_array_equal(first[key], second[key], err_msg=key)
    (tmp_path / "run" / path).unlink()
    assert run(*flags, "--n_epochs=3")["epochs"] == 3


def test_samples_of_an_epoch_depend_on_seed_and_epoch_only(archive):
    one = data(archive)
    first, second, again = (
        [batch["signal"] for batch in one.train(epoch)[0]] for epoch in (0, 1, 0)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a["points"], b["points"])
        np.testing.assert_array_equal(a["neighbors"], b["neighbors"])
    assert not np.array_equal(first[0]["points"], second[0]["points"])


def test_batches_are_arranged_padded_and_dropped(archive):
    one = data(archive, rotation="none")
    batches, count = one.train(0)
    assert count == 24 and len(batches) == 3
    points = np.concatenate([batch["signal"]["points"] for batch in batches])
    assert points.shape == (24, 64, 3)
    missing = np.isnan(points).any(-1).mean(1)
    assert 0 < missing.mean() < 0.4 and missing.max() < 0.7
    for batch in one.batches("test"):
        here = batch["signal"]
        present = np.isfinite(here["points"][..., 0])
        # The nearest point of each is itself.
        rows = np.broadcast_to(np.arange(64), present.shape)
        np.testing.assert_array_equal(here["neighbors"][..., 0][present], rows[present])


def test_large_clouds_give_other_points_in_every_epoch(archive):
    one = data(archive, rotation="none", drop_points=0)
    seen = []
    for epoch in range(2):
        points = [batch["signal"]["points"].reshape(-1, 3) for batch in one.train(epoch)[0]]
        seen.append({tuple(point) for point in np.concatenate(points).tolist()})
    assert 0.2 < len(seen[0] & seen[1]) / len(seen[0]) < 0.9


def test_predict_evaluate_and_retrieve(trained, archive, tmp_path):
    folder, metrics = trained
    write_off(tmp_path / "box.off", *box())
    (found,) = Predictor(folder).predict([tmp_path / "box.off"], rotations=2)
    assert found.error == "" and set(found.classes) == {"ball", "rod"}
    assert found.spread < 1e-3  # no rotation changes the answer, but other points do
    (varied,) = Predictor(folder).predict([tmp_path / "box.off"], rotations=2, tta=4)
    assert varied.spread > 2 * found.spread
    for count in (64, 32):
        given = {"test_rotation": "so3", "num_points": count}
        results = evaluate_shapes(folder, str(archive), given)
        assert results["test_samples"] == 32 and results["blank"] == []
    with pytest.raises(ConfigError, match="--num_points: expected at most 64"):
        evaluate_shapes(folder, str(archive), {"num_points": 65})
    results = evaluate_shapes(folder, str(archive), {}, tta=3)
    assert results["test_samples"] == 32 and 0 <= results["test_tta"] <= 1
    scores = retrieve(folder, [str(archive)], tmp_path / "retrieval")
    assert scores["blank"] == [] and (tmp_path / "retrieval/metrics.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pair_points=24"], "--pair_points, --pair_neighbors, --pair_filters: expected one ent"),
        (["--nfilters=4"], "--nfilters, --pool_layers: expected one entry per layer"),
        (["--neighborhoods=0"], "--neighborhoods: expected positive numbers"),
        (["--input_res=9"], "--input_res: expected a multiple of 4"),
        (["--online="], "--model point_sphere: trains on shapes, expected --online SOURCE"),
        (["--train_bsize=32"], "--round_batches: 24 train shapes, fewer than"),
    ],
)
def test_invalid_requests_write_nothing(archive, tmp_path, flags, message):
    with pytest.raises(ConfigError, match=message):
        run(*options(archive, tmp_path / "run"), *flags)
    assert not (tmp_path / "run").exists()


def test_a_run_of_points_is_not_tested_on_tfrecords(trained):
    with pytest.raises(ConfigError, match="scnn evaluate tests it"):
        dispatch(["test", f"--logdir={trained[0]}", "--dset_dir=nowhere"])
