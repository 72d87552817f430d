"""The folder that a data set goes to: whose it is, and who is at work in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os

from spherical_cnn.data.atomic import BuildError

MANIFEST = "manifest.json"
UNFINISHED = ".building"
JOURNAL = os.path.join(UNFINISHED, "journal.json")


def check_folder(folder, request):
    """The manifest, if this very build is finished there; refuses a folder of other contents."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise BuildError(f"{folder}: a file, expected an absent or empty folder")
    manifest = read_manifest(folder)
    journal = None if manifest else read_journal(folder)
    there = manifest or (journal and journal["request"])
    if there is None:
        names = sorted(os.listdir(folder)) if os.path.exists(folder) else []
        if names and names != [UNFINISHED]:
            raise BuildError(
                f"{folder}: expected an absent or empty folder, found {', '.join(names[:5])}"
            )
        return None
    _check_same(folder, request, there)
    if manifest:
        check_sizes(folder, manifest)
    return manifest


def check_sizes(folder, manifest):
    """Refuses a finished data set whose shards are not of the sizes that its manifest says."""
    for shard, facts in manifest["shards"].items():
        path = os.path.join(folder, shard)
        if not os.path.exists(path) or os.path.getsize(path) != facts["bytes"]:
            raise BuildError(
                f"{path}: missing or of another size than {MANIFEST} says; "
                "remove the folder to build it anew"
            )


def _check_same(folder, request, there):
    ours, theirs = ({**r, **r["options"]} for r in (request, there))
    different = [
        f"{key} {theirs.get(key)!r} there, {ours[key]!r} here"
        for key in ("format", *request["options"])
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
        lock = open(os.path.join(path, "lock"), "wb")
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
    advice = f"damaged; remove {os.path.join(folder, UNFINISHED)} to build anew"
    journal = _read_objects(os.path.join(folder, JOURNAL), ("request", "splits"), advice)
    if journal and not (
        isinstance(journal["request"].get("options"), dict)
        and all(_is_state(state) for state in journal["splits"].values())
    ):
        raise BuildError(f"{os.path.join(folder, JOURNAL)}: {advice}")
    return journal


def _is_state(state):
    types = {"done": int, "sizes": list, "whole": bool, "skipped": list, "blank": list}
    return isinstance(state, dict) and all(isinstance(state.get(k), t) for k, t in types.items())


def read_manifest(folder):
    """The manifest of a finished data set; `None` if there is none."""
    advice = "damaged, or not of a data set of this program; choose another folder"
    return _read_objects(os.path.join(folder, MANIFEST), ("options", "shards"), advice)


def _read_objects(path, keys, advice):
    """The dict in a file, with dicts under `keys`; `None` if there is no such file."""
    values = _read_json(path)
    if values is None:
        return None
    if not isinstance(values, dict) or not all(isinstance(values.get(k), dict) for k in keys):
        raise BuildError(f"{path}: {advice}")
    return values


def _read_json(path):
    """The value in a file, `None` if there is no such file, `False` if it holds none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file) or False
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return False
