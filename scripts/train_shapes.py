#!/usr/bin/env python
"""Trains a spherical CNN on shapes, in new poses in every epoch, and tests it: without shards.

SOURCE and flags are those of make_dataset.py and train.py. Signals are cast on the device that
trains, so a GPU is where this pays. Started again with the same command it goes on after the last
epoch. With KERAS_BACKEND=jax it needs no TensorFlow.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_OF_SHARDS = ("dset", "dset_dir", "dtype", "nchannels", "first_n", "n_classes", "test_only")
_SET_HERE = ("resolution", "copies", "test_copies", "spectral_input", "mag_ang", "real_inputs")
_ONE_DEVICE = ("devices", "coordinator", "num_processes", "process_id")

EXAMPLES = (
    "train_shapes.py modelnet40-train-1024.npz @params/model-64-eq.txt @params/fresh-m40.txt "
    "--logdir runs/m40",
)


def main(argv):
    """Parses the flags, trains and tests."""
    from spherical_cnn.data.config import Recipe, add_source_arguments
    from spherical_cnn.options import flag_parser
    from spherical_cnn.progress import shapes_bar
    from spherical_cnn.training.config import Config
    from spherical_cnn.training.online_data import train_on_shapes

    without = _OF_SHARDS + _SET_HERE + _ONE_DEVICE
    parser = flag_parser(__doc__, Config, Recipe, without=without, examples=EXAMPLES)
    add_source_arguments(parser)
    given = vars(parser.parse_args(argv))
    request = {key: given.pop(key) for key in ("source", "split_file", "workers")}
    kinds = {"options": Config.among(given), "recipe": Recipe.among(given)}
    train_on_shapes(**kinds, **request, progress=shapes_bar("shapes"))


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main, resumes=True)
