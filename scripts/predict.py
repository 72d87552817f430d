#!/usr/bin/env python
"""Says what a finished run takes shapes for: meshes, voxels or points, files or folders of them.

In several rotations: mean probability, share that agrees, standard deviation of the probability.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "predict.py runs/furniture chair.off sofa.stl",
    "predict.py runs/furniture meshes --workers 2 --json > predictions.json",
    "predict.py runs/furniture --export saved_model",
)


def main(argv):
    """Parses the flags, predicts, prints."""
    from spherical_cnn.data.atomic import BuildError
    from spherical_cnn.data.config import add_reading_arguments
    from spherical_cnn.options import ConfigError, Parser
    from spherical_cnn.progress import bar
    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks import predict as prediction

    parser = Parser(__doc__, EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("files", nargs="*", metavar="FILE", help="shapes, or folders of shapes")
    parser.add_argument("--rotations", type=int, default=4, metavar="N", help="default 4")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="classes named; default 3")
    add_reading_arguments(parser)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    parser.add_argument("--json", action="store_true", help="no table: all digits, as JSON")
    parser.add_argument("--export", metavar="PATH", help="SavedModel, or a file .onnx")
    options = parser.parse_args(argv)
    if not (options.files or options.export) or min(options.rotations, options.top) < 1:
        raise ConfigError("expected files or --export, --rotations and --top of at least 1")

    predictor = prediction.Predictor(options.run, options.up, options.kind)
    if options.export:
        prediction.export(predictor.model, options.export)
    paths = prediction.find_files(options.files)
    found = predictor.predict(paths, options.rotations, options.top, options.workers)
    found = list(bar(iterable=found, total=len(paths), unit=" shapes"))
    dumped = [json.dumps([one._asdict() for one in found], indent=1)]
    table = table_lines(*prediction.prediction_table(found))
    print(*(dumped if options.json else table), sep="\n")
    if failed := sum(bool(one.error) for one in found):
        raise BuildError(f"{failed} of {len(found)} files could not be used")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
