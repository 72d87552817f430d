"""All figures, or those of some sections, of one machine in one run.

    python -m benchmarks [SECTION ...] [--rounds N] [--json FILE] [--batches N ...]
        [--dset_dir FOLDER]

Prints a table for each section, in Markdown, and writes all numbers to one file. The rows of a
section are measured in turn, round after round; figures are medians over the rounds. What is
compared with is named in benchmarks/requirements.txt; what is not installed is skipped.
"""

import argparse
import json
import pathlib
import sys

from benchmarks import options as network_options
from benchmarks import pipeline, scale, start, step, transform
from benchmarks.harness import Child, ChildError, interleaved, positive, say
from benchmarks.machine import Copy, Product, describe

SECTIONS = {
    "step": lambda options: step.run(options.rounds, options.batches or step.BATCHES),
    "transform": lambda options: transform.run(options.rounds),
    "pipeline": lambda options: pipeline.run(options.rounds, options.dset_dir),
    "start": lambda options: start.run(options.rounds),
    "scale": lambda options: scale.run(options.rounds),
    "options": lambda options: network_options.run(options.rounds),
}
# Options that concern one section.
OWN = {"batches": "step", "dset_dir": "pipeline"}


def main(arguments=None):
    """Measures and prints; returns the exit status, 1 if a section failed."""
    options = parse(arguments)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    say("machine")
    report = {"machine": {**describe(), **rates(options.rounds)}, "sections": {}}
    failed = False
    for name in options.sections:
        try:
            table = SECTIONS[name](options)
        except (ChildError, ValueError, OSError) as error:
            say(f"error: {name}: {error}")
            failed = True
            continue
        print(table.markdown(), flush=True)
        report["sections"][name] = table.to_json()
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")
    return int(failed)


def rates(rounds):
    """Dict of the machine's rates of products and copies, the best of the rounds."""
    with Child(Product) as product, Child(Copy) as copy:
        measures = {"product_flops": product, "copy_bytes": copy}
        results, _ = interleaved(
            {key: lambda child=child: child.call("measure") for key, child in measures.items()},
            rounds,
            needed=measures,
        )
    return {key: max(found[key] for found in results[key]) for key in measures}


def parse(arguments):
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=_first_line())
    parser.add_argument(
        "sections", nargs="*", type=_section, metavar="SECTION", help=f"{', '.join(SECTIONS)}; all"
    )
    parser.add_argument(
        "--rounds", type=positive, default=3, metavar="N", help="that count; default 3"
    )
    parser.add_argument(
        "--json",
        type=pathlib.Path,
        default=pathlib.Path("runs/benchmarks.json"),
        metavar="FILE",
        help="where all numbers go; default runs/benchmarks.json",
    )
    parser.add_argument(
        "--batches", nargs="+", type=positive, metavar="N", help="of step; default 1 4 16 64"
    )
    parser.add_argument(
        "--dset_dir", metavar="FOLDER", help="of pipeline: shards; default synthetic records"
    )
    options = parser.parse_args(arguments)
    options.sections = options.sections or list(SECTIONS)
    for option, section in OWN.items():
        if getattr(options, option) is not None and section not in options.sections:
            parser.error(f"argument --{option}: concerns {section}, which is not asked for")
    return options


def _first_line():
    return __doc__.splitlines()[0]


def _section(name):
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"expected {', '.join(SECTIONS)}. Received: {name!r}")
    return name


if __name__ == "__main__":
    sys.exit(main())
