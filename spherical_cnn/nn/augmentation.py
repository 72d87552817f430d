"""Random rotations of signals as a layer."""

from __future__ import annotations

import math

import keras
from keras import ops

from spherical_cnn.nn.pooling import PACKAGE, OnGrid
from spherical_cnn.sphere.rotation import rotate_order_first
from spherical_cnn.sphere.spectral import (
    analyze,
    synthesize,
    to_batch_first,
    to_order_first,
)

_GROUPS = ("so3", "z")


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomSphericalRotation(OnGrid):
    """Rotates each signal at random during training, exactly, in the harmonic domain.

        out_lm[b] = Σ_k D^l_mk(R_b) f_lk[b],    R_b uniform over SO(3), or about the vertical axis

    In training the signals are projected to the band limit of their grid. At inference the layer
    returns its input.

    Args:
        group: `"so3"`, all rotations; or `"z"`, those about the vertical axis.
        seed: seed of the rotations.
        grid: `SphericalGrid` of the input; by default the paper's grid for square inputs.

    Input shape:
        `(batch, *grid.shape, channels)`.

    Output shape:
        Same as the input.

    >>> layer = RandomSphericalRotation(seed=0)
    >>> tuple(layer(np.ones((1, 16, 16, 2), "float32"), training=True).shape)
    (1, 16, 16, 2)

    Reference: Pinchon & Hoggan 2007.
    """

    def __init__(self, group="so3", seed=None, grid=None, **kwargs):
        super().__init__(grid, **kwargs)
        if group not in _GROUPS:
            raise ValueError(f"group must be one of {_GROUPS}. Received: group={group!r}")
        self.group = group
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        if not training:
            return inputs
        grid = self.in_grid
        whole = [(0, grid.bandwidth)]
        coefficients = analyze(to_order_first(inputs), grid, grid.bandwidth, blocks=whole)[0]
        rotated = rotate_order_first(coefficients, self._angles(ops.shape(inputs)[0]))
        return to_batch_first(synthesize([rotated], grid))

    def _angles(self, batch):
        """ZYZ Euler angles, as `random_rotations` draws them."""
        count = 3 if self.group == "so3" else 1
        drawn = keras.random.uniform((count, batch), dtype="float32", seed=self._generator)
        alpha = 2 * math.pi * drawn[0]
        if self.group == "z":
            return [alpha]
        return [alpha, ops.arccos(1 - 2 * drawn[1]), 2 * math.pi * drawn[2]]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "group": self.group, "seed": self.seed}
