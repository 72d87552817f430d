"""Finds the shards of a split by their names, and those of an epoch."""

from __future__ import annotations

import collections
import glob
import os
import re
from typing import NamedTuple

from spherical_cnn.errors import RecordError

_SUFFIX = r"\.(?:tfrecords?|tfrec)"
_NAME = re.compile(
    rf"(?P<stem>.+?)(?P<before>{_SUFFIX})?(?:-(?P<part>\d{{1,9}})-of-(?P<parts>\d{{1,9}}))?"
    rf"(?P<behind>{_SUFFIX})?(?:\.(?:gz|gzip|z|zz|zlib))?",
    re.IGNORECASE | re.DOTALL,
)
_MAKERS = "scnn build makes TFRecords from shapes, scnn train --online trains on shapes"


class _Shard(NamedTuple):
    """A parsed name of a shard; `part` and `parts` are `None` for a whole shard."""

    stem: str
    part: int | None
    parts: int | None


def find_shards(folder, split):
    """Returns the paths of the shards of a split, in natural order (train2 before train10).

    Names begin with the split and end in `.tfrecord`, `.tfrecords` or `.tfrec`, followed by `.gz`
    or `.zlib` if compressed, in any letter case; or they are all parts of a sharded file, such as
    `train-00000-of-00002` or `train.tfrecord-00000-of-00002`. `~` in the folder is expanded.

    Raises:
        RecordError: if there are none, a part is missing, a shard exists twice, or the folder
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
    """Returns the paths of the shard that `epoch` (from 0) trains on; epochs cycle through shards.

    A shard in parts, such as `train-00000-of-00002`, has several paths.
    """
    sets: dict[tuple, list] = collections.defaultdict(list)
    for path in shards:
        parent, name = os.path.split(os.fspath(path))
        shard = _parsed(name)
        in_parts = shard is not None and shard.part is not None
        sets[(parent, shard.stem, shard.parts) if in_parts else (parent, name)].append(path)
    return list(sets.values())[epoch % len(sets)]


def _parsed(name):
    """Returns the `_Shard` of a file name, or `None` if it names no shard."""
    found = _NAME.fullmatch(name)
    if not found or not (found["before"] or found["behind"] or found["part"]):
        return None
    part, parts = (int(found[key]) if found[key] else None for key in ("part", "parts"))
    return _Shard(found["stem"].casefold(), part, parts)


def _check_whole(folder, names):
    """Refuses sharded files with missing parts, and shards that exist twice."""
    sets: dict[str, dict[int | None, str]] = collections.defaultdict(dict)
    for name in names:
        shard = _parsed(name)
        found = sets[shard.stem]
        # A whole file excludes all others of its name; a part excludes itself and a whole file.
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
    """Refuses names that are not one complete set of parts, counted from 0 or 1."""
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
    """Returns what to do about a folder without shards of a split."""
    if ".building" in names:
        return "It holds an unfinished data set: run the same scnn build command again"
    others = [name for name in names if _parsed(name)]
    if others and split == "val":
        return "Use --skip_val, or build shards with scnn build --val_fraction"
    if others:
        return f"It holds other shards; name those of this split {split}0.tfrecord and so on"
    for path in sorted(glob.iglob(os.path.join(glob.escape(folder), "*", "*"))):
        inner, name = os.path.split(path)
        if _parsed(name):
            return f"There are shards in {inner}: give that folder"
    return f"If it holds shapes: {_MAKERS}"


def _natural(name):
    """Sort key that compares the numbers in a name as numbers."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]
