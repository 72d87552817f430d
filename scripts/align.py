#!/usr/bin/env python
"""Finds the rotation that takes one shape to another, about the centers of both.

Shapes are meshes, voxels or points. Symmetric shapes get all their rotations. --run and --layer
compare by a network's feature maps.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

EXAMPLES = (
    "align.py chair.off turned.off --copy aligned.off --picture both.png",
    "align.py chair.off other.off --run runs/m40 --layer conv5_b0",
)


def main(argv):
    """Parses the flags, aligns, prints and writes what was asked for."""
    from spherical_cnn.data.config import add_reading_arguments
    from spherical_cnn.options import Parser

    parser = Parser(__doc__, EXAMPLES)
    parser.add_argument("first", metavar="FIRST", help="shape that is rotated")
    parser.add_argument("second", metavar="SECOND", help="shape that stays")
    parser.add_argument("--resolution", type=int, default=64, metavar="N", help="of signals; 64")
    parser.add_argument("--rings", type=int, default=1, metavar="N", help="as in make_dataset; 1")
    parser.add_argument("--run", metavar="RUN", help="run folder; its data decides the signals")
    parser.add_argument("--layer", metavar="NAME", help="of the run, such as conv1_b0")
    add_reading_arguments(parser)
    parser.add_argument("--share", type=float, default=0.95, metavar="X", help="as good as best")
    parser.add_argument(
        "--copy", metavar="FILE", help="write mesh FIRST, aligned: .off .obj .ply .stl"
    )
    parser.add_argument("--picture", metavar="FILE", help="write a PNG, before and after")
    parser.add_argument("--json", action="store_true", help="no text: all digits, as JSON")
    options = parser.parse_args(argv)

    from spherical_cnn.data.atomic import write_bytes
    from spherical_cnn.reporting.plots import png
    from spherical_cnn.reporting.sphere_plots import alignment_figure
    from spherical_cnn.tasks import align as posing
    from spherical_cnn.tasks.signal_view import Eye

    paths = (options.first, options.second)
    signals = options.resolution, options.rings, options.run, options.layer
    eye = Eye(*signals, options.kind, options.up)
    posing.check_outputs(options.copy, options.share, paths, eye.reading["kind"])
    shapes = [eye.read(path) for path in paths]
    peaks = posing.align_shapes(*shapes, eye, options.share)
    lines = [json.dumps(posing.to_json(peaks), indent=1)] if options.json else posing.lines(peaks)
    print(*lines, sep="\n")
    if options.copy:
        moved = posing.aligned_copy(*shapes, peaks.rotations[0])
        write_bytes(options.copy, posing.mesh_bytes(moved, options.copy))
    if options.picture:
        casters, turn = [shape.caster for shape in shapes], shapes[0].upright
        rotation = turn @ peaks.rotations[0] @ turn.T
        write_bytes(options.picture, png(alignment_figure(*casters, rotation)))


if __name__ == "__main__":
    from spherical_cnn.cli import run

    run(main)
