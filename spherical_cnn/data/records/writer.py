"""Writes parts of shards: the work of one process of a build."""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

import tensorflow as tf

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import draw_poses
from spherical_cnn.data.records.codec import encode, join_complex
from spherical_cnn.data.records.frames import FRAME
from spherical_cnn.data.signals import signals
from spherical_cnn.shapes.signal import MIN_HIT_RATE, compute_hit_rate

PART_PREFIX = "task-"  # of the names of the files that parts are written to
_RECORDS_PER_PART, _SHAPES_PER_PART = 512, 32


@dataclasses.dataclass(frozen=True)
class Part:
    """Some shapes of one split, to be written to a file of their own."""

    config: DatasetConfig
    split: str
    items: list  # of (Item, label)
    path: str


class PartResult(NamedTuple):
    """The result of writing a part.

    Args:
        sizes: bytes written, per copy.
        skipped: `(name, reason)` of shapes that have no signal.
        blank: names of shapes with a nearly blank copy (see `MIN_HIT_RATE`), such as a sheet
            through the center.
    """

    sizes: list
    skipped: list
    blank: list


def plan_parts(config, split, labeled, folder):
    """Divides the shapes of a split into parts of about a second of work.

    Args:
        config: `DatasetConfig`.
        split: split of the shapes.
        labeled: list of `(Item, label)`.
        folder: where the parts are written.

    Yields:
        `Part`.
    """
    count = min(_SHAPES_PER_PART, max(1, _RECORDS_PER_PART // config.copies_of(split)))
    for first in range(0, len(labeled), count):
        path = os.path.join(folder, f"{PART_PREFIX}{os.getpid()}-{first}")
        yield Part(config, split, labeled[first : first + count], path)


def write_part(part):
    """Writes the records of a part: all of the first copy, then all of the second, and so on.

    Returns:
        `PartResult`.

    Raises:
        OSError: if the file cannot be written.
    """
    copies: list[list[bytes]] = [[] for _ in range(part.config.copies_of(part.split))]
    skipped: list[tuple[str, str]] = []
    blank: list[str] = []
    items = [item for item, _ in part.items]
    poses = [draw_poses(part.config, item.split, item.name) for item in items]
    found = signals(items, poses, part.config)
    for (item, label), (_, copies_of_item) in zip(part.items, found, strict=True):
        if isinstance(copies_of_item, str):
            skipped.append((item.name, copies_of_item))
            continue
        for number, signal in enumerate(copies_of_item):
            copies[number].append(encode(join_complex(signal), label, item.name, number))
        if compute_hit_rate(copies_of_item).min() < MIN_HIT_RATE:
            blank.append(item.name)
    try:
        with tf.io.TFRecordWriter(os.fsencode(part.path)) as writer:
            for record in (record for copy in copies for record in copy):
                writer.write(record)
    except tf.errors.OpError as error:
        raise OSError(None, error.message.split("; ")[-1], part.path) from error
    sizes = [sum(len(record) + FRAME for record in copy) for copy in copies]
    return PartResult(sizes, skipped, blank)
