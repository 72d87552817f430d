#!/usr/bin/env python
"""Retrieval by the descriptors of a finished run, with the metrics of SHREC'17.

`retrieve.py RUN --shards FILE ... --output FOLDER` ranks all shapes of the shards for each of them.
FOLDER gets descriptors.npz, rankings/ (a file a query, lines `id distance`) and metrics.json.
`retrieve.py --rankings FOLDER --truth CSV` scores rankings that are there, of any system.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "retrieve.py runs/m40 --shards data/m40/test0.tfrecord --output runs/m40/retrieval",
    "retrieve.py --rankings theirs/test_normal --truth test.csv",
)


def main(argv):
    """Parses the flags, ranks or reads, prints the metrics."""
    from spherical_cnn.options import Parser

    parser = Parser(__doc__, EXAMPLES)
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN", help="run folder")
    add("--shards", nargs="+", metavar="FILE", help="TFRecords, one form of each shape")
    add("--output", metavar="FOLDER", help="where the results go")
    add("--by_class", action="store_true", help="the predicted class comes first")
    best = "lists end at the distance best for these shards, by F1@N; else all shapes are listed"
    add("--length_from", nargs="+", metavar="FILE", help=best)
    add("--rankings", metavar="FOLDER", help="of files named by their query")
    add("--truth", metavar="CSV", help="id,synsetId,subSynsetId,modelId,split")
    add("--split", metavar="NAME", help="of the lines of --truth that count")
    options = parser.parse_args(argv)

    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks import rankings as files
    from spherical_cnn.tasks import retrieve as retrieval

    if options.rankings and options.truth:
        ids, classes, subclasses = files.read_truth(options.truth, options.split)
        queries, rankings = files.read_rankings(options.rankings, ids)
        found = retrieval.score(rankings, classes, subclasses, queries)
    elif options.run and options.shards and options.output:
        where = options.run, options.shards, options.output
        found = retrieval.retrieve(*where, options.by_class, options.length_from)
    else:
        parser.error("expected RUN, --shards and --output, or --rankings and --truth")
    for name in found.get("blank", [])[:10]:
        print(f"nearly blank: {name}")
    print(*table_lines(*retrieval.score_table(found)), sep="\n")
    if "distance" in found:
        print(f"\nLists end at distance {found['distance']:.3f}.")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
