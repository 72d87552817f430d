"""Table 1: a network trained upright or in all rotations, tested upright or in all rotations."""

from __future__ import annotations

import os

from spherical_cnn.data.build import build
from spherical_cnn.data.files import write_bytes, write_json
from spherical_cnn.data.recipe import Recipe
from spherical_cnn.experiment.config import Config
from spherical_cnn.experiment.training import run_experiment

REGIMES = ("so3", "z")

# Trained / tested: the regime of the shards trained on, that of the shards tested on.
COLUMNS = {"SO(3)/SO(3)": ("so3", "so3"), "z/z": ("z", "z"), "z/SO(3)": ("z", "so3")}


def run_table(source, folder, recipe, options, progress, workers=1, split_file=None):
    """Builds two sets of a source, trains on each, tests in the three regimes of the paper.

    Started again it goes on where it stopped; what is finished is not done again.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        folder: gets `data-z`, `data-so3`, the run folders `z` and `so3`, `table.json`, `report.md`.
        recipe: dict of options of `Recipe`, without rotations and resolution.
        options: dict of options of `Config`, without folders and number of classes.
        progress: called with the regime of a set to be built; returns `progress` for `build`.
        workers: processes that build.
        split_file: see `find_shapes`.

    Returns:
        dict by column of `COLUMNS`: the metrics of `spherical_cnn.experiment.training.test`.

    Raises:
        As `build` and `run_experiment`.
    """
    table, datasets = {}, {}
    resolution = Config.from_json(options).input_res  # and bad options end here, not in an hour
    recipes = {
        regime: Recipe(**recipe, resolution=resolution, rotation=regime) for regime in REGIMES
    }
    for regime in REGIMES:
        datasets[regime] = os.path.join(folder, f"data-{regime}")
        manifest = build(
            source, datasets[regime], recipes[regime], split_file, workers, progress(regime)
        )
    options = {**options, "n_classes": len(manifest["classes"])}
    for column, (trained, tested) in COLUMNS.items():
        run = {"logdir": os.path.join(folder, trained), "dset_dir": datasets[tested]}
        if trained == tested:
            table[column] = run_experiment({**options, **run, "run_id": trained})
        else:
            table[column] = run_experiment({**run, "test_only": True})
    write_json(os.path.join(folder, "table.json"), table)
    write_bytes(os.path.join(folder, "report.md"), _markdown(source, manifest, table).encode())
    return table


def table_lines(table):
    """The accuracies on test, per cent, as the lines of a table."""
    accuracies = [f"{100 * metrics['test']:.1f}" for metrics in table.values()]
    samples = [str(metrics["test_samples"]) for metrics in table.values()]
    return [
        f"| trained / tested | {' | '.join(table)} |",
        f"|---|{'---:|' * len(table)}",
        f"| test accuracy, % | {' | '.join(accuracies)} |",
        f"| test samples | {' | '.join(samples)} |",
    ]


def _markdown(source, manifest, table):
    lines = [
        f"# {source}",
        "",
        f"{len(manifest['classes'])} classes: {', '.join(manifest['classes'])}. z: each shape "
        "upright, turned about the vertical axis; SO(3): turned in any way.",
        "",
        *table_lines(table),
        "",
    ]
    for regime in REGIMES:
        lines += [
            f"## Trained on {regime}",
            "",
            f"[Report]({regime}/report.md), [data set](data-{regime}/manifest.json)",
            "",
            f"![Confusion]({regime}/plots/confusion.png) ![Curves]({regime}/plots/curves.png)",
            "",
        ]
    return "\n".join(lines)
