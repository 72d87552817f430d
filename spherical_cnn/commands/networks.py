"""The commands that build datasets, and train and test networks."""

from __future__ import annotations

import collections
import os

from spherical_cnn.console import shapes_progress
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError
from spherical_cnn.flags import Parser, add_options
from spherical_cnn.training.run_config import PROCESS_OPTIONS, RunConfig

_DATA_OF_RUN = ("resolution", "copies", "test_copies")
_SET_BY_TABLE = ("rotation", "test_rotation", "resolution")
_RUN_OF_TABLE = ("n_classes", "run_id", "logdir", "dset_dir", "online", "test_only")


def build_command(argv):
    """Builds a dataset, and prints how many shapes it holds and which were skipped."""
    parser = Parser(
        "Builds a dataset of TFRecords from shapes: meshes, voxels or point clouds.\n\n"
        "Interrupted, the same command resumes.",
        examples=(
            "scnn build data/ModelNet40 data/m40-so3-64 --copies 48 --workers 2",
            "scnn build meshes data/mine --up y --test_fraction 0.2 --scale_range 0.25",
        ),
        prog="scnn build",
    )
    parser.add_shared("source")
    parser.add_argument("folder", metavar="FOLDER", help="where the dataset goes")
    parser.add_shared("--split_file", "--workers")
    add_options(parser, DatasetConfig)
    options = parser.parse_args(argv)
    config = DatasetConfig(**DatasetConfig.select(vars(options)))

    from spherical_cnn.data.records.build import build

    progress = shapes_progress("shapes")
    manifest = build(
        options.source, options.folder, config, options.split_file, options.workers, progress
    )
    for split, counts in manifest["counts"].items():
        classes = sum(map(bool, counts.values()))
        print(f"{split}: {sum(counts.values())} shapes of {classes} classes")
    reasons = collections.Counter(entry["reason"] for entry in manifest["skipped"])
    for reason, count in reasons.most_common(10):
        print(f"skipped, {count}: {reason}")
    if manifest["blank"]:
        names = ", ".join(entry["name"] for entry in manifest["blank"][:10])
        print(f"nearly blank in some copy, but used, {len(manifest['blank'])}: {names}")
    print(f"All shards and skipped shapes: {options.folder}/manifest.json")


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
    parser.add_shared("--split_file", "--workers")
    add_options(parser, DatasetConfig, without=_DATA_OF_RUN)
    return parser


def train_command(argv):
    """Trains and tests a run."""
    given = vars(train_parser().parse_args(argv))
    request = {key: given.pop(key) for key in ("split_file", "workers")}
    options, dataset = RunConfig.select(given), DatasetConfig.select(given)
    DatasetConfig(**dataset)  # refuses bad options, before Keras is imported
    if not options.get("test_only"):  # which takes other options from the run
        RunConfig.from_dict(options)
    names = [*dataset, *(name for name, value in request.items() if value not in (None, 1))]
    if names and not options.get("online"):
        flags = ", ".join(f"--{name}" for name in names)
        raise ConfigError(f"{flags}: for online data, expected --online SOURCE")

    from spherical_cnn.training.train import train

    train(options, dataset, **request, progress=shapes_progress("shapes"))


def test_command(argv):
    """Tests a finished run on TFRecords."""
    parser = Parser(
        "Tests a finished run on the test split of its dataset, or of another one.",
        examples=("scnn test --logdir RUN --dset_dir OTHER_DATA",),
        prog="scnn test",
    )
    add_options(
        parser, RunConfig, without=("test_only", "from_scratch", "online", *PROCESS_OPTIONS)
    )
    options = vars(parser.parse_args(argv))

    from spherical_cnn.training.train import train

    train({**options, "test_only": True})


def table_parser():
    """Returns the parser of the flags that `scnn table1` and its files of networks take."""
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
    add_options(parser, RunConfig, without=_RUN_OF_TABLE + PROCESS_OPTIONS)
    add_options(parser, DatasetConfig, without=_SET_BY_TABLE)
    return parser


def table1_command(argv):
    """Trains and tests networks, and prints the table."""
    parser = table_parser()
    parser.add_shared("source")
    parser.add_argument("folder", metavar="FOLDER", help="folder of the results")
    parser.add_argument(
        "--networks", nargs="+", required=True, metavar="FILE", help="files of flags, one per row"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="runs of each network; default 1"
    )
    parser.add_shared("--split_file", "--workers")
    given = vars(parser.parse_args(argv))
    paths = given.pop("networks")
    request = {
        key: given.pop(key) for key in ("source", "folder", "seeds", "split_file", "workers")
    }
    if request["seeds"] < 1:
        raise ConfigError(f"--seeds: expected at least 1. Received: {request['seeds']}")
    networks = {}
    for path in paths:
        flags = {**given, **vars(table_parser().parse_args([f"@{path}"]))}
        config = RunConfig.from_dict(RunConfig.select(flags))
        dataset = DatasetConfig(**DatasetConfig.select(flags), resolution=config.input_res)
        networks[os.path.splitext(os.path.basename(path))[0]] = config, dataset
    if len(networks) < len(paths):
        raise ConfigError(f"--networks: expected different names. Received: {', '.join(paths)}")

    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.table1 import accuracy_table, run_table

    table = run_table(networks=networks, progress=shapes_progress, **request)
    print("", *table_lines(*accuracy_table(table)), sep="\n")
    print(f"\nReport: {request['folder']}/report.html")
