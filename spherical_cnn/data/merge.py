"""Parts of a data set, built on machines that know nothing of one another → the whole."""

from __future__ import annotations

import hashlib
import os
import shutil

from spherical_cnn.data.files import BuildError, write_json
from spherical_cnn.data.sources import SPLITS
from spherical_cnn.data.target import (
    MANIFEST,
    UNFINISHED,
    check_sizes,
    locked,
    read_manifest,
)

_BLOCK = 2**24


def merge(parts, folder):
    """Puts the parts of a data set together: the same bytes as of one build, manifest and all.

    Args:
        parts: folders of all parts, in any order.
        folder: where the whole goes: absent or empty.

    Returns:
        dict as in `manifest.json`.

    Raises:
        BuildError: if a part is missing, damaged, twice there or of another data set, or the folder
            is in the way; nothing is left half written.
    """
    manifests = _ordered(parts)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if (os.path.exists(folder) and not os.path.isdir(folder)) or set(names) - {UNFINISHED}:
        raise BuildError(f"{folder}: expected an absent or empty folder")
    with locked(folder):
        below = os.path.join(folder, UNFINISHED)
        shards: dict[str, dict] = {}
        try:
            for path, manifest in manifests:
                for shard, facts in manifest["shards"].items():
                    whole = shards.setdefault(shard, {"digest": hashlib.sha256(), "records": 0})
                    whole["records"] += facts["records"]
                    _append(os.path.join(path, shard), os.path.join(below, shard), facts, whole)
            for shard in shards:
                os.replace(os.path.join(below, shard), os.path.join(folder, shard))
            whole = _whole([manifest for _, manifest in manifests], shards, folder)
            write_json(os.path.join(folder, MANIFEST), whole)
        except OSError as error:
            for shard in shards:
                for place in (below, folder):
                    if os.path.exists(os.path.join(place, shard)):
                        os.remove(os.path.join(place, shard))
            raise BuildError(f"{error.filename or folder}: {error.strerror}") from error
        shutil.rmtree(below)
    return whole


def _ordered(parts):
    """`(folder, manifest)` of each part, by its number, checked to make one whole."""
    found: dict[int, tuple] = {}
    first = None
    for path in parts:
        manifest = read_manifest(path)
        if not manifest or "part" not in manifest:
            raise BuildError(f"{path}: expected a finished build of make_dataset.py --part I/N")
        check_sizes(path, manifest)
        number, count = manifest["part"]
        request = {key: manifest[key] for key in ("format", "version", "shapes", "options")}
        first = first or (path, request, count)
        if (request, count) != first[1:]:
            raise BuildError(f"{path}: a part of another data set than {first[0]}")
        if number in found:
            raise BuildError(f"{path}: part {number}/{count}, as is {found[number][0]}")
        found[number] = (path, manifest)
    if first is None:
        raise BuildError("no parts, expected some")
    missing = [str(number) for number in range(1, first[2] + 1) if number not in found]
    if missing:
        raise BuildError(f"of {first[2]} parts these are missing: {', '.join(missing)}")
    return [found[number] for number in sorted(found)]


def _append(source, target, facts, whole):
    """Adds a part's shard to the whole one, and checks it against its manifest."""
    digest = hashlib.sha256()
    with open(source, "rb") as reading, open(target, "ab") as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            whole["digest"].update(block)
            writing.write(block)
    if digest.hexdigest() != facts["sha256"]:
        raise OSError(None, f"its bytes are not those that {MANIFEST} vouches for", source)


def _whole(manifests, shards, folder):
    """The manifest of one build of it all."""
    first = {key: value for key, value in manifests[0].items() if key != "part"}
    splits = [split for split in SPLITS if any(split in m["counts"] for m in manifests)]
    counts = {
        split: {
            name: sum(m["counts"].get(split, {}).get(name, 0) for m in manifests)
            for name in first["classes"]
        }
        for split in splits
    }
    facts = {
        shard: {
            "records": whole["records"],
            "bytes": os.path.getsize(os.path.join(folder, shard)),
            "sha256": whole["digest"].hexdigest(),
        }
        for shard, whole in shards.items()
    }
    in_order = [f"{split}{copy}.tfrecord" for split in splits for copy in range(len(shards))]
    return {
        **first,
        "counts": counts,
        "shards": {shard: facts[shard] for shard in in_order if shard in facts},
        "blank": _by_split(manifests, "blank", splits),
        "skipped": [
            *_by_split(manifests, "skipped", splits),
            *(entry for entry in first["skipped"] if "split" not in entry),
        ],
    }


def _by_split(manifests, key, splits):
    """Entries of all parts that belong to a split: all of the first split, then the next."""
    entries = [entry for manifest in manifests for entry in manifest[key]]
    return [entry for split in splits for entry in entries if entry.get("split") == split]
