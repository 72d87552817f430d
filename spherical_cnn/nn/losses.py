"""Losses on logits, descriptors and maps."""

from __future__ import annotations

import keras
from keras import ops

from spherical_cnn.nn.global_pooling import row_weights
from spherical_cnn.sphere.grid import SphericalGrid, as_grid
from spherical_cnn.sphere.operations import at_least_float32, constant, matmul

_SHORTEST = 1e-12  # descriptors of at most this length have no direction
_BEYOND = 9.0  # more than any squared distance between vectors of length 1


@keras.saving.register_keras_serializable(package="spherical_cnn")
class TripletSemiHardLoss(keras.losses.Loss):
    """Triplet loss with semi-hard negatives from the batch.

    On L2-normalized descriptors with squared Euclidean distances `D`, averaged over the ordered
    pairs `(a, p)` of one class,

        max(0, margin + D[a, p] - D[a, n])

    where `n` is the nearest descriptor of another class that is farther than `p`, or else the
    farthest one of another class; `D[a, n]` is 0 in a batch of a single class. A batch without such
    pairs contributes exactly 0 to value and gradient.

    A descriptor of length 1e-12 or less, such as that of a blank signal, has no direction and gets
    no gradient.

    Args:
        margin: margin of the hinge.
        dtype: dtype of labels, descriptors and loss; `None` for Keras's float type, but at least
            float32.

    Call arguments:
        y_true: `(batch,)` or `(batch, 1)` integer labels.
        y_pred: `(batch, features)` descriptors, normalized here.

    Reference: Schroff et al. 2015 (FaceNet), section 3.2.
    """

    def __init__(self, margin=1.0, name="triplet_semi_hard", dtype=None, **kwargs):
        # Labels have this dtype too: in float16, 2048 and 2049 are equal.
        dtype = dtype or at_least_float32(keras.config.floatx())
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.margin = margin

    def call(self, y_true, y_pred):
        y_pred = ops.cast(y_pred, at_least_float32(y_pred.dtype))
        if y_pred.shape[0] == 0:  # has no nearest and no farthest descriptor
            return ops.sum(y_pred)
        labels = ops.reshape(y_true, (-1, 1))
        same = ops.equal(labels, ops.transpose(labels))
        distances = squared_distances(y_pred)
        # axes: anchor, positive, negative
        to_positive = ops.expand_dims(distances, 2)
        to_other = ops.expand_dims(distances, 1)
        negative = ops.expand_dims(ops.logical_not(same), 1)
        harder = ops.logical_and(negative, to_other > to_positive)
        nearest = ops.min(ops.where(harder, to_other, _BEYOND), axis=2)
        farthest = ops.max(ops.where(negative, to_other, 0.0 * to_other), axis=2)
        to_negative = ops.where(ops.any(harder, axis=2), nearest, farthest)
        hinge = ops.relu(self.margin + distances - to_negative)
        positive = ops.cast(same, distances.dtype)
        positive = positive * (1.0 - ops.eye(ops.shape(distances)[0], dtype=distances.dtype))
        return ops.sum(hinge * positive) / ops.maximum(ops.sum(positive), 1.0)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="spherical_cnn")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross entropy of logits with integer labels of which a fraction is spread over all classes.

    Args:
        label_smoothing: the fraction, at least 0 and below 1.
        dtype: see `TripletSemiHardLoss`.

    Call arguments:
        y_true: `(batch,)` or `(batch, 1)` integer labels.
        y_pred: `(batch, classes)` logits.

    Reference: Szegedy et al. 2016, section 7.
    """

    def __init__(self, label_smoothing=0.0, name="smoothed_crossentropy", dtype=None, **kwargs):
        dtype = dtype or at_least_float32(keras.config.floatx())
        super().__init__(name=name, dtype=dtype, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                "label_smoothing must be at least 0 and below 1. "
                f"Received: label_smoothing={label_smoothing}"
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logits = ops.log_softmax(ops.cast(y_pred, at_least_float32(y_pred.dtype)), axis=-1)
        classes = logits.shape[-1]
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        targets = ops.one_hot(labels, classes, dtype=logits.dtype)
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / classes
        return -ops.sum(targets * logits, axis=-1)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="spherical_cnn")
class AreaWeightedLoss(keras.losses.Loss):
    """A loss of maps, averaged over the area of the sphere instead of over the samples.

        loss = mean over the batch of (1 / 4π) Σ_tp w[t] loss(y_true[b, t, p], y_pred[b, t, p])

    with the quadrature weights `w` of the grid. A constant error has the same loss on every grid,
    and so have squares of band-limited errors of at most half of the degrees that the weights
    integrate exactly. A sample on a pole counts next to nothing; on the paper's grid it has the
    weight 0.

    Args:
        loss: a Keras loss of each sample, such as `"mse"`: a name, a function or a
            `keras.losses.Loss`, whose own reduction is not used.
        grid: `SphericalGrid` of the maps.
        dtype: see `TripletSemiHardLoss`.

    Call arguments:
        y_true: `(batch, *grid.shape, channels)`, or what the loss takes, such as labels.
        y_pred: `(batch, *grid.shape, channels)`.
        sample_weight: `(batch, *grid.shape)` or what broadcasts with it, such as a mask that
            leaves missing samples out.

    >>> from spherical_cnn.sphere import SphericalGrid
    >>> loss = AreaWeightedLoss("mse", SphericalGrid.equiangular(73, 144))
    >>> round(float(loss(np.zeros((1, 73, 144, 1)), np.full((1, 73, 144, 1), 2.0))), 5)
    4.0
    """

    def __init__(self, loss="mse", grid=None, name="area_weighted", dtype=None, **kwargs):
        dtype = dtype or at_least_float32(keras.config.floatx())
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.loss = keras.losses.get(loss)
        self.grid = as_grid(grid)
        if not isinstance(self.grid, SphericalGrid) or not callable(self.loss):
            raise ValueError(
                "AreaWeightedLoss needs a loss and the SphericalGrid of the maps. "
                f"Received: loss={loss!r}, grid={grid!r}"
            )

    def call(self, y_true, y_pred):
        values = getattr(self.loss, "call", self.loss)(y_true, y_pred)
        if tuple(values.shape[1:]) != self.grid.shape:
            raise ValueError(
                f"the loss must have a value for each sample, (batch, {self.grid.nlat}, "
                f"{self.grid.nlon}). Received: {tuple(values.shape)} for "
                f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
            )
        weights = constant(values, row_weights, self.grid.key, "quadrature")
        return values * (self.grid.nlat * weights[:, None])  # their mean over the grid is 1

    def get_config(self):
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "grid": self.grid.get_config()}

    @classmethod
    def from_config(cls, config):
        """Creates the loss from its config."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def squared_distances(descriptors):
    """Returns the squared distances `(batch, batch)` between L2-normalized descriptors."""
    squares = ops.sum(ops.square(descriptors), axis=-1, keepdims=True)
    long = squares > _SHORTEST**2
    # Shorter rows are divided by `_SHORTEST`. Both branches and their gradients are finite.
    scale = ops.where(long, ops.rsqrt(ops.where(long, squares, 1.0)), 1 / _SHORTEST)
    rows = ops.where(long, descriptors, ops.stop_gradient(descriptors)) * scale
    products = matmul(rows, ops.transpose(rows))
    squares = ops.sum(ops.square(rows), axis=-1)
    distances = ops.relu(squares[:, None] - 2.0 * products + squares[None])
    return distances * (1.0 - ops.eye(ops.shape(distances)[0], dtype=distances.dtype))
