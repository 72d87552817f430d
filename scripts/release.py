#!/usr/bin/env python
"""Makes a small folder of a finished run, for others to use as they would the run.

It has the weights in half precision, options, and a model card; no optimiser, no name of a folder.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = ('release.py runs/chairs weights/chairs --origin "Our own scans, CC BY 4.0."',)


def main(argv):
    """Parses the flags, writes the folder."""
    from spherical_cnn.options import Parser

    parser = Parser(__doc__, EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "folder", metavar="FOLDER", help="absent or empty; its name is the network's"
    )
    said = "what the card says of the shapes: whose they are, under which license"
    parser.add_argument("--origin", required=True, metavar="TEXT", help=said)
    options = parser.parse_args(argv)

    from spherical_cnn.tasks.release import release

    release(options.run, options.folder, options.origin)
    print(f"Model card: {options.folder}/README.md")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
