"""Testing: accuracy and confusion over shards, and activations of named layers."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy import special

from spherical_cnn.signals.signal import seen_share
from spherical_cnn.training.config import ConfigError
from spherical_cnn.training.run_folder import RunError


@keras.saving.register_keras_serializable(package="spherical_cnn")
class ConfusionAccuracy(keras.metrics.Metric):
    """Accuracy weighted by samples, that keeps the confusion counts it is computed from.

    Args:
        num_classes: side of the confusion matrix.
        name: of the metric.
    """

    def __init__(self, num_classes, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.counts = self.add_variable((num_classes, num_classes), "zeros", name="counts")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: `(batch,)` labels and `(batch, num_classes)` logits; weights unused."""
        rows = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), self.num_classes)
        columns = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        self.counts.assign_add(ops.cast(ops.matmul(ops.transpose(rows), columns), self.dtype))

    def result(self):
        """Share of the samples on the diagonal; 0 before the first one."""
        total = ops.maximum(ops.sum(self.counts), 1.0)
        return ops.sum(ops.diagonal(self.counts)) / total

    def matrix(self):
        """Counts `(true class, predicted class)` so far, a NumPy int64 array."""
        return np.rint(ops.convert_to_numpy(self.counts)).astype(np.int64)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="spherical_cnn")
class MeanLoss(keras.metrics.Mean):
    """Mean of a loss over samples: a batch counts by its size, also the last, smaller one.

    Keras's own record of a loss per output counts every batch alike.

    Args:
        loss: Keras loss that averages over the batch.
        name: of the metric.
    """

    def __init__(self, loss, name="mean_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.loss = loss

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; weights unused."""
        # Not by calling the loss: that divides by the number of replicas, where there are several.
        values = ops.cast(self.loss.call(y_true, y_pred), self.dtype)
        super().update_state(ops.mean(values), sample_weight=ops.shape(y_pred)[0])

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        """The metric of a `get_config`."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def confusion_counts(model):
    """Confusion counts of a compiled model's last pass over data, `(true, predicted)`."""
    compiled = [m for metric in model.metrics for m in getattr(metric, "metrics", [metric])]
    return next(m for m in compiled if isinstance(m, ConfusionAccuracy)).matrix()


def normalised(confusion):
    """Rows of a confusion matrix as shares of the true class; absent classes stay 0."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def outputs_of(model, layers):
    """A model of the same input that gives a dict of the outputs of named layers.

    Raises:
        ConfigError: if a layer does not exist; the message lists those that do.
    """
    known = [layer.name for layer in model.layers]
    missing = sorted(set(layers) - set(known))
    if missing:
        raise ConfigError(f"no layer {', '.join(missing)}; there are: {', '.join(known)}")
    return keras.Model(model.input, {name: model.get_layer(name).output for name in layers})


def outputs_for(model, signals, batch_size=16):
    """Outputs of a model for an array of signals, computed batch by batch.

    Not by Keras's `predict`: for a few batches that takes several times as long.

    Args:
        model: with a dict of outputs.
        signals: `(samples, n, n, 2)`, one at least.
        batch_size: samples at a time.

    Returns:
        dict by output of arrays, a row a sample.
    """
    starts = range(0, len(signals), batch_size)
    parts = [model.predict_on_batch(signals[start : start + batch_size]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_finite(values, layer):
    """Refuses outputs of a layer that are not finite.

    Raises:
        RunError: naming the layer.
    """
    if not np.isfinite(values).all():
        raise RunError(
            f"layer {layer}: found outputs that are not finite, expected numbers; the weights of "
            "the network overflow or are damaged"
        )


def activations(model, batches, layers):
    """Outputs of named layers for batches of parsed records, streamed.

    Args:
        model: of `build_model`, restored.
        batches: dataset of dicts as from `spherical_cnn.data.records.codec.parse`.
        layers: names, such as `conv0_b0` (before pooling), `final_conv`, `descriptor`.

    Yields:
        dict per batch of NumPy arrays: each layer's output, and `label`, `name`, `rotation`.

    Raises:
        ConfigError: if a layer does not exist; the message lists those that do.
    """
    probe = outputs_of(model, layers)
    for record in batches:
        outputs = probe.predict_on_batch(np.asarray(record["signal"]))
        names = np.array([name.decode(errors="replace") for name in np.asarray(record["name"])])
        meta = {"label": np.asarray(record["label"]), "rotation": np.asarray(record["rotation"])}
        yield {**{key: np.asarray(v) for key, v in outputs.items()}, **meta, "name": names}


class Mistake(NamedTuple):
    """A misclassified sample: its classes' probabilities `(classes,)`, its signal `(n, n, 2)`."""

    name: str
    label: int
    predicted: int
    probabilities: np.ndarray
    signal: np.ndarray

    @property
    def probability(self):
        """That of the wrong class."""
        return float(self.probabilities[self.predicted])


def worst_mistakes(model, batches, count):
    """The samples that are most surely taken for another class, the surest first.

    Args:
        model: of `build_model`, restored.
        batches: as in `activations`.
        count: how many, at most.

    Returns:
        list of `Mistake`.
    """
    worst: list[Mistake] = []
    for record in batches:
        logits = model.predict_on_batch(np.asarray(record["signal"]))["logits"]
        probabilities = special.softmax(np.asarray(logits, np.float64), axis=-1)
        predicted, labels = probabilities.argmax(axis=-1), np.asarray(record["label"])
        for row in np.flatnonzero(predicted != labels):
            name = np.asarray(record["name"])[row].decode(errors="replace")
            signal = np.asarray(record["signal"])[row]
            classes = int(labels[row]), int(predicted[row])
            worst.append(Mistake(name, *classes, probabilities[row], signal))
        worst = sorted(worst, key=lambda mistake: -mistake.probability)[:count]
    return worst


def describe(model, batches):
    """Descriptors of batches of parsed records, gathered.

    Args:
        model: of `build_model`, restored.
        batches: as in `activations`.

    Returns:
        dict of arrays, a row a record: `descriptor`, `predicted` class, `label`, `name`, and
        `seen`, the `seen_share` of its signal.
    """
    keys = ("descriptor", "predicted", "label", "name", "seen")
    parts: dict[str, list] = {key: [] for key in keys}
    for part in activations(model, batches, ["signal", "descriptor", "logits"]):
        part["predicted"] = np.argmax(part["logits"], axis=-1)
        part["seen"] = seen_share(part["signal"])
        for key, values in parts.items():
            values.append(part[key])
    return {key: np.concatenate(values) for key, values in parts.items()}
