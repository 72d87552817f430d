#!/usr/bin/env python
"""Turns shapes into TFRecords of spherical signals that scripts/train.py reads.

SOURCE is a folder of meshes, voxels or point clouds, CLASS/train|val|test/FILE or CLASS/FILE; an
.npz with x_train, y_train, x_test, y_test or x, y; or `embedded`, shapes made on the spot.
Interrupted, the same command goes on where it stopped.
"""

import collections
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "make_dataset.py data/ModelNet40 data/m40-so3-64 --copies 48 --workers 2",
    "make_dataset.py meshes data/mine --up y --test_fraction 0.2 --scale_range 0.25",
)


def main(argv):
    """Parses the flags, builds, prints what became of the shapes."""
    from spherical_cnn.data.config import Recipe
    from spherical_cnn.data.records.build import add_arguments, build
    from spherical_cnn.options import flag_parser
    from spherical_cnn.progress import shapes_bar

    parser = flag_parser(__doc__, Recipe, examples=EXAMPLES)
    add_arguments(parser)
    options = vars(parser.parse_args(argv))
    request = {key: options.pop(key) for key in ("source", "folder", "split_file", "workers")}
    recipe, bar = Recipe(**options), shapes_bar("shapes")
    manifest = build(recipe=recipe, progress=bar, **request)
    for split, counts in manifest["counts"].items():
        print(
            f"{split}: {sum(counts.values())} shapes of {sum(map(bool, counts.values()))} classes"
        )
    reasons = collections.Counter(entry["reason"] for entry in manifest["skipped"])
    for reason, count in reasons.most_common(10):
        print(f"left out, {count}: {reason}")
    if manifest["blank"]:
        names = ", ".join(entry["name"] for entry in manifest["blank"][:10])
        print(f"kept, though nearly blank in some copy, {len(manifest['blank'])}: {names}")
    print(f"Every shard and every shape left out: {request['folder']}/manifest.json")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main, resumes=True)
