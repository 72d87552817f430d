"""Growth of time and memory with batch, bandwidth and channels."""

import contextlib

from benchmarks.growth import exponent, last_exponent
from benchmarks.harness import Child, ChildError, interleaved, medians, say
from benchmarks.network import Convolution, Network, configuration
from benchmarks.table import Table, column

# Signals of 16 × 16 are too small for the four poolings of the network.
NETWORK_AXES = {
    "batch": (4, 8, 16, 32, 64),
    "resolution": (32, 64, 96, 128),
    "channels": (8, 16, 32, 64),
}
CONVOLUTION_AXES = {**NETWORK_AXES, "resolution": (16, 32, 64, 128)}
BASE = {"batch": 8, "resolution": 64, "channels": 16}
COLUMNS = {
    "of": column("what"),
    "in": column("axis"),
    "from … to": lambda row: " … ".join(str(row["sizes"][i]) for i in (0, -1)),
    "time, ms": lambda row: _list(row["seconds"], 1e3, ".1f"),
    "exponent": column("time_exponent", ".2f"),
    "at the end": column("time_last", ".2f"),
    "memory, MB": lambda row: _list(row["bytes"], 1e-6, ".0f"),
    "exponent of memory": column("memory_exponent", ".2f"),
    "of memory at the end": column("memory_last", ".2f"),
}


def network(size, flags=None):
    """`Network` with `channels` filters in its first layer, the others in proportion."""
    flags = dict(flags or {})
    filters = configuration(**flags).nfilters
    flags["nfilters"] = tuple(f * size["channels"] // filters[0] for f in filters)
    return Network("plain", size["batch"], {**flags, "input_res": size["resolution"]})


def convolution(size):
    """`Convolution` of a size."""
    return Convolution(**size)


def run(rounds, network_axes=None, convolution_axes=None, base=None, flags=None):
    """Measures each axis of each kind, the sizes of an axis in turn.

    Args:
        rounds: that count.
        network_axes: dict of sizes by axis, ascending; `NETWORK_AXES` if not given.
        convolution_axes: likewise, `CONVOLUTION_AXES`.
        base: size along the other axes; `BASE` if not given.
        flags: over those of `configuration`.

    Returns:
        `Table`.
    """
    kinds = {
        "training step": (network, network_axes or NETWORK_AXES, {"flags": flags}),
        "SphericalConv, forward and backward": (
            convolution,
            convolution_axes or CONVOLUTION_AXES,
            {},
        ),
    }
    base = base or BASE
    notes = [
        "Other sizes: "
        + ", ".join(f"{axis} {size}" for axis, size in base.items())
        + ". Channels: of the first layer. Memory: of the process at its peak, less what it had "
        "with the libraries loaded. Exponent: of the least-squares line; at the end: between the "
        "two largest sizes."
    ]
    rows = []
    for what, (make, axes, options) in kinds.items():
        for axis, sizes in axes.items():
            say(f"scale: {what}, {axis}")
            chosen = {size: {**base, axis: size} for size in sizes}
            found = _measure(make, chosen, options, rounds, f"{what}, {axis}", notes)
            if found:
                rows.append(_row(what, axis, found))
    return Table("Growth", COLUMNS, rows, notes)


def _measure(make, chosen, options, rounds, what, notes):
    """By size: the list of what its process found, a round each."""
    failures = {}
    with contextlib.ExitStack() as stack:
        measures = {}
        for size, value in chosen.items():
            try:
                child = stack.enter_context(Child(make, value, **options))
            except ChildError as error:
                failures[size] = str(error)
            else:
                measures[size] = lambda child=child: child.call("train")
        results, later = interleaved(measures, rounds)
    notes += [f"skipped: {what} {s} ({why})" for s, why in {**failures, **later}.items()]
    return results


def _row(what, axis, found):
    figures = [medians(result) for result in found.values()]
    row = {
        "what": what,
        "axis": axis,
        "sizes": list(found),
        "seconds": [figure["step"] for figure in figures],
        "bytes": [figure["peak"] - figure["start"] for figure in figures],
        "rounds": [figure["rounds"] for figure in figures],
    }
    for key, values in (("time", row["seconds"]), ("memory", row["bytes"])):
        row[f"{key}_exponent"] = exponent(row["sizes"], values)
        row[f"{key}_last"] = last_exponent(row["sizes"], values)
    return row


def _list(values, scale, form):
    return ", ".join(format(value * scale, form) for value in values)
