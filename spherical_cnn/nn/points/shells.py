"""Directions, radii and radial functions of points, on `keras.ops`."""

from __future__ import annotations

import numpy as np
from keras import ops

_CENTER = 1e-6  # points much nearer to the center than this have no direction


def direction_and_radius(vectors):
    """Returns `x / √(x² + ε²)`, `(..., 3)`, and `√(x² + ε²)`, `(..., 1)`, with ε = 1e-6.

    Smooth everywhere: the zero vector has the direction 0, and so do vectors much shorter than ε.
    """
    squared = ops.sum(vectors * vectors, axis=-1, keepdims=True) + _CENTER**2
    radius = ops.sqrt(squared)
    return vectors / radius, radius


def at_least(x, low):
    """The maximum of a tensor and a number; `ops.maximum` rounds float64 to float32 on torch."""
    return ops.clip(x, low, np.inf)


def tents(radius, shells):
    """Tent functions `(..., shells)` of radii `(..., 1)` in units of the outermost one.

    They peak at `(s + ½) / shells` and sum to 1; the first and the last are 1 beyond their peaks.
    """
    centers = np.arange(shells)
    position = ops.clip(radius * shells - 0.5, 0, shells - 1)
    return ops.relu(1 - ops.abs(position - ops.cast(centers, radius.dtype)))
