"""Batch normalization and renormalization, of maps or of their coefficients.

Both layers apply an affine map to each channel. `affine` returns that map for given moments of the
batch, so that `SphericalBlock` can apply it to coefficients, which are fewer than samples.

Frozen layers (`trainable = False`) run in inference mode, even with `training=True`, like Keras's
batch normalization. An empty batch, such as that of a replica without samples under a distribution
strategy, does not change the moving statistics.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from spherical_cnn.sphere.operations import at_least_float32, divide


class _Normalization(keras.layers.Layer):
    """Base of both layers: computes moments of maps, and keeps weights in at least float32."""

    def add_weight(self, *args, dtype=None, **kwargs):
        # In float16, moving averages would stop at steps smaller than their rounding.
        dtype = at_least_float32(dtype or self.variable_dtype)
        return super().add_weight(*args, dtype=dtype, **kwargs)

    def call(self, inputs, training=None):
        x = ops.cast(inputs, at_least_float32(inputs.dtype))
        scale, offset = self.affine(lambda: moments_of_maps(x), training)
        outputs = x * ops.cast(scale, x.dtype) + ops.cast(offset, x.dtype)
        return ops.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable(package="spherical_cnn")
class BatchNormalization(_Normalization, keras.layers.BatchNormalization):
    """Keras's batch normalization over all axes but the last, with access to its affine map.

    Arguments and shapes are Keras's, except that channels are always the last axis, that there are
    no masks, and that renormalization is a layer of its own, `BatchRenormalization`.

    >>> import numpy as np
    >>> layer = BatchNormalization(scale=False)
    >>> tuple(layer(np.ones((2, 4, 4, 3), "float32"), training=True).shape)
    (2, 4, 4, 3)

    Reference: Ioffe & Szegedy 2015.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        if self.axis != -1 or getattr(self, "renorm", False):
            raise ValueError(
                "BatchNormalization takes axis=-1 and, for renorm=True, BatchRenormalization in "
                f"its place. Received: axis={self.axis}, renorm={getattr(self, 'renorm', False)}"
            )
        self.supports_masking = False

    def affine(self, moments, training):
        """Returns `(scale, offset)`, `(channels,)` each, of the output `scale · x + offset`.

        `moments` is a function that returns the mean, the variance and the size of the batch. Only
        training calls it.
        """
        mean, variance = _value(self.moving_mean), _value(self.moving_variance)
        if training and self.trainable:
            mean, variance, count = moments()
            if self.synchronized:
                mean, variance, count = _of_all_replicas(mean, variance, count)
            momentum = _unless_empty(self.momentum, count)
            _move(self.moving_mean, mean, momentum)
            _move(self.moving_variance, variance, momentum)
        scale = ops.rsqrt(variance + self.epsilon)
        if self.scale:
            scale = scale * ops.cast(self.gamma, scale.dtype)
        offset = -mean * scale
        if self.center:
            offset = offset + ops.cast(self.beta, scale.dtype)
        return scale, offset


@keras.saving.register_keras_serializable(package="spherical_cnn")
class BatchRenormalization(_Normalization):
    """Batch normalization that uses the moving statistics during training as well.

        out = (x - μ) / σ · r + d + β,    r = σ / σ̂,    d = (μ - μ̂) / σ̂,

    where `μ, σ` are the batch's mean and standard deviation per channel and `μ̂, σ̂` their debiased
    moving averages. No gradient flows through `r` and `d`, which are not clipped. `μ̂, σ̂` start at
    the values of the first batch, so the first step equals batch normalization. Inference and
    frozen layers use the moving mean and variance, as in batch normalization.

    Args:
        momentum: momentum of all moving averages, in 0 … 1; 1 keeps them constant.
        epsilon: added to the variance, positive.

    Input shape:
        `(..., channels)`.

    Output shape:
        Same as the input.

    >>> import numpy as np
    >>> layer = BatchRenormalization()
    >>> tuple(layer(np.ones((2, 4, 4, 3), "float32"), training=True).shape)
    (2, 4, 4, 3)

    Reference: Ioffe 2017, with the debiasing of the TensorFlow 1 implementation.
    """

    def __init__(self, momentum=0.99, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be in 0 … 1. Received: momentum={momentum}")
        if not epsilon > 0:
            raise ValueError(f"epsilon must be positive. Received: epsilon={epsilon}")
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

    def affine(self, moments, training):
        """Returns `(scale, offset)`; see `BatchNormalization.affine`."""
        beta = ops.cast(self.beta, self.moving_mean.dtype)
        if not (training and self.trainable):
            scale = ops.rsqrt(_value(self.moving_variance) + self.epsilon)
            return scale, beta - _value(self.moving_mean) * scale
        mean, variance, count = moments()
        stddev = ops.sqrt(variance + self.epsilon)
        # The averages, as if they had been initialized with this batch.
        missing = 1.0 - _value(self.renorm_weight)
        renorm_mean = _value(self.renorm_mean) + missing * mean
        renorm_stddev = _value(self.renorm_stddev) + missing * stddev
        r = ops.stop_gradient(stddev / renorm_stddev)
        d = ops.stop_gradient((mean - renorm_mean) / renorm_stddev)
        momentum = _unless_empty(self.momentum, count)
        weight = _move(self.renorm_weight, 1.0, momentum)
        weight = ops.where(weight > 0, weight, ops.ones_like(weight))  # 0 before the first update
        unbiased_mean = _move(self.renorm_mean, mean, momentum) / weight
        unbiased_stddev = _move(self.renorm_stddev, stddev, momentum) / weight
        _move(self.moving_mean, unbiased_mean, momentum)
        _move(self.moving_variance, ops.square(unbiased_stddev) - self.epsilon, momentum)
        scale = r / stddev
        return scale, d + beta - mean * scale

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


def moments_of_maps(x):
    """Returns mean and variance per channel, 0 for an empty batch, and the number of values."""
    axes = tuple(range(len(x.shape) - 1))
    count = math.prod(ops.shape(x)[:-1])
    mean = divide(ops.sum(x, axis=axes), count)
    squares = ops.square(x - mean)
    return mean, divide(ops.sum(squares, axis=axes), count), count


def _of_all_replicas(mean, variance, count):
    """Combines moments and sizes of the replicas' shares of a batch."""
    count = ops.cast(count, mean.dtype)
    sums = _over_replicas(ops.concatenate([count * mean, count[None]]))
    total = sums[-1]
    weight = count / ops.where(total > 0, total, ops.ones_like(total))
    whole = sums[:-1] / ops.where(total > 0, total, ops.ones_like(total))
    within_and_between = variance + ops.square(mean - whole)
    return whole, _over_replicas(weight * within_and_between), total


def _over_replicas(values):
    """Averages values over the replicas, by the only such operation that Keras has."""
    return ops.moments(values[None], axes=[0], synchronized=True)[0]


def _unless_empty(momentum, count):
    """Returns the momentum, or 1 if the batch is empty."""
    if isinstance(count, int):
        return momentum if count else 1.0
    return ops.where(count > 0, momentum, 1.0)


def _move(average, value, momentum):
    """Moves the variable `average` towards `value`, without gradient; returns its new value."""
    value = ops.stop_gradient(ops.convert_to_tensor(value, dtype=average.dtype))
    if not isinstance(momentum, float | int):
        momentum = ops.cast(momentum, average.dtype)
    average.assign(_value(average) * momentum + value * (1.0 - momentum))
    return _value(average)


def _value(variable):
    """Returns a variable's tensor: on torch, Keras's variables round operands to float32."""
    return ops.convert_to_tensor(variable)
