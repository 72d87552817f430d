"""What a run trains and is tested on, where shapes are cast anew, on the device, in each epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from typing import NamedTuple

import numpy as np

from spherical_cnn.data.config import (
    Recipe,
    check_reading,
    divided,
    draw_changes,
    draw_poses,
    identity,
)
from spherical_cnn.data.meshes import read_meshes
from spherical_cnn.data.sources import SPLITS, find_shapes
from spherical_cnn.options import ConfigError
from spherical_cnn.progress import bar
from spherical_cnn.signals.devicecast import caster, pack
from spherical_cnn.signals.signal import seen_share, what_is_missing
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.training.run import open_run, train_and_test
from spherical_cnn.training.run_folder import RunError

logger = logging.getLogger("spherical_cnn")

_CAST = 64  # shapes cast at a time


def train_on_shapes(source, options, recipe, workers, progress, split_file=None):
    """Trains on shapes, cast anew in each epoch, and tests: as `run_experiment` does on shards.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        options: dict of options of `Config`, without data and classes.
        recipe: dict of options of `Recipe`, without resolution and copies.
        workers: processes that read.
        progress: called with the number of shapes read and of all shapes.
        split_file: see `find_shapes`.

    Returns:
        As `run_experiment`.

    Raises:
        ConfigError: if the options make no experiment.
        RunError, OSError: if run folder or source cannot be used.
    """
    source, recipe = os.fspath(source), Recipe(**recipe)
    check_reading(source, recipe, workers)
    found = find_shapes(source, split_file, recipe.embedded_shapes, recipe.seed)
    data = {"dset_dir": "", "dtype": "complex64", "n_classes": len(found.classes)}
    data["dset"] = "from_cached_tfrecords"  # the only kind; there are no shards here
    run, config = open_run({**options, **data})
    recipe = dataclasses.replace(recipe, resolution=config.input_res)
    if config.height == "told" and "so3" in map(recipe.rotation_of, SPLITS):
        raise ConfigError("--height told: for upright shapes, expected --rotation z")
    made = {"source": source, "classes": found.classes, "options": recipe.to_json()}
    if os.path.exists(run.checkpoint("latest")) and not config.from_scratch:
        if run.read_data() != made:
            raise RunError(
                f"{run('data.json')}: holds a run on other shapes or casts. Give theirs, another "
                "--logdir, or --from_scratch to remove it"
            )
    items = divided(found, recipe)
    wanted = [split for split in SPLITS if split != "val" or not config.skip_val]
    for split in wanted:
        if not any(item.split == split for item in items):
            raise ConfigError(
                f"{source}: no {split} shapes; --skip_val, or --val_fraction to set some apart"
            )
    items = [item for item in items if item.split in wanted]
    labels = {name: label for label, name in enumerate(found.classes)}
    labelled = [(item, labels[item.class_name]) for item in items]

    def make_feed(config):
        shapes, skipped = read_meshes(labelled, recipe.reading, workers, progress)
        return ShapeFeed(config, recipe, made, shapes, skipped)

    return train_and_test(run, config, make_feed)


class ShapeFeed:
    """As `ShardFeed`, of shapes that are cast when they are needed.

    Val and test shapes are cast once, in the poses that `make_dataset.py` gives them; train shapes
    in every epoch, in poses that depend on the seed and the epoch alone.

    Args:
        config: `Config`.
        recipe: `Recipe`.
        made: dict as of `RunFolder.read_data`.
        shapes: list of `spherical_cnn.data.meshes.Shape`.
        skipped: list of `(name, reason)` of those that could not be read.

    Raises:
        ConfigError: if there are too few train shapes for the options.
    """

    def __init__(self, config, recipe, made, shapes, skipped):
        self.config, self.recipe, self.made, self.skipped = config, recipe, made, skipped
        trained = sum(shape.split == "train" for shape in shapes)
        if config.round_batches and trained < config.train_bsize:
            raise ConfigError(
                f"--round_batches: {trained} train shapes, fewer than "
                f"--train_bsize {config.train_bsize}"
            )
        grid = SphericalGrid.from_resolution(recipe.resolution)
        self._cast = caster(grid, recipe.rings)
        self._sets = {}
        self._blank = {}  # what rays miss of shapes, by split and name
        self._said = set()  # of these
        for split in {shape.split for shape in shapes}:
            mine = [shape for shape in shapes if shape.split == split]
            mine.sort(key=lambda shape: len(shape.mesh.faces))  # so that those of a batch are alike
            self._sets[split] = _Set(
                [shape.name for shape in mine],
                np.array([shape.label for shape in mine]),
                [_packed(mine[i : i + _CAST]) for i in range(0, len(mine), _CAST)],
            )
        self._signals = {
            split: self._look(split, [draw_poses(recipe, split, n)[0] for n in mine.names])
            for split, mine in self._sets.items()
            if split != "train"
        }

    def begin(self, run):
        """Writes to the run folder which shapes they are and how they are cast."""
        run.write_json("data.json", self.made)
        logger.info(f"Casting {self.made['source']} anew in each epoch...")
        for name, reason in self.skipped:
            logger.warning(f"left out: {name}: {reason}")
        self._warn()

    def explained(self):
        """Context of training: nothing is read there that could be faulty."""
        return contextlib.nullcontext()

    def train(self, model, epoch, share):
        """See `ShardFeed.train`; `share` is all there is, as several processes are not offered."""
        labels = self._sets["train"].labels
        rng = np.random.default_rng(identity(self.config.seed, "epoch", epoch))
        signals = self._look("train", draw_changes(self.recipe, "train", len(labels), rng, rng))
        self._warn()
        order = rng.permutation(len(labels))
        size = self.config.train_bsize
        if self.config.round_batches:
            order = order[: len(order) // size * size]
        return self._arrays(model, signals[order], labels[order]), len(order)

    @contextlib.contextmanager
    def evaluation(self, model, split, limit=None):
        """See `ShardFeed.evaluation`."""
        count = limit and limit * self.config.train_bsize
        yield self._arrays(model, self._signals[split][:count], self._sets[split].labels[:count])

    @contextlib.contextmanager
    def records(self, split, limit=None):
        """See `ShardFeed.records`."""
        size = self.config.train_bsize
        starts = range(0, len(self._signals[split]), size)[:limit]
        names = np.array([name.encode() for name in self._sets[split].names], object)
        columns = {"signal": self._signals[split], "label": self._sets[split].labels, "name": names}
        yield ({key: values[i : i + size] for key, values in columns.items()} for i in starts)

    def _arrays(self, model, signals, labels):
        labelled = {name: labels for name in model.output_names}
        return {"x": signals, "y": labelled, "batch_size": self.config.train_bsize}

    def _warn(self):
        """Logs which shapes have been seen nearly blank, each once."""
        for split, name in self._blank.keys() - self._said:
            logger.warning(f"{split}: {name}: {self._blank[split, name]}")
        self._said |= self._blank.keys()

    def _look(self, split, poses):
        """Signals `(shapes, n, n, 2)` of a split in given poses; notes the nearly blank ones."""
        found = []
        shown = bar(total=len(poses), desc=f"casting {split}", unit=" shapes", leave=False)
        for number, triangles in enumerate(self._sets[split].batches):
            batch = poses[number * _CAST : (number + 1) * _CAST]
            posed = [
                np.array([getattr(pose, name) for pose in _padded(batch)], np.float32)
                for name in ("matrix", "centre")
            ]
            found.append(np.asarray(self._cast.predict_on_batch([*triangles, *posed])))
            names = self._sets[split].names[number * _CAST : (number + 1) * _CAST]
            for name, share in zip(names, seen_share(found[-1]), strict=False):  # padded
                if said := what_is_missing(share):
                    self._blank[split, name] = said
            shown.update(len(batch))
        shown.close()
        return np.concatenate(found)[: len(poses)]


class _Set(NamedTuple):
    names: list
    labels: np.ndarray
    batches: list  # of `Triangles`


def _packed(shapes):
    """`Triangles` of sizes that few batches differ in, as the caster is compiled for each."""
    meshes = [shape.mesh for shape in _padded(shapes)]
    most = max(len(mesh.faces) for mesh in meshes), max(len(mesh.vertices) for mesh in meshes)
    faces, vertices = (1 << (size - 1).bit_length() for size in most)
    return pack(meshes, vertices, faces)


def _padded(batch):
    """A list of `_CAST`, the last one repeated."""
    return [*batch, *[batch[-1]] * (_CAST - len(batch))]
