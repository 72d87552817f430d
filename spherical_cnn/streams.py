"""Standard output and error that lose no work: whatever cannot be written there ends nothing."""

from __future__ import annotations

import errno
import io
import os
import sys

_NOBODY_READS = (errno.EPIPE, errno.EIO)  # the reader of a pipe has ended, a terminal is closed


class Stream(io.TextIOWrapper):
    r"""Text output whose writes never fail.

    A character that the encoding lacks is written as an escape, such as `\u2026`. When writing
    fails, as the reader of a pipe has ended or a disk is full, further output is dropped.

    Args:
        buffer: to write to, with a file descriptor.
        encoding: of the text.
        line_buffering: whether a line is written when it ends.

    Attributes:
        failure: `OSError` of the first write that failed, `None` if none has.
    """

    failure: OSError | None = None

    def __init__(self, buffer, encoding, line_buffering):
        super().__init__(buffer, encoding, errors="backslashreplace", line_buffering=line_buffering)

    def write(self, text):
        """Writes as much as can be written; returns the length of `text`."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self):
        """Writes what is pending, if that can be written."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error):
        """Sends what is pending, and all further output, to nowhere."""
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()


def protect():
    """Makes `sys.stdout` and `sys.stderr` a `Stream` each, for the whole process.

    Descriptors that are closed are opened to nowhere: otherwise the next file that is opened gets
    their number, and what other libraries print is written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            buffer = open(os.devnull, "wb")
            setattr(sys, name, Stream(buffer, "utf-8", line_buffering=True))
        elif isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Stream):
            encoding, lines = stream.encoding, stream.line_buffering
            setattr(sys, name, Stream(stream.detach(), encoding, lines))


def lost_output():
    """Why results did not reach standard output; `None` if they did, or nobody reads them."""
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is None or failure.errno in _NOBODY_READS:
        return None
    return f"standard output: {failure.strerror}"
