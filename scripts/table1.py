#!/usr/bin/env python
"""Builds upright and SO(3) sets of shapes, trains on each, tests: the paper's Table 1 for SOURCE.

SOURCE and flags are those of make_dataset.py and train.py. A network is a file of flags on top.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_SET_HERE = ("rotation", "test_rotation", "resolution", "n_classes", "run_id", "logdir", "dset_dir")
_NOT_HERE = ("test_only", "coordinator", "num_processes", "process_id")

EXAMPLES = (
    "table1.py embedded runs/demo @params/demo.txt",
    "table1.py modelnet10_vox32.npz runs/m10 @params/table-m10.txt",
)


def main(argv):
    """Parses the flags, runs everything, prints the table."""
    from spherical_cnn.data.config import Recipe
    from spherical_cnn.data.records.build import add_arguments
    from spherical_cnn.options import ConfigError, flag_parser
    from spherical_cnn.progress import shapes_bar
    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.table1 import Network, accuracy_table, run_table
    from spherical_cnn.training.config import Config

    parser, of_network = (
        flag_parser(__doc__, Config, Recipe, without=_SET_HERE + _NOT_HERE, examples=EXAMPLES)
        for _ in range(2)
    )
    parser.add_argument("--networks", nargs="+", required=True, metavar="FILE", help="a row each")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each; default 1")
    add_arguments(parser)
    given = vars(parser.parse_args(argv))
    paths, seeds = given.pop("networks"), given.pop("seeds")
    request = {key: given.pop(key) for key in ("source", "folder", "split_file", "workers")}
    networks = {}
    for path in paths:
        own = vars(of_network.parse_args([f"@{path}"]))
        networks[os.path.splitext(os.path.basename(path))[0]] = Network.of_flags({**given, **own})
    if len(networks) < len(paths):
        raise ConfigError(f"--networks: expected different names. Received: {', '.join(paths)}")
    table = run_table(networks=networks, seeds=seeds, progress=shapes_bar, **request)
    print("", *table_lines(*accuracy_table(table)), sep="\n")
    print(f"\nReport: {request['folder']}/report.html")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main, resumes=True)
