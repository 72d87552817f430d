"""What the program prints: progress, log lines and errors. Printing never loses work."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys

_READER_GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe has ended, a terminal is closed
_state = {"quiet": False}


class SafeStream(io.TextIOWrapper):
    r"""Text output whose writes never fail.

    Characters that the encoding lacks are written as escapes, such as `\u2026`. If writing fails,
    because the reader of a pipe has ended or a disk is full, further output is dropped.
    """

    failure: OSError | None = None  # of the first write that failed

    def __init__(self, buffer, encoding, line_buffering):
        super().__init__(buffer, encoding, errors="backslashreplace", line_buffering=line_buffering)

    def write(self, text):
        """Writes what can be written; returns the length of `text`."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self):
        """Writes pending text, if it can be written."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error):
        """Redirects pending and further output to the null device."""
        self.failure = self.failure or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
        super().flush()


def protect_streams():
    """Replaces `sys.stdout` and `sys.stderr` by a `SafeStream` each.

    Opens closed descriptors to the null device: otherwise the next file that is opened gets their
    number, and receives what libraries print.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, SafeStream):
            encoding, lines = stream.encoding, stream.line_buffering
            setattr(sys, name, SafeStream(stream.detach(), encoding, lines))


def output_failure():
    """Returns why results did not reach standard output, or `None` if they did."""
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is None or failure.errno in _READER_GONE:
        return None
    return f"standard output: {failure.strerror}"


def set_quiet(quiet):
    """Sets whether progress bars and log lines other than results are hidden."""
    _state["quiet"] = quiet


def progress_bar(**options):
    """Returns a `tqdm` bar; invisible in quiet mode or when standard error is no terminal."""
    from tqdm import tqdm

    return tqdm(disable=_state["quiet"] or None, dynamic_ncols=True, **options)


def shapes_progress(title):
    """Returns a function of `(done, total)` that shows a bar of shapes per second."""
    bar = None

    def update(done, total):
        nonlocal bar
        if bar is None:
            bar = progress_bar(desc=title, unit=" shapes", total=total, initial=done)
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return update


def print_error(message):
    """Prints a line to standard error; red on a terminal, unless `NO_COLOR` is set."""
    colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    _print_above_bars(f"\033[31m{message}\033[0m" if colored else message, sys.stderr)


class LogHandler(logging.Handler):
    """Prints log records above progress bars; in quiet mode, warnings and results only."""

    def emit(self, record):
        """Prints a record."""
        important = record.levelno >= logging.WARNING or hasattr(record, "result")
        if important or not _state["quiet"]:
            _print_above_bars(self.format(record), sys.stdout)
            sys.stdout.flush()


def _print_above_bars(line, file):
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(line, file=file)
    else:
        print(line, file=file)
