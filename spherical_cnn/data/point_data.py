"""Points of shapes in memory: new poses, and new samples of surfaces, in every epoch."""

from __future__ import annotations

import dataclasses
import logging

import keras
import numpy as np

from spherical_cnn.data.online import OnlineModule, OnlineSource
from spherical_cnn.data.poses import draw_poses, draw_split_poses, drop_points, rng
from spherical_cnn.data.signals import sample_item
from spherical_cnn.data.workers import map_shapes
from spherical_cnn.shapes.sampling import arrange

logger = logging.getLogger("spherical_cnn")

_POOL = 4  # train shapes keep this many times the points of a sample, if they have them


class PointData(OnlineModule):
    """The `DataModule` of points of the shapes of an `OnlineSource`, for `point_sphere`.

    Surfaces are sampled when they are read. Train shapes with more points than the network reads
    give other ones in every epoch. Neighbors are found once for each sample: rotation, shift and
    scale are applied later, and points dropped. Both depend on the seed and the epoch only. Val and
    test shapes have the poses that they have in TFRecords.

    Args:
        source: `OnlineSource`.
        batch_size: samples per batch.
        front, neighbors: see `arrange`.
        seed: seed of the epochs.
        drop_remainder: whether to drop the last, partial train batch.
        workers: number of processes that read shapes.
        progress: called with the number of shapes read and of all shapes.

    Raises:
        ConfigError: if no shape of a split can be read, or there are too few train shapes.
    """

    def __init__(
        self,
        source: OnlineSource,
        batch_size,
        front,
        neighbors,
        *,
        seed=0,
        drop_remainder=False,
        workers=1,
        progress=lambda done, total: None,
    ):
        super().__init__(source, batch_size, seed, drop_remainder)
        self._arrangement = (self.config.num_points, front, neighbors)
        requests = [(item, self.config, front, neighbors) for item in source.items]
        read = zip(source.items, map_shapes(_read_points, requests, workers, 32), strict=True)
        labels, shapes = source.found.labels, self._by_split(read, progress)
        self._sets = {split: _Set.join(shapes[split], labels) for split in shapes}

    def log(self):
        """See `DataModule.log`."""
        logger.info(f"Points of {self.source.found.name}")
        super().log()

    def train(self, epoch, share=(0, 1)):
        """See `DataModule.train`; one process trains on all samples."""
        one = self._sets["train"]
        order = self._order(rng(self._seed, "epoch", epoch), len(one))
        return PointBatches(one, order, self._batch_size, self._varied(one, epoch)), len(order)

    def batches(self, split, limit=None):
        """See `DataModule.batches`."""
        one = self._sets[split]
        rows = np.arange(len(one))[: limit and limit * self._batch_size]

        def posed(rows):
            poses = [draw_poses(self.config, split, one.names[row])[0] for row in rows]
            return _moved(one.points[rows], poses), one.neighbors[rows]

        return PointBatches(one, rows, self._batch_size, posed)

    def _varied(self, one, epoch):
        """Returns the function of rows that gives train samples of an epoch."""

        def sample(rows):
            generator = rng(self._seed, "batch", epoch, *rows)
            points, neighbors = one.points[rows].copy(), one.neighbors[rows].copy()
            for place, row in enumerate(rows):
                if (pool := one.pools.get(row)) is not None:
                    chosen = pool[generator.permutation(len(pool))[: self.config.num_points]]
                    points[place], neighbors[place] = arrange(chosen, *self._arrangement)
            poses = draw_split_poses(self.config, "train", len(rows), generator, generator)
            points = _moved(points, poses)
            if self.config.drop_points:
                points = drop_points(points, self.config, generator)
            return points, neighbors

        return sample


@dataclasses.dataclass(frozen=True)
class _Set:
    """The shapes of a split."""

    names: list[str]
    labels: np.ndarray
    points: np.ndarray  # (shapes, points, 3) float32, arranged
    neighbors: np.ndarray  # (shapes, points, k) uint16
    pools: dict[int, np.ndarray]  # by row, of shapes with more points

    def __len__(self):
        return len(self.names)

    @classmethod
    def join(cls, shapes, labels):
        """Joins what has been read, `(item, (points, neighbors, pool))`."""
        items, read = zip(*shapes, strict=True)
        points, neighbors, pools = zip(*read, strict=True)
        return cls(
            [item.name for item in items],
            np.array([labels[item.class_name] for item in items]),
            np.stack(points),
            np.stack(neighbors),
            {row: pool for row, pool in enumerate(pools) if pool is not None},
        )


class PointBatches:
    """`Batches` of the rows of a set, whose points and neighbors a function of rows gives."""

    def __init__(self, shapes, rows, batch_size, sample):
        self._shapes, self._rows, self._size, self._sample = shapes, rows, batch_size, sample

    def __len__(self):
        return -(-len(self._rows) // self._size)

    def __getitem__(self, index):
        """Returns a batch; see `Batches`."""
        rows = self._rows[index * self._size : (index + 1) * self._size]
        points, neighbors = self._sample(rows)
        return {
            "signal": {"points": points, "neighbors": neighbors.astype(np.int32)},
            "label": self._shapes.labels[rows],
            "name": np.array([self._shapes.names[row].encode() for row in rows], object),
            "rotation": np.zeros(len(rows), np.int64),
        }

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def keras_input(self, outputs):
        """See `Batches.keras_input`."""
        return {"x": _Sequence(self, outputs)}


class _Sequence(keras.utils.PyDataset):
    """Batches for Keras, which prepares them beside the training."""

    def __init__(self, batches, outputs):
        super().__init__(workers=1)
        self._batches, self._outputs = batches, outputs

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        """Returns the inputs and the labels of a batch."""
        batch = self._batches[index]
        return batch["signal"], dict.fromkeys(self._outputs, batch["label"])


def _read_points(item, config, front, neighbors):
    """Returns points and neighbors of a shape, arranged, and its other points, or `None`."""
    size = config.num_points
    pool = sample_item(item, size * _POOL if item.split == "train" else size, config)
    arranged = arrange(pool[:size], size, front, neighbors)
    return *arranged, pool if len(pool) > size else None


def _moved(points, poses):
    """Applies a `Pose` to each of the clouds `(batch, points, 3)`."""
    matrices = np.array([pose.matrix for pose in poses], np.float32)
    centers = np.array([pose.center for pose in poses], np.float32)
    return (points - centers[:, None]) @ matrices.swapaxes(1, 2)
