"""`scnn build`."""

from __future__ import annotations

import collections

from spherical_cnn.commands.arguments import SOURCE, add_split_file, add_workers
from spherical_cnn.console import shapes_progress
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.flags import Parser, add_options


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
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument("folder", metavar="FOLDER", help="where the dataset goes")
    add_split_file(parser)
    add_workers(parser)
    add_options(parser, DatasetConfig)
    options = vars(parser.parse_args(argv))
    request = {key: options.pop(key) for key in ("source", "folder", "split_file", "workers")}
    config = DatasetConfig(**options)

    from spherical_cnn.data.records.build import build

    manifest = build(config=config, progress=shapes_progress("shapes"), **request)
    for split, counts in manifest["counts"].items():
        classes = sum(map(bool, counts.values()))
        print(f"{split}: {sum(counts.values())} shapes of {classes} classes")
    reasons = collections.Counter(entry["reason"] for entry in manifest["skipped"])
    for reason, count in reasons.most_common(10):
        print(f"skipped, {count}: {reason}")
    if manifest["blank"]:
        names = ", ".join(entry["name"] for entry in manifest["blank"][:10])
        print(f"nearly blank in some copy, but used, {len(manifest['blank'])}: {names}")
    print(f"All shards and skipped shapes: {request['folder']}/manifest.json")
