"""Measures the sections of the benchmarks on this machine, all of them or those named.

    python -m benchmarks [SECTION ...] [--rounds N] [--json FILE] [--batches N ...]
        [--dset_dir FOLDER] [--reference FILE]

Prints a Markdown table for each section and writes all numbers to one file. Each round measures
every row of a section once; figures are medians over the rounds. benchmarks/requirements.txt names
the packages to compare with; those that are not installed are skipped. With `--reference` it lists
what got slower than in that file, relative to a large product of matrices on the same machine:
benchmarks/reference.json is that of this version.
"""

import argparse
import importlib.metadata
import json
import pathlib
import platform
import re
import subprocess
import sys

from benchmarks import pipeline, scale, start, step, transform
from benchmarks.harness import cores, positive, say
from benchmarks.network import ROOT
from benchmarks.reference import product_seconds, slower

SECTIONS = {
    "step": lambda options: step.run(options.rounds, options.batches),
    "transform": lambda options: transform.run(options.rounds),
    "gradient": lambda options: transform.run(options.rounds, backward=True),
    "pipeline": lambda options: pipeline.run(options.rounds, options.dset_dir),
    "start": lambda options: start.run(options.rounds),
    "scale": lambda options: scale.run(options.rounds),
    "options": lambda options: step.run_options(options.rounds),
}
PACKAGES = (
    *("tensorflow", "keras", "numpy", "scipy", "jax", "jaxlib", "torch"),
    *("torch-harmonics", "s2fft", "e3nn", "ducc0", "pyshtools"),
)
# Options of one section.
OWN = {"batches": "step", "dset_dir": "pipeline"}


def main(arguments=None):
    """Runs the benchmarks; returns the exit status, 1 if a section failed."""
    options = parse(arguments)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report: dict = {"machine": describe(), "product": product_seconds(), "sections": {}}
    failed = False
    for name in options.sections:
        try:
            table = SECTIONS[name](options)
        except (ValueError, OSError) as error:
            say(f"error: {name}: {error}")
            failed = True
            continue
        print(table.markdown(), flush=True)
        report["sections"][name] = table.to_dict()
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")
    if options.reference:
        print(*slower(report, json.loads(options.reference.read_text("utf-8"))), sep="\n")
    return int(failed)


def parse(arguments):
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "sections", nargs="*", type=_section, metavar="SECTION", help=f"{', '.join(SECTIONS)}; all"
    )
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="default 3")
    parser.add_argument(
        "--json",
        type=pathlib.Path,
        default=pathlib.Path("runs/benchmarks.json"),
        metavar="FILE",
        help="file for all numbers; default runs/benchmarks.json",
    )
    parser.add_argument(
        "--batches", nargs="+", type=positive, metavar="N", help="of step; default 16"
    )
    parser.add_argument(
        "--dset_dir", metavar="FOLDER", help="of pipeline: shards; default synthetic records"
    )
    parser.add_argument(
        "--reference", type=pathlib.Path, metavar="FILE", help="list what got slower than there"
    )
    options = parser.parse_args(arguments)
    options.sections = options.sections or list(SECTIONS)
    for option, section in OWN.items():
        if getattr(options, option) is not None and section not in options.sections:
            parser.error(f"argument --{option}: concerns {section}, which is not asked for")
    return options


def _section(name):
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"expected {', '.join(SECTIONS)}. Received: {name!r}")
    return name


def describe():
    """Returns the machine, the versions of packages, and the commit."""
    cpus = pathlib.Path("/proc/cpuinfo")
    name = cpus.exists() and re.search("model name\\s*: (.*)", cpus.read_text())
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = importlib.metadata.distributions()
    return {
        "cpu": name[1] if name else platform.machine(),
        "cores": cores(),
        "packages": {one.name: one.version for one in found if one.name in PACKAGES},
        "commit": subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout.strip(),
    }


if __name__ == "__main__":
    sys.exit(main())
