"""Training step and inference of the paper's network: time, memory, use of the machine."""

import contextlib

from benchmarks.harness import Child, ChildError, interleaved, medians, say
from benchmarks.network import VARIANTS, Network
from benchmarks.table import Table, column

BATCHES = (1, 4, 16, 64)
NAIVE_BATCH = 16
COLUMNS = {
    "batch": column("batch"),
    "variant": column("variant"),
    "train step, ms": column("step", ".1f", 1e3),
    "trained, samples/s": column("step_rate", ".1f"),
    "use in training, %": column("step_use", ".0f", 1e2),
    "inference, ms": column("inference", ".1f", 1e3),
    "inferred, samples/s": column("inference_rate", ".1f"),
    "use in inference, %": column("inference_use", ".0f", 1e2),
    "peak memory, GB": column("peak", ".2f", 1e-9),
}


def run(rounds, batches=BATCHES, flags=None):
    """Measures all variants, those of one batch size in turn.

    Args:
        rounds: that count.
        batches: sizes.
        flags: over those of `configuration`.

    Returns:
        `Table`.
    """
    rows, notes = [], []
    for batch in batches:
        say(f"step: batch {batch}")
        variants = [name for name in VARIANTS if name != "naive" or batch <= NAIVE_BATCH]
        rows += _rows(batch, variants, rounds, flags, notes)
    notes.insert(0, _READING)
    if any(batch > NAIVE_BATCH for batch in batches):
        notes.append(f"skipped: naive above batch {NAIVE_BATCH} (out of proportion)")
    return Table("Training step and inference", COLUMNS, rows, notes)


_READING = (
    "use: operations of the matrix products in the graph of plain, in every row, by time and by "
    "the rate of a large float32 product, measured by plain in the same turns. Peak memory: of a "
    "process that trains, libraries included."
)


def _rows(batch, variants, rounds, flags, notes):
    with contextlib.ExitStack() as stack:
        children = {}
        for name in variants:
            try:
                children[name] = stack.enter_context(Child(Network, name, batch, flags))
            except ChildError as error:
                if name == "plain":
                    raise
                notes.append(f"skipped: {name} at batch {batch} ({error})")
        measures = {
            name: lambda child=child: child.call("step_and_infer")
            for name, child in children.items()
        }
        measures["product"] = lambda: children["plain"].call("product")
        results, failures = interleaved(measures, rounds, needed=["plain", "product"])
        flops = children["plain"].call("flops")
    notes += [f"skipped: {name} at batch {batch} ({why})" for name, why in failures.items()]
    rate = medians(results.pop("product"))["product_flops"]
    rows = []
    for name, result in results.items():
        row = {"variant": name, "batch": batch, **medians(result), **flops}
        row["product_flops"] = rate
        for what in ("step", "inference"):
            row[f"{what}_rate"] = batch / row[what]
            row[f"{what}_use"] = flops[f"{what}_flops"] / row[what] / rate
        rows.append(row)
    return rows
