"""Time from the start of a process to imports and to the first training step."""

import functools
import time

from benchmarks.harness import Child, Table, column, in_turn, say
from benchmarks.network import Network

BATCH = 16
COLUMNS = {"from the start of a process": column("what"), "seconds": column("seconds", ".2f")}


class Imports:
    """Times imports in a process that has imported nothing else."""

    def __init__(self):
        start = time.perf_counter()
        import keras  # noqa: F401

        between = time.perf_counter()
        import spherical_cnn

        _ = spherical_cnn.SphericalConv
        end = time.perf_counter()
        self.seconds = {"import keras": between - start, "import the layers": end - between}

    def measure(self):
        """Returns the seconds to import Keras with its backend, then the layers."""
        return self.seconds


def run(rounds, flags=None):
    """Measures imports and the first training step, plain and with XLA."""
    say("start")
    measures = {"imports": _imports}
    for variant in ("plain", "jit_compile"):
        what = f"first training step, {variant}"
        measures[what] = functools.partial(_first_step, variant, flags)
    found = in_turn(measures, rounds)
    imports = found.pop("imports")
    imports.pop("rounds")
    rows = [{"what": what, "seconds": seconds} for what, seconds in imports.items()]
    rows += [{"what": what, **row} for what, row in found.items()]
    return Table("Start", COLUMNS, rows, [f"Batch {BATCH}. Imports are timed inside the process."])


def _imports():
    with Child(Imports) as child:
        return child.call("measure")


def _first_step(variant, flags):
    start = time.perf_counter()
    with Child(Network, BATCH, flags, variant) as child:
        child.call("train_once")
        return {"seconds": time.perf_counter() - start}
