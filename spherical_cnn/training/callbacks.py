"""What happens around an epoch: history, checkpoints, TensorBoard, progress, divergence."""

from __future__ import annotations

import importlib.util
import logging
import math
import time

import keras
import numpy as np
from keras import ops

from spherical_cnn.console import progress_bar
from spherical_cnn.errors import RunError
from spherical_cnn.reporting import plots
from spherical_cnn.training.checkpoints import all_variables, save_checkpoint
from spherical_cnn.training.run import Run
from spherical_cnn.training.run_config import RunConfig

logger = logging.getLogger("spherical_cnn")


def record_epoch(run: Run, epoch, logs, seconds):
    """Records an epoch (from 0): state, history, log line, `latest` and, if it improved, `best`.

    `logs` are those of `fit` and, with the prefix `val_`, of `evaluate`. Without the latter the
    history has no validation accuracy, and the best checkpoint is chosen by train accuracy, which
    the log line then repeats, like the original's.
    """
    state = run.state
    train = float(logs["logits_accuracy"])
    valid = float(logs.get("val_logits_accuracy", train))
    measured = {"valid_accuracy": valid} if "val_logits_accuracy" in logs else {}
    rate = float(run.model.optimizer.learning_rate)
    row = {
        "epoch": epoch + 1,
        "learning_rate": rate,
        "train_accuracy": train,
        **measured,
        "seconds": seconds,
        **losses(logs),
    }
    state["history"].append(row)
    state["epoch"] = epoch + 1
    if valid > state["best"]:
        state["best"] = valid
        save_checkpoint(run, "best")
    save_checkpoint(run, "latest")
    run.folder.write_csv("history.csv", state["history"])
    logger.info(f"epoch={epoch + 1}; lr={rate:.4f} train: {train:.4f}, valid: {valid:.4f}")


class TensorBoard:
    """TensorBoard scalars of epochs, train and validation: loss and parts, accuracy, rate.

    TensorFlow writes them to the run folder: without it there are none.
    """

    def __init__(self, folder: str):
        self._writer = None
        if importlib.util.find_spec("tensorflow") is None:
            logger.warning("No TensorBoard events: TensorFlow is not installed")
        else:
            import tensorflow as tf

            self._writer = tf.summary.create_file_writer(folder)

    def write(self, row, logs, confusion):
        """Writes the scalars of an epoch, a row of the history, and the confusion counts."""
        if self._writer is None:
            return
        import tensorflow as tf

        with self._writer.as_default(step=row["epoch"]):
            scalars = losses(logs)
            scalars |= {name: value for name, value in logs.items() if name.endswith("accuracy")}
            for name, value in scalars.items():
                split = "valid" if name.startswith("val_") else "train"
                tf.summary.scalar(f"{split}/{name.removeprefix('val_')}", value)
            tf.summary.scalar("learning_rate", row["learning_rate"])
            image = plots.image(plots.confusion_figure(confusion))
            tf.summary.image("confusion", image[np.newaxis])
        self._writer.flush()


def losses(logs):
    """Returns the losses in an epoch's logs: total, part of each output, regularization."""
    found: dict[str, float] = {}
    for prefix in ("", "val_"):
        if f"{prefix}loss" in logs:
            total = float(logs[f"{prefix}loss"])
            end = "_mean_loss"
            parts = {
                f"{name.removesuffix(end)}_loss": float(value)
                for name, value in logs.items()
                if name.endswith(end) and name.startswith("val_") == bool(prefix)
            }
            rest = total - sum(parts.values())
            found |= {f"{prefix}loss": total, **parts, f"{prefix}regularization_loss": rest}
    return found


class Progress(keras.callbacks.Callback):
    """Progress bar of an epoch of `samples` samples: samples/s, loss, accuracy, time left.

    In the first epoch of a process, the backend compiles the training step when the first batch
    comes and, except on torch, again for a last batch of another size. The bar says so, and the log
    says how long the first step took.
    """

    def __init__(self, samples, batch_size, epochs, first=False):
        super().__init__()
        self.samples = samples
        self.batch_size = batch_size
        self.epochs = epochs
        self._first = first

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar."""
        label = f"epoch {epoch + 1}/{self.epochs}"
        self.bar = progress_bar(total=self.samples, desc=label, unit=" samples", leave=False)
        self._sizes: set[int] = set()

    def on_train_batch_begin(self, batch, logs=None):
        """Says that a batch of a new size makes the backend compile."""
        size = min(self.batch_size, self.samples - batch * self.batch_size)
        if self._first and size not in self._sizes:
            self._sizes.add(size)
            self._started = time.monotonic()
            self.bar.set_postfix_str("compiling the training step")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        if self._first and batch == 0:
            seconds = time.monotonic() - self._started
            logger.info(f"The first step took {seconds:.1f} s, including compilation")
        if not self.bar.disable:
            shown = {"loss": f"{logs['loss']:.3f}", "acc": f"{logs['logits_accuracy']:.3f}"}
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(min(self.batch_size, self.samples - self.bar.n))

    def on_epoch_end(self, epoch, logs=None):
        """Closes the bar."""
        self.bar.close()


class StopWhenNotFinite(keras.callbacks.Callback):
    """Raises `RunError` at the first step whose loss is NaN or infinite.

    It reads the logs that Keras passes to every callback of a step, so it takes no time.
    """

    def __init__(self, config: RunConfig):
        super().__init__()
        self.config = config

    def on_epoch_begin(self, epoch, logs=None):
        """Stores the index of the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Checks the mean loss so far: it is finite until the loss of a step is not."""
        if not math.isfinite(logs["loss"]):
            raise diverged(self.config, self.epoch, f"step {batch + 1}", f"loss is {logs['loss']}")


def check_epoch(run: Run, epoch, logs):
    """Checks that the variables and the results of the network are finite after an epoch (from 0).

    The losses of the steps precede their updates, so they do not depend on the last update. The
    validation loss does; without one, the outputs for a signal of ones do.

    Raises:
        RunError: saying what is not finite and what to do.
    """
    if "val_loss" in logs:
        found = {"validation loss": logs["val_loss"]}
    else:
        size = run.config.train_bsize  # compiled for it once; the report needs that, too
        ones = keras.tree.map_structure(lambda x: np.ones((size, *x.shape[1:])), run.model.input)
        found = run.model.predict_on_batch(ones)
    variables = {key: variable.value for key, variable in all_variables(run.model).items()}
    for name, value in {**found, **variables}.items():
        if not np.isfinite(ops.convert_to_numpy(value)).all():
            raise diverged(run.config, epoch, "after its last step", f"{name} is not finite")


def diverged(config: RunConfig, epoch, when, found):
    """Returns the error of training that cannot continue, with the time and the reason."""
    resumes = f"resumes after epoch {epoch}, whose checkpoint is kept" if epoch else "starts over"
    return RunError(
        f"epoch {epoch + 1}, {when}: {found} at a learning rate of {config.rate(epoch):g}, "
        f"expected a finite number. The same command with a lower --learning_rate {resumes}. If "
        "it ends like this again, check the data: samples of the order of 1 are expected"
    )
