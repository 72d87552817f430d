"""A run from start to end: check, fit or resume, test, report."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import logging
import os
import platform

import keras
import tensorflow as tf

from spherical_cnn.data.datasets import check_shards, find_shards
from spherical_cnn.data.records import count_records
from spherical_cnn.experiment import callbacks, report
from spherical_cnn.experiment.checkpoints import load_checkpoint, load_weights
from spherical_cnn.experiment.config import Config, ConfigError
from spherical_cnn.experiment.devices import Devices
from spherical_cnn.experiment.equivariance import measure_records
from spherical_cnn.experiment.evaluation import confusion_counts, worst_mistakes
from spherical_cnn.experiment.fitting import fit
from spherical_cnn.experiment.network import (
    compiled_model,
    reading,
    record_format,
    with_labels,
)
from spherical_cnn.experiment.runfolder import RunError, RunFolder, start_logging

logger = logging.getLogger("spherical_cnn")

_MISTAKES = 12  # in a report


def run_experiment(options):
    """Trains, or continues, and tests the run that `options` describe; returns its metrics.

    Nothing is written before options, shards, run folder and checkpoint have been checked.

    Args:
        options: dict of the options given explicitly, by flag name.

    Returns:
        dict as written to `metrics.json`.

    Raises:
        ConfigError: if the options make no experiment.
        RunError, RecordError, OSError: if the run folder or the data cannot be used.
    """
    run, config = _open(options)
    devices = Devices(config)  # first: several processes join before anything is computed
    _prepare(config)
    model = compiled_model(config)
    shards = _shards(config)
    state = _state(run, config, model)
    with devices.together():
        devices.check_same(state["epoch"])
        if devices.chief:
            _begin(run, config)
        if not config.test_only:
            fit(run, config, devices, model, shards, state)
    return _end(run, config, model, shards) if devices.chief else {}


def _begin(run, config):
    """What a run writes before its first epoch."""
    if config.from_scratch:
        run.clear()
    run.clear_unfinished()
    start_logging(run)
    _log_options(run, config)
    if not config.test_only:
        run.write_config(config)
        run.write_data(config.dset_dir)


def _end(run, config, model, shards):
    """Tests and reports a trained run; returns its metrics."""
    state = load_weights(run.checkpoint("final"), model)
    metrics = test(model, config, shards["test"], state)
    if not config.test_only:
        errors = _equivariance(run, config, model, shards)
        with reading(config, shards["test"], config.test_n or None) as batches:
            mistakes = worst_mistakes(model, batches, _MISTAKES)
        report.write_report(run, config, state, metrics, errors, mistakes)
    for line in report.result_table(config.name, metrics):
        logger.info(line, extra={"result": True})
    return metrics


def test(model, config, shards, state):
    """Tests a restored model.

    Args:
        model: compiled, restored.
        config: `Config`; `test_n` limits the batches.
        shards: paths of test shards.
        state: of the checkpoint, for the train figures.

    Returns:
        dict of JSON values: `train`, `val` (accuracies of the last epoch), those of `evaluate`,
        `train_time` (mean seconds per epoch), `epochs`.
    """
    logger.info("Start testing...")
    history = state["history"]
    return {
        "train": history[-1]["train_accuracy"],
        "val": history[-1]["valid_accuracy"],
        **evaluate(model, config, shards),
        "train_time": sum(row["seconds"] for row in history) / len(history),
        "epochs": state["epoch"],
    }


def evaluate(model, config, shards):
    """Accuracy of a restored model on shards.

    Args:
        model: compiled, restored.
        config: `Config`; `test_n` limits the batches.
        shards: paths.

    Returns:
        dict of JSON values: `test`, `test_loss`, `test_samples`, `confusion` (counts, true class
        by predicted class).
    """
    with reading(config, shards, config.test_n or None) as batches:
        results = model.evaluate(with_labels(batches, model), return_dict=True, verbose=0)
    confusion = confusion_counts(model)
    return {
        "test": float(results["logits_accuracy"]),
        "test_loss": float(results["loss"]),
        "test_samples": int(confusion.sum()),
        "confusion": confusion.tolist(),
    }


def restore(path, upright=False):
    """Model and options of a finished run.

    Args:
        path: of the run folder.
        upright: whether the shapes that it is restored for are: a network with `--height` is told.

    Returns:
        `(model, config)`, the model compiled and with the final weights.

    Raises:
        RunError: if there is no finished run that this program can read.
    """
    run = RunFolder(path)
    config = run.read_config()
    if config is None:
        raise RunError(f"{run('config.json')}: not found, expected a run folder")
    if config.height != "none":
        config = dataclasses.replace(config, height="told" if upright else "untold")
    model = compiled_model(config)
    load_weights(run.checkpoint("final"), model)
    return model, config


def _open(options):
    """Run folder and options, checked against what the folder holds."""
    if not options.get("logdir"):
        raise ConfigError("--logdir: expected a folder for the run. Received none")
    run = RunFolder(os.path.expanduser(options["logdir"]))
    if options.get("test_only"):
        stored = run.read_config()
        if stored is None:
            raise RunError(f"{run('config.json')}: not found, there is no run to test")
        alone = {"devices": "1", "coordinator": "", "num_processes": 1, "process_id": 0}
        known = {**stored.to_json(), **alone, "from_scratch": False}
        return run, Config.from_json({**known, **options})
    config = Config.from_json(options)
    if not config.from_scratch:
        run.check_continues(config)
    return run, config


def _prepare(config):
    """Seeds, determinism, GPU memory on demand."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    for device in tf.config.list_physical_devices("GPU"):
        # Refused once the GPU is in use, as in a second run of one process.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def _shards(config):
    """Checked shards by split; only the splits that the run reads."""
    splits = ["test"] if config.test_only else ["train", "test"]
    if not config.test_only and not config.skip_val:
        splits.append("val")
    shards = {split: find_shards(config.dset_dir, split) for split in splits}
    for paths in shards.values():
        check_shards(paths, record_format(config))
    for path in shards.get("train", []):
        if config.round_batches and count_records(path) < config.train_bsize:
            raise ConfigError(
                f"--round_batches: {path} has fewer records than --train_bsize {config.train_bsize}"
            )
    return shards


def _state(run, config, model):
    """The state to go on from, restored into `model`; a fresh one if there is none."""
    latest, final = run.checkpoint("latest"), run.checkpoint("final")
    state = callbacks.fresh_state()
    if os.path.exists(latest) and not config.from_scratch:
        state = load_checkpoint(latest, model)
    if config.test_only and not os.path.exists(final):
        raise RunError(
            f"{final}: not found, training stopped after epoch {state['epoch']} of "
            f"{config.n_epochs}; run without --test_only to go on"
        )
    return state


def _equivariance(run, config, model, shards):
    """What `measure_records` returns; `None` where the optional lie_learn is not installed."""
    if importlib.util.find_spec("lie_learn") is None:
        return None
    if config.height == "told":  # turned shapes are not upright
        model, config = restore(run.path)
    return measure_records(model, config, shards["test"])


def _log_options(run, config):
    logger.info(f"Running on {platform.node()}")
    logger.info(f"Options: {json.dumps(config.to_json())}")
    logger.info(f"Loading dataset from {os.path.expanduser(config.dset_dir)}...")
    logger.info(f"Loading model {config.model}. Logdir {run.path}")
