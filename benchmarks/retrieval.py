"""Time and memory of ranking and scoring many shapes.

    python -m benchmarks.retrieval [--shapes 10000] [--features 256]

Descriptors and classes are random: time and memory do not depend on them.
"""

import argparse
import time

import numpy as np

from benchmarks.harness import peak_memory, positive


def main(arguments=None):
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=positive, default=10000, metavar="N")
    parser.add_argument("--features", type=positive, default=256, metavar="N")
    options = parser.parse_args(arguments)

    from spherical_cnn.tasks.retrieval.retrieval_metrics import score
    from spherical_cnn.tasks.retrieval.retrieve import rank

    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(options.shapes, options.features)).astype(np.float32)
    classes = rng.integers(0, 55, options.shapes)
    subclasses = classes * 10 + rng.integers(0, 4, options.shapes)
    before, start = peak_memory(), time.perf_counter()
    positions, _ = rank(descriptors)
    ranked = time.perf_counter()
    score(positions, classes, subclasses)
    scored = time.perf_counter()
    print(
        f"{options.shapes} × {options.shapes}: ranked in {ranked - start:.1f} s, scored in "
        f"{scored - ranked:.1f} s, {(peak_memory() - before) / 2**30:.2f} GB above the "
        f"{before / 2**30:.2f} of the imports"
    )


if __name__ == "__main__":
    main()
