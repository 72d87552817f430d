"""A trained network for others: a small folder that is used as a finished run is."""

from __future__ import annotations

import dataclasses
import os

from spherical_cnn.reporting.page import Page
from spherical_cnn.training import report
from spherical_cnn.training.checkpoints import load_weights, save_weights
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunError, RunFolder


def release(path, folder, origin):
    """Writes what use and testing need of a finished run, and a model card.

    The weights are in half precision; no folder of this machine is named.

    Args:
        path: of the run folder.
        folder: absent or empty, its name that of the network; gets `README.md`, `config.json`,
            `data.json` if the run has one, `metrics.json` and `checkpoints/final.npz`.
        origin: what the card says of the shapes: whose they are, under which license.

    Raises:
        RunError: if there is no finished and tested run, or something in `folder`.
    """
    if os.path.exists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise RunError(f"{folder}: expected an absent or empty folder")
    run, released = RunFolder(path), RunFolder(os.path.normpath(folder))
    model, config = restore(path)
    if not os.path.exists(run("metrics.json")):
        raise RunError(
            f"{run('metrics.json')}: not found, expected a tested run; "
            f"train.py --test_only --logdir {path} tests it"
        )
    state = load_weights(run.checkpoint("final"), model)
    name = os.path.basename(released.path)
    config = dataclasses.replace(config, logdir="", dset_dir="", run_id=name)
    data, metrics = run.read_data(), run.read_metrics()
    save_weights(released, "final", model, state)
    if data["options"]:
        data["source"] = os.path.basename(data["source"])
        released.write_json("data.json", data)
    released.write_json("metrics.json", metrics)
    released.write_text("README.md", _card(config, model, data, metrics, origin))
    released.write_config(config)


def _card(config, model, data, metrics, origin):
    page = Page(config.name)
    classes = report.class_names(data, config.n_classes)
    page.text(
        f"A network of {model.count_params():,} weights, in half precision, for shapes of "
        f"{len(classes)} classes: {', '.join(classes)}."
    )
    page.text("With the path of this folder for RUN:")
    page.code(
        [
            "python scripts/predict.py RUN FILE.off",
            "python scripts/evaluate.py RUN SHAPES.npz --test_rotation so3",
        ]
    )
    page.heading("Accuracy")
    report.add_results(page, config, metrics)
    page.heading("Shapes")
    page.text(origin)
    page.heading("How their signals were made")
    page.code(report.data_lines(data))
    page.heading("How it was trained")
    page.code(config.to_flags())
    return page.markdown()
