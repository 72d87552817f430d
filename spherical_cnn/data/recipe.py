"""How shapes become records: the options of a data set, and the work of one process."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from spherical_cnn.data.flags import ConfigError, Options, option
from spherical_cnn.data.records import FRAME, encode
from spherical_cnn.signals.normalise import CENTRES
from spherical_cnn.signals.shape import KINDS, UP_AXES
from spherical_cnn.signals.signal import Pose, ShapeError
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

ROTATIONS = ("none", "z", "so3")


@dataclasses.dataclass(frozen=True)
class Recipe(Options):
    """Options of a data set. With its source, they determine every byte of the shards.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is refused.
    """

    resolution: int = option(
        64, "res", "samples along each angle of the sphere", least=2, group="copies and splits"
    )
    rotation: str = option("so3", None, "of train and val shapes", ROTATIONS)
    test_rotation: str = option("same", None, "of test shapes", ("same", *ROTATIONS))
    copies: int = option(1, None, "train shards: each shape once in each, rotated anew", least=1)
    test_copies: int = option(1, None, "test shards", least=1)
    val_fraction: float = option(
        0.0, None, "share of each class's train shapes that becomes val", least=0, below=1
    )
    test_fraction: float = option(
        0.0, None, "likewise test, where the source has no test shapes", least=0, below=1
    )
    scale_range: float = option(
        0.0, None, "train shapes are scaled along each axis by a factor in 1 ± X", least=0, below=1
    )
    shift_range: float = option(
        0.0,
        None,
        "the centre of train shapes is moved by up to X radii along each axis",
        None,
        0,
        1,
    )
    rings: int = option(
        0, None, "of rays about each sample's within a cell, averaged; 0: one ray", least=0
    )
    centre: str = option(
        "sphere",
        None,
        "where rays start: centre of the smallest enclosing sphere, or centroid",
        CENTRES,
        group="reading of shapes",
    )
    up: str = option("z", None, "axis that is up in the files", UP_AXES)
    kind: str = option("auto", None, "what the files hold", ("auto", *KINDS))
    max_file_mb: int = option(512, None, "larger files are left out", least=1)
    embedded_shapes: tuple[int, ...] = option(
        (1000, 100, 300), None, "train, val and test shapes of the embedded set"
    )
    seed: int = option(0, None, "of rotations, splits and the embedded set", least=0)

    def __post_init__(self):
        super().__post_init__()
        if self.resolution % 2:
            raise ConfigError(f"--resolution: expected an even number. Received: {self.resolution}")
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError("--val_fraction, --test_fraction: expected less than 1 together")
        for split, flag in (("train", "copies"), ("test", "test_copies")):
            varied = split == "train" and (self.scale_range or self.shift_range)
            if self.rotation_of(split) == "none" and not varied and self.copies_of(split) > 1:
                raise ConfigError(
                    f"--{flag}: without rotation all copies would be equal, expected 1. "
                    f"Received: {self.copies_of(split)}"
                )

    def rotation_of(self, split):
        """Kind of rotation of a split's shapes."""
        tested = split == "test" and self.test_rotation != "same"
        return self.test_rotation if tested else self.rotation

    def copies_of(self, split):
        """Number of shards of a split; val has one."""
        return {"train": self.copies, "val": 1, "test": self.test_copies}[split]

    @property
    def reading(self):
        """Arguments of `caster_of_file`."""
        limit = self.max_file_mb * 2**20
        return {"kind": self.kind, "centre": self.centre, "up": self.up, "limit": limit}


@dataclasses.dataclass(frozen=True)
class Task:
    """Some shapes of one split, to be written to a file of their own."""

    recipe: Recipe
    split: str
    items: list  # of (Item, label)
    path: str


class Outcome(NamedTuple):
    """What became of a task.

    Args:
        sizes: bytes written, per copy.
        skipped: `(name, reason)` of the shapes left out.
        blank: names of shapes of which a copy is 0 everywhere, such as a sheet through the centre.
    """

    sizes: list
    skipped: list
    blank: list


def draw_poses(recipe, split, name):
    """The poses of the copies of a shape: each depends on the seed, the shape and its number only.

    Returns:
        list of `Pose`: the shape scaled along its own axes, then rotated; the centre moved.
    """
    copies = recipe.copies_of(split)
    turning, changing = (
        np.random.default_rng(identity(recipe.seed, purpose, split, name))
        for purpose in ("rotation", "change")
    )
    rotations = draw_rotations(recipe.rotation_of(split), copies, turning)
    ranges = [[recipe.scale_range], [recipe.shift_range]] if split == "train" else [[0], [0]]
    changes = changing.uniform(-1, 1, (copies, 2, 3)) * ranges + [[1], [0]]
    return [Pose(r, scale, shift) for r, (scale, shift) in zip(rotations, changes, strict=True)]


def draw_rotations(kind, count, rng):
    """Random rotations `(count, 3, 3)` of a kind of `ROTATIONS`."""
    keep = {"none": [0, 0, 0], "z": [1, 0, 0], "so3": [1, 1, 1]}[kind]
    return euler_to_matrix(random_rotations(count, rng) * keep)


def identity(*parts):
    """A number of 256 bits that stands for its arguments."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big")


def perform(task):
    """Writes the records of a task: all of the first copy, then all of the second, and so on.

    Returns:
        `Outcome`.

    Raises:
        OSError: if the file cannot be written.
    """
    copies: list[list[bytes]] = [[] for _ in range(task.recipe.copies_of(task.split))]
    skipped: list[tuple[str, str]] = []
    blank: list[str] = []
    grid = SphericalGrid.from_resolution(task.recipe.resolution)
    for item, label in task.items:
        try:
            caster = item.origin.caster(**task.recipe.reading)
            poses = draw_poses(task.recipe, item.split, item.name)
            signals = [caster.signal(grid, pose, task.recipe.rings) for pose in poses]
        except ShapeError as error:
            skipped.append((item.name, str(error)))
        except OSError as error:
            skipped.append((item.name, error.strerror or str(error)))
        except Exception as error:  # whatever one shape does, the others go on
            skipped.append((item.name, f"{type(error).__name__}: {error}"))
        else:
            for number, signal in enumerate(signals):
                copies[number].append(encode(signal, label, item.name, number))
            if not all(signal.any() for signal in signals):
                blank.append(item.name)
    try:
        with tf.io.TFRecordWriter(task.path) as writer:
            for record in (record for copy in copies for record in copy):
                writer.write(record)
    except tf.errors.OpError as error:
        raise OSError(None, error.message.split("; ")[-1], task.path) from error
    sizes = [sum(len(record) + FRAME for record in copy) for copy in copies]
    return Outcome(sizes, skipped, blank)
