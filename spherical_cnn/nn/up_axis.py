"""An input channel that says which way is up."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE, OnGrid
from spherical_cnn.old_names import ARGUMENTS, renamed
from spherical_cnn.sphere.grid import grid_by_key
from spherical_cnn.sphere.operations import constant


@keras.saving.register_keras_serializable(package=PACKAGE)
class UpAxisChannel(OnGrid):
    """Channel that gives equivariant layers access to the vertical direction.

        out[b, t, p, 0] = known_b cos θ_t

    Concatenate it to a signal. `known_b` is 1 for upright shapes and 0 for shapes in any rotation.
    During training it is 0 for a random fraction of the samples (conditioning dropout), so that one
    network learns both cases.

    Args:
        known: whether the shapes are upright; if not, the output is 0.
        dropout_rate: fraction of the samples whose channel is set to 0 during training.
        seed: seed of the dropout.
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs.

    Input shape:
        `(batch, *grid.shape, channels)`; only the shape matters.

    Output shape:
        `(batch, *grid.shape, 1)`.

    >>> tuple(UpAxisChannel()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16, 16, 1)
    """

    def __init__(self, known=True, dropout_rate=0.5, seed=None, grid=None, **kwargs):
        super().__init__(grid, **kwargs)
        if not 0 <= dropout_rate <= 1:
            raise ValueError(
                f"dropout_rate must be in 0 … 1. Received: dropout_rate={dropout_rate}"
            )
        self.known = known
        self.dropout_rate = dropout_rate
        self.seed = seed
        self._choice = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        maps = ops.zeros_like(inputs[..., :1])
        if not self.known:
            return maps
        maps = maps + constant(maps, _cosines, self.in_grid.key)
        if training and self.dropout_rate:
            shape = (ops.shape(inputs)[0], 1, 1, 1)
            drawn = keras.random.uniform(shape, dtype="float32", seed=self._choice)
            maps = maps * ops.cast(drawn >= self.dropout_rate, maps.dtype)
        return maps

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], 1)

    def get_config(self):
        own = {"known": self.known, "dropout_rate": self.dropout_rate, "seed": self.seed}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        """Creates the layer from its config, or from that of the earlier `Height`."""
        return cls(**renamed(config, ARGUMENTS))


def _cosines(key):
    return np.cos(grid_by_key(key).colatitude)[:, None, None]
