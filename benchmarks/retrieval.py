"""Ranking and scoring of many shapes by many: time and memory.

    python -m benchmarks.retrieval [--shapes 10000] [--features 256]

Descriptors and classes are random: neither time nor memory depends on them.
"""

import argparse
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, default=10000, metavar="N")
    parser.add_argument("--features", type=int, default=256, metavar="N")
    options = parser.parse_args()

    from spherical_cnn.experiment.retrieval import rank, score

    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(options.shapes, options.features)).astype(np.float32)
    classes = rng.integers(0, 55, options.shapes)
    before, start = _peak(), time.perf_counter()
    positions, _ = rank(descriptors)
    ranked = time.perf_counter()
    score(positions, classes, classes * 10 + rng.integers(0, 4, options.shapes))
    scored = time.perf_counter()
    print(
        f"{options.shapes} × {options.shapes}: ranked in {ranked - start:.1f} s, scored in "
        f"{scored - ranked:.1f} s, {_peak() - before:.2f} GB above the {before:.2f} of the imports"
    )


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
