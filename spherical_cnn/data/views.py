"""Test-time augmentation: other centers of a shape, and other subsets of its points."""

from __future__ import annotations

import dataclasses

import numpy as np

from spherical_cnn.data.poses import rng
from spherical_cnn.errors import ConfigError


def add_views(poses, count, config, name):
    """Returns poses, each followed by `count - 1` views: the same pose about another center.

    The centers are shifted like those of train shapes; they depend on the seed and the name.
    """
    generator = rng(config.data_seed, "views", name)
    shifts = config.shift_range * generator.uniform(-1, 1, (len(poses), count, 3))
    shifts[:, 0] = 0
    return [
        dataclasses.replace(pose, center=pose.center + shift)
        for pose, own in zip(poses, shifts, strict=True)
        for shift in own
    ]


def drop_points(clouds, count, config, name):
    """Drops points of all but the first of every `count` of the clouds, as of train shapes.

    Returns:
        `(rows, points, 3)`, NaN where points are dropped.
    """
    generator = rng(config.data_seed, "dropped", name)
    share = generator.uniform(0, config.drop_points, (len(clouds), 1))
    share[::count] = 0
    return np.where((generator.random(clouds.shape[:2]) < share)[..., None], np.nan, clouds)


def check_views(count, config, takes_points):
    """Refuses a number of views, and views that would all be equal."""
    if count < 1:
        raise ConfigError(f"--tta: expected at least 1. Received: {count}")
    if count > 1 and not (config.shift_range or (takes_points and config.drop_points)):
        flags = "--shift_range or --drop_points" if takes_points else "--shift_range"
        raise ConfigError(f"--tta: without {flags} in the dataset all views would be equal")
