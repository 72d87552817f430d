"""Shapes → files of records: the work of one process."""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from spherical_cnn.data.config import Recipe, draw_poses
from spherical_cnn.data.records.codec import encode
from spherical_cnn.data.records.frames import FRAME
from spherical_cnn.data.sources import why_left_out
from spherical_cnn.signals.signal import LEAST_SEEN, seen_share
from spherical_cnn.sphere.grid import SphericalGrid

TASK = "task-"  # names of their files begin so
_RECORDS_PER_TASK, _SHAPES_PER_TASK = 512, 32


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
        blank: names of shapes of which a copy is nearly blank (see `LEAST_SEEN`), such as a sheet
            through the center.
    """

    sizes: list
    skipped: list
    blank: list


def tasks_of(recipe, split, labelled, folder):
    """Cuts `(Item, label)`s of a split into tasks of a second or less.

    Args:
        recipe: `Recipe`.
        split: of the items.
        labelled: list of `(Item, label)`.
        folder: where the tasks write.

    Yields:
        `Task`.
    """
    count = min(_SHAPES_PER_TASK, max(1, _RECORDS_PER_TASK // recipe.copies_of(split)))
    for first in range(0, len(labelled), count):
        path = os.path.join(folder, f"{TASK}{os.getpid()}-{first}")
        yield Task(recipe, split, labelled[first : first + count], path)


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
            caster = item.caster(**task.recipe.reading)
            poses = draw_poses(task.recipe, item.split, item.name)
            signals = [caster.signal(grid, pose, task.recipe.rings) for pose in poses]
        except Exception as error:  # whatever one shape does, the others go on
            skipped.append((item.name, why_left_out(error)))
        else:
            for number, signal in enumerate(signals):
                copies[number].append(encode(signal, label, item.name, number))
            if seen_share(np.stack(signals)).min() < LEAST_SEEN:
                blank.append(item.name)
    try:
        with tf.io.TFRecordWriter(os.fsencode(task.path)) as writer:
            for record in (record for copy in copies for record in copy):
                writer.write(record)
    except tf.errors.OpError as error:
        raise OSError(None, error.message.split("; ")[-1], task.path) from error
    sizes = [sum(len(record) + FRAME for record in copy) for copy in copies]
    return Outcome(sizes, skipped, blank)
