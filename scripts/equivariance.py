#!/usr/bin/env python
"""Measures how far a network is from commuting with rotations, layer by layer.

The network is that of the finished run in --logdir or, without one, a fresh one of the flags given.
SOURCE is that of scripts/make_dataset.py; shapes of its test split (of train, if it has none) are
turned and cast anew, and their signals are turned exactly.
"""

import dataclasses
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "equivariance.py data/ModelNet40 --logdir runs/m40",
    "equivariance.py embedded @params/model-64.txt @params/m10-64.txt --shapes 4",
)


def main(argv):
    """Parses the flags, measures, prints the table."""
    from spherical_cnn.data.config import Recipe
    from spherical_cnn.options import flag_parser
    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.training.config import Config
    from spherical_cnn.training.equivariance import Probe, error_table, measure_shapes
    from spherical_cnn.training.network import build_model
    from spherical_cnn.training.run import restore

    of_recipe = {"kind", "centre", "up", "max_file_mb", "embedded_shapes", "rings"}
    without = {field.name for field in dataclasses.fields(Recipe)} - of_recipe - {"seed"}
    parser = flag_parser(__doc__, Probe, Config, Recipe, without=without, examples=EXAMPLES)
    parser.add_argument("source", metavar="SOURCE", help="folder, .npz or embedded")
    given = vars(parser.parse_args(argv))
    source = given.pop("source")
    probe = Probe(**{name: given.pop(name) for name in ("shapes", "rotations") if name in given})
    recipe = Recipe(**{name: given.pop(name) for name in of_recipe & given.keys()})
    if given.get("logdir"):
        model, config = restore(given["logdir"])
    else:
        made = {"model": "two_branch", "dset": "from_cached_tfrecords", "dtype": "complex64"}
        config = Config.from_json({**made, **given})
        model = build_model(config)
    errors = measure_shapes(model, config, source, recipe, probe)
    print(*table_lines(*error_table(errors)), sep="\n")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
