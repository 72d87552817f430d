"""Shapes of a source, cast on the spot: for measurements that need no data set.

What is wrong with single shapes, such as that they are nearly blank, goes to the log as warnings.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os

import numpy as np

from spherical_cnn.data.config import Recipe
from spherical_cnn.options import ConfigError
from spherical_cnn.signals.signal import Pose, ShapeError, is_blank, seen_share, what_is_missing
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.training.run_folder import RunError

logger = logging.getLogger("spherical_cnn")


def recipe_of(folder, given):
    """How the signals of a run's data set were made.

    Args:
        folder: `RunFolder`; a run whose data set says nothing has the defaults of `Recipe`.
        given: dict of options that replace those of the run where they are not `None`.

    Returns:
        `Recipe`.

    Raises:
        ConfigError: if a given option is refused.
        RunError: if `data.json` is unreadable or holds other options.
    """
    try:
        own = Recipe.from_json(folder.read_data()["options"])
    except (ConfigError, TypeError) as error:
        raise RunError(f"{folder('data.json')}: {error}") from error
    return dataclasses.replace(own, **{k: v for k, v in given.items() if v is not None})


def check_seen(name, signals):
    """Refuses a shape that no ray sees in any pose, warns if it is nearly blank in one.

    Args:
        name: of the shape.
        signals: `(poses, …)`, as in `seen_share`.

    Raises:
        ShapeError: naming the shape.
    """
    shares = seen_share(signals)
    said = what_is_missing(shares)
    if is_blank(shares):
        raise ShapeError(f"{name}: {said}")
    if said:
        logger.warning(f"{name}: {said}")


def find_casters(source, recipe, count):
    """Casters of shapes of a source: the first of its test split, or of train if it has none.

    The classes take turns. Shapes that cannot be cast are skipped.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        recipe: `Recipe`, of which how shapes are read is used.
        count: how many, at most.

    Returns:
        dict by name of `spherical_cnn.signals.raycast.RayCaster`.

    Raises:
        ConfigError: if there is no shape.
    """
    # With all that reading shapes needs.
    from spherical_cnn.data.atomic import readable
    from spherical_cnn.data.sources import find_shapes, why_left_out

    source, reasons = os.fspath(source), []

    found = find_shapes(source, embedded_shapes=recipe.embedded_shapes)
    for split in ("test", "train"):
        items: dict[str, list] = {}
        for item in found.items:
            if item.split == split:
                items.setdefault(item.class_name, []).append(item)
        turns = itertools.zip_longest(*items.values())
        casters: dict = {}
        for item in (item for turn in turns for item in turn if item is not None):
            if len(casters) == count:
                break
            try:
                casters[item.name] = item.caster(**recipe.reading)
            except (ShapeError, OSError) as error:
                reasons.append(f"{item.name}: {why_left_out(error)}")
                logger.warning(f"skipped: {reasons[-1]}")
        if casters:
            return casters
    said = f"the first, {reasons[0]}" if reasons else "found no test and no train shapes"
    raise ConfigError(f"{readable(source)}: no shape that can be cast; {said}")


def cast_signals(casters, resolution, rings=0, rotation=None):
    """Signals of shapes as a network takes them: `cast_samples` as `split_complex` splits them."""
    from spherical_cnn.data.records.codec import split_complex  # only here, as it needs TensorFlow

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
