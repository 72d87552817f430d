"""Samples per second of training on one and on two processes or devices, with JAX.

    python -m benchmarks.processes [--records 512] [--batch 16] [--rounds 2]

Each setup trains the network of params/model-64.txt on one synthetic shard. Figures are medians
over the epochs of a run except the first one, which compiles.
"""

import argparse
import csv
import functools
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from benchmarks.harness import Table, column, in_turn, positive
from benchmarks.network import ROOT, argfiles, configuration
from benchmarks.pipeline import write_random

_EPOCHS = 4
# The cores of each process, and the number of devices of a process.
SETUPS = {
    "one process, one core": ([{0}], 1),
    "one process, two cores": ([{0, 1}], 1),
    "one process, two devices of a core": ([{0, 1}], 2),
    "two processes, a core each": ([{0}, {1}], 1),
}
COLUMNS = {
    "": column("setup"),
    "samples/s": column("rate", ".1f"),
    "of the first": column("ratio", ".2f"),
}


def run(records, batch, rounds):
    """Measures all setups; `batch` is the batch size over all processes and devices."""
    with tempfile.TemporaryDirectory() as folder:
        for name, number in {"train0": records, "test0": batch}.items():
            write_random(pathlib.Path(folder, f"{name}.tfrecord"), number, configuration())
        measures = {s: functools.partial(_train, folder, batch, *SETUPS[s]) for s in SETUPS}
        found = in_turn(measures, rounds, warm_up=False)
    samples = records // batch * batch
    rows = [{"setup": s, **row, "rate": samples / row["seconds"]} for s, row in found.items()]
    for row in rows:
        row["ratio"] = row["rate"] / rows[0]["rate"]
    return Table("Processes and devices", COLUMNS, rows, [f"{batch} samples per step in total."])


def _train(data, batch, cores, devices):
    """Trains with a process on each set of cores; returns the seconds of the epochs."""
    with tempfile.TemporaryDirectory() as logdir:
        command = [
            *(sys.executable, "-m", "spherical_cnn", "train", "--quiet", *argfiles()),
            *(f"--n_epochs={_EPOCHS}", f"--train_bsize={batch}", "--round_batches"),
            *(f"--dset_dir={data}", f"--logdir={logdir}", f"--devices={devices}"),
        ]
        if len(cores) > 1:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command += [f"--coordinator=127.0.0.1:{port}", f"--num_processes={len(cores)}"]
        flag = f"--xla_force_host_platform_device_count={devices}"
        environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flag}
        job = []
        for number, own in enumerate(cores):
            process = [f"--process_id={number}"] if len(cores) > 1 else []
            pinned = ["taskset", "-c", ",".join(map(str, sorted(own)))]
            job.append(subprocess.Popen([*pinned, *command, *process], env=environment, cwd=ROOT))
        if any([process.wait() for process in job]):
            raise RuntimeError("training failed, see above")
        with open(pathlib.Path(logdir, "history.csv"), newline="", encoding="utf-8") as file:
            return {"seconds": [float(row["seconds"]) for row in csv.DictReader(file)][1:]}


def main(arguments=None):
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--records", type=positive, default=512, metavar="N", help="size of the shard"
    )
    parser.add_argument(
        "--batch", type=positive, default=16, metavar="N", help="batch size over all processes"
    )
    parser.add_argument(
        "--rounds", type=positive, default=2, metavar="N", help="runs of each setup"
    )
    options = parser.parse_args(arguments)
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("this benchmark needs two cores")
    print(run(**vars(options)).markdown(), end="")


if __name__ == "__main__":
    main()
