"""Training that breaks its network ends, and keeps what was good."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
from helpers import run, weights

from spherical_cnn.errors import RunError
from spherical_cnn.training.callbacks import StopWhenNotFinite, check_epoch
from spherical_cnn.training.run import load_run


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
