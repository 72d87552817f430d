"""Nonlinearities of maps on the sphere."""

from __future__ import annotations

import keras
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class PReLU(keras.layers.PReLU):
    """Keras's PReLU as one product, which makes fewer passes over memory.

        out = x · (1 where x > 0, else slope)

    >>> tuple(PReLU()(np.ones((1, 16, 2), "float32")).shape)
    (1, 16, 2)

    Reference: He et al. 2015.
    """

    def call(self, inputs):
        # Broadcasts over all but the first two axes first: the gradient of the slopes is summed
        # along long rows. The zeros are the first term, because Keras on TensorFlow takes a
        # variable plus an empty tensor for a bias and refuses it.
        zeros = ops.zeros_like(inputs[(slice(1),) * (len(inputs.shape) - 2)])
        slope = zeros + ops.convert_to_tensor(self.alpha)
        return inputs * ops.where(inputs > 0, ops.ones_like(inputs), slope)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SmoothLeakyReLU(keras.layers.Layer):
    """Leaky ReLU whose kink is a parabola, so that its derivative is continuous.

        out = slope · x + (1 - slope) · s(x)
        s(x) = 0 below -beta, x above beta, (x + beta)² / (4 beta) between

    A nonlinearity creates degrees that the grid of a map cannot represent, which alias. Those that
    come from the kink of a ReLU or PReLU decrease slowly with the degree, these faster.

    Args:
        negative_slope: the slope below `-beta`.
        beta: half the width of the parabola.
        **kwargs: arguments of `keras.layers.Layer`.

    >>> tuple(SmoothLeakyReLU()(np.ones((1, 16, 2), "float32")).shape)
    (1, 16, 2)

    Reference: Shamir et al. 2022, "Real World Large Scale Recommendation Systems Reproducibility
    and Smooth Activations", for `s`.
    """

    def __init__(self, negative_slope=-0.2, beta=0.5, **kwargs):
        super().__init__(**kwargs)
        if not beta > 0:
            raise ValueError(f"beta must be positive. Received: {beta}")
        self.negative_slope = negative_slope
        self.beta = beta
        self.supports_masking = True

    def call(self, inputs):
        slope, beta = self.negative_slope, self.beta
        shifted = ops.clip(inputs, -beta, beta) + beta
        smooth = ops.square(shifted) * (0.25 / beta) + ops.relu(inputs - beta)
        return slope * inputs + (1 - slope) * smooth

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        return {**config, "negative_slope": self.negative_slope, "beta": self.beta}


def nonlinearity_layer(nonlinearity, shared_axes=None, **kwargs):
    """Returns a layer for a name of `NONLINEARITIES`, otherwise a Keras activation.

    Slopes of `"prelu"` are shared along `shared_axes`.
    """
    if nonlinearity == "prelu":
        initial = keras.initializers.Constant(0.1)
        return PReLU(initial, shared_axes=shared_axes, **kwargs)
    if nonlinearity == "smooth_leaky_relu":
        return SmoothLeakyReLU(**kwargs)
    return keras.layers.Activation(nonlinearity, **kwargs)
