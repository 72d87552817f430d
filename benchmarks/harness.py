"""What the benchmarks share: processes measured in turn, medians, tables."""

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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # also in the children, who inherit it


class Child:
    """An object in a process of its own, whose methods the parent calls; a context manager.

    Args:
        make: function or class at the top level of a module; its result stays in the process.
        arguments: of `make`.
        options: keyword arguments of `make`.

    Raises:
        Exception: whatever `make` raises.
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
        """What `method` of the object returns for `arguments`; raises what it raises."""
        return self._pool.submit(_call, method, arguments).result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown()


_objects: list = []  # in a child: its object


def _choose_backend():
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whichever the user has chosen


def _make(make, arguments, options):
    _objects.append(make(*arguments, **options))


def _call(method, arguments):
    return getattr(_objects[0], method)(*arguments)


def repeated(function, seconds=0.5, least=3):
    """Seconds of each of at least `least` calls, more until `seconds` have passed."""
    taken, total = [], 0.0
    while len(taken) < least or total < seconds:
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
        total += taken[-1]
    return taken


def in_turn(measures, rounds, warm_up=True):
    """Medians of figures that are measured in turn, round after round.

    Args:
        measures: dict by name of functions that return a dict of figures, each a number or a list
            of numbers, of which the median is taken.
        rounds: how many count.
        warm_up: whether to measure one more round first, which does not count.

    Returns:
        dict by name of dicts: the median over rounds of each figure, and in `rounds` the values
        of all rounds.
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
    """Slope of the least-squares line through the logarithms; `None` below two points."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if len(sizes) > 1 else None


def installed(module):
    """Whether a top-level module can be imported; it is not imported."""
    return importlib.util.find_spec(module) is not None


def cores():
    """Cores that this process may use, and the threads of every framework."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def peak_memory():
    """Bytes of this process at its peak."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def positive(text):
    """A positive integer, as an argument on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer. Received: {text!r}")
    return int(text)


def say(text):
    """Prints progress on standard error; standard output holds tables alone."""
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Table:
    """What was measured.

    Args:
        title: one line.
        columns: by heading, a function from a row to its text.
        rows: dicts of raw numbers, SI units.
        notes: what a reader must know, what was skipped and why.
    """

    title: str
    columns: dict[str, Callable[[dict], str]]
    rows: list[dict]
    notes: list[str] = dataclasses.field(default_factory=list)

    def markdown(self):
        """The table as Markdown, ending in a line feed."""
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |"]
        lines.append("|---" * len(self.columns) + "|")
        for row in self.rows:
            lines.append(f"| {' | '.join(text(row) for text in self.columns.values())} |")
        return "\n".join([*lines, "", *(f"- {note}" for note in self.notes)]).rstrip() + "\n"

    def to_dict(self):
        """Dict for the JSON file."""
        return {"title": self.title, "rows": self.rows, "notes": self.notes}


def column(key, form="", scale=1):
    """Text of `row[key]`, times `scale` in the format `form` if given; a dash for `None`."""

    def text(row):
        value = row.get(key)
        if value is None:
            return "–"
        return format(value * scale, form) if form else str(value)

    return text
