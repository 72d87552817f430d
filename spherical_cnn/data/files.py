"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

UNFINISHED = ".writing-"  # begins the name of a file that is being written


class BuildError(RuntimeError):
    """A data set that cannot be built; the message says what is in the way."""


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


def write_json(path, values, sync=True):
    """Writes JSON atomically; see `write_bytes`."""
    write_bytes(path, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode(), sync)
