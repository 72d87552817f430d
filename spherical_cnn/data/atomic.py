"""Atomic writes, and names of files as printable text."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

UNFINISHED = ".writing-"  # prefix of the name of a file that is being written


def printable(name):
    """Returns a file name of any bytes as text that can be printed and encoded."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that are in no file name
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def write_bytes(path, data, sync=True):
    """Writes bytes to `path` atomically: whole, or not at all. Creates missing folders.

    Without `sync` this holds if the process is killed, but not if the machine loses power.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_text(path, text, sync=True):
    r"""Writes UTF-8 text atomically; see `write_bytes`.

    Bytes of file names that are not UTF-8, which Python represents as lone surrogates, become
    escapes such as `\udce9`, which `json` reads back unchanged.
    """
    write_bytes(path, text.encode(errors="backslashreplace"), sync)


def write_json(path, values, sync=True):
    """Writes JSON atomically; see `write_text`."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n", sync)
