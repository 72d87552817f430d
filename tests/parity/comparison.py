"""Golden files: what is in one, what was compared with it, and what was set aside and why."""

from __future__ import annotations

import collections
import copy
import dataclasses
import json
import re

import numpy as np

# Largest allowed max|ours - recorded| / max|recorded|: the table at the end of the golden README.
FLOAT64 = 1e-10
FLOAT32 = 5e-6
GRADIENT = 2e-5
POOL = RECORD = 1e-6


@dataclasses.dataclass(frozen=True)
class NetworkLimits:
    """Limits for a whole network; pairs hold for the first optimizer step and for later ones."""

    eval: float = 1e-5
    train: float = 1e-4
    gradient: float = 3e-4
    first_kernel: float = 2e-3  # gradient of conv0_b0's W, small by cancellation under batch norm
    variables: tuple[float, float] = (2e-4, 2e-4)
    totals: tuple[float, float] = (2e-4, 2e-4)  # L2 and sum of each variable
    change: tuple[float, float] = (3e-4, 3e-4)  # L2 of its change
    loss: tuple[float, float] = (5e-5, 5e-5)
    trained: float = 5e-5  # logits and loss after all steps


TINY = NetworkLimits()
# The table says nothing of the real configuration. These are five to ten times the largest distance
# found between equally right runs: the recorded one, ours in float32, in float64, with other
# weights, with inputs moved by 1e-5. From the second step on Adam's sign-like first step rules: of
# half a million gradients a few are rounding noise, and a single weight that went the other way
# shows in every later activation. (Three steps change the logits by about their own size.)
REAL = NetworkLimits(
    eval=3e-5,
    train=5e-3,
    gradient=5e-2,
    first_kernel=5e-2,
    variables=(2e-4, 0.1),
    totals=(3e-3, 3e-2),
    change=(5e-2, 0.3),
    loss=(5e-5, 2e-2),
    trained=0.3,
)

LEDGER = []  # every finished comparison of the session


class Comparison:
    """One golden file. Each of its arrays must be compared, be an input, or be set aside."""

    def __init__(self, path, family=""):
        self.path, self.family = path, family
        self.arrays = _load(path)
        self.deviations = {}  # name: (deviation, share of the limit)
        self.inputs = set()
        self.aside = {}  # name: reason
        self.failures = []
        self.checks = 0
        self.moved = 0  # how often inputs had to be moved by rounding noise, see networks.py

    def trial(self):
        """A copy to compare with, which `adopt` takes over or nobody does."""
        other = copy.copy(self)
        for name in ("deviations", "inputs", "aside", "failures"):
            setattr(other, name, copy.copy(getattr(self, name)))
        return other

    def adopt(self, other):
        """Takes over the results of a trial."""
        self.__dict__.update(other.__dict__)

    def __contains__(self, name):
        return name in self.arrays

    def names(self, pattern):
        """Matches of the arrays whose whole name fits the regular expression."""
        return [match for name in self.arrays if (match := re.fullmatch(pattern, name))]

    def input(self, name):
        """The array, noted as something that the check feeds in."""
        self.inputs.add(name)
        return self.arrays[name]

    def inputs_under(self, prefix):
        """Arrays named `prefix…`, by the rest of their names."""
        return {m[1]: self.input(m[0]) for m in self.names(re.escape(prefix) + "(.*)")}

    def compare(self, name, ours, limit, scale=None):
        """Notes max|ours - recorded| / scale, by default max|recorded|, and fails above `limit`.

        `limit` and `scale` may be arrays. An array compared twice counts once, by its worse result.
        """
        result = self.check_close(name, ours, self.arrays[name], limit, scale)
        if self.arrays[name].size == 0:
            self.set_aside(name, "empty")
            return
        self.deviations[name] = max(self.deviations.get(name, result), result, key=lambda r: r[1])

    def check_close(self, what, ours, expected, limit, scale=None):
        """As `compare`, with a value that is derived from recorded ones."""
        ours, expected = np.asarray(ours), np.asarray(expected)
        if expected.shape != ours.shape:
            self.failures.append(f"{what}: recorded {expected.shape}, ours {ours.shape}")
            return 0.0, 0.0
        if expected.size == 0:
            return 0.0, 0.0
        if scale is None:
            scale = np.max(np.abs(expected)) or 1.0
        wide = np.result_type(ours, expected, np.float64)
        error = np.abs(ours.astype(wide) - expected.astype(wide))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.max(np.where(error == 0, 0, error / scale))
            share = np.max(np.where(error == 0, 0, error / (scale * limit)))
        if not share <= 1:  # also when NaN
            self.failures.append(f"{what}: deviation {deviation:.2g}, {share:.3g} times its limit")
        return float(deviation), float(share)

    def exact(self, name, ours):
        """Notes whether values that are not measurements (labels, names, counts) are the same."""
        recorded, ours = self.arrays[name], np.asarray(ours)
        if recorded.shape != ours.shape or not np.array_equal(recorded, ours):
            self.failures.append(f"{name}: recorded {recorded}, ours {ours}")
        self.deviations.setdefault(name, (0.0, 0.0))

    def check(self, passed, message):
        """A property beside the arrays."""
        self.checks += 1
        if not passed:
            self.failures.append(message)

    def differ(self, name, row):
        """Sets aside what differs on purpose, by its row in the list of differences (PARITY)."""
        self.aside[name] = f"differs on purpose, PARITY {row}"

    def set_aside(self, name, reason):
        """Sets aside what cannot be compared."""
        self.aside[name] = f"not comparable: {reason}"

    def finish(self):
        """Enters the file into the ledger; fails if an array deviates or is unaccounted for."""
        LEDGER.append(self)
        known = set(self.deviations) | self.inputs | set(self.aside)
        unknown = sorted(set(self.arrays) - known)
        if unknown:
            self.failures.append(f"nobody checks {', '.join(unknown)}")
        if not self.deviations and not self.checks:
            self.failures.append("nothing was compared")
        if self.failures:
            raise AssertionError("\n".join([f"{self.path.name}:", *self.failures]))


def summary():
    """Lines that say how much the session compared, and with what result."""
    arrays = [file for file in LEDGER if file.path.suffix == ".npz"]
    texts = [file for file in LEDGER if file.path.suffix == ".json"]
    compared, entries = (sum(len(f.deviations) for f in files) for files in (arrays, texts))
    inputs = sum(len(file.inputs - set(file.deviations) - set(file.aside)) for file in arrays)
    lines = [
        f"{compared} arrays compared in {len(arrays)} files; {inputs} more are inputs",
        f"{entries} entries compared in {len(texts)} JSON files",
    ]
    reasons = collections.Counter(
        reason
        for file in LEDGER
        for name, reason in file.aside.items()
        if name not in file.deviations
    )
    lines += [f"{count} {reason}" for reason, count in sorted(reasons.items())]
    moved = [file.path.stem for file in LEDGER if file.moved]
    if moved:
        lines.append(f"agree with inputs moved by rounding noise: {', '.join(moved)}")
    families = collections.defaultdict(list)
    for file in LEDGER:
        families[file.family].append(file)
    for family, files in families.items():
        results = [(r[1], r[0], f.path.stem, n) for f in files for n, r in f.deviations.items()]
        if results:
            share, deviation, stem, name = max(results)
            worst = f"at most {share:.1%} of the limit, {deviation:.1e}: {stem} {name}"
            lines.append(f"{family}: {len(results)} compared, {worst}")
    return lines


def norms(arrays):
    """L2 norm of each array, in float64."""
    return np.array([np.linalg.norm(np.ravel(a).astype(float)) for a in arrays])


def sums(arrays):
    """Sum of each array, in float64."""
    return np.array([np.sum(a, dtype=float) for a in arrays])


def swap(array):
    """Azimuth-first to colatitude-first or back: exchanges axes 1 and 2."""
    return np.swapaxes(array, 1, 2)


def _load(path):
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    if path.suffix == ".json":
        return {name: np.asarray(value) for name, value in _leaves(json.loads(path.read_text()))}
    return {}


def _leaves(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield prefix + key, value
