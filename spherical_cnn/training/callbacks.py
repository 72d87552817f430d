"""What happens around an epoch: history, checkpoints, TensorBoard, progress."""

from __future__ import annotations

import importlib.util
import logging

import keras
import numpy as np

from spherical_cnn.progress import bar
from spherical_cnn.reporting import plots
from spherical_cnn.training.checkpoints import save_checkpoint

logger = logging.getLogger("spherical_cnn")


def record(run, state, model, epoch, logs, seconds):
    """Writes what an epoch came to: history, log line, `latest` and, if it improved, `best`.

    Args:
        run: `RunFolder`.
        state: of the checkpoint to continue, or a fresh one; see `fresh_state`. Brought up to date.
        model: compiled.
        epoch: from 0.
        logs: of `fit` and, with the prefix `val_`, of `evaluate`. Without the latter the history
            has no validation accuracy, and "best" goes by the train accuracy, which the log line
            then repeats, as the original's does.
        seconds: that the epoch took.
    """
    train = float(logs["logits_accuracy"])
    valid = float(logs.get("val_logits_accuracy", train))
    measured = {"valid_accuracy": valid} if "val_logits_accuracy" in logs else {}
    rate = float(model.optimizer.learning_rate)
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
        save_checkpoint(run, "best", model, state)
    save_checkpoint(run, "latest", model, state)
    run.write_csv("history.csv", state["history"])
    logger.info(f"epoch={epoch + 1}; lr={rate:.4f} train: {train:.4f}, valid: {valid:.4f}")


def fresh_state():
    """The state of a run before its first epoch."""
    return {"epoch": 0, "best": -1.0, "history": []}


class TensorBoard:
    """TensorBoard scalars of epochs, train and validation: loss and parts, accuracy, rate.

    A context. They are written with TensorFlow: where it is not installed, none are.

    Args:
        folder: of the run.
    """

    def __init__(self, folder):
        self._folder, self._writer = folder, None

    def __enter__(self):
        if importlib.util.find_spec("tensorflow") is None:
            logger.warning("No TensorBoard events: TensorFlow is not installed")
            return self
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(self._folder)
        return self

    def __exit__(self, *_):
        if self._writer:
            self._writer.close()

    def write(self, epoch, logs, rate, confusion):
        """Writes those of an epoch.

        Args:
            epoch: from 0.
            logs: of `fit` and, with the prefix `val_`, of `evaluate`.
            rate: of learning.
            confusion: counts of the epoch's last pass, validation if there is one; an image.
        """
        if self._writer is None:
            return
        import tensorflow as tf

        with self._writer.as_default(step=epoch + 1):
            scalars = losses(logs)
            scalars |= {name: value for name, value in logs.items() if name.endswith("accuracy")}
            for name, value in scalars.items():
                split = "valid" if name.startswith("val_") else "train"
                tf.summary.scalar(f"{split}/{name.removeprefix('val_')}", value)
            tf.summary.scalar("learning_rate", rate)
            image = plots.image(plots.confusion_figure(confusion))
            tf.summary.image("confusion", image[np.newaxis])
        self._writer.flush()


def losses(logs):
    """Losses of an epoch's logs by sample: total, part of each output, regularisation."""
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
    """A bar for an epoch: samples/s, loss, accuracy, time left. Silent when not on a terminal.

    Args:
        samples: of the epoch.
        batch_size: of the pipeline.
        epochs: of the run.
    """

    def __init__(self, samples, batch_size, epochs):
        super().__init__()
        self.samples = samples
        self.batch_size = batch_size
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the bar."""
        label = f"epoch {epoch + 1}/{self.epochs}"
        self.bar = bar(total=self.samples, desc=label, unit=" samples", leave=False)

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        if not self.bar.disable:
            shown = {"loss": f"{logs['loss']:.3f}", "acc": f"{logs['logits_accuracy']:.3f}"}
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(min(self.batch_size, self.samples - self.bar.n))

    def on_epoch_end(self, epoch, logs=None):
        """Closes the bar."""
        self.bar.close()
