"""`scnn train`, `scnn test`, `scnn table1`."""

from __future__ import annotations

import os

from spherical_cnn.commands.arguments import SOURCE, add_split_file, add_workers
from spherical_cnn.console import shapes_progress
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError
from spherical_cnn.flags import Parser, add_options
from spherical_cnn.training.run_config import RunConfig

_ONLINE = ("split_file", "workers")
_DATA_OF_RUN = ("resolution", "copies", "test_copies")
_SET_BY_TABLE = ("rotation", "test_rotation", "resolution")
_RUN_OF_TABLE = ("n_classes", "run_id", "logdir", "dset_dir", "online", "test_only")
_PROCESSES = ("coordinator", "num_processes", "process_id")


def train_parser():
    """Returns the parser of `scnn train`."""
    parser = Parser(
        "Trains a spherical CNN on TFRecords, or on shapes with --online; tests it and writes a "
        "report.\n\n"
        "The same command resumes after the last finished epoch. Online data are cast on the\n"
        "device that trains, in new rotations in every epoch; the flags of scnn build apply.",
        examples=(
            "scnn train @params/model-64.txt @params/m40-64.txt @params/training.txt "
            "--dset_dir DATA --logdir RUN",
            "scnn train @params/invariant-64.txt @params/online-m40.txt --logdir RUN "
            "--online modelnet40-train-1024.npz",
        ),
        prog="scnn train",
    )
    add_options(parser, RunConfig)
    add_split_file(parser)
    add_workers(parser)
    add_options(parser, DatasetConfig, without=_DATA_OF_RUN)
    return parser


def train_command(argv):
    """Trains and tests a run."""
    given = vars(train_parser().parse_args(argv))
    request = {key: given.pop(key) for key in _ONLINE}
    options, dataset = RunConfig.select(given), DatasetConfig.select(given)
    if options.get("online"):
        from spherical_cnn.training.train import train_online

        train_online(options, dataset, **request, progress=shapes_progress("shapes"))
        return
    if dataset or request != {"split_file": None, "workers": 1}:
        names = [*dataset, *(name for name in _ONLINE if request[name] not in (None, 1))]
        flags = ", ".join(f"--{name}" for name in names)
        raise ConfigError(f"{flags}: for online data, expected --online SOURCE")

    from spherical_cnn.training.train import train

    train(options)


def test_command(argv):
    """Tests a finished run on TFRecords."""
    parser = Parser(
        "Tests a finished run on the test split of its dataset, or of another one.",
        examples=("scnn test --logdir RUN --dset_dir OTHER_DATA",),
        prog="scnn test",
    )
    add_options(parser, RunConfig, without=("test_only", "from_scratch", "online", *_PROCESSES))
    options = vars(parser.parse_args(argv))

    from spherical_cnn.training.train import train

    train({**options, "test_only": True})


def table_parser():
    """Returns the parser of the flags that `scnn table1` and its files of networks share."""
    parser = Parser(
        "Trains and tests networks as in Table 1 of the paper, for the shapes of a source.\n\n"
        "Builds an upright and an SO(3) dataset, trains each network on both, and tests z/z, "
        "SO(3)/SO(3)\nand z/SO(3). A network is a file of flags. The same command resumes.",
        examples=(
            "scnn table1 embedded runs/demo @params/demo.txt",
            "scnn table1 modelnet10_vox32.npz runs/m10 @params/table-m10.txt",
        ),
        prog="scnn table1",
    )
    add_options(parser, RunConfig, without=_RUN_OF_TABLE + _PROCESSES)
    add_options(parser, DatasetConfig, without=_SET_BY_TABLE)
    return parser


def table1_command(argv):
    """Trains and tests networks, and prints the table."""
    parser = table_parser()
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument("folder", metavar="FOLDER", help="folder of the results")
    parser.add_argument(
        "--networks", nargs="+", required=True, metavar="FILE", help="files of flags, one per row"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs of each network; default 1"
    )
    add_split_file(parser)
    add_workers(parser)
    given = vars(parser.parse_args(argv))
    paths, seeds = given.pop("networks"), given.pop("seeds")
    request = {key: given.pop(key) for key in ("source", "folder", "split_file", "workers")}
    flags = {path: vars(table_parser().parse_args([f"@{path}"])) for path in paths}
    names = {os.path.splitext(os.path.basename(path))[0]: path for path in paths}
    if len(names) < len(paths):
        raise ConfigError(f"--networks: expected different names. Received: {', '.join(paths)}")

    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.table1 import Network, accuracy_table, run_table

    networks = {name: Network.from_flags({**given, **flags[path]}) for name, path in names.items()}
    table = run_table(networks=networks, seeds=seeds, progress=shapes_progress, **request)
    print("", *table_lines(*accuracy_table(table)), sep="\n")
    print(f"\nReport: {request['folder']}/report.html")
