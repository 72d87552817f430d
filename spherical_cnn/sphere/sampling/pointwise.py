"""The inverse transform at arbitrary points."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from spherical_cnn.sphere.operations import (
    at_least_float32,
    full_float32,
    is_symbolic,
    matmul,
    readable,
)
from spherical_cnn.sphere.sampling.harmonics import harmonics_by_degree


def isht_at(coefficients, directions):
    """Inverse spherical harmonic transform at any points of the sphere, exact.

        values[b, n, c] = Σ_lm Y_lm(directions[n]) coefficients[b, l, L-1+m, c]

    It takes `O(L²)` operations for a point. On a grid, `isht` is faster. The harmonics of
    directions that are no tensor are computed in float64, as constants. Those of a tensor are
    computed on the backend, with gradients. In float32, near the poles, their error is up to 1e-5
    for 16 degrees and 4e-4 for 72, because `z` near 1 does not determine the direction.

    Args:
        coefficients: `(batch, L, 2L-1, channel)`, any float dtype.
        directions: unit vectors `(points, 3)`, or `(batch, points, 3)`, different ones for each
            signal; see `to_directions` for colatitudes and longitudes.

    Returns:
        `(batch, points, channel)`, in the dtype of the coefficients.

    Raises:
        ValueError: if an argument has another shape, coefficients are not floats, or directions
            that are no tensor are not of length 1.

    >>> from spherical_cnn.sphere import to_directions
    >>> constant = np.zeros((1, 4, 7, 1), "float32")
    >>> constant[0, 0, 3] = np.sqrt(4 * np.pi)
    >>> values = isht_at(constant, to_directions([0.3, 1.2], [2.0, 4.0]))
    >>> tuple(values.shape), round(float(values[0, 0, 0]), 5)
    ((1, 2, 1), 1.0)
    """
    if is_symbolic(coefficients) or is_symbolic(directions):
        return PointSynthesis()(coefficients, directions)
    coefficients = ops.convert_to_tensor(coefficients)
    if not ops.is_tensor(directions):
        directions = readable(np.asarray(directions, np.float64), coefficients)
    _check(coefficients, directions)
    wide, bandwidth = at_least_float32(coefficients.dtype), coefficients.shape[1]
    total: Any = 0.0
    with full_float32():
        for l, rows in enumerate(harmonics_by_degree(directions, bandwidth)):
            rows = (
                ops.cast(rows, wide) if ops.is_tensor(rows) else ops.convert_to_tensor(rows, wide)
            )
            inside = coefficients[:, l, bandwidth - 1 - l : bandwidth + l]
            total = total + matmul(rows, ops.cast(inside, wide))
    return ops.cast(total, coefficients.dtype)


@keras.saving.register_keras_serializable(package="spherical_cnn")
class PointSynthesis(keras.Operation):
    """`isht_at` as a part of a functional Keras model."""

    def call(self, coefficients, directions):
        """Applies the function."""
        return isht_at(coefficients, directions)


def _check(coefficients, directions):
    shape, places = tuple(coefficients.shape), tuple(directions.shape)
    dtype = keras.backend.standardize_dtype(coefficients.dtype)
    if len(shape) != 4 or shape[2] != 2 * shape[1] - 1 or not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            "coefficients must be floats (batch, L, 2L-1, channel). "
            f"Received: coefficients.shape={shape}, coefficients.dtype={dtype}"
        )
    if len(places) not in (2, 3) or places[-1] != 3 or (len(places) == 3 and places[0] != shape[0]):
        raise ValueError(
            f"directions must be (points, 3), or (batch, points, 3) for a batch of {shape[0]}. "
            f"Received: directions.shape={places}"
        )
    if isinstance(directions, np.ndarray):
        lengths = np.linalg.norm(directions, axis=-1)
        if (off := np.abs(lengths - 1)).max(initial=0) > 1e-6:
            raise ValueError(
                "directions must be unit vectors. Received: one of length "
                f"{lengths.flat[off.argmax()]:g}"
            )
