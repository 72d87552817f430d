"""Growth of the time of a training step with batch size, resolution and channels."""

import contextlib

from benchmarks.harness import Child, Table, column, exponent, in_turn, say
from benchmarks.network import Network, configuration

# The poolings of the network need more than 16 × 16 samples.
AXES = {
    "batch": (4, 8, 16, 32, 64),
    "resolution": (32, 64, 96, 128),
    "channels": (8, 16, 32, 64),
}
BASE = {"batch": 8, "resolution": 64, "channels": 16}
COLUMNS = {
    "in": column("axis"),
    "sizes": lambda row: ", ".join(map(str, row["sizes"])),
    "train step, ms": lambda row: ", ".join(f"{1e3 * s:.1f}" for s in row["seconds"]),
    "exponent": column("exponent", ".2f"),
}


def run(rounds, axes=None, base=None, flags=None):
    """Measures growth along each axis; `base` holds the sizes along the other axes."""
    rows, base = [], base or BASE
    for axis, sizes in (axes or AXES).items():
        say(f"scale: {axis}")
        with contextlib.ExitStack() as stack:
            measures = {}
            for size in sizes:
                child = stack.enter_context(Child(network, {**base, axis: size}, flags))
                measures[size] = lambda child=child: child.call("train")
            found = in_turn(measures, rounds)
        seconds = [found[size]["step"] for size in sizes]
        row = {"axis": axis, "sizes": sizes, "seconds": seconds}
        rows.append({**row, "exponent": exponent(sizes, seconds)})
    others = ", ".join(f"{axis} {size}" for axis, size in base.items())
    return Table("Growth", COLUMNS, rows, [f"Other sizes: {others}. Channels: of the first layer."])


def network(size, flags=None):
    """Creates a `Network` of a size; all filters grow with `channels`, those of the first layer."""
    filters = configuration(**(flags or {})).nfilters
    filters = tuple(f * size["channels"] // filters[0] for f in filters)
    own = {"nfilters": filters, "input_res": size["resolution"]}
    return Network(size["batch"], {**(flags or {}), **own})
