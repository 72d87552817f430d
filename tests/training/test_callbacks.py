"""Training that breaks its network ends, and keeps what was good."""

import io
import re
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from helpers import run, weights
from tqdm import tqdm

from spherical_cnn.errors import RunError
from spherical_cnn.training import callbacks
from spherical_cnn.training import train as training
from spherical_cnn.training.callbacks import Progress, StopWhenNotFinite, check_epoch
from spherical_cnn.training.metrics import explain_short_run
from spherical_cnn.training.run import load_run

ABSURD = {"test": 0.1, "test_loss": 3065.0, "test_samples": 10, "confusion": [[1, 9], [0, 0]]}


def assert_all_finite(folder, name):
    for key, values in weights(folder, name).items():
        assert np.isfinite(values).all(), key


def test_a_rate_that_is_too_high_ends_the_run_and_a_lower_one_resumes_it(flags, tmp_path):
    folder, plain = tmp_path / "run", [flag for flag in flags if flag not in ("--batch_norm",)]
    rates = ["--learning_rate", "{0: 0.01, 1: 1e30}"]
    with pytest.raises(RunError) as refused:
        run(*plain, *rates)
    message = "epoch 2, .* at a learning rate of 1e.30, expected a finite number. .*resumes after"
    assert re.match(message, str(refused.value)), str(refused.value)
    assert (folder / "history.csv").read_text().count("\n") == 2  # a header and one epoch
    for name in ("latest", "best"):
        assert_all_finite(folder, name)
    assert not (folder / "checkpoints/final.npz").exists()
    assert not (folder / "model.keras").exists()
    metrics = run(*plain, "--learning_rate", "{0: 0.01, 1: 0.001}")
    assert metrics["epochs"] == 3 and np.isfinite(metrics["test_loss"])
    assert_all_finite(folder, "final")


def test_the_step_is_named(finished):
    watch = StopWhenNotFinite(load_run(finished[0]).config)
    watch.on_epoch_begin(2)
    watch.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(RunError, match="epoch 3, step 2: loss is nan at a learning rate of 0.001"):
        watch.on_train_batch_end(1, {"loss": float("nan")})


@pytest.mark.parametrize("logs", [{"loss": 1.0}, {"loss": 1.0, "val_loss": float("inf")}])
def test_an_epoch_whose_last_update_breaks_the_network_is_refused(finished, logs):
    trained = load_run(finished[0])
    check_epoch(trained, 0, {"loss": 1.0, "val_loss": 2.0})
    if "val_loss" not in logs:
        layer = trained.model.get_layer("logits")
        layer.set_weights([np.full_like(w, np.nan) for w in layer.get_weights()])
    with pytest.raises(RunError, match="epoch 1, after its last step: .*starts over"):
        check_epoch(trained, 0, logs)


@pytest.mark.parametrize(("value", "refused"), [(2e38, False), (3e38, True)])
def test_large_outputs_are_refused_only_if_one_is_not_finite(finished, value, refused):
    """The sum of finite outputs may overflow."""
    trained = load_run(finished[0])
    layer = trained.model.get_layer("logits")
    kernel, bias = layer.get_weights()
    layer.set_weights([0 * kernel + (value if refused else 0), 0 * bias + value])
    with pytest.raises(RunError, match="logits is not finite") if refused else nullcontext():
        check_epoch(trained, 0, {"loss": 1.0})


@pytest.fixture
def bars(monkeypatch):
    """Bars of `tqdm` that are visible, and print to nowhere."""
    made = []

    def progress_bar(**options):
        made.append(tqdm(file=io.StringIO(), **options))
        return made[-1]

    monkeypatch.setattr(callbacks, "progress_bar", progress_bar)
    return made


@pytest.mark.parametrize("first", [True, False])
def test_the_bar_says_that_the_first_step_of_each_size_compiles(bars, monkeypatch, first):
    lines: list[str] = []
    monkeypatch.setattr(callbacks.logger, "info", lines.append)
    progress = Progress(20, 8, 3, first)
    progress.on_epoch_begin(0)
    shown = []
    for batch in range(3):
        progress.on_train_batch_begin(batch)
        shown.append("compiling the training step" in str(bars[0]))
        progress.on_train_batch_end(batch, {"loss": 1.5, "logits_accuracy": 0.25})
        assert "loss=1.500, acc=0.250" in str(bars[0])
    assert shown == [first, False, first] and bars[0].n == 20
    progress.on_epoch_end(0)
    assert len(lines) == first
    if first:
        assert re.fullmatch(r"The first step took 0.0 s, including compilation", lines[0])


@pytest.mark.parametrize(
    ("steps", "train_loss", "test_loss", "expected"),
    [(12, 2.1, 3065.0, True), (499, 1.0, 7.0, True), (12, 2.1, 6.8, False)]
    + [(500, 1.0, 3065.0, False), (12, 1500.0, 3065.0, False), (0, 2.1, 3065.0, False)],
)
def test_an_absurd_test_loss_of_few_steps_is_explained(
    finished, steps, train_loss, test_loss, expected
):
    model = load_run(finished[0]).model
    hint = explain_short_run(model, steps, train_loss, test_loss, 10)
    assert bool(hint) == expected
    if expected:
        assert f"need about 500 steps, and this run has {steps}" in hint
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    assert not explain_short_run(plain, steps, train_loss, test_loss, 10)


@pytest.mark.slow
def test_a_run_with_an_absurd_test_loss_prints_the_hint(flags, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(training.logger, "warning", warnings.append)
    monkeypatch.setattr(training, "evaluate", lambda *_: {**ABSURD})
    run(*flags, "--n_epochs=1")
    (hint,) = [line for line in warnings if "averages of batch" in line]
    assert re.match(r"the test loss is 3065, the train loss \d+.*, and this run has 3\.", hint)
