"""Which files of a folder are the shards of a split, and which of them make one epoch."""

from __future__ import annotations

import collections
import os
import re
from typing import NamedTuple

from spherical_cnn.data.records.schema import RecordError

_SUFFIX = r"\.(?:tfrecords?|tfrec)"
_NAME = re.compile(
    rf"(?P<stem>.+?)(?P<before>{_SUFFIX})?(?:-(?P<part>\d{{1,9}})-of-(?P<parts>\d{{1,9}}))?"
    rf"(?P<behind>{_SUFFIX})?(?:\.(?:gz|gzip|z|zz|zlib))?",
    re.IGNORECASE | re.DOTALL,
)
_MAKERS = "make_dataset.py makes shards of shapes, train_shapes.py trains on shapes directly"


class _Shard(NamedTuple):
    """A name of a shard, taken apart: part `part` of `parts`, both `None` if it is whole."""

    stem: str
    part: int | None
    parts: int | None


def find_shards(folder, split):
    """Paths of the shards of a split, in natural order (train2 before train10).

    Their names begin with the split and end in `.tfrecord`, `.tfrecords` or `.tfrec`, with
    `.gz` or `.zlib` after it if they are compressed, in any letter case; or they are all parts of
    a sharded file, such as `train-00000-of-00002` or `train.tfrecord-00000-of-00002`.

    Args:
        folder: to look in; `~` is expanded.
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        RecordError: if there are none, a part is missing, a shard is there twice, or the folder
            cannot be read.
    """
    folder = os.path.expanduser(os.fspath(folder))
    try:
        names = sorted(os.listdir(folder), key=_natural)
    except OSError as error:
        raise RecordError(
            f"{folder}: {error.strerror}; expected a folder with {split}*.tfrecord. {_MAKERS}"
        ) from error
    shards = [name for name in names if _parsed(name) and name.casefold().startswith(split)]
    if not shards:
        raise RecordError(
            f"{folder}: expected shards named {split}*.tfrecord, "
            f"found {len(names)} other files: {', '.join(names[:5]) or 'none'}. "
            f"{_advice(folder, names, split)}"
        )
    _check_whole(folder, shards)
    return [os.path.join(folder, name) for name in shards]


def shard_of_epoch(shards, epoch):
    """Paths of the shard that `epoch` (from 0) trains on: one an epoch, cycling.

    They are several where a shard is in parts, such as `train-00000-of-00002`: all of these.
    """
    sets: dict[tuple, list] = collections.defaultdict(list)
    for path in shards:
        parent, name = os.path.split(os.fspath(path))
        shard = _parsed(name)
        in_parts = shard is not None and shard.part is not None
        sets[(parent, shard.stem, shard.parts) if in_parts else (parent, name)].append(path)
    return list(sets.values())[epoch % len(sets)]


def _parsed(name):
    """`_Shard` of a file's name, `None` if it names no shard."""
    found = _NAME.fullmatch(name)
    if not found or not (found["before"] or found["behind"] or found["part"]):
        return None
    part, parts = (int(found[key]) if found[key] else None for key in ("part", "parts"))
    return _Shard(found["stem"].casefold(), part, parts)


def _check_whole(folder, names):
    """Refuses sharded files of which parts are missing, and shards that are there twice."""
    sets: dict[str, dict[int | None, str]] = collections.defaultdict(dict)
    for name in names:
        shard = _parsed(name)
        found = sets[shard.stem]
        # A whole file excludes all others of its name, a part excludes itself and a whole file.
        others = found.values() if shard.part is None else (found.get(shard.part), found.get(None))
        twin = next(filter(None, others), None)
        if twin:
            raise RecordError(
                f"{folder}: found {twin} and {name}, expected one of them, as they seem to hold "
                "the same records; move the other one elsewhere"
            )
        found[shard.part] = name
    for found in sets.values():
        if None not in found:
            _check_parts(folder, found)


def _check_parts(folder, found):
    """Refuses names by number of part that are not one whole set, counted from 0 or from 1."""
    by_count: dict[int, str] = {}
    for name in found.values():
        by_count.setdefault(_parsed(name).parts, name)
    if len(by_count) > 1:
        raise RecordError(
            f"{folder}: found {' and '.join(by_count.values())}, expected parts of one sharded "
            "file; move those of the other one elsewhere"
        )
    ((count, example),) = by_count.items()
    start = 1 if count in found and 0 not in found else 0
    missing = [part for part in range(start, start + count) if part not in found]
    if missing or len(found) != count:
        name = re.sub(
            r"-(\d+)-of-",
            lambda match: f"-{missing[0] if missing else 0:0{len(match[1])}}-of-",
            example,
        )
        lacking = f"{len(missing)} are missing, such as {name}" if missing else "more were found"
        raise RecordError(
            f"{folder}: found {len(found)} of the {count} parts of {example}, expected all: "
            f"{lacking}; copy the whole set"
        )


def _advice(folder, names, split):
    """What to do about a folder without shards of a split."""
    if ".building" in names:
        return "It holds an unfinished data set: run the same make_dataset.py command again"
    others = [name for name in names if _parsed(name)]
    if others and split == "val":
        return "Use --skip_val, or make shards with make_dataset.py --val_fraction"
    if others:
        return f"It holds other shards; name those of this split {split}0.tfrecord and so on"
    inner = next((n for n in names if any(map(_parsed, _entries(os.path.join(folder, n))))), None)
    if inner:
        return f"There are shards in {os.path.join(folder, inner)}: give that folder"
    return f"If it holds shapes: {_MAKERS}"


def _entries(folder):
    try:
        return os.listdir(folder)
    except OSError:  # a file, or a folder that cannot be read
        return []


def _natural(name):
    """Sorts by the numbers within: every second part of the split is one."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]
