"""The commands that align and draw shapes."""

from __future__ import annotations

import json
import os

from spherical_cnn.choices import PICTURES
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError
from spherical_cnn.flags import Parser

_PICTURES = " ".join(PICTURES)


def align_command(argv):
    """Finds the rotation between two shapes."""
    parser = Parser(
        "Finds the rotation that takes one shape to another, about the centers of both.\n\n"
        "Shapes are meshes, voxels or point clouds. Symmetric shapes have several rotations; all\n"
        "are found. With --run and --layer, feature maps of a network are compared.",
        examples=(
            "scnn align chair.off rotated.off --copy aligned.off --picture both.png",
            "scnn align chair.off other.off --run runs/m40 --layer conv5_distance",
        ),
        prog="scnn align",
    )
    add = parser.add_argument
    add("first", metavar="FIRST", help="shape to rotate")
    add("second", metavar="SECOND", help="shape to align with")
    parser.add_shared("--resolution", "--run", "--layer", "--kind", "--up")
    add("--rays_per_sample", type=int, default=7, metavar="N", help="supersampling; default 7")
    add(
        "--threshold",
        type=float,
        default=0.95,
        metavar="X",
        help="fraction of the best correlation that further rotations reach; default 0.95",
    )
    add("--copy", metavar="FILE", help="write mesh FIRST, aligned: .off .obj .ply .stl")
    add("--picture", metavar="FILE", help=f"write the shapes before and after: {_PICTURES}")
    parser.add_shared("--json")
    options = parser.parse_args(argv)
    if not 0 < options.threshold <= 1:
        raise ConfigError(
            f"--threshold: expected more than 0, at most 1. Received: {options.threshold}"
        )
    if options.picture:
        picture_suffix = _checked_suffix(options.picture, PICTURES)

    from spherical_cnn.data.atomic import write_file
    from spherical_cnn.reporting.plots import encode_figure
    from spherical_cnn.reporting.sphere_plots import alignment_figure
    from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
    from spherical_cnn.tasks import align as alignment
    from spherical_cnn.tasks.signal_view import SignalView

    paths = (options.first, options.second)
    signals = options.resolution, options.rays_per_sample, options.run, options.layer
    view = SignalView(*signals, options.kind, options.up)
    if options.copy:
        alignment.check_copy(options.copy, paths, view.config.kind)
    first, second = (view.load(path) for path in paths)
    found = alignment.align_shapes(first, second, view, options.threshold)
    if options.json:
        print(json.dumps(alignment.to_dict(found), indent=1))
    else:
        print(*alignment.lines(found), sep="\n")
    if options.copy:
        copy = alignment.aligned_copy(*paths, found.rotations[0], view.config.center)
        write_file(options.copy, encode_mesh(copy, options.copy))
    if options.picture:
        rotation = view.upright @ found.rotations[0] @ view.upright.T
        figure = alignment_figure(first.ray_caster, second.ray_caster, rotation)
        write_file(options.picture, encode_figure(figure, picture_suffix))


def show_command(argv):
    """Writes a page that shows a shape."""
    parser = Parser(
        "Writes a page that shows a shape, its signal on the sphere, and what trained networks\n"
        "make of it when it rotates: class probabilities and feature maps.\n\n"
        "The page is one file, needs no network connection, and opens in any browser.",
        examples=(
            "scnn show chair.off --output chair.html",
            "scnn show chair.off --run runs/demo/model-64/z-0 runs/demo/invariant-64/z-0 "
            "--output chair.html",
        ),
        prog="scnn show",
    )
    add = parser.add_argument
    add("shape", metavar="SHAPE", help="mesh, voxels or points")
    add(
        "--run",
        nargs="+",
        action="extend",
        default=[],
        metavar="RUN",
        help="folders of finished runs, or presets",
    )
    add("--output", required=True, metavar="FILE", help="page to write: .html")
    add("--layers", nargs="+", metavar="NAME", help="default: four of the branch distance")
    add("--steps", type=int, default=24, metavar="N", help="rotations in a turn; default 24")
    parser.add_shared("--kind", "--up", "--center")
    options = parser.parse_args(argv)
    _checked_suffix(options.output, (".html",))
    if not 2 <= options.steps <= 360:
        raise ConfigError(f"--steps: expected 2 to 360. Received: {options.steps}")
    if options.layers and not options.run:
        raise ConfigError("--layers: expected --run RUN, whose feature maps to show")
    given = {name: getattr(options, name) for name in ("kind", "up", "center")}
    reading = {name: value for name, value in given.items() if value is not None}
    DatasetConfig(**reading)  # refuses bad options, before Keras is imported

    from spherical_cnn.data.atomic import write_file
    from spherical_cnn.tasks.show import show

    page = show(options.shape, options.run, options.layers, options.steps, **reading)
    write_file(options.output, page)
    print(f"Page: {options.output} ({len(page) / 1e6:.1f} MB)")


def visualize_command(argv):
    """Draws a picture."""
    options = _visualize_parser().parse_args(argv)
    formats = {"animation": (".gif",), "mistakes": (".html",)}
    suffix = _checked_suffix(options.picture, formats.get(options.what, PICTURES))

    from spherical_cnn.data.atomic import write_file
    from spherical_cnn.reporting.plots import encode_figure
    from spherical_cnn.tasks import visualize as pictures
    from spherical_cnn.tasks.signal_view import SignalView

    if options.what == "mistakes":
        data = pictures.mistakes_page(options.run, options.shards, options.most)
    elif options.what == "filters":
        figure = pictures.draw_filters(options.run, options.layer)
        data = encode_figure(figure, suffix)
    elif options.what == "features":
        view = SignalView(run=options.run, layer="signal", kind=options.kind, up=options.up)
        shape = view.load(options.shape)
        figure = pictures.draw_features(view, shape, options.angles, options.layers)
        data = encode_figure(figure, suffix)
    else:
        signals = options.resolution, options.rays_per_sample, options.run, options.layer
        view = SignalView(*signals, options.kind, options.up)
        shape = view.load(options.shape)
        if options.what == "signal":
            data = encode_figure(pictures.draw_signal(view, shape), suffix)
        else:
            data = pictures.animation(view, shape, options.layer, options.frames)
    write_file(options.picture, data)


def _checked_suffix(path, expected):
    """Returns the suffix of a file to write; refuses it unless it is one of the expected ones."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in expected:
        raise ConfigError(f"{path}: expected a name that ends in {' '.join(expected)}")
    return suffix


def _visualize_parser():
    parser = Parser(
        "Draws signals, filters, feature maps, animations and mistakes.\n\n"
        "`scnn visualize WHAT --help` describes each.",
        examples=(
            "scnn visualize signal chair.off signal.png",
            "scnn visualize filters runs/m40 conv0_distance filters.png",
            "scnn visualize features runs/m40 chair.off features.png --angles 40 70 -100",
            "scnn visualize mistakes runs/m40 mistakes.html --shards data/m40/test0.tfrecord",
            "scnn visualize animation chair.off chair.gif --run runs/m40 --layer conv3_distance",
        ),
        prog="scnn visualize",
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    signal = what.add_parser("signal", description="The two channels of a shape.")
    signal.set_defaults(run=None, layer=None)
    filters = what.add_parser("filters", description="Spectra and profiles of filters.")
    features = what.add_parser("features", description="Feature maps under rotation.")
    animation = what.add_parser("animation", description="A rotating shape and its maps: a GIF.")
    mistakes = what.add_parser("mistakes", description="Misclassified records: an HTML page.")
    for one in (filters, features, mistakes):
        one.add_shared("run")
    filters.add_argument("layer", metavar="LAYER", help="such as conv0_distance")
    for one in (signal, features, animation):
        one.add_argument("shape", metavar="SHAPE", help="mesh, voxels or points")
        one.add_shared("--kind", "--up")
    for one in (signal, filters, features, animation, mistakes):
        kinds = {animation: ".gif", mistakes: ".html"}.get(one, _PICTURES)
        one.add_argument("picture", metavar="OUT", help=f"file to write: {kinds}")
    for one in (signal, animation):
        one.add_shared("--resolution")
        one.add_argument(
            "--rays_per_sample", type=int, default=1, metavar="N", help="supersampling; default 1"
        )
    features.add_argument(
        "--angles",
        type=float,
        nargs=3,
        default=[40, 70, -100],
        metavar="DEG",
        help="ZYZ Euler angles of the rotation",
    )
    features.add_argument(
        "--layers", nargs="+", metavar="NAME", help="default: all layers of the branch distance"
    )
    animation.add_shared("--run", "--layer")
    animation.add_argument("--frames", type=int, default=36, metavar="N", help="default 36")
    mistakes.add_shared("--shards")
    mistakes.add_argument("--most", type=int, default=50, metavar="N", help="default 50")
    return parser
