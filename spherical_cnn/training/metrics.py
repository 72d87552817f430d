"""Metrics of training and testing, and the worst mistakes."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy import special

_STEPS_OF_AVERAGES = 500  # until the averages of batch normalization are those of the data


@keras.saving.register_keras_serializable(package="spherical_cnn")
class ConfusionAccuracy(keras.metrics.Metric):
    """Accuracy over samples, computed from confusion counts."""

    def __init__(self, num_classes, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.counts = self.add_variable((num_classes, num_classes), "zeros", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of labels `(batch,)` and logits `(batch, num_classes)`; ignores weights."""
        rows = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), self.num_classes)
        columns = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        self.counts.assign_add(ops.cast(ops.matmul(ops.transpose(rows), columns), self.dtype))

    def result(self):
        """Returns the fraction of correct samples; 0 before the first batch."""
        total = ops.maximum(ops.sum(self.counts), 1.0)
        return ops.sum(ops.diagonal(self.counts)) / total

    def matrix(self):
        """Returns the counts `(true class, predicted class)` so far as a NumPy int64 array."""
        return np.rint(ops.convert_to_numpy(self.counts)).astype(np.int64)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="spherical_cnn")
class MeanLoss(keras.metrics.Mean):
    """Mean of a loss over samples.

    Keras's own metric of the loss of an output weights all batches equally, also the last, smaller
    one.

    Args:
        loss: Keras loss that averages over the batch.
    """

    def __init__(self, loss, name="mean_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.loss = loss

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; ignores weights."""
        # Calling the loss itself would divide by the number of replicas.
        values = ops.cast(self.loss.call(y_true, y_pred), self.dtype)
        super().update_state(ops.mean(values), sample_weight=ops.shape(y_pred)[0])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        """Creates the metric from its config."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def confusion_counts(model):
    """Returns the counts `(true, predicted)` of a compiled model's last pass over data."""
    compiled = [m for metric in model.metrics for m in getattr(metric, "metrics", [metric])]
    return next(m for m in compiled if isinstance(m, ConfusionAccuracy)).matrix()


def explain_short_run(model, steps, train_loss, test_loss, num_classes):
    """Returns why the test loss of a run of few steps is absurd, or `""` if it is not.

    It is absurd if it exceeds three times the train loss and that of guessing, `log(num_classes)`.
    With momentum 0.99, the averages of batch normalization consist of their initial values by
    `0.99^steps`: 0.7 % after 500 steps.
    """
    averages = any("moving" in variable.path for variable in model.non_trainable_variables)
    absurd = test_loss > 3 * max(train_loss, math.log(num_classes))
    if not (averages and absurd and 0 < steps < _STEPS_OF_AVERAGES):
        return ""
    return (
        f"the test loss is {test_loss:.4g}, the train loss {train_loss:.4g}: the averages of batch "
        f"normalization need about {_STEPS_OF_AVERAGES} steps, and this run has {steps}. Train for "
        "more epochs, or with a smaller --train_bsize"
    )


class Mistake(NamedTuple):
    """A misclassified sample: probabilities `(classes,)`, and its signal or points `(n, 3)`."""

    name: str
    label: int
    predicted: int
    probabilities: np.ndarray
    signal: np.ndarray

    @property
    def probability(self):
        """The probability of the wrong class."""
        return float(self.probabilities[self.predicted])


def worst_mistakes(model, batches, count) -> list[Mistake]:
    """Finds the `count` samples that are misclassified with the highest probabilities, in order."""
    worst: list[Mistake] = []
    for record in batches:
        signals = keras.tree.map_structure(np.asarray, record["signal"])
        logits = model.predict_on_batch(signals)["logits"]
        signals = signals["points"] if isinstance(signals, dict) else signals
        probabilities = special.softmax(np.asarray(logits, np.float64), axis=-1)
        predicted, labels = probabilities.argmax(axis=-1), np.asarray(record["label"])
        for row in np.flatnonzero(predicted != labels):
            name = np.asarray(record["name"])[row].decode(errors="replace")
            classes = int(labels[row]), int(predicted[row])
            worst.append(Mistake(name, *classes, probabilities[row], signals[row]))
        worst = sorted(worst, key=lambda mistake: -mistake.probability)[:count]
    return worst
