"""The folder that a data set goes to: whose it is, and who is at work in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os

from spherical_cnn.data.files import BuildError

MANIFEST = "manifest.json"
UNFINISHED = ".building"
JOURNAL = os.path.join(UNFINISHED, "journal.json")


def check_folder(folder, request):
    """The manifest, if this very build is finished there; refuses a folder of other contents."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise BuildError(f"{folder}: a file, expected an absent or empty folder")
    manifest, journal = _read_manifest(folder), read_journal(folder)
    there = manifest or (journal and journal["request"])
    if there is None:
        names = sorted(os.listdir(folder)) if os.path.exists(folder) else []
        if names and names != [UNFINISHED]:
            raise BuildError(
                f"{folder}: expected an absent or empty folder, found {', '.join(names[:5])}"
            )
        return None
    _check_same(folder, request, there)
    for shard, facts in (manifest or {"shards": {}})["shards"].items():
        path = os.path.join(folder, shard)
        if not os.path.exists(path) or os.path.getsize(path) != facts["bytes"]:
            raise BuildError(
                f"{path}: missing or of another size than {MANIFEST} says; "
                "remove the folder to build it anew"
            )
    return manifest


def _check_same(folder, request, there):
    ours, theirs = ({**r, **r["options"]} for r in (request, there))
    different = [
        f"{key} {theirs.get(key)!r} there, {ours[key]!r} here"
        for key in ("format", "version", *request["options"])
        if ours[key] != theirs.get(key)
    ]
    if not different and ours["shapes"] != theirs.get("shapes"):
        different = [f"its shapes, from {theirs.get('source')}, or their splits are others"]
    if different:
        raise BuildError(
            f"{folder}: another data set lies there: {', '.join(different)}; choose another folder"
        )


@contextlib.contextmanager
def locked(folder):
    """Makes the folder, and holds it against a second build at the same time."""
    path = os.path.join(folder, UNFINISHED)
    try:
        os.makedirs(path, exist_ok=True)
        lock = open(os.path.join(path, "lock"), "w")
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildError(f"{folder}: another process is building it") from error
        yield


def read_journal(folder):
    """What an unfinished build says of itself; `None` if there is none."""
    journal = _read_json(os.path.join(folder, JOURNAL))
    if journal is None or _has_objects(journal, "request", "splits"):
        return journal
    raise BuildError(
        f"{os.path.join(folder, JOURNAL)}: damaged; "
        f"remove {os.path.join(folder, UNFINISHED)} to build anew"
    )


def _read_manifest(folder):
    manifest = _read_json(os.path.join(folder, MANIFEST))
    if manifest is None or _has_objects(manifest, "options", "shards"):
        return manifest
    raise BuildError(
        f"{os.path.join(folder, MANIFEST)}: damaged, or not of a data set of this program; "
        "choose another folder"
    )


def _has_objects(values, *keys):
    return isinstance(values, dict) and all(isinstance(values.get(key), dict) for key in keys)


def _read_json(path):
    """The value in a file, `None` if there is no such file, `False` if it is no JSON."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return False
