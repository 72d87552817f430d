"""Poses and splits of the shapes of a dataset: random, but fixed by seed and name.

In test-time augmentation a shape is classified in several *views*: about other centers and, if the
network reads points, from other subsets of them.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib

import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

OBLIQUE_AXIS = (0.6, 0.0, 0.8)  # of the rotations in animations, between upright and level


def full_turn(steps):
    """Returns `(steps, 3, 3)` rotations by equal angles about an oblique axis, the first by 0."""
    vectors = 2 * np.pi * np.arange(steps)[:, None] / steps * OBLIQUE_AXIS
    return Rotation.from_rotvec(vectors).as_matrix()


def rng(seed, *key):
    """Returns a NumPy generator that depends on a seed and a key of any values only."""
    return np.random.default_rng(stable_hash(seed, *key))


def stable_hash(*parts):
    """Returns an integer of 256 bits that depends on the text of its arguments only."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big")


def draw_poses(config, split, name):
    """Draws a `Pose` for each copy of a shape, from the seed and the split and name of the shape.

    The shape is scaled along its own axes, then rotated; its center is shifted.
    """
    rotation, change = (
        rng(config.data_seed, purpose, split, name) for purpose in ("rotation", "change")
    )
    return draw_split_poses(config, split, config.copies_of(split), rotation, change)


def draw_split_poses(config, split, count, rotation, change):
    """Draws poses of a split: rotations from one generator, scales and shifts from another."""
    rotations = draw_rotations(config.rotation_of(split), count, rotation)
    ranges = [[config.scale_range], [config.shift_range]] if split == "train" else [[0], [0]]
    changes = change.uniform(-1, 1, (count, 2, 3)) * ranges + [[1], [0]]
    return [Pose(r, scale, shift) for r, (scale, shift) in zip(rotations, changes, strict=True)]


def draw_rotations(kind, count, generator):
    """Draws random rotations `(count, 3, 3)` of a kind of `ROTATIONS`."""
    keep = {"none": [0, 0, 0], "z": [1, 0, 0], "so3": [1, 1, 1]}[kind]
    return euler_to_matrix(random_rotations(count, generator) * keep)


def add_views(poses, count, config, name):
    """Returns poses, each followed by `count - 1` views: the same pose about another center.

    The centers are shifted like those of train shapes; they depend on the seed and the name.
    """
    if count == 1:
        return poses
    generator = rng(config.data_seed, "views", name)
    shifts = config.shift_range * generator.uniform(-1, 1, (len(poses), count, 3))
    shifts[:, 0] = 0
    return [
        dataclasses.replace(pose, center=pose.center + shift)
        for pose, own in zip(poses, shifts, strict=True)
        for shift in own
    ]


def drop_points(clouds, config, generator, whole=slice(0)):
    """Returns clouds `(rows, points, 3)`, NaN for dropped points; rows `whole` keep all."""
    share = generator.uniform(0, config.drop_points, (len(clouds), 1))
    share[whole] = 0
    return np.where((generator.random(clouds.shape[:2]) < share)[..., None], np.nan, clouds)


def check_views(count, config, takes_points):
    """Refuses a number of views, and views that would all be equal."""
    if count < 1:
        raise ConfigError(f"--tta: expected at least 1. Received: {count}")
    if count > 1 and not (config.shift_range or (takes_points and config.drop_points)):
        flags = "--shift_range or --drop_points" if takes_points else "--shift_range"
        raise ConfigError(f"--tta: without {flags} in the dataset all views would be equal")


def assign_splits(source, config):
    """Draws val and test shapes from those of train; orders train at random.

    Returns:
        list of `Item` of a `Source`.

    Raises:
        ConfigError: naming the source, if a split or a class has no shapes.
    """
    by_class: dict[str, list] = collections.defaultdict(list)
    others: list = []
    for item in source.items:
        (by_class[item.class_name] if item.split == "train" else others).append(item)
    if config.test_fraction and any(item.split == "test" for item in others):
        raise ConfigError(f"{source.name}: --test_fraction: the source has test shapes, expected 0")
    train = []
    for pool in by_class.values():
        pool.sort(key=lambda item: stable_hash(config.data_seed, "split", item.name))
        val = round(config.val_fraction * len(pool))
        test = round(config.test_fraction * len(pool))
        others += [item._replace(split="val") for item in pool[:val]]
        others += [item._replace(split="test") for item in pool[val : val + test]]
        train += pool[val + test :]
    train.sort(key=lambda item: stable_hash(config.data_seed, "order", item.name))
    for split, found in (("train", train), ("test", [i for i in others if i.split == "test"])):
        if not found:
            raise ConfigError(
                f"{source.name}: no {split} shapes; expected folders class/train and class/test, a "
                "split file or, to draw test shapes from train, --test_fraction"
            )
    lacking = {item.class_name for item in others} - {item.class_name for item in train}
    if lacking:
        names = ", ".join(sorted(lacking))
        raise ConfigError(f"{source.name}: classes without train shapes: {names}")
    return train + sorted(others, key=lambda item: item[:3])
