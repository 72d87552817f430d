"""Writes parts of shards, the work of one process of a build, and joins them."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from typing import NamedTuple

import tensorflow as tf

from spherical_cnn.data.atomic import UNFINISHED, write_file
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import draw_poses
from spherical_cnn.data.records.codec import encode, join_complex
from spherical_cnn.data.signals import signals
from spherical_cnn.errors import DatasetError
from spherical_cnn.shapes.signal import MIN_HIT_RATE, compute_hit_rate

_RECORDS_PER_PART, _SHAPES_PER_PART = 512, 32
_RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class Part:
    """Some shapes of one split, to be written to a folder of their own, a file per copy."""

    config: DatasetConfig
    split: str
    items: list  # of (Item, label)
    path: str


class PartResult(NamedTuple):
    """The result of writing a part."""

    sizes: list  # bytes written, per copy
    skipped: list  # `(name, reason)` of shapes that have no signal
    blank: list  # names of shapes with a nearly blank copy, see `MIN_HIT_RATE`


def plan_parts(config, split, labeled, folder):
    """Divides the shapes of a split, `(Item, label)`, into `Part`s of about a second of work."""
    count = min(_SHAPES_PER_PART, max(1, _RECORDS_PER_PART // config.copies_of(split)))
    chunks = [(i, labeled[i : i + count]) for i in range(0, len(labeled), count)]
    return [
        Part(config, split, items, os.path.join(folder, f"{split}-{i}-{len(items)}"))
        for i, items in chunks
    ]


def write_part(part):
    """Writes the folder of a part atomically: whole, or not at all; or raises `OSError`."""
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
    folder, name = os.path.split(part.path)
    unfinished = os.path.join(folder, f"{UNFINISHED}{os.getpid()}-{name}")
    os.makedirs(unfinished, exist_ok=True)
    sizes = [_write(os.path.join(unfinished, str(i)), copy) for i, copy in enumerate(copies)]
    result = PartResult(sizes, skipped, blank)
    write_file(os.path.join(unfinished, _RESULT), result._asdict(), sync=False)  # like the records
    try:
        os.rename(unfinished, part.path)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # else a worker of a killed build has just written it
            raise


def read_result(part):
    """Returns the `PartResult` of a part that has been written."""
    with open(os.path.join(part.path, _RESULT), encoding="utf-8") as file:
        return PartResult(**json.load(file))


def join_parts(parts, results, copy, path):
    """Joins one copy of all parts to a shard at `path`, and removes their files of it.

    Raises:
        DatasetError: if a file of a part is missing or has lost bytes.
    """
    if not os.path.exists(path):
        with open(f"{path}-", "wb") as shard:
            for part, result in zip(parts, results, strict=True):
                source = os.path.join(part.path, str(copy))
                found = os.path.getsize(source) if os.path.exists(source) else 0
                if found != result.sizes[copy]:
                    raise DatasetError(
                        f"{source}: found {found} bytes, expected {result.sizes[copy]}; remove "
                        "the folder of the dataset to build it again"
                    )
                with open(source, "rb") as file:
                    shutil.copyfileobj(file, shard)
        os.rename(f"{path}-", path)
    for part in parts:
        os.truncate(os.path.join(part.path, str(copy)), 0)


def _write(path, records):
    """Writes a TFRecord file; returns its size."""
    try:
        with tf.io.TFRecordWriter(os.fsencode(path)) as writer:
            for record in records:
                writer.write(record)
    except tf.errors.OpError as error:
        raise OSError(None, error.message.split("; ")[-1], path) from error
    return os.path.getsize(path)
