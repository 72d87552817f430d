"""The training loop: train on one device or several, validate, record, epoch by epoch."""

from __future__ import annotations

import logging
import os
import time

import keras

from spherical_cnn.data.module import DataModule
from spherical_cnn.training import callbacks
from spherical_cnn.training.checkpoints import copy_variables, save_checkpoint
from spherical_cnn.training.devices import Devices
from spherical_cnn.training.metrics import confusion_counts
from spherical_cnn.training.network import compiled_model, points_model
from spherical_cnn.training.run import Run

logger = logging.getLogger("spherical_cnn")


def fit(run: Run, data: DataModule, devices: Devices):
    """Trains a run to its last epoch; the chief process writes checkpoints and `model.keras`.

    If a loss, a weight or an output is not finite, it raises `RunError`; checkpoints and history
    are those of the epoch before.
    """
    done = run.state["epoch"]
    if done >= run.config.n_epochs and os.path.exists(run.folder.checkpoint("final")):
        logger.info(f"Already trained for {done} epochs")
        return
    logger.info("Start training...")
    if done:
        logger.info(f"Continuing after epoch {done}")
    _fit_epochs(run, data, devices)
    if devices.chief:
        save_checkpoint(run, "final")
        _save_model(run)


def _fit_epochs(run, data, devices):
    """Calls Keras's `fit` once per epoch: the shards of the epochs may differ in size.

    Several devices train a copy of the model, whose variables are copied back after each epoch.
    """
    trained = run.model
    if devices.several:
        with devices.scope():
            trained = compiled_model(run.config, run.num_points, arranged=True)
            devices.prepare(trained)
            copy_variables(run.model, trained)
    tensorboard = callbacks.TensorBoard(run.folder.root) if devices.chief else None
    with data.errors():
        done = run.state["epoch"]
        for epoch in range(done, run.config.n_epochs):
            started = time.monotonic()
            logs = _train_epoch(trained, run.config, data, devices, epoch, epoch == done)
            if devices.several:
                copy_variables(trained, run.model)
            if tensorboard:
                logs |= _validate(run, data)
                callbacks.check_epoch(run, epoch, logs)
                callbacks.record_epoch(run, epoch, logs, time.monotonic() - started)
                counts = confusion_counts(trained if run.config.skip_val else run.model)
                tensorboard.write(run.state["history"][-1], logs, counts)


def _validate(run, data):
    """Returns the logs of a pass over the validation samples; empty without validation."""
    if run.config.skip_val:
        return {}
    batches = data.batches("val", run.config.first_n)
    given = batches.keras_input(run.model.output_names)
    found = run.model.evaluate(**given, return_dict=True, verbose=0)
    return {f"val_{name}": value for name, value in found.items()}


def _train_epoch(model, config, data, devices, epoch, first):
    """Trains for an epoch, the first of this process or a later one; returns its logs."""
    batches, samples = data.train(epoch, devices.share)
    given = batches.keras_input(model.output_names)
    with devices.scope():
        history = model.fit(
            **given,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.LearningRateScheduler(lambda index, _: config.rate(index)),
                callbacks.StopWhenNotFinite(config),
                callbacks.Progress(samples, config.train_bsize, config.n_epochs, first),
            ],
        ).history
    return {name: values[-1] for name, values in history.items()}


def _save_model(run):
    """Writes `model.keras`, without optimizer: Keras loads it wherever the layers are imported."""
    temporary = run.folder.path(".writing-model.keras")
    model = points_model(run)
    keras.Model(model.input, model.output, name=model.name).save(temporary)
    os.replace(temporary, run.folder.path("model.keras"))
