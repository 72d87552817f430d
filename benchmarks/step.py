"""Training step and inference: of the paper's network, and of others beside it."""

import contextlib
import functools

from benchmarks.harness import Child, Table, column, in_turn, say
from benchmarks.network import VARIANTS, Network

BATCH = 16
# Networks of the table of options: file in params, options over those of the file.
NETWORKS = {
    "model-64": ("model-64", {}),
    "--pool lowpass": ("model-64", {"pool": "lowpass"}),
    "--quadrature": ("model-64", {"global_average": "quadrature"}),
    "--dealias": ("model-64", {"dealias": True}),
    "invariant-64": ("invariant-64", {}),
    "--up_channel on": ("model-64", {"up_channel": "on"}),
    "--final_pool all": ("model-64", {"final_pool": "all"}),
    "planar-64": ("planar-64", {}),
}
STEP_COLUMNS = {
    "batch": column("batch"),
    "variant": column("variant"),
    "train step, ms": column("step", ".1f", 1e3),
    "use in training, %": column("step_use", ".0f", 1e2),
    "inference, ms": column("inference", ".1f", 1e3),
    "use in inference, %": column("inference_use", ".0f", 1e2),
    "peak memory, GB": column("peak", ".2f", 1e-9),
}
OPTION_COLUMNS = {
    "network": column("network"),
    "train step, ms": column("step", ".1f", 1e3),
    "of model-64": column("step_ratio", ".2f"),
    "inference, ms": column("inference", ".1f", 1e3),
    "of model-64's": column("inference_ratio", ".2f"),
}

_USE = (
    "Batch {}: the matrix products in the graph of plain are {:.1f} GFLOP a training step, {:.1f} "
    "an inference. Use, in every row: these by time and by the rate of a large float32 product, "
    "{:.0f} GFLOP/s. Peak memory: of a process that trains, libraries included."
)


def run(rounds, batches=None, flags=None):
    """`Table` of the variants of a training step, those of one batch size in turn.

    Args:
        rounds: how many count.
        batches: sizes, `BATCH` by default.
        flags: over those of `configuration`.
    """
    rows, notes = [], []
    for batch in batches or [BATCH]:
        say(f"step: batch {batch}")
        made = {name: (batch, flags, name) for name in VARIANTS}
        with _networks(made) as (networks, measures):
            measures["product"] = functools.partial(networks["plain"].call, "product")
            found = in_turn(measures, rounds)
            flops = networks["plain"].call("count")
        rate = found.pop("product")["flops"]
        for name, row in found.items():
            use = {f"{what}_use": flops[what] / row[what] / rate for what in flops}
            rows.append({"batch": batch, "variant": name, **row, **use})
        notes.append(_USE.format(batch, flops["step"] / 1e9, flops["inference"] / 1e9, rate / 1e9))
    return Table("Training step and inference", STEP_COLUMNS, rows, notes)


def run_options(rounds, flags=None):
    """`Table` of what the options of the network cost, all networks in turn."""
    say("options")
    made = {
        name: (BATCH, {**options, **(flags or {})}, "jit_compile", file)
        for name, (file, options) in NETWORKS.items()
    }
    with _networks(made) as (_, measures):
        found = in_turn(measures, rounds)
    rows = [{"network": name, **row} for name, row in found.items()]
    for row in rows:
        for what in ("step", "inference"):
            row[f"{what}_ratio"] = row[what] / rows[0][what]
    return Table("Options of the network", OPTION_COLUMNS, rows, [f"Batch {BATCH}, jit_compile."])


@contextlib.contextmanager
def _networks(made):
    """Children by name, and the functions that measure them, of arguments of `Network`."""
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(Network, *a)) for name, a in made.items()}
        measures = {n: functools.partial(c.call, "train_and_infer") for n, c in children.items()}
        yield children, measures
