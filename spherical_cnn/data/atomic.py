"""Files that appear whole or not at all, and names that can be written to them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

UNFINISHED = ".writing-"  # begins the name of a file that is being written


class BuildError(RuntimeError):
    """A data set that cannot be built; the message says what is in the way."""


def readable(name):
    """A name as text that can be written anywhere, whatever bytes it has."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that no file system makes
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def write_bytes(path, data, sync=True):
    """Writes bytes to `path` atomically: whole, or not at all. Missing folders are made.

    Without `sync` that holds for a process that is killed, but not for a machine that loses power.
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

    Bytes of file names that are not UTF-8, which Python keeps as lone surrogates, become escapes
    such as `\udce9`: `json` reads them back as they were.
    """
    write_bytes(path, text.encode(errors="backslashreplace"), sync)


def write_json(path, values, sync=True):
    """Writes JSON atomically; see `write_text`."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n", sync)
