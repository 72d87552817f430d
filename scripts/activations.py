#!/usr/bin/env python
"""Writes the activations of named layers of a finished run, for any shards, to an .npz file."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "activations.py runs/m40 descriptors.npz --shards data/m40/test0.tfrecord",
    "activations.py runs/m40 maps.npz --shards data/m40/test0.tfrecord --layers conv3_b0 pool4_b1",
)


def main(argv):
    """Restores the run, reads the shards, writes the arrays."""
    from spherical_cnn.options import Parser

    parser = Parser(__doc__, EXAMPLES)
    parser.add_argument("run", help="run folder")
    parser.add_argument("output", help="the .npz to write")
    parser.add_argument("--shards", nargs="+", required=True, metavar="FILE", help="TFRecords")
    parser.add_argument("--layers", nargs="+", default=["descriptor"], metavar="NAME")
    options = parser.parse_args(argv)

    import numpy as np

    from spherical_cnn.training.metrics import activations
    from spherical_cnn.training.network import reading
    from spherical_cnn.training.run import restore

    model, config = restore(options.run)
    with reading(config, options.shards) as batches:
        parts = list(activations(model, batches, options.layers))
    with open(options.output, "wb") as file:
        np.savez(file, **{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
