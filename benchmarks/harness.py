"""Children measured in turn: processes, repetitions, medians."""

import argparse
import collections
import importlib.util
import multiprocessing
import os
import statistics
import sys
import tempfile
import time

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
_TAIL = 300  # bytes of what a dead child wrote


class ChildError(RuntimeError):
    """A child raised, died or took too long; the message says which."""


class Child:
    """An object in a process of its own, whose methods the parent calls; a context manager.

    Args:
        make: function or class at a module's top level; what it returns stays in the child.
        arguments: of `make`.
        limit: seconds that `make` may take; `None` for any number.
        options: keyword arguments of `make`.

    Raises:
        ChildError: if `make` raises, dies or takes longer.
    """

    def __init__(self, make, *arguments, limit=None, **options):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._log = tempfile.NamedTemporaryFile()  # what libraries write, shown if the child dies
        self._process = context.Process(
            target=_serve, args=(theirs, self._log.name, make, arguments, options), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            self._answer(limit)
        except BaseException:
            self.close()
            raise

    def call(self, method, *arguments, limit=None):
        """What `method` of the child's object returns for `arguments`, within `limit` seconds.

        Raises:
            ChildError: if it raises, dies or takes longer.
        """
        try:
            self._pipe.send((method, arguments))
        except OSError as error:
            raise ChildError("gone") from error
        return self._answer(limit)

    def close(self):
        """Ends the process."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _answer(self, limit):
        if not self._pipe.poll(limit):
            self._process.kill()
            raise ChildError(f"not ready in {limit:g} s")
        try:
            good, value = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _TAIL))
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            reason = f"died, code {self._process.exitcode}"
            raise ChildError(": ".join([reason, *lines[-1:]])) from None
        if not good:
            raise ChildError(value)
        return value


def _serve(pipe, log, make, arguments, options):
    """Life of a child: makes its object, then answers calls until the parent hangs up."""
    os.environ.update(ENVIRONMENT)  # before any library is imported
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (sys.stdout, sys.stderr):
        os.dup2(file, standard.fileno())
    made = _attempt(pipe, lambda: (make(*arguments, **options), None))
    while made is not None:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        _attempt(pipe, lambda: (None, getattr(made, method)(*arguments)))  # noqa: B023


def _attempt(pipe, work):
    """Answers with the second of what `work` returns, or with its error; returns the first."""
    try:
        kept, answer = work()
    except Exception as error:  # the parent decides what it means
        pipe.send((False, f"{type(error).__name__}: {error}"))
        return None
    pipe.send((True, answer))
    return kept


def installed(module):
    """Whether a top-level module can be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def cores():
    """Cores that this process may use, hence the threads of every framework."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def positive(text):
    """A positive integer, as an argument on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer. Received: {text!r}")
    return int(text)


def say(text):
    """Progress, on standard error: tables alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def repeated(function, seconds=0.5, least=3):
    """Seconds of each of at least `least` calls, more until `seconds` have passed."""
    taken, total = [], 0.0
    while len(taken) < least or total < seconds:
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
        total += taken[-1]
    return taken


def interleaved(measures, rounds, needed=()):
    """Measures all in turn, round after round; one round more, the first, warms up.

    Args:
        measures: dict by name of functions that return dicts of a number, or of a list of them.
        rounds: that count.
        needed: names without which the others are worth nothing.

    Returns:
        `(results, failures)`: by name, the list of what came back, one a round; the message of
        the `ChildError` of those that failed, which have no results.

    Raises:
        ChildError: if one of those needed fails.
    """
    results, failures = collections.defaultdict(list), {}
    for turn in range(rounds + 1):
        for name, measure in measures.items():
            if name in failures:
                continue
            try:
                result = measure()
            except ChildError as error:
                if name in needed:
                    raise
                failures[name] = str(error)
                results.pop(name, None)
                continue
            if turn:
                results[name].append(result)
    return dict(results), failures


def medians(results):
    """Medians of what came back of rounds.

    Args:
        results: list of dicts of a number, or of a list of them.

    Returns:
        dict of the median over rounds of each figure, and, in `rounds`, of the list of the figure
        of each round: of several numbers their median.
    """
    rounds = {
        key: [
            statistics.median(result[key]) if isinstance(result[key], list) else result[key]
            for result in results
        ]
        for key in results[0]
    }
    return {**{key: statistics.median(values) for key, values in rounds.items()}, "rounds": rounds}
