"""Ends training that broke its network: a loss, a weight or an output that is not finite."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from spherical_cnn.training.run_folder import RunError


class StopWhenNotFinite(keras.callbacks.Callback):
    """Raises `RunError` at the first step whose loss is NaN or infinite.

    It reads the logs that Keras hands to every callback of a step, so it costs no time.

    Args:
        config: `Config`.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config

    def on_epoch_begin(self, epoch, logs=None):
        """Keeps the number of the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the mean loss so far: it is finite until that of a step is not."""
        if not math.isfinite(logs["loss"]):
            raise broken(self.config, self.epoch, f"step {batch + 1}", f"loss is {logs['loss']}")


def check_epoch(model, config, epoch, logs):
    """Refuses the network that an epoch came to, if what it computes is not finite.

    The losses of the steps are those before their updates, so they say nothing of the last update.
    The validation loss does; without one, the outputs for a signal of ones do.

    Args:
        model: compiled.
        config: `Config`.
        epoch: from 0.
        logs: of `fit` and, with the prefix `val_`, of `evaluate`.

    Raises:
        RunError: saying what is not finite and what to do.
    """
    if "val_loss" in logs:
        found = {"validation loss": logs["val_loss"]}
    else:
        found = model(np.ones((1, *model.input_shape[1:]), np.float32), training=False)
    for name, value in found.items():
        if not np.isfinite(ops.convert_to_numpy(value)).all():
            raise broken(config, epoch, "after its last step", f"{name} is not finite")


def broken(config, epoch, when, found):
    """`RunError` of training that cannot continue.

    Args:
        config: `Config`.
        epoch: from 0.
        when: in the epoch.
        found: what is not finite.
    """
    resumes = f"resumes after epoch {epoch}, whose checkpoint is kept" if epoch else "starts over"
    return RunError(
        f"epoch {epoch + 1}, {when}: {found} at a learning rate of {config.rate(epoch):g}, "
        f"expected a finite number. The same command with a lower --learning_rate {resumes}. If "
        "it ends like this again, look at the data: samples of the order of 1 are expected"
    )
