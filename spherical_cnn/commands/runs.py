"""The commands that use a finished run."""

from __future__ import annotations

import dataclasses
import json

from spherical_cnn.console import shapes_progress
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError
from spherical_cnn.flags import Parser, add_options
from spherical_cnn.training.run_config import RunConfig


def evaluate_command(argv):
    """Tests a run on new shapes."""
    parser = Parser(
        "Tests a finished run on the test shapes of a source; on all, if it has no test split.\n\n"
        "Shapes are read and cast like those of the run's dataset, unless flags say otherwise.",
        examples=(
            "scnn evaluate runs/m40 modelnet40-test-1024.npz --test_rotation so3 --workers 2",
        ),
        prog="scnn evaluate",
    )
    parser.add_shared("run", "source", "--caster", "--tta", "--workers", "--json")
    of_run = ("resolution", "rotation", "copies", "val_fraction", "test_fraction")
    add_options(parser, DatasetConfig, without=of_run)
    options = parser.parse_args(argv)
    given = DatasetConfig.select(vars(options))
    DatasetConfig(**given)  # refuses bad options, before Keras is imported

    from spherical_cnn.tasks.evaluate import evaluate_shapes

    progress = shapes_progress("shapes")
    results = evaluate_shapes(
        options.run,
        options.source,
        given,
        options.workers,
        progress,
        options.caster,
        options.tta,
    )
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for name, reason in results["skipped"][:10]:
        print(f"skipped: {name}: {reason}")
    for name in results["blank"][:10]:
        print(f"nearly blank: {name}")
    rotation = results["dataset"]["test_rotation"].replace("same", results["dataset"]["rotation"])
    blank = f", {len(results['blank'])} nearly blank" if results["blank"] else ""
    print(
        f"rotation {rotation}, {results['test_samples']} samples, "
        f"{len(results['skipped'])} shapes skipped{blank}, accuracy {results['test']:.4f}, "
        f"loss {results['test_loss']:.4f}"
    )
    if options.tta > 1:
        print(f"mean of {options.tta} views of each sample: accuracy {results['test_tta']:.4f}")


def retrieve_command(argv):
    """Ranks shapes, or scores rankings."""
    parser = Parser(
        "Retrieval by the descriptors of a finished run, with the metrics of SHREC'17.\n\n"
        "`scnn retrieve RUN --shards FILE ... --output FOLDER` ranks all shapes of the shards for\n"
        "each of them; FOLDER gets descriptors.npz, rankings/ (a file per query, lines `id\n"
        "distance`) and metrics.json. `scnn retrieve --rankings FOLDER --truth CSV` scores\n"
        "existing rankings of any system.",
        examples=(
            "scnn retrieve runs/m40 --shards data/m40/test0.tfrecord --output runs/m40/retrieval",
            "scnn retrieve --rankings theirs/test_normal --truth test.csv",
        ),
        prog="scnn retrieve",
    )
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN", help="run folder")
    add(
        "--shards",
        nargs="+",
        metavar="FILE",
        help="TFRecords of each shape once; for points, sources",
    )
    add("--output", metavar="FOLDER", help="folder of the results")
    add("--by_class", action="store_true", help="rank the predicted class first")
    best = "end lists at the distance with the best F1@N for these shards; default: list all shapes"
    add("--length_from", nargs="+", metavar="FILE", help=best)
    add("--rankings", metavar="FOLDER", help="files named by their query")
    add("--truth", metavar="CSV", help="id,synsetId,subSynsetId,modelId,split")
    add("--split", metavar="NAME", help="use only these lines of --truth")
    options = parser.parse_args(argv)
    of_run = options.run and options.shards and options.output
    if not (options.rankings and options.truth) and not of_run:
        parser.error("expected RUN, --shards and --output, or --rankings and --truth")

    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.retrieval.retrieval_metrics import score, score_table

    if options.rankings and options.truth:
        from spherical_cnn.tasks.retrieval.rankings import read_rankings, read_truth

        ids, classes, subclasses = read_truth(options.truth, options.split)
        queries, rankings = read_rankings(options.rankings, ids)
        found = score(rankings, classes, subclasses, queries)
    else:
        from spherical_cnn.tasks.retrieval.retrieve import retrieve

        found = retrieve(
            options.run, options.shards, options.output, options.by_class, options.length_from
        )
    for name in found.get("blank", [])[:10]:
        print(f"nearly blank: {name}")
    print(*table_lines(*score_table(found)), sep="\n")
    if "distance" in found:
        print(f"\nLists end at distance {found['distance']:.3f}.")


def equivariance_command(argv):
    """Measures each layer's error under rotation."""
    parser = Parser(
        "Measures how far a network is from commuting with rotations, layer by layer.\n\n"
        "The network is that of the finished run in --logdir or, without one, a new network of\n"
        "the given flags. Shapes of the test split of SOURCE (of train, if it has none) are\n"
        "rotated and cast again, and their signals are rotated exactly.",
        examples=(
            "scnn equivariance data/ModelNet40 --logdir runs/m40",
            "scnn equivariance embedded @params/model-64.txt @params/m10-64.txt --shapes 4",
        ),
        prog="scnn equivariance",
    )
    parser.add_shared("source")
    parser.add_argument("--shapes", type=int, default=16, metavar="N", help="default 16")
    parser.add_argument("--rotations", type=int, default=8, metavar="N", help="default 8")
    add_options(parser, RunConfig)
    reading = {"kind", "center", "up", "max_file_mb", "embedded_shapes", "rays_per_sample"}
    others = {field.name for field in dataclasses.fields(DatasetConfig)} - reading
    add_options(parser, DatasetConfig, without=others)
    given = vars(parser.parse_args(argv))
    counts = {name: given[name] for name in ("shapes", "rotations")}
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"--{name}: expected at least 1. Received: {count}")
    dataset = DatasetConfig(**DatasetConfig.select(given))
    config = RunConfig.from_dict(RunConfig.select(given))

    from spherical_cnn.nn.layer_errors import error_table
    from spherical_cnn.reporting.page import table_lines
    from spherical_cnn.tasks.equivariance import measure_shapes
    from spherical_cnn.training.network import build_model
    from spherical_cnn.training.run import load_run

    if config.logdir:
        run = load_run(config.logdir)
        model, config = run.model, run.config
    else:
        model = build_model(config)
    errors = measure_shapes(model, given["source"], dataset, **counts, seed=config.seed)
    print(*table_lines(*error_table(errors)), sep="\n")


def activations_command(argv):
    """Exports layer outputs."""
    parser = Parser(
        "Writes the outputs of named layers of a finished run for TFRecords to an .npz file.",
        examples=(
            "scnn activations runs/m40 descriptors.npz --shards data/m40/test0.tfrecord",
            "scnn activations runs/m40 maps.npz --shards data/m40/test0.tfrecord "
            "--layers conv3_distance pool4_incidence",
        ),
        prog="scnn activations",
    )
    parser.add_shared("run")
    parser.add_argument("output", metavar="OUTPUT", help="the .npz to write")
    parser.add_shared("--shards")
    parser.add_argument("--layers", nargs="+", default=["descriptor"], metavar="NAME")
    options = parser.parse_args(argv)

    from spherical_cnn.tasks.activations import export_activations

    export_activations(options.run, options.output, options.shards, options.layers)


def release_command(argv):
    """Packages a run."""
    parser = Parser(
        "Packages a finished run for others: weights in half precision, options, a model card.",
        examples=('scnn release runs/chairs weights/chairs --origin "Our own scans, CC BY 4.0."',),
        prog="scnn release",
    )
    parser.add_shared("run")
    parser.add_argument(
        "folder", metavar="FOLDER", help="absent or empty; its name becomes the network's"
    )
    parser.add_argument(
        "--origin", required=True, metavar="TEXT", help="origin and license of the shapes"
    )
    options = parser.parse_args(argv)

    from spherical_cnn.tasks.release import release

    release(options.run, options.folder, options.origin)
    print(f"Model card: {options.folder}/README.md")
