"""Trains, tests and reports a run, from its options."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import math
import os
import platform

import keras
import numpy as np

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.module import Batches
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.nn.layer_errors import measure, rotated_exactly
from spherical_cnn.sphere.operations import set_tf32
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations
from spherical_cnn.training import report
from spherical_cnn.training.checkpoints import load_checkpoint
from spherical_cnn.training.devices import Devices
from spherical_cnn.training.loop import fit
from spherical_cnn.training.metrics import confusion_counts, explain_short_run, worst_mistakes
from spherical_cnn.training.network import arrangement, points_model, record_format
from spherical_cnn.training.run import Run, load_run, new_run, open_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import log_to

logger = logging.getLogger("spherical_cnn")

# Numbers of mistakes in a report; of samples and rotations that measure the equivariance.
_MISTAKES, _SAMPLES, _ROTATIONS = 12, 16, 4


def train(options, dataset=None, split_file=None, workers=1, progress=lambda done, total: None):
    """Trains a run, or continues it; tests it and writes the report.

    Nothing is written before options, data, run folder and checkpoint have been checked.

    Args:
        options: dict of the given options of `RunConfig`; with `online`, the source of shapes that
            are cast or sampled during training, the other arguments say how. Otherwise data are
            TFRecords.
        dataset: dict of the given options of `DatasetConfig`, without resolution and copies.
        split_file: see `spherical_cnn.data.sources.find_shapes`.
        workers: number of processes that read shapes.
        progress: called with the number of shapes read and of all shapes.

    Returns:
        dict as in `metrics.json`: `val` is absent without validation, `train_time` is the mean
        number of seconds per epoch.

    Raises:
        ConfigError: if the options are invalid, or shapes are missing.
        RunError, RecordError, OSError: if the run folder or the data cannot be used.
    """
    if not options.get("online"):
        folder, config = open_run(options)
        return _train_and_test(folder, config, lambda: _tfrecord_data(config))

    from spherical_cnn.data.online import OnlineData, OnlineSource
    from spherical_cnn.data.point_data import PointData

    asked = RunConfig.from_dict({**options, "dset_dir": ""})
    dataset_config = DatasetConfig(**(dataset or {}), resolution=asked.input_res)
    splits = _splits(asked)
    if asked.up_channel == "on" and "so3" in map(dataset_config.rotation_of, splits):
        raise ConfigError("--up_channel on: for upright shapes, expected --rotation z")
    source = OnlineSource.find(asked.online, dataset_config, splits, split_file, workers)
    folder, config = open_run({**options, "dset_dir": "", "n_classes": len(source.found.classes)})
    if os.path.exists(folder.checkpoint("latest")) and not config.from_scratch:
        if folder.read_data() != source.description():
            raise RunError(
                f"{folder.path('data.json')}: belongs to a run on other shapes or signals. Give "
                "its options, another --logdir, or --from_scratch to remove it"
            )
    given = {
        "seed": config.seed,
        "drop_remainder": config.round_batches,
        "workers": workers,
        "progress": progress,
    }

    def make_data():
        if config.takes_points:
            return PointData(source, config.train_bsize, *arrangement(config), **given)
        return OnlineData(source, config.train_bsize, **given)

    return _train_and_test(folder, config, make_data, dataset_config.num_points)


def _tfrecord_data(config):
    from spherical_cnn.data.records.tfrecord_data import TFRecordData  # needs TensorFlow

    return TFRecordData(
        config.dset_dir,
        record_format(config),
        config.train_bsize,
        splits=["test"] if config.test_only else _splits(config),
        seed=config.seed,
        drop_remainder=config.round_batches,
        first_n=config.first_n,
    )


def evaluate(run: Run, batches: Batches):
    """Computes the accuracy of a run with restored weights.

    Returns:
        dict of JSON values: `test`, `test_loss`, `test_samples`, `confusion` (counts, true class
        by predicted class).

    Raises:
        RunError: if the loss is not finite.
    """
    given = batches.keras_input(run.model.output_names)
    results = run.model.evaluate(**given, return_dict=True, verbose=0)
    if not math.isfinite(results["loss"]):
        raise RunError(
            f"the loss on the test samples is {results['loss']}, expected a finite number: "
            "activations overflow. Train again with a lower --learning_rate, or check the "
            "samples: values of the order of 1 are expected"
        )
    confusion = confusion_counts(run.model)
    return {
        "test": float(results["logits_accuracy"]),
        "test_loss": float(results["loss"]),
        "test_samples": int(confusion.sum()),
        "confusion": confusion.tolist(),
    }


def _splits(config):
    return ["train", "test"] if config.skip_val else ["train", "val", "test"]


def _train_and_test(folder, config, make_data, num_points=1024):
    devices = Devices(config)  # first: several processes connect before anything is computed
    _prepare(config)
    if not config.test_only:
        importlib.import_module("matplotlib")  # of the report: missing, it fails before training
    run = new_run(folder, config, num_points)
    data = make_data()
    with contextlib.ExitStack() as stack:
        with devices.together(run.state["epoch"]):
            if devices.chief:
                folder.clear(unfinished_only=not config.from_scratch)
                stack.enter_context(log_to(folder))
                _begin(run, data)
            if not config.test_only:
                fit(run, data, devices)
        return _finish(run, data) if devices.chief else {}


def _begin(run, data):
    """Writes the files of a run that exist before its first epoch."""
    folder, config = run.folder, run.config
    logger.info(f"Running on {platform.node()}")
    logger.info(f"Options: {json.dumps(config.to_dict())}")
    if not config.test_only:
        folder.write_config(config)
        description = data.description()
        if description:
            folder.write("data.json", description)
    data.log()
    logger.info(f"Loading model {config.model}. Logdir {folder}")


def _finish(run, data):
    """Tests and reports a trained run; returns its metrics."""
    config = run.config
    run.state = load_checkpoint(run.folder.checkpoint("final"), run.model, weights_only=True)
    history = run.state["history"]
    logger.info("Start testing...")
    with data.errors():
        batches = data.batches("test", config.test_n or None)
        metrics = {
            "train": history[-1]["train_accuracy"],
            **({} if config.skip_val else {"val": history[-1]["valid_accuracy"]}),
            **evaluate(run, batches),
            "train_time": sum(row["seconds"] for row in history) / len(history),
            "epochs": run.state["epoch"],
        }
        if not config.test_only:
            errors = _equivariance(run, data)
            mistakes = worst_mistakes(run.model, batches, _MISTAKES)
            report.write_report(run, metrics, errors, mistakes)
    for line in report.result_table(config.name, metrics):
        logger.info(line, extra={"result": True})
    losses = history[-1].get("loss", math.inf), metrics["test_loss"]
    steps = int(run.model.optimizer.iterations)
    if hint := explain_short_run(run.model, steps, *losses, config.n_classes):
        logger.warning(hint)
    return metrics


def _equivariance(run, data):
    """Equivariance errors of the first test samples, rotated exactly."""
    if run.config.up_channel == "on":  # rotated shapes are not upright
        run = load_run(run.folder.root)
    angles = random_rotations(_ROTATIONS, np.random.default_rng(run.config.seed))
    batches = data.batches("test", -(-_SAMPLES // run.config.train_bsize))
    if run.config.takes_points:
        parts = [batch["signal"]["points"] for batch in batches]
        points = np.concatenate(parts)[:_SAMPLES]
        rotated = [points @ matrix.T.astype(points.dtype) for matrix in euler_to_matrix(angles)]
        return {"exact": measure(points_model(run), points, rotated, angles)}
    first = np.concatenate([batch["signal"] for batch in batches])[:_SAMPLES]
    signals, rotated = rotated_exactly(first, angles)
    return {"exact": measure(run.model, signals, rotated, angles)}


def _prepare(config):
    """Sets seeds, precision and determinism; lets the GPU allocate memory as needed."""
    keras.utils.set_random_seed(config.seed)
    set_tf32(config.tf32)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    for device in tf.config.list_physical_devices("GPU"):
        # Raises once the GPU is in use, such as in a second run of one process.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)
