"""From the start of a process to what a user waits for; a fresh process each time."""

import functools
import time

from benchmarks.harness import Child, interleaved, medians, repeated, say
from benchmarks.imports import Imports
from benchmarks.network import Network
from benchmarks.table import Table, column

BATCH = 16
WORK = {"first inference": "infer_once", "first training step": "train_once"}
IMPORTS = {"import keras": "keras", "then import the layers": "layers", "both": "both"}
COLUMNS = {
    "from the start of a process": column("what"),
    "seconds": column("seconds", ".2f"),
    "of them tracing and compiling": column("compiling", ".2f"),
}


class First:
    """A first call of a method of `Network`, in a child."""

    def __init__(self, variant, method, flags=None):
        self.once = getattr(Network(variant, BATCH, flags), method)
        start = time.perf_counter()
        self.once()
        self.first = time.perf_counter() - start

    def measure(self):
        """Seconds that the first call took beyond a later one."""
        return {"compiling": self.first - min(repeated(self.once))}


def run(rounds, flags=None):
    """Measures imports and first calls, plain and by XLA, in turn.

    Args:
        rounds: that count.
        flags: over those of `configuration`.

    Returns:
        `Table`.
    """
    say("start")
    measures = {"imports": _imports}
    for variant in ("plain", "jit_compile"):
        for what, method in WORK.items():
            measures[f"{what}, {variant}"] = functools.partial(_first, variant, method, flags)
    results, failures = interleaved(measures, rounds)
    notes = [
        f"Batch {BATCH}, the network of the paper. Imports: timed inside the process; the layers "
        "are those of spherical_cnn. First calls: by the parent, from before the process is there.",
        *(f"skipped: {name} ({error})" for name, error in failures.items()),
    ]
    rows = []
    for name, result in results.items():
        if name == "imports":
            found = medians(result)
            for what, key in IMPORTS.items():
                taken = {"seconds": found["rounds"][key]}
                rows.append({"what": what, "seconds": found[key], "rounds": taken})
        else:
            rows.append({"what": name, **medians(result)})
    return Table("Start", COLUMNS, rows, notes)


def _imports():
    with Child(Imports) as child:
        return child.call("measure")


def _first(variant, method, flags):
    start = time.perf_counter()
    with Child(First, variant, method, flags) as child:
        return {"seconds": time.perf_counter() - start, **child.call("measure")}
