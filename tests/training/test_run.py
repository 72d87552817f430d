import base64
import json
import os
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import parse_run, run, weights

from spherical_cnn.data.records.shard_names import find_shards
from spherical_cnn.data.records.tfrecord_data import read_shards
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.reporting.page import Page
from spherical_cnn.reporting.plots import confusion_figure
from spherical_cnn.tasks.activations import layer_outputs
from spherical_cnn.training import callbacks, network
from spherical_cnn.training.metrics import ConfusionAccuracy, worst_mistakes
from spherical_cnn.training.run import load_run, new_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder


def assert_same_weights(ours, theirs):
    assert set(ours) == set(theirs)
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], 1e-5, 1e-6, err_msg=key)


def test_the_run_folder_holds_all_that_it_should(finished):
    folder, _, metrics = finished
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events == {
        *("config.json", "logging.log", "history.csv", "metrics.json", "model.keras"),
        *("equivariance.json", "plots/equivariance.png"),
        *(f"checkpoints/{name}.npz" for name in ("latest", "best", "final")),
        *("plots/confusion.png", "plots/curves.png", "report.html"),
    }
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["test_samples"] == np.sum(metrics["confusion"]) == 13
    page = (folder / "report.html").read_text()
    assert "<td>conv0_distance</td>" in page
    assert f"<b>{100 * metrics['test']:.1f} %</b>of 13 test samples" in page
    assert "--n_epochs=3" in page
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    mistakes = metrics["test_samples"] - np.trace(metrics["confusion"])
    assert len(pictures) == 3 + min(mistakes, 12)
    plots = {path.read_bytes() for path in (folder / "plots").iterdir()}
    assert plots < {base64.b64decode(data) for data in pictures}
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_the_worst_mistakes_are_the_most_confident_ones(finished):
    folder, _, metrics = finished
    trained = load_run(folder)
    model, config = trained.model, trained.config
    shards = find_shards(config.dset_dir, "test")
    batches = list(read_shards(shards, network.record_format(config), 4)[0])
    found = worst_mistakes(model, batches, 100)
    assert len(found) == metrics["test_samples"] - np.trace(metrics["confusion"])
    assert [m[:3] for m in worst_mistakes(model, batches, 3)] == [m[:3] for m in found[:3]]
    signals = np.concatenate([batch["signal"] for batch in batches])
    logits = model.predict(signals, verbose=0)["logits"]
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    labels = np.concatenate([batch["label"] for batch in batches])
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = wrong[np.argsort(-probabilities.max(axis=1)[wrong])]
    assert [m.label for m in found] == labels[order].tolist()
    np.testing.assert_allclose([m.probabilities for m in found], probabilities[order], rtol=1e-4)
    assert found[0].probability == found[0].probabilities.max()
    np.testing.assert_array_equal(found[0].signal, signals[order[0]])


def test_the_log_has_the_lines_of_the_original(finished):
    folder, _, metrics = finished
    lines = (folder / "logging.log").read_text().splitlines()
    assert all(re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}:INFO\] ", line) for line in lines)
    messages = [line.split("] ", 1)[1] for line in lines]
    expected = [
        r"Running on .+",
        r"Options: \{.*\"run_id\": \"tiny\".*\}",
        r"Loading dataset from /.+\.\.\.",
        r"Loading model two_branch\. Logdir /.+run",
        r"Start training\.\.\.",
        r"The first step took .+",  # not of the original
        *(
            rf"epoch={i}; lr={rate} train: 0\.\d{{4}}, valid: 0\.\d{{4}}"
            for i, rate in ((1, "0.0100"), (2, "0.0100"), (3, "0.0010"))
        ),
        r"Start testing\.\.\.",
        r"\| model \|  train \|    val \|   test \| train time \|",
        rf"\| tiny  \| {metrics['train']:.4f} \| {metrics['val']:.4f} "
        rf"\| {metrics['test']:.4f} \| +{metrics['train_time']:.2f} \|",
    ]
    assert len(messages) == len(expected)
    for message, pattern in zip(messages, expected, strict=True):
        assert re.fullmatch(pattern, message), message


@pytest.mark.parametrize("text", ["epoch,loss\n1,low\n", "epoch,loss\n1\n", "epoch\n1,2\n"])
def test_a_history_without_its_numbers_is_named(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(RunError, match="history.csv: expected numbers"):
        RunFolder(tmp_path).read_history()


def test_history_and_tensorboard_agree(finished):
    folder, _, metrics = finished
    rows = RunFolder(folder).read_history()
    assert rows[-1]["train_accuracy"] == metrics["train"]
    assert rows[-1]["valid_accuracy"] == metrics["val"]
    scalars, images = {}, 0
    (events,) = folder.glob("events*")
    for record in tf.data.TFRecordDataset(str(events)):
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                scalars.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
            images += value.tag == "confusion"
    assert images == 3
    np.testing.assert_allclose(scalars["learning_rate"], [0.01, 0.01, 0.001], rtol=1e-6)
    for tag, column in (("train/loss", "loss"), ("valid/logits_loss", "val_logits_loss")):
        np.testing.assert_allclose(scalars[tag], [row[column] for row in rows], rtol=1e-6)
    parts = ("logits_loss", "logits_branch1_loss", "regularization_loss")
    total = np.sum([scalars[f"valid/{part}"] for part in parts], axis=0)
    np.testing.assert_allclose(total, scalars["valid/loss"], rtol=1e-5)
    assert min(scalars["valid/regularization_loss"]) > 0


def test_test_only_reproduces_the_accuracy_and_writes_only_the_log(finished, copied):
    folder, _ = copied
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = run("--test_only", f"--logdir={folder}")
    np.testing.assert_allclose(again.pop("test_loss"), finished[2]["test_loss"], rtol=1e-6)
    assert again == {key: finished[2][key] for key in again}
    changed = {p.name for p in folder.rglob("*") if p.is_file() and p.read_bytes() != before.get(p)}
    assert changed == {"logging.log"}


@pytest.mark.slow
def test_test_only_uses_explicit_options(copied, shards, tmp_path):
    folder, _ = copied
    assert run("--test_only", f"--logdir={folder}", "--test_n=1")["test_samples"] == 8
    shutil.copy(shards / "test1.tfrecord", tmp_path / "test.tfrecord")
    other = run("--test_only", f"--logdir={folder}", f"--dset_dir={tmp_path}")
    assert other["test_samples"] == 4


def test_a_finished_run_trains_no_more(finished, copied):
    folder, flags = copied
    (folder / "checkpoints" / ".writing-killed").write_text("half")
    again = run(*flags)
    assert not list(folder.rglob(".writing-*"))
    assert (again["train"], again["val"]) == (finished[2]["train"], finished[2]["val"])
    assert_same_weights(weights(folder), weights(finished[0]))


@pytest.mark.slow
def test_a_changed_option_is_refused_and_from_scratch_removes_only_own_files(copied):
    folder, flags = copied
    with pytest.raises(RunError, match=r"other options \(--train_bsize 8 → 4\).*--from_scratch"):
        run(*flags, "--train_bsize=4")
    notes = folder / "plots" / "mine.png"
    notes.write_text("keep")
    metrics = run(*flags, "--train_bsize=4", "--n_epochs=1", "--from_scratch")
    assert metrics["epochs"] == 1 and notes.exists()
    assert len(list(folder.glob("events*"))) == 1


@pytest.mark.slow
def test_a_crashed_run_ends_at_the_same_weights(finished, tmp_path, monkeypatch):
    folder, flags, metrics = finished
    flags = [*flags, f"--logdir={tmp_path / 'run'}"]

    class Crash(callbacks.Progress):
        def on_train_batch_end(self, batch, logs=None):
            if self.params["epochs"] == 3 and batch == 1:
                raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "Progress", Crash)
        with pytest.raises(RuntimeError, match="power cut"):
            run(*flags)
    with pytest.raises(
        RunError, match="stopped after epoch 2 of 3; .* without --test_only resumes"
    ):
        run("--test_only", f"--logdir={tmp_path / 'run'}")
    again = run(*flags)
    assert_same_weights(weights(tmp_path / "run"), weights(folder))
    assert_same_weights(weights(tmp_path / "run", "best"), weights(folder, "best"))
    assert again["confusion"] == metrics["confusion"]


def test_a_run_starts_from_the_weights_of_another(finished, tmp_path):
    folder, flags, _ = finished
    flags = [*flags, f"--logdir={tmp_path / 'run'}", f"--initial_weights={folder}"]
    source = weights(folder)
    for classes, own in ((10, set()), (12, {"logits", "logits_branch1"})):
        config = parse_run([*flags, f"--n_classes={classes}"])
        model = new_run(RunFolder(config.logdir), config).model
        for variable in model.weights:
            values = keras.ops.convert_to_numpy(variable)
            if variable.path.split("/")[0] in own:
                assert values.shape[-1] == 12
            else:
                np.testing.assert_array_equal(values, source[f"weights/{variable.path}"])
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--initial_weights=nowhere", "--initial_weights nowhere: expected a finished run or a pr"),
        (
            "--nfilters=4,8",
            "checkpoint of another architecture: for weights/conv1.* found .*, exp",
        ),
    ],
)
def test_weights_of_no_or_another_network_are_refused(finished, tmp_path, change, message):
    folder, flags, _ = finished
    flags = [*flags, f"--logdir={tmp_path / 'run'}", f"--initial_weights={folder}", change]
    with pytest.raises(RunError, match=message):
        run(*flags)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_validation_none_is_reported(flags, tmp_path, capsys):
    metrics = run(*flags, "--skip_val", "--n_epochs=1", "--first_n=1")
    printed = capsys.readouterr().out
    assert re.search(r"train: (0\.\d{4}), valid: \1", printed)
    assert "val" not in metrics and re.search(r"\| run +\| 0\.\d{4} +\| +– \| 0\.", printed)
    folder = tmp_path / "run"
    assert "valid_accuracy" not in (folder / "history.csv").read_text()
    page = (folder / "report.html").read_text()
    assert "<th>train accuracy</th>" in page and "valid accuracy" not in page
    assert "val" not in RunFolder(folder).read_metrics()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        ("--triplet_loss", "--round_batches"),
        ("--optimizer=momentum", "--batch_renorm"),
        ("--spectral_pool", "--final_pool=all", "--transform_method=naive"),
        ("--quadrature", "--pool=lowpass"),
    ],
)
def test_other_options_train_with_validation(flags, change):
    metrics = run(*flags, *change, "--n_epochs=1")
    assert 0 <= metrics["val"] <= 1 and np.isfinite(metrics["test_loss"])


@pytest.mark.slow
def test_xla_trains_and_tests_alike(flags, tmp_path):
    flags = [*(flag for flag in flags if flag != "--dropout"), "--n_epochs=1"]
    results = {}
    for name, extra in (("plain", []), ("xla", ["--jit_compile"])):
        folder = tmp_path / name
        results[name] = run(*flags, f"--logdir={folder}", *extra), weights(folder)
    (plain, expected), (xla, actual) = results.values()
    assert xla["test_loss"] == pytest.approx(plain["test_loss"], 1e-4)
    for key in expected:
        np.testing.assert_allclose(actual[key], expected[key], 1e-3, 1e-4, err_msg=key)


@pytest.mark.parametrize(
    ("extra", "by_xla"), [([], "auto"), (["-jit"], True), (["-jit", "--deterministic"], "auto")]
)
def test_what_xla_compiles(flags, extra, by_xla, monkeypatch):
    asked = []
    monkeypatch.setattr(keras.Model, "compile", lambda self, **given: asked.append(given))
    config = parse_run([*flags, *extra])
    network.compile_model(network.build_model(config), config)
    assert asked[0]["jit_compile"] == by_xla


def test_round_batches_needs_a_full_batch(flags):
    with pytest.raises(ConfigError, match=r"train2.tfrecord has fewer records than .* 21"):
        run(*flags, "--round_batches", "--train_bsize=21")


def test_activations_of_named_layers(finished, shards):
    trained, paths = load_run(finished[0]), find_shards(shards, "test")
    layers = ["conv1_incidence", "descriptor", "logits"]
    parts = list(layer_outputs(trained, paths, layers))
    assert [len(part["label"]) for part in parts] == [8, 5]
    assert (
        parts[0]["conv1_incidence"].shape == (8, 16, 16, 6)
        and parts[0]["name"][0] == "aeroplane_00000"
    )
    batches, _ = read_shards(paths, network.record_format(trained.config), 8)
    signal = next(iter(batches))["signal"]
    logits = trained.model(signal, training=False)["logits"]
    np.testing.assert_allclose(parts[0]["logits"], logits, rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="no layer conv9_distance; there are: .*conv1_incidence"):
        next(layer_outputs(trained, paths, ["conv9_distance"]))


def test_the_saved_model_loads_with_keras_alone(finished):
    folder, _, _ = finished
    restored = load_run(folder).model
    loaded = keras.saving.load_model(folder / "model.keras")
    signal = np.random.default_rng(0).random((2, 16, 16, 2), np.float32)
    for name, output in loaded(signal, training=False).items():
        np.testing.assert_allclose(output, restored(signal, training=False)[name], rtol=1e-6)


def test_confusion_accuracy_counts_samples():
    metric = ConfusionAccuracy(3)
    metric.update_state(np.array([0, 2, 2]), np.eye(3)[[0, 2, 1]])
    metric.update_state(np.array([2]), np.eye(3)[[2]])
    np.testing.assert_allclose(metric.result(), 0.75)
    np.testing.assert_array_equal(metric.matrix(), [[1, 0, 0], [0, 0, 0], [0, 1, 2]])
    (picture,) = confusion_figure(metric.matrix()).axes[0].images
    np.testing.assert_allclose(picture.get_array(), [[1, 0, 0], [0, 0, 0], [0, 1 / 3, 2 / 3]])


def test_a_run_folder_of_another_version(finished, tmp_path):
    path = tmp_path / "config.json"
    stored = json.loads((finished[0] / "config.json").read_text())
    path.write_text(json.dumps({**stored, "format": 99, "version": "9.9"}))
    with pytest.raises(RunError, match="found a run folder of format 99, made by .* 9.9"):
        RunFolder(tmp_path).read_config()
    path.write_text("{")
    with pytest.raises(RunError, match="config.json: found no options of a run"):
        RunFolder(tmp_path).read_config()
    path.write_text(json.dumps({**stored, "options": {**stored["options"], "n_epochs": "many"}}))
    with pytest.raises(RunError, match="config.json: --n_epochs: expected an integer"):
        RunFolder(tmp_path).read_config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "data.json: found no facts of a run but a file that is no JSON"),
        ('{"source": "a"}', "data.json: found no facts of a run: classes, options missing; expect"),
        ("[1]", "data.json: .* source, classes, options missing; .* train again in another"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(tmp_path, text, message):
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(RunError, match=message):
        RunFolder(tmp_path).read_data()


def test_text_of_names_that_are_not_utf8_is_written(tmp_path):
    folder, name = RunFolder(tmp_path), os.fsdecode(b"caf\xe9")
    folder.write("data.json", {"source": name, "classes": ["Stühle"], "options": {}})
    assert folder.read_data() == {"source": name, "classes": ["Stühle"], "options": {}}
    folder.write_csv("a.csv", [{"name": name}])
    assert (tmp_path / "a.csv").read_text() == "name\ncaf\\udce9\n"
    page = Page(name)
    assert "<h1>caf\\xe9</h1>" in page.html()


def test_a_file_is_written_completely_or_not_at_all(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write("a/b.txt", "old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        folder.write("a/b.txt", "new")
    assert pathlib.Path(tmp_path, "a/b.txt").read_text() == "old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.txt"]


def test_only_options_that_shape_a_run_are_compared(finished, tmp_path):
    config = load_run(finished[0]).config
    changed = RunConfig.from_dict({**config.to_dict(), "n_epochs": 9, "dset_dir": "elsewhere"})
    RunFolder(finished[0]).check_continues(changed)
