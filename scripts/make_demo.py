#!/usr/bin/env python
"""Writes a small data set of convex solids in random rotations, as TFRecords."""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main(argv):
    """Writes the shards that are not there yet, each whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the shards go")
    parser.add_argument("--resolution", type=int, default=64, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    options = parser.parse_args(argv)

    import numpy as np
    import tensorflow as tf
    from tqdm import tqdm

    from spherical_cnn.data.records import encode
    from spherical_cnn.signals.procedural import make_shapes

    os.makedirs(options.folder, exist_ok=True)
    shards = {"train0": 1000, "train1": 1000, "val0": 100, "test0": 300}
    for stream, (shard, count) in enumerate(shards.items()):
        path = os.path.join(options.folder, f"{shard}.tfrecord")
        if os.path.exists(path):
            continue
        shapes = make_shapes(
            count, options.resolution, np.random.default_rng((options.seed, stream))
        )
        with tf.io.TFRecordWriter(path + ".writing") as writer:
            for signal, label, name in tqdm(shapes, shard, count, unit=" shapes", disable=None):
                writer.write(encode(signal, label, name))
        os.replace(path + ".writing", path)


if __name__ == "__main__":
    from spherical_cnn.experiment.cli import exit_code

    sys.exit(exit_code(main, sys.argv[1:]))
