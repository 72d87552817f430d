"""Forward and inverse transforms of the same maps, by us and by others: time, error, growth."""

import contextlib
import functools

import numpy as np

from benchmarks.harness import Child, Table, column, exponent, in_turn, installed, repeated, say
from benchmarks.peers import CHANNELS, TRANSFORMS

RESOLUTIONS = (32, 64, 128, 256)
MAPS = 16 * CHANNELS
ASYMPTOTIC = 64  # the resolution from which growth is told apart from overheads


def draw(resolution, maps):
    """Coefficients `(maps, L, L)`, `[map, l, m]`, `m ≥ 0`, of real functions; complex64."""
    bandwidth = resolution // 2
    rng = np.random.default_rng(resolution)
    real, imaginary = rng.standard_normal((2, maps, bandwidth, bandwidth), np.float32)
    imaginary[:, :, 0] = 0
    return (real + 1j * imaginary) * np.tri(bandwidth, dtype=np.float32)


def relative_error(returned, given):
    """Largest absolute difference, by the largest absolute value given."""
    returned, given = np.asarray(returned), np.asarray(given)
    return float(np.max(np.abs(returned - given)) / np.max(np.abs(given)))


class Runner:
    """A transform of `TRANSFORMS`, in a child."""

    def __init__(self, make):
        self.make = make

    def prepare(self, resolution, maps):
        """Makes tables and coefficients; returns the error of a round trip."""
        given, self.go = self.make(draw(resolution, maps))
        return relative_error(self.go(), given)

    def measure(self):
        """Seconds of round trips."""
        return {"seconds": repeated(self.go)}


def run(rounds, resolutions=RESOLUTIONS, maps=MAPS):
    """`Table` of all transforms that are installed, those of one resolution in turn.

    Args:
        rounds: how many count.
        resolutions: `n`, in ascending order.
        maps: a round trip, a multiple of `CHANNELS`.
    """
    here = {name: peer for name, peer in TRANSFORMS.items() if installed(peer.module)}
    rows = {name: {"transform": name, "remark": peer.remark} for name, peer in here.items()}
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(Child(Runner, p.make)) for name, p in here.items()}
        for resolution in resolutions:
            say(f"transform: {resolution}")
            chosen = {n: c for n, c in children.items() if here[n].largest >= resolution}
            errors = {n: child.call("prepare", resolution, maps) for n, child in chosen.items()}
            measures = {n: functools.partial(c.call, "measure") for n, c in chosen.items()}
            for name, found in in_turn(measures, rounds).items():
                rows[name][str(resolution)] = {**found, "error": errors[name]}
    for row in rows.values():
        large = [n for n in resolutions if n >= ASYMPTOTIC and str(n) in row]
        row["growth"] = exponent(large, [row[str(n)]["seconds"] for n in large])
    columns = {"transform": column("transform"), "grid": column("remark")}
    columns |= {f"n = {n}": functools.partial(_cell, str(n)) for n in resolutions}
    columns[f"exponent, n ≥ {ASYMPTOTIC}"] = column("growth", ".2f")
    notes = [
        f"{maps} real maps ({maps // CHANNELS} × {CHANNELS} channels for ours) of the same drawn "
        "coefficients of degrees below n / 2, all cores, float32, input in the arrays of each "
        "library. Error: largest of the coefficients that come back, relative to the largest "
        "drawn. Exponent: of time in n, over the resolutions measured."
    ]
    for name, peer in TRANSFORMS.items():
        if name not in here:
            notes.append(f"skipped: {name} (not installed)")
        elif peer.largest < max(resolutions):
            notes.append(f"skipped: {name} above n = {peer.largest} (size or making of its tables)")
    return Table("Transform, inverse and forward: ms (error)", columns, [*rows.values()], notes)


def _cell(key, row):
    return f"{row[key]['seconds'] * 1e3:.1f} ({row[key]['error']:.0e})" if key in row else "–"
