"""Training on one and on two processes or devices of this machine, with JAX: samples a second.

    python -m benchmarks.processes [--records 512] [--batch 16] [--rounds 2]

Each setup trains the network of params/model-64.txt on one synthetic shard, in turn; figures are
medians over the epochs but the first of each run, which compiles.
"""

import argparse
import csv
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

from benchmarks.machine import ROOT
from benchmarks.network import PARAMETERS, configuration
from benchmarks.pipeline import write_random
from benchmarks.table import Table, column

_EPOCHS = 4
# Cores of each process, and devices that its cores appear as.
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


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=512, metavar="N", help="of the shard")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="of a step, in all")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each setup")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed")
    print(run(options.records, options.batch, options.rounds).markdown(), end="")


def run(records, batch, rounds):
    """Measures all setups in turn.

    Args:
        records: of the shard; the one for testing is a batch long.
        batch: of a step.
        rounds: runs of each setup.

    Returns:
        `Table`.
    """
    seconds: dict[str, list] = {setup: [] for setup in SETUPS}
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder, "data")
        data.mkdir()
        for name, number in {"train0": records, "test0": batch}.items():
            write_random(data / f"{name}.tfrecord", number, configuration())
        files = [f"@{ROOT / 'params' / name}.txt" for name in PARAMETERS]
        own = [f"--n_epochs={_EPOCHS}", f"--train_bsize={batch}", "--round_batches"]
        for number in range(rounds):
            for setup, (cores, devices) in SETUPS.items():
                logdir = pathlib.Path(folder, f"{number} {setup}")
                where = [f"--dset_dir={data}", f"--logdir={logdir}", f"--devices={devices}"]
                _train([*files, *own, *where], cores, devices)
                seconds[setup] += _epochs(logdir)[1:]
    samples = records // batch * batch
    rows = [{"setup": s, "rate": samples / statistics.median(seconds[s])} for s in SETUPS]
    for row in rows:
        row["ratio"] = row["rate"] / rows[0]["rate"]
    return Table("Processes and devices", COLUMNS, rows, [f"{batch} samples a step, in all."])


def _train(arguments, cores, devices):
    """Runs a job, a process for each of the sets of cores, to its end."""
    command = [sys.executable, ROOT / "scripts/train.py", "--quiet", *arguments]
    if len(cores) > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command += [f"--coordinator=127.0.0.1:{port}", f"--num_processes={len(cores)}"]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    job = []
    for number, own in enumerate(cores):
        process = ["--process_id", str(number)] if len(cores) > 1 else []
        pinned = ["taskset", "-c", ",".join(map(str, sorted(own)))]
        job.append(subprocess.Popen([*pinned, *command, *process], env=environment))
    if any([process.wait() for process in job]):
        raise RuntimeError("training failed, see above")


def _epochs(logdir):
    """Seconds of each epoch of a run."""
    with open(logdir / "history.csv", newline="", encoding="utf-8") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
