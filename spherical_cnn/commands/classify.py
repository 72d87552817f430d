"""The command that classifies shapes in files."""

from __future__ import annotations

import json
import os
import sys

from spherical_cnn.console import progress_bar
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.flags import Parser
from spherical_cnn.presets import DEFAULT, PRESETS, is_run


def predict_command(argv):
    """Classifies files."""
    parser = Parser(
        "Classifies shapes in files: meshes, voxels or point clouds.\n\n"
        f"Without RUN, the network is the preset {DEFAULT}. Each shape is classified\n"
        "in several rotations. Printed are the mean probability, the fraction of the rotations\n"
        "that agree, and the standard deviation of the probability.",
        examples=(
            "scnn predict chair.off",
            "scnn predict runs/furniture chair.off sofa.stl",
            "scnn predict runs/furniture meshes --workers 2 --json > predictions.json",
            "scnn predict runs/furniture --export saved_model",
        ),
        prog="scnn predict",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="[RUN] FILE",
        help="a run or a preset; shapes, or folders of them",
    )
    parser.add_argument("--rotations", type=int, default=4, metavar="N", help="default 4")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="classes named; default 3")
    parser.add_shared("--tta", "--kind", "--up", "--caster", "--workers", "--json")
    parser.add_argument("--export", metavar="PATH", help="write a SavedModel, or an .onnx file")
    options = parser.parse_intermixed_args(argv)
    run, files = _run_and_files(options.names)
    if not (files or options.export) or min(options.rotations, options.top) < 1:
        raise ConfigError("expected files or --export, --rotations and --top of at least 1")

    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.predict import Predictor, export, find_files, prediction_table

    paths = find_files(files)
    if run is None:
        run = DEFAULT
        print(f"network: {run}; see scnn presets", file=sys.stderr if options.json else sys.stdout)
    predictor = Predictor(run, options.up, options.kind, caster=options.caster)
    if options.export:
        export(predictor.model, options.export)
    found = predictor.predict(paths, options.rotations, options.top, options.workers, options.tta)
    found = list(progress_bar(iterable=found, total=len(paths), unit=" shapes"))
    if options.json:
        print(json.dumps([one._asdict() for one in found], indent=1))
    else:
        print(*table_lines(*prediction_table(found)), sep="\n")
    if failed := sum(bool(one.error) for one in found):
        raise ShapeError(f"{failed} of {len(found)} files could not be classified")


def _run_and_files(names):
    """Returns the run that the first name may be, else `None`, and the names of shapes."""
    from spherical_cnn.shapes.load import SUFFIXES  # only here, because it imports NumPy

    if not names or is_run(names[0]):
        return (names[0] if names else None), names[1:]
    if not os.path.exists(names[0]) and not names[0].lower().endswith(SUFFIXES):
        raise ConfigError(
            f"{names[0]}: expected a run folder, a preset ({', '.join(PRESETS)}), a shape or a "
            "folder of shapes"
        )
    return None, names
