"""Samples without a value, such as those of an ocean's field over land."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from spherical_cnn.sphere.grid import grid_by_key
from spherical_cnn.sphere.operations import GridOperation, at_least_float32, constant, is_symbolic


def check_present(signal, grid):
    """Refuses signals `(batch, *grid.shape, channel)` with samples that are not finite.

    Raises:
        ValueError: with their number and the place of the first one.
    """
    try:
        missing = ~np.isfinite(ops.convert_to_numpy(signal))
    except Exception as error:  # each backend raises its own kind
        raise ValueError(
            "check needs the values of the signal, which a symbolic tensor and a compiled function "
            f"do not have. Received: check=True, signal={signal}"
        ) from error
    if not missing.any():
        return
    image, row, column, channel = (int(axis[0]) for axis in np.nonzero(missing))
    latitude = 90 - np.degrees(grid.colatitude[row])
    longitude = np.degrees(grid.longitude[column])
    raise ValueError(
        f"signal must be finite. Received: {missing.sum()} of {missing.size} samples are not, the "
        f"first in image {image}, channel {channel}, row {row} (latitude {latitude:.4g}°), column "
        f"{column} (longitude {longitude:.4g}°); fill them before the transform, for example by "
        "spherical_cnn.fill_missing"
    )


@keras.saving.register_keras_serializable(package="spherical_cnn")
def fill_missing(signal, grid):
    """Fills samples that are not finite with the average of those present, over their area.

    The transform needs a value for every sample. The average adds no constant to what is present;
    edges of the gaps remain and have high degrees. Give the network the mask as a channel, and
    leave filled samples out of its loss.

    Args:
        signal: `(batch, *grid.shape, channel)` floats: a NumPy array, or a tensor.
        grid: `SphericalGrid`.

    Returns:
        `(filled, mask)`, of the kind, shape and dtype of `signal`: the mask is 1 where a sample was
        present and 0 where it is filled. A channel without any sample is filled with 0.

    Raises:
        ValueError: if the signal is not sampled on `grid`.

    >>> from spherical_cnn.sphere import SphericalGrid
    >>> filled, mask = fill_missing(np.full((1, 8, 8, 1), np.nan), SphericalGrid(4))
    >>> float(filled.max()), float(mask.max())
    (0.0, 0.0)
    """
    is_tensor = ops.is_tensor(signal) or is_symbolic(signal)
    signal = signal if is_tensor else np.asarray(signal)
    shape, dtype = tuple(signal.shape), keras.backend.standardize_dtype(signal.dtype)
    if len(shape) != 4 or shape[1:3] != grid.shape or not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"signal must be floats (batch, {grid.nlat}, {grid.nlon}, channel) for {grid}. "
            f"Received: {shape}, {dtype}"
        )
    if is_symbolic(signal):
        return GridOperation(fill_missing, grid)(signal)
    if is_tensor:
        wide = ops.cast(signal, at_least_float32(dtype))
        results = _fill(ops, wide, ops.cast, constant(wide, _areas, grid.key))
        return tuple(ops.cast(result, dtype) for result in results)
    results = _fill(np, signal.astype(np.float64), np.ndarray.astype, _areas(grid.key))
    return tuple(result.astype(dtype) for result in results)


def _fill(library, signal, cast, areas):
    """`(filled, mask)` by NumPy or by `keras.ops`, which name these functions alike."""
    mask = cast(library.isfinite(signal), signal.dtype)
    signal = library.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0)
    area = library.sum(mask * areas, axis=(1, 2), keepdims=True)
    total = library.sum(areas * signal, axis=(1, 2), keepdims=True)
    return signal + (1 - mask) * total / (area + cast(area <= 0, area.dtype)), mask


def _areas(key):
    return np.maximum(grid_by_key(key).quadrature_weights, 0)[:, None, None]
