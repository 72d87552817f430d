"""Packages a trained network for others: a small folder that is used like a finished run."""

from __future__ import annotations

import dataclasses
import os

from spherical_cnn.errors import RunError
from spherical_cnn.reporting.page import table_lines
from spherical_cnn.training.checkpoints import save_weights
from spherical_cnn.training.report import (
    accuracy_note,
    dataset_lines,
    option_lines,
    result_cells,
    test_note,
)
from spherical_cnn.training.run import load_run
from spherical_cnn.training.run_folder import RunFolder

_PLACES = ("online", "initial_weights")  # options that are paths; a release keeps their last part


def release(path, folder, origin):
    """Writes what use and testing need of a finished run, and a model card.

    The weights are in half precision; no folder of this machine is named. The network has the name
    of the new folder, which gets `README.md`, `config.json`, `data.json` if the run has one,
    `metrics.json` and `checkpoints/final.npz`. `origin` is that of the shapes, for the card.

    Raises:
        RunError: if there is no finished and tested run, or the folder is not empty.
    """
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise RunError(f"{folder}: expected an absent or empty folder")
    run, released = load_run(path), RunFolder(os.path.normpath(folder))
    if not os.path.exists(run.folder.path("metrics.json")):
        raise RunError(
            f"{run.folder.path('metrics.json')}: not found, expected a tested run; "
            f"scnn test --logdir {path} tests it"
        )
    metrics, dataset = run.folder.read_metrics(), dict(run.dataset)
    if dataset["options"]:
        dataset["source"] = os.path.basename(dataset["source"])
    places = {key: os.path.basename(getattr(run.config, key)) for key in _PLACES}
    name = os.path.basename(released.root)
    run.config = dataclasses.replace(run.config, logdir="", dset_dir="", run_id=name, **places)
    save_weights(run, "final", released)
    if dataset["options"]:
        released.write("data.json", dataset)
    released.write("metrics.json", metrics)
    released.write("README.md", _card(run, dataset, metrics, origin))
    released.write_config(run.config)


def _card(run, dataset, metrics, origin):
    """Markdown of the model card."""
    config, classes = run.config, run.class_names
    header, row = result_cells(config.name, metrics)
    blocks = [
        f"# {config.name}",
        f"A network of {run.model.count_params():,} weights, in half precision, for shapes of "
        f"{len(classes)} classes: {', '.join(classes)}.",
        "With the path of this folder as RUN:",
        _code(["scnn predict RUN FILE.off", "scnn evaluate RUN SHAPES.npz --test_rotation so3"]),
        "## Accuracy",
        accuracy_note(),
        "\n".join(table_lines(header, [row])),
        test_note(metrics),
        "## Shapes",
        origin,
        "## How their signals are made",
        _code(dataset_lines(dataset)),
        "## How it was trained",
        _code(option_lines(config)),
    ]
    return "\n\n".join(blocks) + "\n"


def _code(lines):
    return "\n".join(["```", *lines, "```"])
