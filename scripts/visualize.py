#!/usr/bin/env python
"""Draws signals, filters, feature maps, animations, mistakes: see `visualize.py WHAT --help`."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "visualize.py signal chair.off signal.png",
    "visualize.py filters runs/m40 conv0_b0 filters.png",
    "visualize.py features runs/m40 chair.off features.png --angles 40 70 -100",
    "visualize.py mistakes runs/m40 mistakes.html --shards data/m40/test0.tfrecord",
    "visualize.py animation chair.off chair.gif --run runs/m40 --layer conv3_b0",
)


def main(argv):
    """Parses the flags, draws, writes the picture."""
    from spherical_cnn.data.config import add_reading_arguments
    from spherical_cnn.options import Parser

    parser = Parser(__doc__, EXAMPLES)
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    signal = what.add_parser("signal", description="The two channels of a shape.")
    filters = what.add_parser("filters", description="Filters of a layer, spectra and profiles.")
    features = what.add_parser("features", description="Maps of a shape, and rotated.")
    animation = what.add_parser("animation", description="A shape that rotates, its signal, a map.")
    mistakes = what.add_parser("mistakes", description="A page of all that is misclassified.")
    for one in (filters, features, mistakes):
        one.add_argument("run", metavar="RUN", help="run folder")
    filters.add_argument("layer", metavar="LAYER", help="such as conv0_b0")
    for one in (signal, features, animation):
        one.add_argument("mesh", metavar="SHAPE", help="mesh, voxels or points")
        add_reading_arguments(one)
    for one in (signal, filters, features, animation, mistakes):
        one.add_argument("picture", metavar="OUT", help="file to write: PNG, GIF, a page HTML")
    for one in (signal, animation):
        one.add_argument("--resolution", type=int, default=64, metavar="N", help="default 64")
        one.add_argument("--rings", type=int, default=0, metavar="N", help="as in make_dataset.py")
    features.add_argument("--angles", type=float, nargs=3, default=[40, 70, -100], metavar="DEG")
    features.add_argument("--layers", nargs="+", metavar="NAME", help="default: all of branch 0")
    animation.add_argument("--run", metavar="RUN", help="run folder; its data decides the signals")
    animation.add_argument("--layer", metavar="NAME", help="of the run")
    animation.add_argument("--frames", type=int, default=36, metavar="N", help="default 36")
    mistakes.add_argument("--shards", nargs="+", required=True, metavar="FILE", help="TFRecords")
    mistakes.add_argument("--most", type=int, default=50, metavar="N", help="default 50")
    options = vars(parser.parse_args(argv))

    from spherical_cnn.data.atomic import write_bytes
    from spherical_cnn.tasks import visualize as gallery

    write_bytes(options.pop("picture"), gallery.draw(**options))


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
