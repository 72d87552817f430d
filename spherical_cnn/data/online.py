"""Online data: shapes that are cast on the device in new poses in every epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from typing import NamedTuple

import numpy as np

from spherical_cnn.data.dataset_config import DatasetConfig, check_reading
from spherical_cnn.data.module import ArrayBatches
from spherical_cnn.data.poses import assign_splits, draw_poses, draw_split_poses, rng
from spherical_cnn.data.signals import DeviceCaster
from spherical_cnn.data.sources import Item, Source, find_shapes, read_meshes
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.signal import compute_hit_rate, describe_misses

logger = logging.getLogger("spherical_cnn")


@dataclasses.dataclass(frozen=True)
class OnlineSource:
    """The shapes of online data, found but not read; their splits are assigned."""

    config: DatasetConfig
    found: Source
    items: list[Item]  # those of the splits in use

    @classmethod
    def find(cls, source, config, splits, split_file=None, workers=1):
        """Finds the shapes of the given splits; see `spherical_cnn.data.sources.find_shapes`.

        Raises:
            ConfigError: if the source, or a split, has no shapes.
        """
        source = os.fspath(source)
        check_reading(source, config, workers)
        found = find_shapes(source, split_file, config.embedded_shapes, config.data_seed)
        items = assign_splits(found, config)
        for split in splits:
            if not any(item.split == split for item in items):
                raise ConfigError(
                    f"{found.name}: found no {split} shapes; give --val_fraction to draw some from "
                    "train, or --skip_val"
                )
        return cls(config, found, [item for item in items if item.split in splits])

    def description(self):
        """See `DataModule.description`."""
        options = self.config.to_dict()
        return {"source": self.found.name, "classes": self.found.classes, "options": options}


class OnlineModule:
    """What the `DataModule`s of an `OnlineSource` have in common."""

    def __init__(self, source, batch_size, seed, drop_remainder):
        self.source, self.config = source, source.config
        self._batch_size, self._seed, self._drop = batch_size, seed, drop_remainder
        self.skipped: list[tuple[str, str]] = []

    def description(self):
        """See `DataModule.description`."""
        return self.source.description()

    def log(self):
        """See `DataModule.log`."""
        for name, reason in self.skipped:
            logger.warning(f"skipped: {name}: {reason}")

    def errors(self):
        """See `DataModule.errors`: everything has been read."""
        return contextlib.nullcontext()

    def _by_split(self, found, progress):
        """Returns lists by split of what `found` yields, `(item, read)`; notes what is skipped."""
        shapes: dict[str, list] = {}
        first: dict[str, str] = {}  # skipped shape of a split
        total = len(self.source.items)
        for count, (item, read) in enumerate(found, 1):
            if isinstance(read, str):
                self.skipped.append((item.name, read))
                first.setdefault(item.split, f"{item.name}: {read}")
            else:
                shapes.setdefault(item.split, []).append((item, read))
            progress(count, total)
        for split in sorted(first.keys() - shapes.keys()):
            raise ConfigError(f"{split}: no shape could be used; the first, {first[split]}")
        trained = len(shapes.get("train", []))
        if self._drop and trained < self._batch_size:
            raise ConfigError(
                f"--round_batches: {trained} train shapes, fewer than --train_bsize "
                f"{self._batch_size}"
            )
        return shapes

    def _order(self, generator, count):
        """Draws the order of the train samples of an epoch, without a partial batch if asked."""
        order = generator.permutation(count)
        return order[: count // self._batch_size * self._batch_size] if self._drop else order


class OnlineData(OnlineModule):
    """The `DataModule` of the shapes of an `OnlineSource`, which are cast during training.

    Val and test shapes are cast once, in the poses that they have in TFRecords; train shapes in
    every epoch, in poses and an order that depend on the seed and the epoch only. `drop_remainder`
    drops the last, partial train batch. Processes read the shapes and report the `progress`.

    Raises:
        ConfigError: if no shape of a split can be read, or there are too few train shapes.
    """

    def __init__(
        self,
        source,
        batch_size,
        *,
        seed=0,
        drop_remainder=False,
        workers=1,
        progress=lambda done, total: None,
    ):
        super().__init__(source, batch_size, seed, drop_remainder)
        self._warned: set = set()  # splits and names of shapes that are nearly blank
        shapes = self._by_split(read_meshes(source.items, self.config, workers), progress)
        self._sets = {split: self._pack(shapes[split]) for split in sorted(shapes)}
        self._fixed = {}
        for split, one in self._sets.items():
            if split != "train":
                poses = [draw_poses(self.config, split, name)[0] for name in one.names]
                self._fixed[split] = one.caster.signals(poses, f"casting {split}")

    def log(self):
        """See `DataModule.log`."""
        logger.info(f"Casting {self.source.found.name} in every epoch...")
        super().log()
        for split, signals in self._fixed.items():
            self._warn(split, signals)

    def train(self, epoch, share=(0, 1)):
        """See `DataModule.train`; one process trains on all samples."""
        one = self._sets["train"]
        generator = rng(self._seed, "epoch", epoch)
        poses = draw_split_poses(self.config, "train", len(one.labels), generator, generator)
        signals = one.caster.signals(poses, "casting train")
        self._warn("train", signals)
        order = self._order(generator, len(one.labels))
        return self._arrays(one, signals, order), len(order)

    def batches(self, split, limit=None):
        """See `DataModule.batches`."""
        count = limit and limit * self._batch_size
        return self._arrays(self._sets[split], self._fixed[split], slice(count))

    def _pack(self, shapes):
        labels = self.source.found.labels
        shapes.sort(key=lambda shape: len(shape[1].faces))  # batches of similar meshes
        return _Set(
            [item.name for item, _ in shapes],
            np.array([labels[item.class_name] for item, _ in shapes]),
            DeviceCaster([mesh for _, mesh in shapes], self.config),
        )

    def _warn(self, split, signals):
        """Warns of nearly blank shapes, of each once."""
        for name, share in zip(self._sets[split].names, compute_hit_rate(signals), strict=True):
            missing = describe_misses(share)
            if missing and (split, name) not in self._warned:
                self._warned.add((split, name))
                logger.warning(f"{split}: {name}: {missing}")

    def _arrays(self, one, signals, rows):
        names = np.array([name.encode() for name in one.names], object)
        return ArrayBatches(signals[rows], one.labels[rows], names[rows], self._batch_size)


class _Set(NamedTuple):
    """The shapes of a split."""

    names: list
    labels: np.ndarray
    caster: DeviceCaster
