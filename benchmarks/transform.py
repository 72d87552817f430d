"""Forward and inverse transforms of the same maps, by us and by others: time, error, growth."""

import contextlib

import numpy as np

from benchmarks.growth import exponent
from benchmarks.harness import Child, ChildError, installed, interleaved, medians, repeated, say
from benchmarks.peers import CHANNELS, TRANSFORMS
from benchmarks.table import Table, column

RESOLUTIONS = (16, 32, 64, 128, 256)
MAPS = 16 * CHANNELS
TABLE_LIMIT = 4e9  # bytes
SETUP_LIMIT = 300.0  # seconds
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

    def __init__(self, name):
        self.make = TRANSFORMS[name].make

    def prepare(self, resolution, maps):
        """Makes tables and coefficients; returns the error of a round trip."""
        given, self.go = self.make(draw(resolution, maps))
        return relative_error(self.go(), given)

    def measure(self):
        """Seconds of round trips."""
        return {"seconds": repeated(self.go)}


def run(rounds, resolutions=RESOLUTIONS, maps=MAPS):
    """Measures all transforms that are installed, those of one resolution in turn.

    Args:
        rounds: that count.
        resolutions: `n`, in ascending order.
        maps: a round trip, a multiple of `CHANNELS`.

    Returns:
        `Table`.
    """
    notes = [_READING.format(maps=maps, batch=maps // CHANNELS, channels=CHANNELS)]
    rows = {name: {"transform": name, "remark": t.remark} for name, t in TRANSFORMS.items()}
    with contextlib.ExitStack() as stack:
        children = {}
        for name, transform in TRANSFORMS.items():
            if installed(transform.module):
                children[name] = stack.enter_context(Child(Runner, name))
            else:
                notes.append(f"skipped: {name} (not installed)")
        for resolution in resolutions:
            say(f"transform: {resolution}")
            _measure(children, resolution, maps, rounds, rows, notes)
    notes.append(_LEFT_OUT)
    measured = [row for row in rows.values() if any(str(n) in row for n in resolutions)]
    for row in measured:
        sizes = [n for n in resolutions if str(n) in row]
        large = [n for n in sizes if n >= ASYMPTOTIC]
        for key, chosen in (("growth", sizes), ("growth_large", large)):
            row[key] = exponent(chosen, [row[str(n)]["seconds"] for n in chosen])
    columns = {"transform": column("transform"), "grid": column("remark")}
    columns |= {f"n = {n}": _cell(str(n)) for n in resolutions}
    columns[f"exponent, n ≥ {ASYMPTOTIC}"] = column("growth_large", ".2f")
    columns["exponent, all n"] = column("growth", ".2f")
    return Table("Transform, inverse and forward: ms (error)", columns, measured, notes)


_READING = (
    "{maps} real maps ({batch} × {channels} channels for ours) of the same drawn coefficients of "
    "degrees below n / 2, all cores, float32, input in the arrays of each library. Error: largest "
    "of the coefficients that come back, relative to the largest drawn. Exponent: of time in n, "
    "over the resolutions measured."
)
_LEFT_OUT = "skipped: the JAX transform of google-research/spherical-cnn (not a package)"


def _measure(children, resolution, maps, rounds, rows, notes):
    """Adds to rows what is measured at one resolution; drops children that fail."""
    errors = {}
    for name in list(children):
        needed = TRANSFORMS[name].table_bytes(resolution)
        if needed > TABLE_LIMIT:
            notes.append(f"skipped: {name} at n = {resolution} (tables of {needed / 1e9:.1f} GB)")
            continue
        try:
            errors[name] = children[name].call("prepare", resolution, maps, limit=SETUP_LIMIT)
        except ChildError as error:
            notes.append(f"skipped: {name} from n = {resolution} on ({error})")
            children.pop(name).close()
    measures = {name: lambda child=children[name]: child.call("measure") for name in errors}
    results, failures = interleaved(measures, rounds)
    for name, error in failures.items():
        notes.append(f"skipped: {name} from n = {resolution} on ({error})")
        children.pop(name).close()
    for name, result in results.items():
        rows[name][str(resolution)] = {**medians(result), "error": errors[name]}


def _cell(key):
    def text(row):
        if key not in row:
            return "–"
        return f"{row[key]['seconds'] * 1e3:.1f} ({row[key]['error']:.0e})"

    return text
