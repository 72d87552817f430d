"""Table 1: networks trained upright or in all rotations, tested upright or in all rotations."""

from __future__ import annotations

import dataclasses
import os

import keras
import numpy as np

from spherical_cnn.data.atomic import write_file
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records.build import build
from spherical_cnn.reporting import plots
from spherical_cnn.reporting.page import Page
from spherical_cnn.training.run_folder import RunFolder
from spherical_cnn.training.train import train

REGIMES = {"so3": "SO(3)", "z": "z"}  # and their titles

# Trained / tested: the regime of the shards trained on, that of the shards tested on.
COLUMNS = {"SO(3)/SO(3)": ("so3", "so3"), "z/z": ("z", "z"), "z/SO(3)": ("z", "so3")}

# Of ModelNet40, Esteves et al. 2018, table 1.
PUBLISHED = {"SO(3)/SO(3)": 86.9, "z/z": 88.9, "z/SO(3)": 78.6}


def run_table(source, folder, networks, seeds, progress, workers=1, split_file=None):
    """Builds two sets of a source, trains each network on each, tests in the paper's regimes.

    Called again with the same arguments, it resumes where it stopped.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        folder: gets `data-z`, `data-so3`, a run folder `NETWORK/REGIME-SEED` each, `table.json`,
            `report.html`. Networks with other dataset options than the first have
            `data-z-NETWORK` and `data-so3-NETWORK`.
        networks: dict by name of `(RunConfig, DatasetConfig)`. Folders, number of classes and
            rotations are set here. An `up_channel` is on for upright shapes only.
        seeds: number of runs of each, with consecutive seeds from that of the `RunConfig`.
        progress: called with the regime of a dataset to build; returns `progress` for `build`.
        workers: number of processes that build.
        split_file: see `find_shapes`.

    Returns:
        dict by network of dicts by column of `COLUMNS` of lists by seed of the metrics of `train`.
    """
    datasets = {
        (name, regime): dataclasses.replace(dataset, rotation=regime)
        for name, (_, dataset) in networks.items()
        for regime in REGIMES
    }
    folders: dict[DatasetConfig, str] = {}
    for (name, regime), dataset in datasets.items():
        if dataset not in folders:
            own = "" if name == next(iter(networks)) else f"-{name}"
            folders[dataset] = os.path.join(folder, f"data-{regime}{own}")
            manifest = build(
                source, folders[dataset], dataset, split_file, workers, progress(regime)
            )
    table: dict[str, dict[str, list]] = {
        name: {column: [] for column in COLUMNS} for name in networks
    }
    runs: dict[str, dict[str, list]] = {r: {name: [] for name in networks} for r in REGIMES}
    for number in range(seeds):
        for name, (config, _) in networks.items():
            seed = config.seed + number
            options = {**config.to_dict(), "n_classes": len(manifest["classes"]), "seed": seed}
            for column, (trained, tested) in COLUMNS.items():
                keras.utils.clear_session()  # what earlier networks leave behind
                path = f"{name}/{trained}-{seed}"
                run: dict = {
                    "logdir": os.path.join(folder, path),
                    "dset_dir": folders[datasets[name, tested]],
                }
                if config.up_channel != "off":
                    run["up_channel"] = "on" if tested == "z" else "masked"
                if trained == tested:
                    runs[trained][name].append(path)
                    run = {**options, **run}
                else:
                    run["test_only"] = True
                table[name][column].append(train(run))
            write_file(os.path.join(folder, "table.json"), table)
            _write_report(folder, source, manifest["classes"], table, runs)
    return table


def accuracy_table(table):
    """Returns the test accuracies, per cent, mean ± half the range over the seeds, as a table."""
    rows = [
        [name, *(_cell([metrics["test"] for metrics in columns[c]]) for c in COLUMNS)]
        for name, columns in table.items()
    ]
    columns = next(iter(table.values()))
    rows.append(["test samples", *(str(columns[c][0]["test_samples"]) for c in COLUMNS)])
    published = [str(PUBLISHED[column]) for column in COLUMNS]
    rows.append(["published, for ModelNet40 (Esteves et al. 2018)", *published])
    return ["test accuracy, %, trained / tested", *COLUMNS], rows


def _cell(accuracies):
    if not accuracies:
        return "–"
    mean, spread = 100 * np.mean(accuracies), 50 * np.ptp(accuracies)
    return f"{mean:.1f} ± {spread:.1f}" if len(accuracies) > 1 else f"{mean:.1f}"


def _write_report(folder, source, classes, table, runs):
    page = Page(os.fspath(source))
    page.text(
        f"{len(classes)} classes: {', '.join(classes)}. z: each shape upright, rotated about the "
        "vertical axis; SO(3): rotated in any way. With several seeds: mean ± half the range."
    )
    page.table(*accuracy_table(table))
    histories = {
        f"trained in {title}": {
            name: [RunFolder(os.path.join(folder, run)).read_history() for run in paths]
            for name, paths in runs[regime].items()
        }
        for regime, title in REGIMES.items()
    }
    pixels = plots.encode_figure(plots.network_curves_figure(histories))
    write_file(os.path.join(folder, "curves.png"), pixels)
    page.picture("Curves", pixels)
    for run in (run for name in table for regime in REGIMES for run in runs[regime][name]):
        page.heading(run)
        page.link("Report", f"{run}/report.html")
        with open(os.path.join(folder, run, "plots/confusion.png"), "rb") as file:
            page.picture("Confusion", file.read())
    write_file(os.path.join(folder, "report.html"), page.html())
