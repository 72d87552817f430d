#!/usr/bin/env python
"""Trains a spherical CNN on TFRecords in the original's format, tests it, prints the table.

Started again with the same command it goes on after the last epoch.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "train.py @params/model-64.txt @params/m40-64.txt @params/training.txt "
    "--dset_dir DATA --logdir RUN",
    "train.py --test_only --logdir RUN --dset_dir OTHER_DATA",
)


def main(argv):
    """Parses the flags and runs the experiment."""
    from spherical_cnn.training.config import argument_parser

    options = vars(argument_parser(__doc__, EXAMPLES).parse_args(argv))

    from spherical_cnn.training.run import run_experiment

    run_experiment(options)


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main, resumes=True)
