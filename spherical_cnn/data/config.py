"""The options of a data set, and what they decide of each shape: its split, its poses."""

from __future__ import annotations

import collections
import dataclasses
import hashlib

import numpy as np

from spherical_cnn.data.atomic import readable
from spherical_cnn.data.sources import EMBEDDED, is_archive
from spherical_cnn.options import ConfigError, Options, option
from spherical_cnn.signals.normalise import CENTRES
from spherical_cnn.signals.shape import KINDS, UP_AXES
from spherical_cnn.signals.signal import Pose
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
        """Arguments of `mesh_of_file`."""
        limit = self.max_file_mb * 2**20
        return {"kind": self.kind, "centre": self.centre, "up": self.up, "limit": limit}


def add_source_arguments(parser):
    """Adds what a command line says of the shapes beyond the recipe: where they are, who reads."""
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument(
        "--split_file", default=None, metavar="CSV", help="a line a shape: name, split"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")


def add_reading_arguments(parser):
    """Adds how single files are read, to commands whose run decides it otherwise."""
    choices = ", ".join(("auto", *KINDS))
    parser.add_argument(
        "--kind", metavar="KIND", help=f"of the files: {choices}; default the run's"
    )
    parser.add_argument("--up", metavar="AXIS", help="that is up in the files; default the run's")


def check_reading(source, recipe, workers=1):
    """Refuses options of reading that would do nothing for a source, and no workers.

    Raises:
        ConfigError: naming the flag.
    """
    if workers < 1:
        raise ConfigError(f"--workers: expected at least 1. Received: {workers}")
    unused = ["kind", "up", "max_file_mb"] if source == EMBEDDED else ["embedded_shapes"]
    unused += ["max_file_mb"] if is_archive(source) else []
    for name in unused:
        if getattr(recipe, name) != getattr(Recipe, name):
            raise ConfigError(f"--{name}: has no effect on {readable(source)}, expected none")


def draw_poses(recipe, split, name):
    """The poses of the copies of a shape: each depends on the seed, the shape and its number only.

    Returns:
        list of `Pose`: the shape scaled along its own axes, then rotated; the centre moved.
    """
    turning, changing = (
        np.random.default_rng(identity(recipe.seed, purpose, split, name))
        for purpose in ("rotation", "change")
    )
    return draw_changes(recipe, split, recipe.copies_of(split), turning, changing)


def draw_changes(recipe, split, count, turning, changing):
    """Poses as the recipe has them for a split: rotations of one generator, changes of another."""
    rotations = draw_rotations(recipe.rotation_of(split), count, turning)
    ranges = [[recipe.scale_range], [recipe.shift_range]] if split == "train" else [[0], [0]]
    changes = changing.uniform(-1, 1, (count, 2, 3)) * ranges + [[1], [0]]
    return [Pose(r, scale, shift) for r, (scale, shift) in zip(rotations, changes, strict=True)]


def draw_rotations(kind, count, rng):
    """Random rotations `(count, 3, 3)` of a kind of `ROTATIONS`."""
    keep = {"none": [0, 0, 0], "z": [1, 0, 0], "so3": [1, 1, 1]}[kind]
    return euler_to_matrix(random_rotations(count, rng) * keep)


def identity(*parts):
    """A number of 256 bits that stands for its arguments."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest(), "big")


def divided(found, recipe):
    """Items with val and test drawn from train as asked for, train in a seeded order."""
    by_class: dict[str, list] = collections.defaultdict(list)
    others: list = []
    for item in found.items:
        (by_class[item.class_name] if item.split == "train" else others).append(item)
    if recipe.test_fraction and any(item.split == "test" for item in others):
        raise ConfigError("--test_fraction: the source has test shapes, expected 0")
    train = []
    for pool in by_class.values():
        pool.sort(key=lambda item: identity(recipe.seed, "split", item.name))
        val = round(recipe.val_fraction * len(pool))
        test = round(recipe.test_fraction * len(pool))
        others += [item._replace(split="val") for item in pool[:val]]
        others += [item._replace(split="test") for item in pool[val : val + test]]
        train += pool[val + test :]
    train.sort(key=lambda item: identity(recipe.seed, "order", item.name))
    for split, there in (("train", train), ("test", [i for i in others if i.split == "test"])):
        if not there:
            raise ConfigError(
                f"no {split} shapes; expected folders class/train and class/test, a split file "
                "or, to set test shapes apart, --test_fraction"
            )
    lacking = {item.class_name for item in others} - {item.class_name for item in train}
    if lacking:
        raise ConfigError(f"classes without train shapes: {', '.join(sorted(lacking))}")
    return train + sorted(others, key=lambda item: item[:3])
