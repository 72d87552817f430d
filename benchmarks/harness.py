"""Child processes, timing, and tables for all benchmarks."""

import argparse
import collections
import dataclasses
import importlib.util
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent import futures

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # child processes inherit it


class Child:
    """An object in a process of its own, whose methods the parent calls; a context manager.

    `make(*arguments, **options)` creates the object in the process. It is a function or class at
    the top level of a module.
    """

    def __init__(self, make, *arguments, **options):
        context = multiprocessing.get_context("spawn")
        self._pool = futures.ProcessPoolExecutor(1, context, _choose_backend)
        try:
            self._pool.submit(_make, make, arguments, options).result()
        except BaseException:
            self._pool.shutdown()
            raise

    def call(self, method, *arguments):
        """Calls a method of the object, and returns or raises what the method does."""
        return self._pool.submit(_call, method, arguments).result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown()


_objects: list = []  # the object of a child process


def _choose_backend():
    os.environ["KERAS_BACKEND"] = "tensorflow"  # not the user's choice


def _make(make, arguments, options):
    _objects.append(make(*arguments, **options))


def _call(method, arguments):
    return getattr(_objects[0], method)(*arguments)


def repeated(function, seconds=0.5, least=3):
    """Calls a function for some seconds, at least `least` times; returns the time of each call."""
    taken, total = [], 0.0
    while len(taken) < least or total < seconds:
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
        total += taken[-1]
    return taken


def in_turn(measures, rounds, warm_up=True):
    """Calls each function once per round and takes medians over the rounds.

    `measures` is a dict of functions that return a dict of figures. A figure is a number, or a list
    of numbers, which counts as its median. With `warm_up`, a first round does not count. Returns a
    dict by name of the medians; `rounds` holds the figures of all rounds.
    """
    found = {name: collections.defaultdict(list) for name in measures}
    for number in range(rounds + warm_up):
        for name, measure in measures.items():
            for key, value in measure().items():
                if number >= warm_up:
                    one = statistics.median(value) if isinstance(value, list) else value
                    found[name][key].append(one)
    return {
        name: {**{key: statistics.median(all_) for key, all_ in by_key.items()}, "rounds": by_key}
        for name, by_key in found.items()
    }


def exponent(sizes, values):
    """Slope of the least-squares line through the logarithms; `None` for a single point."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if len(sizes) > 1 else None


def installed(module):
    """Whether a top-level module is installed."""
    return importlib.util.find_spec(module) is not None


def cores():
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def peak_memory():
    """Peak memory of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def positive(text):
    """Parses a positive integer of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer. Received: {text!r}")
    return int(text)


def say(text):
    """Prints progress on standard error; only tables go to standard output."""
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Table:
    """Results of a section: rows of raw numbers, in SI units, and how to print them.

    `columns` holds, by heading, a function from a row to its text.
    """

    title: str
    columns: dict[str, Callable[[dict], str]]
    rows: list[dict]
    notes: list[str] = dataclasses.field(default_factory=list)

    def markdown(self):
        """Returns the table as Markdown, with a line feed at its end."""
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |"]
        lines.append("|---" * len(self.columns) + "|")
        for row in self.rows:
            lines.append(f"| {' | '.join(text(row) for text in self.columns.values())} |")
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]).rstrip() + "\n"

    def to_dict(self):
        """Returns what the JSON file keeps."""
        return {"title": self.title, "rows": self.rows, "notes": self.notes}


def column(key, form="", scale=1):
    """Returns a function that formats `row[key]`, times `scale`; a dash stands for `None`."""

    def text(row):
        value = row.get(key)
        if value is None:
            return "–"
        return format(value * scale, form) if form else str(value)

    return text
