#!/usr/bin/env python
"""Tests a finished run on shapes: those of the test split of SOURCE, or all if it has none.

SOURCE is that of scripts/make_dataset.py, such as an .npz of points `x` and labels `y`. Shapes are
read and cast as those of the run's own data set were, where flags do not say otherwise.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_FROM_RUN = ("resolution", "rotation", "copies", "val_fraction", "test_fraction")

EXAMPLES = ("evaluate.py runs/m40 modelnet40-test-1024.npz --test_rotation so3 --workers 2",)


def main(argv):
    """Parses the flags, casts, tests, prints the accuracy."""
    from spherical_cnn.data.config import Recipe
    from spherical_cnn.options import flag_parser
    from spherical_cnn.progress import shapes_bar
    from spherical_cnn.tasks.evaluate import evaluate_shapes

    parser = flag_parser(__doc__, Recipe, without=_FROM_RUN, examples=EXAMPLES)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    parser.add_argument(
        "--json", action="store_true", default=False, help="no text: all figures, as JSON"
    )
    given = vars(parser.parse_args(argv))
    run, source, workers, as_json = (given.pop(key) for key in ("run", "source", "workers", "json"))
    results = evaluate_shapes(run, source, given, workers, shapes_bar("shapes"))
    if as_json:
        print(json.dumps(results, indent=1))
        return
    for name, reason in results["skipped"][:10]:
        print(f"left out: {name}: {reason}")
    for name in results["blank"][:10]:
        print(f"nearly blank: {name}")
    rotation = results["recipe"]["test_rotation"].replace("same", results["recipe"]["rotation"])
    print(f"rotation {rotation}, {results['test_samples']} samples", end=", ")
    print(f"{len(results['skipped'])} shapes left out", end=", ")
    if results["blank"]:
        print(f"{len(results['blank'])} nearly blank", end=", ")
    print(f"accuracy {results['test']:.4f}, loss {results['test_loss']:.4f}")


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
