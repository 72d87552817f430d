#!/usr/bin/env python
"""Puts parts of a data set together that make_dataset.py --part I/N built, on any machines.

The result is what one build of the whole would have made, byte for byte.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = ("merge_dataset.py data/m40 data/m40-1 data/m40-2",)


def main(argv):
    """Parses the arguments, merges, prints what there is."""
    from spherical_cnn.data.flags import Parser
    from spherical_cnn.data.merge import merge

    parser = Parser(__doc__, EXAMPLES)
    parser.add_argument("folder", metavar="FOLDER", help="where the whole goes; absent or empty")
    parser.add_argument("parts", metavar="PART", nargs="+", help="folders of all parts")
    options = parser.parse_args(argv)
    manifest = merge(options.parts, options.folder)
    for split, counts in manifest["counts"].items():
        print(f"{split}: {sum(counts.values())} shapes")


if __name__ == "__main__":
    from spherical_cnn.experiment.cli import run

    run(main)
