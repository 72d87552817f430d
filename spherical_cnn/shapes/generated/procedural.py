"""The embedded dataset: ten parametric families of generated shapes.

A shape is a triangle mesh of overlapping closed parts. It is upright: z is up, and the front is
along +x. Families vary in proportions, curvature and construction, and their proportions overlap: a
bar stool is as slender as a lamp, and a bed with posts is an inverted table.
"""

from collections.abc import Callable

import numpy as np

from spherical_cnn.choices import SPLITS
from spherical_cnn.shapes.generated import household, vehicles
from spherical_cnn.shapes.signal import Mesh

FAMILIES: dict[str, Callable[[np.random.Generator], Mesh]] = {
    "aeroplane": vehicles.make_aeroplane,
    "bed": household.make_bed,
    "bottle": household.make_bottle,
    "car": vehicles.make_car,
    "chair": household.make_chair,
    "guitar": household.make_guitar,
    "lamp": household.make_lamp,
    "mug": household.make_mug,
    "ship": vehicles.make_ship,
    "table": household.make_table,
}


def make_mesh(family, rng) -> Mesh:
    """Draws a random shape of one of `FAMILIES`.

    The shape is on the plane z = 0, in units of the family, faces counterclockwise from outside.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}. Received: {family!r}")
    return FAMILIES[family](rng)


def name_shape(index):
    """Returns `(name, family)` of a shape, such as `("chair_00014", "chair")`.

    Consecutive indices cycle through the families.
    """
    family = list(FAMILIES)[index % len(FAMILIES)]
    return f"{family}_{index:05d}", family


def draw_mesh(split, index, seed) -> Mesh:
    """Draws a shape of a split.

    The result depends on the arguments only. Each `(seed, split, index)` has its own random stream
    of continuous parameters, so no shape occurs twice. Indices and seeds are 0 or more.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}. Received: {split!r}")
    stream = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), index))
    return make_mesh(name_shape(index)[1], np.random.default_rng(stream))
