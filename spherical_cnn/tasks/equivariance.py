"""Measures a network's equivariance on shapes.

Two ways of rotating the input tell the network from the sampling. *Exact*: the band-limited signal
is rotated by its coefficients; all error is the network's. *Re-cast*: the shape is rotated and cast
again; the error of the layer `signal` is the sampling's, the errors of the others are of both.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging

import numpy as np

from spherical_cnn.data.signals import check_visible, signals
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.nn.layer_errors import measure, rotated_exactly
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

logger = logging.getLogger("spherical_cnn")


def measure_shapes(model, source, config, *, shapes=16, rotations=8, seed=0):
    """Measures errors of a network on shapes of a source, rotated exactly and re-cast.

    The shapes are the first of the test split, or of train if it has none, in turn from each class.
    The `DatasetConfig` says how they are read and cast; the rotations are random, from the seed.

    Returns:
        dict by way of rotating of what `measure` returns.

    Raises:
        ConfigError: if no shape can be cast.
        ShapeError: if rays miss all shapes.
    """
    angles = random_rotations(rotations, np.random.default_rng(seed))
    config = dataclasses.replace(config, resolution=model.input_shape[1])
    poses = [Pose(matrix) for matrix in (np.eye(3), *euler_to_matrix(angles))]
    seen = []
    found = _cast_first(source, config, poses, shapes)
    for name, of_item in found.items():
        try:
            check_visible(name, of_item)
        except ShapeError as error:
            logger.warning(f"skipped: {error}")
        else:
            seen.append(of_item)
    if not seen:
        raise ShapeError(f"{source}: no ray meets any of {len(found)} shapes")
    start, *recast = np.stack(seen, axis=1)
    limited, rotated = rotated_exactly(start, angles)
    return {
        "exact": measure(model, limited, rotated, angles),
        "re-cast": measure(model, start, recast, angles),
    }


def _cast_first(source, config, poses, count):
    """Signals `(poses, n, n, 2)` by name of the first shapes that can be cast."""
    found = find_shapes(source, embedded_shapes=config.embedded_shapes)
    reasons = []
    for split in ("test", "train"):
        classes: dict[str, list] = {}
        for item in found.items:
            if item.split == split:
                classes.setdefault(item.class_name, []).append(item)
        rounds = itertools.zip_longest(*classes.values())
        items = [item for one in rounds for item in one if item]
        cast: dict[str, np.ndarray] = {}
        for item, of_item in signals(items, [poses] * len(items), config):
            if isinstance(of_item, str):
                reasons.append(f"{item.name}: {of_item}")
                logger.warning(f"skipped: {reasons[-1]}")
            else:
                cast[item.name] = of_item
            if len(cast) == count:
                break
        if cast:
            return cast
    first = f"the first, {reasons[0]}" if reasons else "found no test and no train shapes"
    raise ConfigError(f"{found.name}: no shape that can be cast; {first}")
