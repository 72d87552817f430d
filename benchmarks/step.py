"""Training step and inference of the paper's network and of others."""

import contextlib
import functools

from benchmarks.harness import Child, Table, column, in_turn, say
from benchmarks.network import VARIANTS, Network

BATCH = 16
# Networks of the table of options: parameter file and options that change it.
NETWORKS = {
    "model-64": ("model-64", {}),
    "--pool lowpass": ("model-64", {"pool": "lowpass"}),
    "--quadrature": ("model-64", {"quadrature": True}),
    "--dealias": ("model-64", {"dealias": True}),
    "invariant-64": ("invariant-64", {}),
    "invariant-prelu": ("invariant-prelu", {}),
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
    "peak memory, GB": column("peak", ".2f", 1e-9),
}

_MEMORY = "Peak memory is that of a process that trains, with its libraries."
_USE = (
    "Batch {}: the matrix products of plain are {:.1f} GFLOP in a training step and {:.1f} in an "
    "inference. Use is their rate divided by that of a large float32 product, {:.0f} GFLOP/s. "
    + _MEMORY
)


def run(rounds, batches=None, flags=None):
    """Measures the variants of `VARIANTS` at each batch size."""
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
    """Measures the networks of `NETWORKS`."""
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
    note = f"Batch {BATCH}, jit_compile. {_MEMORY}"
    return Table("Options of the network", OPTION_COLUMNS, rows, [note])


@contextlib.contextmanager
def _networks(made):
    """Creates networks of their arguments; yields them and functions that measure them."""
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(Network, *a)) for name, a in made.items()}
        measures = {n: functools.partial(c.call, "train_and_infer") for n, c in children.items()}
        yield children, measures
