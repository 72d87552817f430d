"""What got slower than in an earlier report, on whatever machine that was made."""

import numpy as np

from benchmarks.harness import repeated

_SIDE = 2048
_TIMES = ("seconds", "step", "inference")  # keys of times in rows
_TOLERANCE = 1.25  # repeated runs of one version differ by up to a fifth


def product_seconds():
    """Measures the seconds of a product of float32 matrices, by which times are divided."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, _SIDE, _SIDE), np.float32)
    return min(repeated(lambda: a @ b, seconds=2))


def slower(report, reference):
    """Returns lines on the rows of a report that take longer than in the reference.

    Times are those divided by that of the product in the same report. Rows that only one of the two
    has are not compared.
    """
    times = [dict(_times(one["sections"])) for one in (report, reference)]
    shared = [key for key in times[0] if key in times[1]]
    scale = reference["product"] / report["product"]
    growth = {key: times[0][key] / times[1][key] * scale for key in shared}
    worse = {key: ratio for key, ratio in growth.items() if ratio > _TOLERANCE}
    lines = [f"slower: {': '.join(key)}: {ratio:.2f} times" for key, ratio in worse.items()]
    return [
        *lines,
        f"{len(shared)} times compared, {len(worse)} more than {_TOLERANCE} times as long",
    ]


def _times(sections):
    """Yields `(section, row, …, key)` and seconds of all times in sections."""
    for section, table in sections.items():
        for row in table["rows"]:
            texts = [value for value in row.values() if isinstance(value, str)]
            for key, value in row.items():
                if key in _TIMES:
                    yield (section, *texts, key), value
                elif isinstance(value, dict) and "seconds" in value:
                    yield (section, *texts, key), value["seconds"]
