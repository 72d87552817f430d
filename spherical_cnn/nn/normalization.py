"""Batch normalization and renormalization, of maps or of their coefficients.

Both layers map each channel affinely. `affine` gives that map from the batch's moments, however
they were computed, so that `SphericalBlock` can apply it to coefficients, which are fewer than
samples.
"""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="spherical_cnn")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization over all axes but the last, which also tells its affine map.

    Arguments and shapes are Keras's.

    >>> import numpy as np
    >>> layer = BatchNormalization(scale=False)
    >>> tuple(layer(np.ones((2, 4, 4, 3), "float32"), training=True).shape)
    (2, 4, 4, 3)

    Reference: Ioffe & Szegedy 2015.
    """

    def affine(self, moments, training):
        """`(scale, offset)`, `(channels,)`, of this layer's output `scale · x + offset`.

        Args:
            moments: function to the mean and variance of the batch, called in training only.
            training: whether to use these and to move the averages, or to use the averages.
        """
        mean, variance = self.moving_mean, self.moving_variance
        if training and self.trainable:
            mean, variance = moments()
            if self.synchronized:
                mean, variance = _of_all_replicas(mean, variance)
            _move(self.moving_mean, mean, self.momentum)
            _move(self.moving_variance, variance, self.momentum)
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * ops.cast(self.gamma, scale.dtype)
        offset = -mean * scale
        if self.center:
            offset = offset + ops.cast(self.beta, scale.dtype)
        return scale, offset


@keras.saving.register_keras_serializable(package="spherical_cnn")
class BatchRenormalization(keras.layers.Layer):
    """Batch normalization whose training output follows the moving statistics.

    With `μ, σ` the batch's mean and standard deviation per channel and `μ̂, σ̂` their debiased
    moving averages,

        out = (x - μ) / σ · r + d + β,    r = σ / σ̂,    d = (μ - μ̂) / σ̂,

    no gradient through `r` and `d`, which are not clipped. `μ̂, σ̂` start at the first batch's
    values, so the first step equals batch normalization. In inference the moving mean and
    variance are used as in batch normalization.

    Args:
        momentum: of all moving averages.
        epsilon: added to the variance.

    Input shape:
        `(..., channels)`.

    Output shape:
        As the input.

    >>> import numpy as np
    >>> layer = BatchRenormalization()
    >>> tuple(layer(np.ones((2, 4, 4, 3), "float32"), training=True).shape)
    (2, 4, 4, 3)

    Reference: Ioffe 2017, with the debiasing of the TensorFlow 1 implementation.
    """

    def __init__(self, momentum=0.99, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = (input_shape[-1],)

        def statistic(name, initializer, shape=channels):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False, autocast=False
            )

        self.beta = self.add_weight(name="beta", shape=channels, initializer="zeros")
        self.moving_mean = statistic("moving_mean", "zeros")
        self.moving_variance = statistic("moving_variance", "ones")
        self.renorm_mean = statistic("renorm_mean", "zeros")
        self.renorm_stddev = statistic("renorm_stddev", "zeros")
        self.renorm_weight = statistic("renorm_weight", "zeros", shape=())

    def call(self, inputs, training=False):
        x = ops.cast(inputs, self.moving_mean.dtype)
        axes = tuple(range(len(inputs.shape) - 1))
        scale, offset = self.affine(lambda: ops.moments(x, axes=axes), training)
        return ops.cast(x * scale + offset, inputs.dtype)

    def affine(self, moments, training):
        """`(scale, offset)` as `BatchNormalization.affine` gives them."""
        beta = ops.cast(self.beta, self.moving_mean.dtype)
        if not training:
            scale = ops.rsqrt(self.moving_variance + self.epsilon)
            return scale, beta - self.moving_mean * scale
        mean, variance = moments()
        stddev = ops.sqrt(variance + self.epsilon)
        # The averages as if they had been initialised with this batch.
        missing = 1.0 - self.renorm_weight
        renorm_mean = self.renorm_mean + missing * mean
        renorm_stddev = self.renorm_stddev + missing * stddev
        r = ops.stop_gradient(stddev / renorm_stddev)
        d = ops.stop_gradient((mean - renorm_mean) / renorm_stddev)
        self._update(mean, stddev)
        scale = r / stddev
        return scale, d + beta - mean * scale

    def _update(self, mean, stddev):
        weight = _move(self.renorm_weight, 1.0, self.momentum)
        unbiased_mean = _move(self.renorm_mean, mean, self.momentum) / weight
        unbiased_stddev = _move(self.renorm_stddev, stddev, self.momentum) / weight
        _move(self.moving_mean, unbiased_mean, self.momentum)
        _move(self.moving_variance, ops.square(unbiased_stddev) - self.epsilon, self.momentum)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


def _of_all_replicas(mean, variance):
    """Moments of the whole batch of those of its equal shares, `(channels,)` each."""
    mean, between = ops.moments(mean[None], axes=[0], synchronized=True)
    within, _ = ops.moments(variance[None], axes=[0], synchronized=True)
    return mean, within + between


def _move(average, value, momentum):
    """Moves the variable `average` towards `value`, without gradient; returns what it is now."""
    value = ops.stop_gradient(ops.convert_to_tensor(value, dtype=average.dtype))
    average.assign(average * momentum + value * (1.0 - momentum))
    return ops.convert_to_tensor(average)
