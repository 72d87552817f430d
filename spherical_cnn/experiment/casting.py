"""Shapes of a source, cast on the spot: for measurements that need no data set."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np

from spherical_cnn.data.flags import ConfigError
from spherical_cnn.signals.signal import Pose, ShapeError
from spherical_cnn.sphere.grid import SphericalGrid


def find_casters(source, recipe, count):
    """Casters of shapes of a source: the first of its test split, or of train if it has none.

    The classes take turns. Shapes that cannot be cast are passed over.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        recipe: `Recipe`, of which how shapes are read is used.
        count: how many, at most.

    Returns:
        list of `spherical_cnn.signals.raycast.RayCaster`.

    Raises:
        ConfigError: if there is no shape.
    """
    from spherical_cnn.data.sources import find_shapes  # with all that reading shapes needs

    found = find_shapes(source, embedded_shapes=recipe.embedded_shapes)
    for split in ("test", "train"):
        items: dict[str, list] = {}
        for item in found.items:
            if item.split == split:
                items.setdefault(item.class_name, []).append(item)
        turns = itertools.zip_longest(*items.values())
        casters: list = []
        for item in (item for turn in turns for item in turn if item is not None):
            if len(casters) == count:
                break
            with contextlib.suppress(ShapeError):
                casters.append(item.caster(**recipe.reading))
        if casters:
            return casters
    raise ConfigError(f"{source}: no shape that can be cast, expected one at least")


def cast_signals(casters, resolution, rings=0, rotation=None):
    """Signals of shapes as a network takes them: `cast_samples` as `split_complex` splits them."""
    from spherical_cnn.data.records import split_complex  # only here, as it needs TensorFlow

    return split_complex(cast_samples(casters, resolution, rings, rotation)).numpy()


def cast_samples(casters, resolution, rings=0, rotation=None):
    """Signals of shapes as records hold them.

    Args:
        casters: list of `spherical_cnn.signals.raycast.RayCaster`.
        resolution: of the signals.
        rings: as in `RayCaster.signal`.
        rotation: `(3, 3)`, of all shapes, or `(shapes, 3, 3)`; none by default.

    Returns:
        `(shapes, resolution, resolution, 1)` complex: distance, and incidence as phase.
    """
    grid = SphericalGrid.from_resolution(resolution)
    matrices = np.broadcast_to(np.eye(3) if rotation is None else rotation, (len(casters), 3, 3))
    turned = zip(casters, matrices, strict=True)
    return np.stack([caster.signal(grid, Pose(m), rings)[..., None] for caster, m in turned])
