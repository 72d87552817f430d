"""Batch normalization and renormalization, of maps or of their coefficients.

Both layers map each channel affinely. `affine` gives that map from the batch's moments, however
they were computed, so that `SphericalBlock` can apply it to coefficients, which are fewer than
samples.

Both run in inference mode when frozen (`trainable = False`), also where `training=True` is passed,
as Keras's batch normalization does. An empty batch, such as that of a replica for which a
distribution strategy has no samples, leaves the moving statistics as they are.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from spherical_cnn.sphere.operations import at_least_float32, divided


class _Normalization(keras.layers.Layer):
    """What both layers share: the maps' moments, and weights of float32 at least."""

    def add_weight(self, *args, dtype=None, **kwargs):
        # Averages of float16 would stop moving where a step is below their rounding.
        dtype = at_least_float32(dtype or self.variable_dtype)
        return super().add_weight(*args, dtype=dtype, **kwargs)

    def call(self, inputs, training=None):
        x = ops.cast(inputs, at_least_float32(inputs.dtype))
        scale, offset = self.affine(lambda: moments_of_maps(x), training)
        outputs = x * ops.cast(scale, x.dtype) + ops.cast(offset, x.dtype)
        return ops.cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable(package="spherical_cnn")
class BatchNormalization(_Normalization, keras.layers.BatchNormalization):
    """Keras's batch normalization over all axes but the last, which also tells its affine map.

    Arguments and shapes are Keras's, except that the channels are always the last axis, that there
    are no masks, and that renormalization is `BatchRenormalization`.

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
        """`(scale, offset)`, `(channels,)`, of this layer's output `scale · x + offset`.

        Args:
            moments: function to the mean and variance of the batch and to its size, called in
                training only.
            training: whether to use these and to move the averages, or to use the averages. A
                frozen layer always uses the averages.
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
    """Batch normalization whose training output follows the moving statistics.

    With `μ, σ` the batch's mean and standard deviation per channel and `μ̂, σ̂` their debiased
    moving averages,

        out = (x - μ) / σ · r + d + β,    r = σ / σ̂,    d = (μ - μ̂) / σ̂,

    no gradient through `r` and `d`, which are not clipped. `μ̂, σ̂` start at the first batch's
    values, so the first step equals batch normalization. In inference, and when the layer is
    frozen, the moving mean and variance are used as in batch normalization.

    Args:
        momentum: of all moving averages, in 0 … 1; 1 keeps them where they are.
        epsilon: added to the variance, positive.

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
        """`(scale, offset)` as `BatchNormalization.affine` gives them."""
        beta = ops.cast(self.beta, self.moving_mean.dtype)
        if not (training and self.trainable):
            scale = ops.rsqrt(_value(self.moving_variance) + self.epsilon)
            return scale, beta - _value(self.moving_mean) * scale
        mean, variance, count = moments()
        stddev = ops.sqrt(variance + self.epsilon)
        # The averages as if they had been initialised with this batch.
        missing = 1.0 - _value(self.renorm_weight)
        renorm_mean = _value(self.renorm_mean) + missing * mean
        renorm_stddev = _value(self.renorm_stddev) + missing * stddev
        r = ops.stop_gradient(stddev / renorm_stddev)
        d = ops.stop_gradient((mean - renorm_mean) / renorm_stddev)
        self._update(mean, stddev, _unless_empty(self.momentum, count))
        scale = r / stddev
        return scale, d + beta - mean * scale

    def _update(self, mean, stddev, momentum):
        weight = _move(self.renorm_weight, 1.0, momentum)
        weight = ops.where(weight > 0, weight, ops.ones_like(weight))  # 0: nothing has moved yet
        unbiased_mean = _move(self.renorm_mean, mean, momentum) / weight
        unbiased_stddev = _move(self.renorm_stddev, stddev, momentum) / weight
        _move(self.moving_mean, unbiased_mean, momentum)
        _move(self.moving_variance, ops.square(unbiased_stddev) - self.epsilon, momentum)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


def moments_of_maps(x):
    """Mean and variance per channel, the last axis, and the number of values of each.

    Mean and variance are 0 where there are no values.
    """
    axes = tuple(range(len(x.shape) - 1))
    count = math.prod(ops.shape(x)[:-1])
    mean = divided(ops.sum(x, axis=axes), count)
    # The squares do not change with the mean to first order: it is held fixed.
    squares = ops.square(x - ops.stop_gradient(mean))
    return mean, divided(ops.sum(squares, axis=axes), count), count


def _of_all_replicas(mean, variance, count):
    """Moments and size of the whole batch of those of its shares."""
    count = ops.cast(count, mean.dtype)
    sums = _over_replicas(ops.concatenate([count * mean, count[None]]))
    total = sums[-1]
    weight = count / ops.where(total > 0, total, ops.ones_like(total))
    whole = sums[:-1] / ops.where(total > 0, total, ops.ones_like(total))
    within_and_between = variance + ops.square(mean - ops.stop_gradient(whole))
    return whole, _over_replicas(weight * within_and_between), total


def _over_replicas(values):
    """Mean over the replicas, of values of each: the one such operation that Keras has."""
    return ops.moments(values[None], axes=[0], synchronized=True)[0]


def _unless_empty(momentum, count):
    """The momentum of a step, 1 if the batch is empty; `count` an integer or a tensor."""
    if isinstance(count, int):
        return momentum if count else 1.0
    return ops.where(count > 0, momentum, 1.0)


def _move(average, value, momentum):
    """Moves the variable `average` towards `value`, without gradient; returns what it is now."""
    value = ops.stop_gradient(ops.convert_to_tensor(value, dtype=average.dtype))
    if not isinstance(momentum, float | int):
        momentum = ops.cast(momentum, average.dtype)
    average.assign(_value(average) * momentum + value * (1.0 - momentum))
    return _value(average)


def _value(variable):
    """A variable's tensor: on torch, those of Keras round the numbers they meet to float32."""
    return ops.convert_to_tensor(variable)
