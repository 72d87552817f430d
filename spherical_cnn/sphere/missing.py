"""Samples without a value, such as those of an ocean's field over land."""

from __future__ import annotations

import numpy as np


def check_present(signal, grid):
    """Refuses signals `(batch, *grid.shape, channel)` with samples that are not finite.

    Raises:
        ValueError: with their number and the place of the first one.
    """
    missing = ~np.isfinite(np.asarray(signal))
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


def fill_missing(signal, grid):
    """Fills samples that are not finite with the average of those present, over their area.

    The transform needs a value for every sample. The average adds no constant to what is present;
    edges of the gaps remain and have high degrees. Give the network the mask as a channel, and
    leave filled samples out of its loss.

    Args:
        signal: `(batch, *grid.shape, channel)`, a NumPy array of floats.
        grid: `SphericalGrid`.

    Returns:
        `(filled, mask)`, of the shape and dtype of `signal`: the mask is 1 where a sample was
        present and 0 where it is filled. A channel without any sample is filled with 0.

    Raises:
        ValueError: if the signal is not sampled on `grid`.

    >>> from spherical_cnn.sphere import SphericalGrid
    >>> filled, mask = fill_missing(np.full((1, 8, 8, 1), np.nan), SphericalGrid(4))
    >>> float(filled.max()), float(mask.max())
    (0.0, 0.0)
    """
    signal = np.asarray(signal)
    if signal.ndim != 4 or signal.shape[1:3] != grid.shape or signal.dtype.kind != "f":
        raise ValueError(
            f"signal must be floats (batch, {grid.nlat}, {grid.nlon}, channel) for {grid}. "
            f"Received: {signal.shape}, {signal.dtype}"
        )
    mask = np.isfinite(signal)
    weights = mask * np.maximum(grid.quadrature_weights, 0)[:, None, None]
    total = weights.sum(axis=(1, 2), keepdims=True)
    mean = (weights * np.where(mask, signal, 0)).sum(axis=(1, 2), keepdims=True)
    mean = mean / np.where(total > 0, total, 1)
    return np.where(mask, signal, mean).astype(signal.dtype), mask.astype(signal.dtype)
