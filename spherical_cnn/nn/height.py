"""Which way is up, for networks that would not know otherwise."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE, OnGrid
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import constant


@keras.saving.register_keras_serializable(package=PACKAGE)
class Height(OnGrid):
    """The height of each sample above the centre, on the unit sphere, of shapes that are upright.

        out[b, t, p, 0] = told_b cos θ_t

    Beside a signal it lets layers that commute with rotations tell up from down, as far as they are
    told: `told_b` is 1 or, of shapes that may be turned in any way, 0. In training a share of the
    samples is not told, so that one network learns to do with and without.

    Args:
        told: whether the shapes are upright; if not, the output is 0.
        withheld: share of the samples of which it is not told in training.
        seed: of the choice of these.

    Input shape:
        `(batch, 2L, 2L, channels)`, of which only the shape counts.

    Output shape:
        `(batch, 2L, 2L, 1)`.

    >>> tuple(Height()(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16, 16, 1)
    """

    def __init__(self, told=True, withheld=0.5, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= withheld <= 1:
            raise ValueError(f"withheld must be in 0 … 1. Received: withheld={withheld}")
        self.told = told
        self.withheld = withheld
        self.seed = seed
        self._choice = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        maps = ops.zeros_like(inputs[..., :1])
        if not self.told:
            return maps
        maps = maps + constant(maps, _heights, self.grid.bandwidth)
        if training and self.withheld:
            shape = (ops.shape(inputs)[0], 1, 1, 1)
            drawn = keras.random.uniform(shape, dtype="float32", seed=self._choice)
            maps = maps * ops.cast(drawn >= self.withheld, maps.dtype)
        return maps

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], 1)

    def get_config(self):
        own = {"told": self.told, "withheld": self.withheld, "seed": self.seed}
        return {**super().get_config(), **own}


def _heights(bandwidth):
    return np.cos(SphericalGrid(bandwidth).colatitude)[:, None, None]
