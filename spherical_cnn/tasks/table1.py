"""Table 1: networks trained upright or in all rotations, tested upright or in all rotations."""

from __future__ import annotations

import os
from typing import NamedTuple

import keras
import numpy as np

from spherical_cnn.data.atomic import write_bytes, write_json
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records.build import build
from spherical_cnn.errors import ConfigError
from spherical_cnn.reporting import plots
from spherical_cnn.reporting.page import Page
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder
from spherical_cnn.training.train import train

REGIMES = {"so3": "SO(3)", "z": "z"}  # and their titles

# Trained / tested: the regime of the shards trained on, that of the shards tested on.
COLUMNS = {"SO(3)/SO(3)": ("so3", "so3"), "z/z": ("z", "z"), "z/SO(3)": ("z", "so3")}

# Of ModelNet40, Esteves et al. 2018, table 1.
PUBLISHED = {"SO(3)/SO(3)": 86.9, "z/z": 88.9, "z/SO(3)": 78.6}


class Network(NamedTuple):
    """A row of the table: dicts of given options of `RunConfig` and of `DatasetConfig`."""

    options: dict
    dataset: dict

    @classmethod
    def from_flags(cls, flags):
        """Returns the network of a dict of flags of both."""
        return cls(RunConfig.select(flags), DatasetConfig.select(flags))


def run_table(source, folder, networks, seeds, progress, workers=1, split_file=None):
    """Builds two sets of a source, trains each network on each, tests in the paper's regimes.

    Started again, it resumes where it stopped.

    Args:
        source: see `spherical_cnn.data.sources.find_shapes`.
        folder: gets `data-z`, `data-so3`, a run folder `NETWORK/REGIME-SEED` each, `table.json`,
            `report.html`. Networks with other dataset options than the first have
            `data-z-NETWORK` and `data-so3-NETWORK`.
        networks: dict by name of `Network`s, without folders, number of classes, rotations and
            resolution of the data. An `up_channel` is on for upright shapes only.
        seeds: number of runs of each, with consecutive seeds from that of the options.
        progress: called with the regime of a dataset to build; returns `progress` for `build`.
        workers: number of processes that build.
        split_file: see `find_shapes`.

    Returns:
        dict by network of dicts by column of `COLUMNS` of lists by seed of the metrics of
        `spherical_cnn.training.train.train`.

    Raises:
        ConfigError: if there is no seed.
        As `build` and `train`.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds: expected at least 1. Received: {seeds}")
    # Bad options end here, not in an hour.
    configs = {name: RunConfig.from_dict(network.options) for name, network in networks.items()}
    dataset_configs = {
        (name, regime): DatasetConfig(
            **network.dataset, resolution=configs[name].input_res, rotation=regime
        )
        for name, network in networks.items()
        for regime in REGIMES
    }
    folders: dict[DatasetConfig, str] = {}
    for (name, regime), config in dataset_configs.items():
        if config not in folders:
            own = "" if name == next(iter(networks)) else f"-{name}"
            folders[config] = os.path.join(folder, f"data-{regime}{own}")
            manifest = build(source, folders[config], config, split_file, workers, progress(regime))
    datasets = {key: folders[config] for key, config in dataset_configs.items()}
    table: dict[str, dict[str, list]] = {
        name: {column: [] for column in COLUMNS} for name in networks
    }
    runs: dict[str, dict[str, list]] = {r: {name: [] for name in networks} for r in REGIMES}
    for number in range(seeds):
        for name, network in networks.items():
            options = {**network.options, "n_classes": len(manifest["classes"])}
            options["seed"] = configs[name].seed + number
            logdirs = {r: os.path.join(folder, name, f"{r}-{options['seed']}") for r in REGIMES}
            sets = {regime: datasets[name, regime] for regime in REGIMES}
            for column, metrics in _regimes(logdirs, options, sets).items():
                table[name][column].append(metrics)
            for regime in REGIMES:
                runs[regime][name].append(f"{name}/{regime}-{options['seed']}")
            write_json(os.path.join(folder, "table.json"), table)
            _write_report(folder, source, manifest, table, runs)
    return table


def accuracy_table(table):
    """The accuracies on test, per cent, mean ± half the range over the seeds: `(header, rows)`."""
    rows = [
        [name, *(_cell([metrics["test"] for metrics in columns[c]]) for c in COLUMNS)]
        for name, columns in table.items()
    ]
    columns = next(iter(table.values()))
    samples = [str(columns[c][0]["test_samples"]) if columns[c] else "" for c in COLUMNS]
    published = [f"{PUBLISHED[column]}" for column in COLUMNS]
    rows.append(["test samples", *samples])
    rows.append(["published, for ModelNet40 (Esteves et al. 2018)", *published])
    return ["test accuracy, %, trained / tested", *COLUMNS], rows


def _regimes(logdirs, options, datasets):
    """Metrics by column of the two runs of one network and seed, folders given by regime."""
    found = {}
    for column, (trained, tested) in COLUMNS.items():
        keras.utils.clear_session()  # what earlier networks leave behind
        run = {"logdir": logdirs[trained], "dset_dir": datasets[tested]}
        if options.get("up_channel", "off") != "off":
            run["up_channel"] = "on" if tested == "z" else "masked"
        if trained == tested:
            found[column] = train({**options, **run})
        else:
            found[column] = train({**run, "test_only": True})
    return found


def _histories(folder, runs):
    """What `comparison_figure` takes, of the paths in `folder` of runs by regime and network."""
    return {
        f"trained in {REGIMES[regime]}": {
            name: [RunFolder(os.path.join(folder, run)).read_history() for run in paths]
            for name, paths in networks.items()
        }
        for regime, networks in runs.items()
    }


def _cell(accuracies):
    if not accuracies:
        return "–"
    mean, spread = 100 * np.mean(accuracies), 50 * np.ptp(accuracies)
    return f"{mean:.1f} ± {spread:.1f}" if len(accuracies) > 1 else f"{mean:.1f}"


def _write_report(folder, source, manifest, table, runs):
    page = Page(os.fspath(source))
    page.text(
        f"{len(manifest['classes'])} classes: {', '.join(manifest['classes'])}. z: each shape "
        "upright, turned about the vertical axis; SO(3): turned in any way. Of several seeds: mean "
        "± half the range."
    )
    page.table(*accuracy_table(table))
    pixels = plots.png(plots.network_curves_figure(_histories(folder, runs)))
    write_bytes(os.path.join(folder, "curves.png"), pixels)
    page.picture("Curves", pixels)
    for run in (run for name in table for regime in REGIMES for run in runs[regime][name]):
        page.heading(run)
        page.link("Report", f"{run}/report.html")
        path = f"{run}/plots/confusion.png"
        with open(os.path.join(folder, path), "rb") as file:
            page.picture("Confusion", file.read())
    write_bytes(os.path.join(folder, "report.html"), page.html().encode())
