"""The options of a dataset."""

from __future__ import annotations

import dataclasses

from spherical_cnn.choices import CENTERS, EMBEDDED, KINDS, ROTATIONS, UP_AXES, is_supersampling
from spherical_cnn.errors import ConfigError
from spherical_cnn.options import Options, option


@dataclasses.dataclass(frozen=True)
class DatasetConfig(Options):
    """Options of a dataset. Together with its source they determine every byte of its records.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is invalid.
    """

    resolution: int = option(
        64, "res", "samples along each angle of the sphere", least=2, group="copies and splits"
    )
    rotation: str = option("so3", None, "rotation of train and val shapes", ROTATIONS)
    test_rotation: str = option("same", None, "rotation of test shapes", ("same", *ROTATIONS))
    copies: int = option(
        1, None, "train shards; each holds every shape once, in a new rotation", least=1
    )
    test_copies: int = option(1, None, "test shards", least=1)
    val_fraction: float = option(
        0.0, None, "fraction of each class's train shapes to use as val", least=0, below=1
    )
    test_fraction: float = option(
        0.0, None, "fraction to use as test, if the source has no test shapes", least=0, below=1
    )
    scale_range: float = option(
        0.0, None, "scale train shapes along each axis by a factor in 1 ± X", least=0, below=1
    )
    shift_range: float = option(
        0.0, None, "shift the center of train shapes by up to X radii along each axis", None, 0, 1
    )
    rays_per_sample: int = option(
        1, None, "rays per grid sample, averaged (supersampling): 1, 7, 19, 37, …", least=1
    )
    num_points: int = option(
        1024, None, "points of a shape that point_sphere reads", least=1, below=65536
    )
    drop_points: float = option(
        0.0, None, "drop up to X of the points of train shapes, for point_sphere", None, 0, 1
    )
    center: str = option(
        "sphere",
        None,
        "where rays start: center of the smallest enclosing sphere, or centroid",
        CENTERS,
        group="reading of shapes",
    )
    up: str = option("z", None, "axis that points up in the files", UP_AXES)
    kind: str = option("auto", None, "what the files hold", ("auto", *KINDS))
    max_file_mb: int = option(512, None, "skip larger files", least=1)
    embedded_shapes: tuple[int, ...] = option(
        (1000, 100, 300), None, "number of train, val and test shapes of the embedded dataset"
    )
    data_seed: int = option(0, None, "seed of rotations, splits and the embedded dataset", least=0)

    def __post_init__(self):
        super().__post_init__()
        if self.resolution % 2:
            raise ConfigError(f"--resolution: expected an even number. Received: {self.resolution}")
        if not is_supersampling(self.rays_per_sample):
            raise ConfigError(
                "--rays_per_sample: expected 1, 7, 19, 37 or another number of rays in rings of 6, "
                f"12, 18, … around one. Received: {self.rays_per_sample}"
            )
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError("--val_fraction, --test_fraction: expected a sum of less than 1")
        for split, flag in (("train", "copies"), ("test", "test_copies")):
            varied = split == "train" and (self.scale_range or self.shift_range)
            if self.rotation_of(split) == "none" and not varied and self.copies_of(split) > 1:
                raise ConfigError(
                    f"--{flag}: without rotation all copies would be equal, expected 1. "
                    f"Received: {self.copies_of(split)}"
                )

    def rotation_of(self, split):
        """Returns the kind of rotation of a split's shapes."""
        tested = split == "test" and self.test_rotation != "same"
        return self.test_rotation if tested else self.rotation

    def copies_of(self, split):
        """Returns the number of shards of a split; val has one."""
        return {"train": self.copies, "val": 1, "test": self.test_copies}[split]

    @property
    def reading(self):
        """Arguments of `load_shape`."""
        limit = self.max_file_mb * 2**20
        return {"kind": self.kind, "center": self.center, "up": self.up, "limit": limit}


def check_reading(source, config, workers=1):
    """Refuses a wrong number of workers, and options that have no effect on a source."""
    if workers < 1:
        raise ConfigError(f"--workers: expected at least 1. Received: {workers}")
    is_embedded = source == EMBEDDED
    unused = ["kind", "up", "max_file_mb"] if is_embedded else ["embedded_shapes"]
    unused += ["max_file_mb"] if source.lower().endswith(".npz") and not is_embedded else []
    for name in unused:
        if getattr(config, name) != getattr(DatasetConfig, name):
            raise ConfigError(f"--{name}: has no effect on {source}, expected none")
