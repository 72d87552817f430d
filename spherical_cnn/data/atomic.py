"""Atomic writes, and names of files as printable text."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile

import numpy as np

UNFINISHED = ".writing-"  # prefix of the name of a file that is being written


def printable(name):
    """Returns a file name of any bytes as text that can be printed and encoded."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that are in no file name
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def write_file(path, content, sync=True):
    r"""Writes bytes, text as UTF-8, or other values as JSON: whole, or not at all.

    Creates missing folders. Bytes of file names that are not UTF-8, which Python represents as lone
    surrogates, become escapes such as `\udce9`, which `json` reads back unchanged. Without `sync`
    the file is whole if the process is killed, but not if the machine loses power.
    """
    if not isinstance(content, bytes | str):
        content = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_arrays(path, arrays):
    """Writes a dict of arrays as an `.npz` file; see `write_file`."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_file(path, buffer.getvalue())
