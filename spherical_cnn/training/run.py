"""A run from start to end: check, fit or resume, test, report."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
import platform

import keras

from spherical_cnn.training import callbacks, report
from spherical_cnn.training.checkpoints import load_checkpoint, load_weights
from spherical_cnn.training.config import Config, ConfigError
from spherical_cnn.training.devices import Devices
from spherical_cnn.training.equivariance import measure_records
from spherical_cnn.training.loop import fit
from spherical_cnn.training.metrics import confusion_counts, worst_mistakes
from spherical_cnn.training.network import compiled_model
from spherical_cnn.training.run_folder import RunError, RunFolder, start_logging

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
    from spherical_cnn.training.tfrecord_data import ShardFeed  # only here, as it needs TensorFlow

    run, config = open_run(options)
    return train_and_test(run, config, ShardFeed)


def train_and_test(run, config, make_feed):
    """Trains, or continues, and tests a run.

    Args:
        run: `RunFolder`, of `open_run`.
        config: `Config`, likewise.
        make_feed: function of `config` that returns what to train and test on, as `ShardFeed` does.

    Returns:
        As `run_experiment`.
    """
    devices = Devices(config)  # first: several processes join before anything is computed
    _prepare(config)
    model = compiled_model(config)
    feed = make_feed(config)
    state = _state(run, config, model)
    with devices.together():
        devices.check_same(state["epoch"])
        if devices.chief:
            _begin(run, config, feed)
        if not config.test_only:
            fit(run, config, devices, model, feed, state)
    return _end(run, config, model, feed) if devices.chief else {}


def _begin(run, config, feed):
    """What a run writes before its first epoch."""
    if config.from_scratch:
        run.clear()
    run.clear_unfinished()
    start_logging(run)
    logger.info(f"Running on {platform.node()}")
    logger.info(f"Options: {json.dumps(config.to_json())}")
    if not config.test_only:
        run.write_config(config)
    feed.begin(run)
    logger.info(f"Loading model {config.model}. Logdir {run.path}")


def _end(run, config, model, feed):
    """Tests and reports a trained run; returns its metrics."""
    state = load_weights(run.checkpoint("final"), model)
    metrics = test(model, config, feed, state)
    if not config.test_only:
        errors = _equivariance(run, config, model, feed)
        with feed.records("test", config.test_n or None) as batches:
            mistakes = worst_mistakes(model, batches, _MISTAKES)
        report.write_report(run, config, state, metrics, errors, mistakes)
    for line in report.result_table(config.name, metrics):
        logger.info(line, extra={"result": True})
    return metrics


def test(model, config, feed, state):
    """Tests a restored model.

    Args:
        model: compiled, restored.
        config: `Config`; `test_n` limits the batches.
        feed: of the test samples, such as `ShardFeed`.
        state: of the checkpoint, for the train figures.

    Returns:
        dict of JSON values: `train`, `val` (accuracies of the last epoch; no `val` without
        validation), those of `evaluate`,
        `train_time` (mean seconds per epoch), `epochs`.
    """
    logger.info("Start testing...")
    history = state["history"]
    return {
        "train": history[-1]["train_accuracy"],
        **({} if config.skip_val else {"val": history[-1]["valid_accuracy"]}),
        **evaluate(model, feed.evaluation(model, "test", config.test_n or None)),
        "train_time": sum(row["seconds"] for row in history) / len(history),
        "epochs": state["epoch"],
    }


def evaluate(model, data):
    """Accuracy of a restored model on samples.

    Args:
        model: compiled, restored.
        data: context of the arguments of Keras's `evaluate`.

    Returns:
        dict of JSON values: `test`, `test_loss`, `test_samples`, `confusion` (counts, true class
        by predicted class).

    Raises:
        RunError: if the loss is not finite.
    """
    with data as given:
        results = model.evaluate(**given, return_dict=True, verbose=0)
    if not math.isfinite(results["loss"]):
        raise RunError(
            f"the loss on the test samples is {results['loss']}, expected a finite number: "
            "activations overflow. Train again with a lower --learning_rate, or look at the "
            "samples: values of the order of 1 are expected"
        )
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


def open_run(options):
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
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    for device in tf.config.list_physical_devices("GPU"):
        # Refused once the GPU is in use, as in a second run of one process.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


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


def _equivariance(run, config, model, feed):
    """What `measure_records` returns of the test samples."""
    if config.height == "told":  # turned shapes are not upright
        model, config = restore(run.path)
    with feed.records("test") as batches:
        return measure_records(model, config, batches)
