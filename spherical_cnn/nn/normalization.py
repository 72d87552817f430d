"""Batch renormalization, as the original program's option has it."""

from __future__ import annotations

import keras
from keras import ops


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
        dtype = self.moving_mean.dtype
        x = ops.cast(inputs, dtype)
        if not training:
            scale = ops.rsqrt(self.moving_variance + self.epsilon)
            offset = ops.cast(self.beta, dtype) - self.moving_mean * scale
            return ops.cast(x * scale + offset, inputs.dtype)
        mean, variance = ops.moments(x, axes=tuple(range(len(inputs.shape) - 1)))
        stddev = ops.sqrt(variance + self.epsilon)
        # The averages as if they had been initialised with this batch.
        missing = 1.0 - self.renorm_weight
        renorm_mean = self.renorm_mean + missing * mean
        renorm_stddev = self.renorm_stddev + missing * stddev
        r = ops.stop_gradient(stddev / renorm_stddev)
        d = ops.stop_gradient((mean - renorm_mean) / renorm_stddev)
        self._update(mean, stddev)
        scale = r / stddev
        offset = d + ops.cast(self.beta, dtype) - mean * scale
        return ops.cast(x * scale + offset, inputs.dtype)

    def _update(self, mean, stddev):
        mean, stddev = ops.stop_gradient(mean), ops.stop_gradient(stddev)

        def moved(average, value):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
            return ops.convert_to_tensor(average)

        weight = moved(self.renorm_weight, 1.0)
        unbiased_mean = moved(self.renorm_mean, mean) / weight
        unbiased_stddev = moved(self.renorm_stddev, stddev) / weight
        moved(self.moving_mean, unbiased_mean)
        moved(self.moving_variance, ops.square(unbiased_stddev) - self.epsilon)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
