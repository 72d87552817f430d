"""Time, error and growth of the transforms of this package and of others."""

import contextlib
import functools

import numpy as np

from benchmarks.harness import Child, Table, column, exponent, in_turn, installed, repeated, say
from benchmarks.peers import CHANNELS, TRANSFORMS

RESOLUTIONS = (32, 64, 128, 256)
MAPS = 16 * CHANNELS
ASYMPTOTIC = 64  # resolution from which the exponent is fitted; overheads dominate below


def draw(resolution, maps):
    """Draws coefficients `(maps, L, L)`, complex64, `[map, l, m]`, `m ≥ 0`, of real functions."""
    bandwidth = resolution // 2
    rng = np.random.default_rng(resolution)
    real, imaginary = rng.standard_normal((2, maps, bandwidth, bandwidth), np.float32)
    imaginary[:, :, 0] = 0
    return (real + 1j * imaginary) * np.tri(bandwidth, dtype=np.float32)


def relative_error(returned, given):
    """Largest absolute difference, relative to the largest absolute value given."""
    returned, given = np.asarray(returned), np.asarray(given)
    return float(np.max(np.abs(returned - given)) / np.max(np.abs(given)))


class Runner:
    """A transform of `TRANSFORMS`."""

    def __init__(self, make):
        self.make = make

    def prepare(self, resolution, maps, backward):
        """Computes tables and coefficients; returns the error of a round trip."""
        given, go, gradient = self.make(draw(resolution, maps))
        self.timed = gradient if backward else go
        return relative_error(go(), given)

    def measure(self):
        """Measures the seconds of round trips; empty if there is no gradient."""
        return {"seconds": repeated(self.timed)} if self.timed else {}


def run(rounds, resolutions=RESOLUTIONS, maps=MAPS, backward=False):
    """Measures all installed transforms; `maps` is a multiple of `CHANNELS`.

    With `backward`, the gradient of the sum of squares is computed as well.
    """
    here = {name: peer for name, peer in TRANSFORMS.items() if installed(peer.module)}
    rows = {name: {"transform": name, "remark": peer.remark} for name, peer in here.items()}
    largest = {
        name: min(peer.largest, peer.largest_gradient) if backward else peer.largest
        for name, peer in here.items()
    }
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(Runner, p.make)) for name, p in here.items()}
        for resolution in resolutions:
            say(f"transform: {resolution}")
            chosen = {n: c for n, c in children.items() if largest[n] >= resolution}
            errors = {
                n: child.call("prepare", resolution, maps, backward) for n, child in chosen.items()
            }
            measures = {n: functools.partial(c.call, "measure") for n, c in chosen.items()}
            for name, found in in_turn(measures, rounds).items():
                if "seconds" in found:
                    rows[name][str(resolution)] = {**found, "error": errors[name]}
    rows = {name: row for name, row in rows.items() if any(str(n) in row for n in resolutions)}
    for row in rows.values():
        large = [n for n in resolutions if n >= ASYMPTOTIC and str(n) in row]
        row["growth"] = exponent(large, [row[str(n)]["seconds"] for n in large])
    columns = {"transform": column("transform"), "grid": column("remark")}
    columns |= {f"n = {n}": functools.partial(_cell, str(n)) for n in resolutions}
    columns[f"exponent, n ≥ {ASYMPTOTIC}"] = column("growth", ".2f")
    notes = [
        f"{maps} real maps ({maps // CHANNELS} × {CHANNELS} channels for ours) of the same random "
        "coefficients of degrees below n / 2, all cores, float32, input in the arrays of each "
        "library. The error is the largest one of the coefficients after a round trip, relative to "
        "the largest coefficient. The exponent is that of time in n."
    ]
    for name in TRANSFORMS:
        if name not in here:
            notes.append(f"skipped: {name} (not installed)")
        elif name in rows and largest[name] < max(resolutions):
            notes.append(f"skipped: {name} above n = {largest[name]} (memory, or time for tables)")
    title = "Transform, inverse and forward: ms (error)"
    if backward:
        title = "Transform, inverse and forward, and gradient: ms (error)"
    return Table(title, columns, [*rows.values()], notes)


def _cell(key, row):
    return f"{row[key]['seconds'] * 1e3:.1f} ({row[key]['error']:.0e})" if key in row else "–"
