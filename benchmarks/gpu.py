"""Training step of the paper's network on a GPU, with JAX or TensorFlow.

    KERAS_BACKEND=jax python -m benchmarks.gpu [--batches 16 128 512] [--dtypes NAME ...]
        [--rounds N] [--cpu]

Prints a Markdown table: the time of a step, from epochs of `fit` on signals in memory, and the
hours of the run of params/training.txt on ModelNet40. `--cpu` measures without a GPU, as a trial.
"""

import argparse
import os
import sys

from benchmarks.harness import Table, column, in_turn, installed, positive, repeated, say
from benchmarks.network import configuration, random_batch

BACKENDS = ("jax", "tensorflow")
TRAINING_SHAPES = 9_843  # of ModelNet40
BATCHES = (16, 128, 512)
DTYPES = ("float32", "mixed_bfloat16")
STEPS = 20  # per epoch
COLUMNS = {
    "batch": column("batch"),
    "dtype": column("dtype"),
    "train step, ms": column("seconds", ".2f", 1e3),
    "samples/s": column("rate", ",.0f"),
    "ModelNet40, h": column("hours", ".2f"),
}


def run(rounds, batches=BATCHES, dtypes=DTYPES, steps=STEPS, flags=None):
    """Measures all batch sizes in all dtype policies, with `steps` steps per epoch."""
    measures = {}
    for batch in batches:
        for dtype in dtypes:
            config = configuration(**{"train_bsize": batch, **(flags or {})})
            measures[batch, dtype] = _step(config, dtype, steps)
    found = in_turn(measures, rounds)
    epochs = config.n_epochs
    rows = []
    for (batch, dtype), row in found.items():
        rate = batch / row["seconds"]
        hours = epochs * TRAINING_SHAPES / rate / 3600
        rows.append({"batch": batch, "dtype": dtype, **row, "rate": rate, "hours": hours})
    return Table("Training step on the device", COLUMNS, rows, [f"On {', '.join(devices())}."])


def _step(config, dtype, steps):
    """Returns a function that measures the seconds of a training step."""
    import keras

    from spherical_cnn.training.network import compiled_model

    say(f"gpu: {dtype}, batch {config.train_bsize}")
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = compiled_model(config)
    finally:
        keras.config.set_dtype_policy(before)
    signals, labels = random_batch(config, config.train_bsize * steps)
    labels = dict.fromkeys(model.output_names, labels)
    options = {"batch_size": config.train_bsize, "shuffle": False, "verbose": 0}

    def epoch():
        model.fit(signals, labels, **options)

    return lambda: {"seconds": [seconds / steps for seconds in repeated(epoch)]}


def devices(kind=None):
    """Returns the names of the devices that the backend sees, or of those of a kind."""
    import keras

    names = keras.distribution.list_devices()
    return [name for name in names if kind is None or name.lower().startswith(kind)]


def main(arguments=None):
    """Runs the benchmark; returns the exit status, 1 without a GPU."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--batches", nargs="+", type=positive, default=BATCHES, metavar="N")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="default 5")
    parser.add_argument("--cpu", action="store_true", help="measure without a GPU, as a trial")
    options = parser.parse_args(arguments)
    default = "tensorflow" if installed("tensorflow") else "jax"
    name = os.environ.setdefault("KERAS_BACKEND", default)
    if name not in BACKENDS:
        say(f"error: KERAS_BACKEND: expected {' or '.join(BACKENDS)}. Received: {name}")
        return 1
    if not options.cpu and not devices("gpu"):
        say(
            f"error: {name} sees no GPU. Install its build for GPUs, or set KERAS_BACKEND to "
            f"another of {', '.join(BACKENDS)}; --cpu measures without"
        )
        return 1
    print(run(options.rounds, options.batches, options.dtypes).markdown(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
