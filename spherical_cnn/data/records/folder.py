"""The folder of a dataset: its manifest, its request while it is built, its lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os

from spherical_cnn.errors import DatasetError
from spherical_cnn.old_names import DATASET_OPTIONS, renamed

MANIFEST = "manifest.json"
BUILDING = ".building"
REQUEST = os.path.join(BUILDING, "request.json")


def check_folder(folder, request):
    """Returns the manifest if this build is finished; refuses a folder with other contents."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DatasetError(f"{folder}: a file, expected an absent or empty folder")
    manifest = read_manifest(folder)
    there = manifest or _read_request(folder)
    if there is None:
        names = sorted(os.listdir(folder)) if os.path.exists(folder) else []
        if names and names != [BUILDING]:
            raise DatasetError(
                f"{folder}: expected an absent or empty folder, found {', '.join(names[:5])}"
            )
        return None
    _check_same(folder, request, there)
    if manifest:
        check_sizes(folder, manifest)
    return manifest


def check_sizes(folder, manifest):
    """Refuses a finished dataset whose shards differ in size from its manifest."""
    for shard, facts in manifest["shards"].items():
        path = os.path.join(folder, shard)
        if not os.path.exists(path) or os.path.getsize(path) != facts["bytes"]:
            raise DatasetError(
                f"{path}: missing, or its size differs from {MANIFEST}; "
                "remove the folder to build it again"
            )


def _check_same(folder, request, there):
    ours, theirs = ({**r, **renamed(r["options"], DATASET_OPTIONS)} for r in (request, there))
    different = [
        f"{key} {theirs.get(key)!r} there, {ours[key]!r} here"
        for key in ("format", *request["options"])
        if ours[key] != theirs.get(key)
    ]
    if not different and ours["shapes"] != theirs.get("shapes"):
        different = [f"its shapes, from {theirs.get('source')}, or their splits differ"]
    if different:
        raise DatasetError(
            f"{folder}: holds another dataset: {', '.join(different)}; choose another folder"
        )


@contextlib.contextmanager
def locked(folder):
    """Context that creates the folder and locks it against a second build."""
    path = os.path.join(folder, BUILDING)
    try:
        os.makedirs(path, exist_ok=True)
        lock = open(os.path.join(path, "lock"), "wb")
    except OSError as error:
        raise DatasetError(f"{folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DatasetError(f"{folder}: another process is building it") from error
        yield


def _read_request(folder):
    """Returns the request of an unfinished build, or `None`."""
    advice = f"damaged; remove {os.path.join(folder, BUILDING)} to build again"
    return _read_object(os.path.join(folder, REQUEST), ("options",), advice)


def read_manifest(folder):
    """Returns the manifest of a finished dataset, or `None`."""
    advice = "damaged, or no manifest of this program; choose another folder"
    return _read_object(os.path.join(folder, MANIFEST), ("options", "shards"), advice)


def _read_object(path, keys, advice):
    """Returns the dict in a file, with dicts under `keys`, or `None` without such a file."""
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(values.get(k), dict) for k in keys):
        raise DatasetError(f"{path}: {advice}")
    return values
