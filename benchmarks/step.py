"""Training step, inference and peak memory of the real configuration: `sep` against `naive`.

    python -m benchmarks.step [--batch 16] [--rounds 3] [--methods sep naive]

Model of params/model-64.txt, 64 × 64, 40 classes. Each measurement is a process of its own, the
methods in turn; figures are medians over the rounds of medians over the steps.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]


def measure(method, batch, steps):
    """Seconds per training step and inference, and peak bytes, of this process."""
    import keras
    import numpy as np
    import tensorflow as tf

    from spherical_cnn.experiment.config import Config, argument_parser
    from spherical_cnn.experiment.network import build_model, compile_model

    files = [f"@{ROOT / 'params' / name}.txt" for name in ("model-64", "m40-64", "training")]
    options = vars(argument_parser("").parse_args([*files, f"--transform_method={method}"]))
    config = Config.from_json(options)
    keras.utils.set_random_seed(0)
    model = build_model(config)
    compile_model(model, config)
    rng = np.random.default_rng(0)
    signal = rng.random((batch, config.input_res, config.input_res, 2), np.float32)
    label = rng.integers(0, config.n_classes, batch)
    labels = dict.fromkeys(model.output_names, label)
    infer = tf.function(lambda x: model(x, training=False)["logits"])
    step_seconds = _median(lambda: model.train_on_batch(signal, labels), steps)
    return {
        "step": step_seconds,
        "inference": _median(lambda: infer(signal).numpy(), steps),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _median(function, steps):
    for _ in range(3):
        function()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main():
    """Runs the processes and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--methods", nargs="+", default=["sep", "naive"], metavar="NAME")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        steps = 20 if options.child == "sep" else 5
        print(json.dumps(measure(options.child, options.batch, steps)))
        return
    results = {method: [] for method in options.methods}
    for _ in range(options.rounds):
        for method in options.methods:
            child = ["-m", "benchmarks.step", f"--child={method}", f"--batch={options.batch}"]
            done = subprocess.run(
                [sys.executable, *child],
                check=True,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
            results[method].append(json.loads(done.stdout.splitlines()[-1]))
    print("| method | train step, ms | inference, ms | peak memory, GB |")
    print("|---|---|---|---|")
    for method, rounds in results.items():
        step, inference, peak = (
            statistics.median(r[key] for r in rounds) for key in ("step", "inference", "peak")
        )
        print(f"| {method} | {step * 1e3:.0f} | {inference * 1e3:.0f} | {peak / 1e9:.2f} |")


if __name__ == "__main__":
    main()
