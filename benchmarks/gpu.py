"""Training step of the paper's network on a GPU, with nothing but JAX or TensorFlow.

    KERAS_BACKEND=jax python -m benchmarks.gpu [--batches 16 128 512] [--dtypes NAME ...]
        [--rounds N] [--cpu]

Prints a table in Markdown: time of a step; bytes that the compiled step reads and writes, by time
and by the rate of a large copy; its operations, by time and by the rate of a large product in the
dtype of the row; hours of the run of params/training.txt on ModelNet40. Steps and rates are
measured in turn; rates are the best of all rounds. Bytes and operations are those of XLA's cost
analysis with JAX; with TensorFlow, which has none, operations are those of the matrix products in
the traced graph, and bytes are unknown. `--cpu` does it without a GPU, to try it out.
"""

import argparse
import math
import os
import sys

from benchmarks.architecture import read_flags, two_branch_of
from benchmarks.frameworks import FRAMEWORKS
from benchmarks.harness import installed, interleaved, medians, positive, repeated, say
from benchmarks.table import Table, column

TRAINING_SHAPES = 9_843  # of ModelNet40, the records of a shard
BATCHES = (16, 128, 512)
DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16"}  # policy: dtype of its products
REPEATS = 10  # steps put on the queue before the clock waits for them
LARGE = {"product": 8192, "copy": 2**30}  # side of the matrices, bytes
LARGE_CPU = {"product": 1024, "copy": 2**26}
COLUMNS = {
    "batch": column("batch"),
    "dtype": column("dtype"),
    "train step, ms": column("seconds", ".2f", 1e3),
    "samples/s": column("rate", ",.0f"),
    "GB a step": column("bytes", ".2f", 1e-9),
    "of the copy's rate, %": column("copy_use", ".0f", 1e2),
    "Gflop a step": column("flops", ".1f", 1e-9),
    "of the product's rate, %": column("product_use", ".1f", 1e2),
    "ModelNet40, h": column("hours", ".2f"),
}


def run(framework, rounds, batches=BATCHES, dtypes=tuple(DTYPES), large=None, flags=None):
    """Measures all batches in all dtypes, and the rates of the device, in turn.

    Args:
        framework: of `FRAMEWORKS`.
        rounds: that count.
        batches: sizes.
        dtypes: keys of `DTYPES`.
        large: dict of sizes, `LARGE` if not given.
        flags: over those of the files in params.

    Returns:
        `Table`.
    """
    flags = {**read_flags("model-64", "m40-64", "training"), **(flags or {})}
    large = large or LARGE
    works, notes = {"copy": framework.copy(large["copy"])}, []
    for policy in dtypes:
        works[policy] = framework.product(large["product"], DTYPES[policy])
    steps = {}
    for policy in dtypes:
        for batch in batches:
            say(f"gpu: {policy}, batch {batch}")
            try:
                work = _step(framework, batch, policy, flags)
                work.run(1)
            except framework.errors as error:
                reason = str(error).partition("\n")[0]
                notes.append(f"skipped: {policy} at batch {batch} ({reason})")
            else:
                steps[policy, batch] = work
    works.update(steps)
    results, _ = interleaved({name: _timer(work) for name, work in works.items()}, rounds)
    best = {name: min(min(turn["seconds"]) for turn in found) for name, found in results.items()}
    copied = works["copy"].bytes / best["copy"]
    product = {policy: works[policy].flops / best[policy] for policy in dtypes}
    rows = []
    for (policy, batch), work in steps.items():
        row = {"batch": batch, "dtype": policy, "bytes": work.bytes, "flops": work.flops}
        row |= medians(results[policy, batch])
        row["rate"] = batch / row["seconds"]
        row["copy_use"] = work.bytes and work.bytes / row["seconds"] / copied
        row["product_use"] = work.flops / row["seconds"] / product[policy]
        per_epoch = math.ceil(TRAINING_SHAPES / batch)
        row["hours"] = flags["n_epochs"] * per_epoch * row["seconds"] / 3600
        rows.append(row)
    rates = ", ".join(f"product {rate / 1e12:.2f} Tflop/s in {p}" for p, rate in product.items())
    notes.insert(0, f"{framework.gpu() or 'CPU'}: copy {copied / 1e9:.0f} GB/s, {rates}")
    return Table("Training step on the device", COLUMNS, rows, notes)


def _step(framework, batch, policy, flags):
    """`Work` of a training step on random signals."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = two_branch_of(flags)
    finally:
        keras.config.set_dtype_policy(before)
    rng = np.random.default_rng(0)
    signal = rng.random((batch, *model.input_shape[1:]), np.float32)
    labels = rng.integers(0, flags["n_classes"], batch).astype(np.int32)
    optimizer = keras.optimizers.Adam(flags["learning_rate"][0], epsilon=1e-8)
    return framework.step(model, optimizer, signal, labels)


def _timer(work):
    def measure():
        return {"seconds": [taken / REPEATS for taken in repeated(lambda: work.run(REPEATS))]}

    return measure


def main(arguments=None):
    """Measures and prints; returns the exit status, 1 where there is no GPU."""
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if installed("tensorflow") else "jax")
    name = os.environ["KERAS_BACKEND"]
    if name not in FRAMEWORKS:
        say(f"error: KERAS_BACKEND: expected {' or '.join(FRAMEWORKS)}. Received: {name}")
        return 1
    framework = FRAMEWORKS[name]()
    if not options.cpu and not framework.gpu():
        say(
            f"error: {name} sees no GPU. It needs its build for one, or KERAS_BACKEND another of "
            f"{', '.join(FRAMEWORKS)}; --cpu measures without"
        )
        return 1
    large = LARGE_CPU if options.cpu else LARGE
    print(run(framework, options.rounds, options.batches, options.dtypes, large).markdown())
    return 0


def parse(arguments):
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--batches", nargs="+", type=positive, default=BATCHES, metavar="N")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=tuple(DTYPES))
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="that count")
    parser.add_argument("--cpu", action="store_true", help="do without a GPU, to try it out")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
