"""What the options of the network cost: a training step and an inference of each."""

import contextlib

from benchmarks.harness import Child, interleaved, medians, say
from benchmarks.network import Network
from benchmarks.table import Table, column

BATCH = 16
VARIANT = "jit_compile"
# Flags over those of params/model-64.txt; planar-64.txt has the last.
OPTIONS = {
    "model-64": {},
    "--pool lowpass": {"pool": "lowpass"},
    "--quadrature": {"quadrature": True},
    "--dealias": {"dealias": True},
    "model-64-eq": {
        "pool": "lowpass",
        "quadrature": True,
        "dealias": True,
        "pool_layers": (0, 0, 1, 0, 1, 0, 0, 0),
        "n_filter_params": (8, 8, 8, 8, 8, 8, 8, 4),
    },
    "--height told": {"height": "told"},
    "--final_pool all": {"final_pool": "all"},
    "planar-64": {
        "model": "planar",
        "n_filter_params": 0,
        "nfilters": (13, 13, 27, 27, 54, 54, 107, 107),
    },
}
COLUMNS = {
    "network": column("option"),
    "train step, ms": column("step", ".1f", 1e3),
    "of model-64": column("step_ratio", ".2f"),
    "inference, ms": column("inference", ".1f", 1e3),
    "of model-64's": column("inference_ratio", ".2f"),
}


def run(rounds, flags=None):
    """Measures all options in turn.

    Args:
        rounds: that count.
        flags: over those of `configuration`.

    Returns:
        `Table`.
    """
    say("options")
    with contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(Child(Network, VARIANT, BATCH, {**own, **(flags or {})}))
            for name, own in OPTIONS.items()
        }
        measures = {
            name: lambda child=child: child.call("step_and_infer")
            for name, child in children.items()
        }
        results, _ = interleaved(measures, rounds, needed=OPTIONS)
    rows = [{"option": name, **medians(result)} for name, result in results.items()]
    for row in rows:
        for what in ("step", "inference"):
            row[f"{what}_ratio"] = row[what] / rows[0][what]
    return Table("Options of the network", COLUMNS, rows, [f"Batch {BATCH}, {VARIANT}."])
